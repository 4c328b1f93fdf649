"""A camera that answers as the test says: real sockets, scripted words."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from gateway.rtsp.auth import Login
from gateway.rtsp.client import RtspClient
from gateway.rtsp.login import Account
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.runtime.clock import SystemClock
from gateway.runtime.url_policy import Target, UrlPolicy
from gateway.sources.registry import url_policy
from tests.fixtures.clock import HANG_S
from tests.fixtures.tcp import tcp_server

CLOCK = SystemClock()
SDP = (
    "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=x\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\n"
    "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:trackID=1\r\n"
)


@dataclass(frozen=True, slots=True)
class Request:
    """What the client has sent."""

    method: str
    url: str
    headers: dict[str, str]
    connection: int

    def answer(self, status: int = 200, body: str = "", **headers: str) -> bytes:
        """Return an answer to this request; underscores in names become hyphens."""
        lines = [f"RTSP/1.0 {status} Said", f"CSeq: {self.headers['CSeq']}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", body]).encode()


def willing(request: Request) -> bytes:
    """Answer as a camera that is content with everything."""
    match request.method:
        case "OPTIONS":
            return request.answer(Public="OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER")
        case "DESCRIBE":
            return request.answer(body=SDP, Content_Type="application/sdp")
        case "SETUP":
            transport = "RTP/AVP/TCP;unicast;interleaved=0-1"
            return request.answer(Session="abc;timeout=60", Transport=transport)
        case _:
            return request.answer(Session="abc")


Script = Callable[[Request], bytes | None]
Raw = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Camera:
    """A running scripted camera."""

    port: int = 0
    scheme: Literal["rtsp", "rtsps"] = "rtsp"
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    played: asyncio.Event = field(default_factory=asyncio.Event)
    received: bytearray = field(default_factory=bytearray)

    @property
    def methods(self) -> list[str]:
        return [request.method for request in self.requests]

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/live"

    @property
    def target(self) -> Target:
        return Target(self.scheme, "127.0.0.1", "127.0.0.1", self.port, "/live", self.url, 554)

    @property
    def policy(self) -> UrlPolicy:
        return url_policy((ip_network("127.0.0.0/8"),), (self.port,))

    def client(
        self,
        login: Login | None = None,
        answer_s: float = HANG_S,
        tls: ssl.SSLContext | None = None,
    ) -> RtspClient:
        account = Account("dev", login, LoginLimiter(CLOCK))
        return RtspClient(self.target, account=account, clock=CLOCK, tls=tls, answer_s=answer_s)

    def talk(self, script: Script) -> Raw:
        """Return what answers by *script* until it hangs up."""
        number = self.connections

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while request := await read_request(reader, number, self):
                self.requests.append(request)
                answer = script(request)
                if answer == b"":
                    return
                if answer is not None:
                    writer.write(answer)
                if request.method == "PLAY":
                    self.played.set()

        return talk

    def send(self, packet: bytes, channel: int = 0) -> None:
        self.writers[-1].write(struct.pack("!cBH", b"$", channel, len(packet)) + packet)


def packet(seq: int, time: int = 0, marker: bool = True, nal: bytes = b"\x65\x88") -> bytes:
    """Return an RTP packet of payload type 96."""
    return struct.pack("!BBHII", 0x80, 96 | marker << 7, seq, time, 7) + nal


@asynccontextmanager
async def camera(
    script: Script = willing, *, raw: Raw | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Camera]:
    """Run a camera on a free port. *script* returns None to say nothing, b"" to hang up."""
    made = Camera(scheme="rtsps" if tls else "rtsp")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.connections += 1
        made.writers.append(writer)
        try:
            await (raw or made.talk(script))(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async with tcp_server(serve, tls=tls) as made.port:
        yield made


async def read_request(
    reader: asyncio.StreamReader, connection: int, made: Camera
) -> Request | None:
    """Return the next request, or None at the end; interleaved RTCP is kept in `received`."""
    first = await reader.read(1)
    while first == b"$":
        head = await reader.readexactly(3)
        made.received += await reader.readexactly(int.from_bytes(head[1:], "big"))
        first = await reader.read(1)
    if not first:
        return None
    head = first + await reader.readuntil(b"\r\n\r\n")
    start, *lines = head.decode().strip().split("\r\n")
    method, url, _ = start.split(" ")
    return Request(method, url, dict(line.split(": ", 1) for line in lines), connection)


async def opened(client: RtspClient) -> None:
    """Take *client* through the steps up to SETUP."""
    await client.connect()
    await client.options()
    await client.setup(await client.describe())


LOGIN = Login("u", SecretStr("canary-pw-31"))


def self_signed(name: str, certificate: Path, key: Path) -> None:
    """Write a certificate of *name*, as a camera makes it for itself, and its key."""
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
