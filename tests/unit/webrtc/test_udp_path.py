"""What the kernel says of the port of a path."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.webrtc.udp_path import UdpPath


class Transport:
    """What a path needs of asyncio's."""

    def __init__(self, near: socket.socket | None) -> None:
        self._near = near

    def get_extra_info(self, name: str) -> Any:
        return self._near if name == "socket" else None


@pytest.fixture
def near() -> Iterator[socket.socket]:
    """Our port, from which nobody reads."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        yield made


def test_what_the_kernel_drops_at_a_full_port_is_known(near: socket.socket) -> None:
    """Each datagram that did not fit; nothing before."""
    path = UdpPath(Transport(near), ("127.0.0.1", 9))
    before = path.inbound_overflows()
    near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)

    for _ in range(100):
        near.sendto(bytes(1_000), near.getsockname())

    assert (before, path.inbound_overflows() > 50) == (0, True)
    path.close()


def test_of_a_port_that_is_not_ours_nothing_is_known() -> None:
    """Over TURN the server's kernel drops."""
    assert UdpPath(Transport(None), ("127.0.0.1", 9)).inbound_overflows() == 0
