"""What the link does with its socket."""

from __future__ import annotations

import socket

from gateway.mqtt.client.socket import BufferedSocket

QUICKACK = (socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


class Noting(socket.socket):
    """A socket that notes which options are set on it."""

    noted: list[object]

    def setsockopt(self, *asked: object) -> None:
        self.noted.append(asked)
        super().setsockopt(*asked)  # type: ignore[call-overload]


def test_each_read_is_acknowledged_at_once() -> None:
    """A broker with Nagle's algorithm, as Mosquitto is, holds its next words back until then."""
    with socket.create_server(("127.0.0.1", 0)) as server, Noting() as near:
        near.noted = []
        near.connect(server.getsockname())
        far, _ = server.accept()
        line = BufferedSocket(near, lambda: 0.0)
        with far:
            for word in (b"one", b"two"):
                far.sendall(word)
                assert line.recv(3) == word
        assert line.recv(3) == b""

        assert near.noted == [QUICKACK] * 2
