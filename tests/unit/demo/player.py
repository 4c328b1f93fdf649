"""An RTSP client of a few lines, that sees every byte a virtual camera sends."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gateway.demo.rtsp_server import Recorder
from gateway.rtp.packet import Packet, parse_packet
from tests.fixtures.camera import ACCOUNT
from tests.fixtures.clock import HANG_S

TCP = "RTP/AVP/TCP;unicast;interleaved=0-1"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


class Player:
    """Speaks RTSP with Digest MD5 to the first camera of *recorder*."""

    def __init__(
        self, recorder: Recorder, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader, self._writer = reader, writer
        self.url = recorder.url()
        self.session = ""
        self.challenge = ""
        self.reports = 0
        self._cseq = 0

    async def ask(self, method: str, url: str = "", **headers: str) -> Reply:
        """Send a request and return its reply, skipping media."""
        await self.send(method, url, **headers)
        while True:
            first = await self._reader.readexactly(1)
            if first != b"$":
                return await self._reply(first)
            await self._packet()

    async def send(self, method: str, url: str = "", **headers: str) -> None:
        """Send a request."""
        self._cseq += 1
        url = url or self.url
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self._cseq}"]
        lines += [f"{name.title()}: {setting}" for name, setting in headers.items()]
        if self.session:
            lines.append(f"Session: {self.session}")
        if self.challenge:
            lines.append(f"Authorization: {self._authorization(method, url)}")
        self._writer.write("\r\n".join([*lines, "", ""]).encode())
        await self._writer.drain()

    async def login(self) -> Reply:
        """DESCRIBE, with the password if it is asked for."""
        reply = await self.ask("DESCRIBE")
        if reply.status == 401:
            self.challenge = reply.headers["www-authenticate"]
            reply = await self.ask("DESCRIBE")
        return reply

    async def play(self) -> Reply:
        """Everything up to PLAY; return the reply to it."""
        await self.login()
        setup = await self.ask("SETUP", f"{self.url}/trackID=1", transport=TCP)
        assert setup.status == 200, setup
        self.session = setup.headers["session"].split(";")[0]
        return await self.ask("PLAY")

    async def packets(self, count: int) -> list[Packet]:
        """Return the next *count* RTP packets."""
        taken: list[Packet] = []
        while len(taken) < count:
            assert await self._reader.readexactly(1) == b"$", "not interleaved"
            channel, packet = await self._packet()
            if channel == 0:
                taken.append(parse_packet(packet))
        return taken

    async def pictures(self, count: int) -> list[list[Packet]]:
        """Return the packets of the next *count* pictures, told apart by their timestamps."""
        pictures: list[list[Packet]] = []
        while len(pictures) <= count:
            (packet,) = await self.packets(1)
            if not pictures or pictures[-1][0].time != packet.time:
                pictures.append([])
            pictures[-1].append(packet)
        return pictures[:count]

    async def rest(self, size_bytes: int) -> bytes:
        """Return up to *size_bytes* of what comes, or less if the camera hangs up."""
        return await self._reader.read(size_bytes)

    async def _packet(self) -> tuple[int, bytes]:
        head = await self._reader.readexactly(3)
        packet = await self._reader.readexactly(int.from_bytes(head[1:], "big"))
        self.reports += head[0] == 1
        return head[0], packet

    async def _reply(self, first: bytes) -> Reply:
        head = (first + await self._reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head.strip().split("\r\n")
        headers = {}
        for line in lines:
            name, _, setting = line.partition(": ")
            headers[name.lower()] = setting
        body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        return Reply(int(status.split()[1]), headers, body)

    def _authorization(self, method: str, url: str) -> str:
        fields = dict(re.findall(r'(\w+)="([^"]*)"', self.challenge))

        def md5(text: str) -> str:
            return hashlib.md5(text.encode()).hexdigest()

        password = ACCOUNT.password.get_secret_value()
        secret = md5(f"{ACCOUNT.username}:{fields['realm']}:{password}")
        middle = f"{fields['nonce']}:00000001:abc:auth"
        response = md5(f"{secret}:{middle}:{md5(f'{method}:{url}')}")
        return (
            f'Digest username="{ACCOUNT.username}", realm="{fields["realm"]}", '
            f'nonce="{fields["nonce"]}", uri="{url}", response="{response}", '
            'qop=auth, nc=00000001, cnonce="abc", algorithm=MD5'
        )


@asynccontextmanager
async def player(recorder: Recorder) -> AsyncIterator[Player]:
    """A connected player; it hangs up at the end without TEARDOWN."""
    async with asyncio.timeout(HANG_S):
        reader, writer = await asyncio.open_connection(recorder.host, recorder.port)
        try:
            yield Player(recorder, reader, writer)
        finally:
            writer.close()
