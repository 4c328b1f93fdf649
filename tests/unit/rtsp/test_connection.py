"""The TCP connection to a camera. Real sockets."""

from __future__ import annotations

import asyncio
import socket
import struct

from gateway.rtsp.connection import RtspConnection


def framed(payload: bytes, *, marker: bool) -> bytes:
    packet = struct.pack("!BBHII", 0x80, 0x80 * marker | 96, 1, 2, 3) + payload
    return struct.pack("!BBH", 0x24, 0, len(packet)) + packet


DELIMITER = framed(b"\x09\xf0", marker=False)
PICTURE = framed(b"\x41" + bytes(500), marker=True)


async def test_a_delimiter_between_pictures_is_read_at_once() -> None:
    """While it is not, a camera with Nagle's algorithm (TCP's default) holds the picture back.

    40 ms long, until the kernel acknowledges by itself.
    """
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        address = server.getsockname()
        _, connection = await loop.create_connection(lambda: RtspConnection("camera"), *address)
        camera, _ = await loop.sock_accept(server)
    read: asyncio.Queue[list[bytes]] = asyncio.Queue()
    connection.on_rtp = read.put_nowait
    connection.parser.set_channels(0, 1, 96)
    with camera:
        for _ in range(3):
            await loop.sock_sendall(camera, DELIMITER)
            assert await read.get() == [DELIMITER[4:]]
            await loop.sock_sendall(camera, PICTURE)
            assert await read.get() == [PICTURE[4:]]
        await connection.abort()
