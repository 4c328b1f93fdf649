"""A proxy between relay and cameras that records when each picture went in, as a process.

    python -m tests.bench.tap CAMERA_PORT PORT...

Each PORT leads to the camera. The newest RTSP session of each is recorded, with media in the same
connection or, for a relay that asks for UDP (Janus), forwarded from a port of the proxy. Prints
``listening``; then one line of JSON for each line on standard input: for each PORT the pictures
since the last line, each with its RTP time, its bytes, and when its last packet was forwarded, in
ns since 1970.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

from tests.bench.receiver import Picture

_INTERLEAVED = 0x24
_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
_CLIENT_PORTS = re.compile(rb"client_port=(\d+)-(\d+)")
_CHUNK_BYTES = 262_144


class RtspObserver:
    """Reads what a camera says, without changing it."""

    def __init__(self) -> None:
        self.pictures: list[Picture] = []
        self._rest = bytearray()
        self._open: Picture | None = None

    def take(self, chunk: bytes, now_ns: int) -> None:
        """Note the pictures that end in *chunk* of a connection."""
        self._rest += chunk
        at = 0
        while (end := self._end(at)) <= len(self._rest):
            if self._rest[at] == _INTERLEAVED and self._rest[at + 1] == 0:
                self.packet(self._rest[at + 4 : end], now_ns)
            at = end
        del self._rest[:at]

    def _end(self, at: int) -> int:
        """Return where the packet or message at *at* ends; beyond all bytes if not known yet."""
        rest, unknown = self._rest, len(self._rest) + 1
        if len(rest) - at < 4:
            return unknown
        if rest[at] == _INTERLEAVED:
            return int(at + 4 + struct.unpack_from("!xxH", rest, at)[0])
        head_end = rest.find(b"\r\n\r\n", at)
        if head_end < 0:
            return unknown
        length = _LENGTH.search(rest, at, head_end)
        return head_end + 4 + (int(length[1]) if length else 0)

    def packet(self, packet: bytes | bytearray, now_ns: int) -> None:
        """Note one RTP packet."""
        second, rtp_time = struct.unpack_from("!xBxxI", packet)
        if self._open is None or self._open.rtp_time != rtp_time:
            self._open = Picture(rtp_time, 0, 0)
        self._open.size_bytes += len(packet) - 12
        if second & 0x80:
            self._open.done_ns = now_ns
            self.pictures.append(self._open)
            self._open = None


class Datagrams(asyncio.DatagramProtocol):
    """Passes media on to the relay's own port."""

    def __init__(self, port: int, watch: RtspObserver | None) -> None:
        self._to = ("127.0.0.1", port)
        self._watch = watch

    def connection_made(self, transport: Any) -> None:
        """Keep where to send."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002
        """Note and pass on."""
        if self._watch is not None:
            self._watch.packet(data, time.time_ns())
        self._transport.sendto(data, self._to)


class Session:
    """One connection of a relay, and the ports of ours that its media takes."""

    def __init__(self, watch: RtspObserver) -> None:
        self._watch = watch
        self._theirs = self._ours = b""

    async def up(self, chunk: bytes) -> bytes:
        """Return what to tell the camera instead of *chunk*."""
        asked = _CLIENT_PORTS.search(chunk)
        if asked is None:
            return chunk
        loop, ports = asyncio.get_running_loop(), []
        for port, watch in ((int(asked[1]), self._watch), (int(asked[2]), None)):
            transport, _ = await loop.create_datagram_endpoint(
                partial(Datagrams, port, watch), ("127.0.0.1", 0)
            )
            ports.append(transport.get_extra_info("sockname")[1])
        self._theirs = asked[0]
        self._ours = b"client_port=%d-%d" % tuple(ports)
        return chunk.replace(self._theirs, self._ours)

    async def down(self, chunk: bytes) -> bytes:
        """Return what to tell the relay instead of *chunk*, and note the pictures in it."""
        self._watch.take(chunk, time.time_ns())
        return chunk.replace(self._ours, self._theirs) if self._ours else chunk


async def _pass_on(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    change: Callable[[bytes], Awaitable[bytes]],
) -> None:
    with suppress(ConnectionError):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(await change(chunk))
            await writer.drain()
    writer.close()


async def main() -> None:
    """Serve until standard input ends."""
    camera, ports = int(sys.argv[1]), [int(each) for each in sys.argv[2:]]
    watches = {port: RtspObserver() for port in ports}

    async def serve(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection("127.0.0.1", camera)
        # Cameras wait for an acknowledgement before a small packet (Nagle's algorithm), and asyncio
        # turns that off: a relay that lets a camera wait would not show it.
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        watches[port] = RtspObserver()
        session = Session(watches[port])
        await asyncio.gather(
            _pass_on(reader, outer, session.up), _pass_on(inner, writer, session.down)
        )

    for port in ports:
        await asyncio.start_server(partial(serve, port), "127.0.0.1", port)
    print("listening", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        found = []
        for port in ports:
            taken, watches[port].pictures = watches[port].pictures, []
            found.append([(each.rtp_time, each.size_bytes, each.done_ns) for each in taken])
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
