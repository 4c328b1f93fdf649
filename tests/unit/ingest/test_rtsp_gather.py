"""A delimiter is not worth a wake-up; the end of a picture always is. Real sockets."""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Iterator

import pytest

from gateway.ingest.rtsp.gather import DELIMITER_BYTES, Gather


def rtp(payload: bytes, *, marker: bool) -> bytes:
    return struct.pack("!BBHII", 0x80, 0x80 * marker | 96, 1, 2, 3) + payload


def framed(packet: bytes) -> bytes:
    return struct.pack("!BBH", 0x24, 0, len(packet)) + packet


DELIMITER = rtp(b"\x09\xf0", marker=False)
MIDDLE = rtp(b"\x41" + bytes(500), marker=False)
LAST = rtp(b"\x41" + bytes(500), marker=True)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The camera's end and ours, over TCP."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        camera = socket.create_connection(server.getsockname())
        ours, _ = server.accept()
    with camera, ours:
        camera.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield camera, ours


def wakes(ours: socket.socket, timeout_s: float) -> bool:
    return bool(select.select([ours], [], [], timeout_s)[0])


def learned(ours: socket.socket) -> Gather:
    """Return one that has seen a delimiter by itself, then the end of its picture."""
    gather = Gather(ours)
    gather.read(len(framed(DELIMITER)), [DELIMITER], whole=True)
    gather.read(len(framed(LAST)), [LAST], whole=True)
    return gather


def test_between_pictures_a_delimiter_does_not_wake(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """It is read together with the picture that follows."""
    camera, ours = pair
    learned(ours)
    camera.sendall(framed(DELIMITER))
    assert not wakes(ours, 0.05)
    camera.sendall(framed(LAST))
    assert wakes(ours, 5)
    assert ours.recv(4096) == framed(DELIMITER) + framed(LAST)


def test_one_byte_more_than_a_delimiter_wakes(pair: tuple[socket.socket, socket.socket]) -> None:
    """The smallest picture, a report or a response is at least that long."""
    camera, ours = pair
    learned(ours)
    camera.sendall(bytes(DELIMITER_BYTES + 1))
    assert wakes(ours, 5)


def test_inside_a_picture_every_byte_wakes(pair: tuple[socket.socket, socket.socket]) -> None:
    """The tail of a picture may be a single byte."""
    camera, ours = pair
    learned(ours).read(len(framed(MIDDLE)), [MIDDLE], whole=True)
    camera.sendall(b"x")
    assert wakes(ours, 5)


def test_an_incomplete_packet_makes_every_byte_wake(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """A read that ends inside a packet ends inside a picture, whatever came before it."""
    camera, ours = pair
    learned(ours).read(2000, [LAST], whole=False)
    camera.sendall(b"x")
    assert wakes(ours, 5)


def test_the_end_of_the_connection_wakes(pair: tuple[socket.socket, socket.socket]) -> None:
    """A camera that hangs up is noticed at once."""
    camera, ours = pair
    learned(ours)
    camera.sendall(b"x")
    camera.close()
    assert wakes(ours, 5)


def test_a_camera_without_delimiters_is_left_alone(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """Two system calls a picture would be for nothing."""
    gather = Gather(pair[1])
    for packets in ([MIDDLE], [MIDDLE, LAST], [LAST]):
        gather.read(1000, packets, whole=True)
    assert gather.least_bytes == 1


def test_a_read_without_video_changes_nothing(pair: tuple[socket.socket, socket.socket]) -> None:
    """A report or a response says nothing about where the picture stands."""
    gather = learned(pair[1])
    gather.read(60, [], whole=True)
    assert gather.least_bytes == DELIMITER_BYTES + 1
