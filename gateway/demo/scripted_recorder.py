"""A recorder that tells of its channels over HTTP as Hikvision's (ISAPI) or Dahua's (CGI) do.

Its video, if it has any, is that of virtual cameras behind one RTSP port. It counts logins, locks
callers out, and can be slow, lead elsewhere or answer with whatever it is told to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Literal, Self
from xml.sax.saxutils import escape

from aiohttp import web
from pydantic import SecretStr

from gateway.demo.auth import Account, Authenticator
from gateway.demo.encoder import EncoderSettings, record
from gateway.demo.rtsp_server import Recorder
from gateway.demo.virtual_camera import Behaviour, VirtualCamera
from gateway.runtime.tcp_server import close_server

Style = Literal["isapi", "dahua"]
OnRefusal = Literal["say", "never_answer", "hang_up"]

ACCOUNT = Account("admin", SecretStr("Abc@123:xem/kenh"), realm="IP Camera(D8217)")
"""A password as they are in use, with characters that a URL would not take."""

LOCK_AFTER = 5
_XML = "http://www.hikvision.com/ver20/XMLSchema"


@dataclass(slots=True)
class RecorderCounts:
    """What a recorder has seen.

    Attributes:
        requests: Paths, in order, without query.
        logins: Times that somebody logged in: answers to a challenge, not requests.
        refused: Of those, with a wrong user or password.
        peak: Most requests that were in work at once.
        sent_bytes: Of answers that have no end.
    """

    requests: list[str] = field(default_factory=list)
    logins: int = 0
    refused: int = 0
    peak: int = 0
    sent_bytes: int = 0


class ScriptedRecorder:
    """Serves one recorder until left.

    Args:
        style: Whose interface it has.
        channels: How many inputs.
        unplugged: Numbers of inputs without a camera.
        names: Of channels by number; the others are called as the maker does.
        host: Address that it listens at.
        http_port: 0 takes a free one.
        rtsp_port: Likewise.
        account: Who may ask; None: everybody.
        video: Whether it has streams: `cameras_of` its channels.
        zone_h: Of its clock, which is right: 7 in Viet Nam, 8 from the factory.
        silent: Whether it accepts connections and never answers.
        on_refusal: What it does about a wrong login, which it counts: says so, never answers, or
            hangs up.
        redirect: Where it sends every request; empty: nowhere.
        answers: Bodies by path, instead of its own; None: one without end.

    Attributes:
        counts: What it has seen.
        was_refused: Set once somebody has come with a wrong login.
        http_port: Where it listens.
        rtsp: Its streams; None: it has none.
    """

    def __init__(
        self,
        style: Style = "isapi",
        *,
        channels: int = 16,
        unplugged: Sequence[int] = (5, 12),
        names: Mapping[int, str] | None = None,
        host: str = "127.0.0.1",
        http_port: int = 0,
        rtsp_port: int = 0,
        account: Account | None = ACCOUNT,
        video: bool = False,
        zone_h: int = 7,
        silent: bool = False,
        on_refusal: OnRefusal = "say",
        redirect: str = "",
        answers: Mapping[str, bytes | None] | None = None,
    ) -> None:
        self.style = style
        self.host = host
        self.http_port = http_port
        self.numbers = range(1, channels + 1)
        self.unplugged = frozenset(unplugged)
        self.names = dict(names or {})
        if style == "dahua" and account is not None:
            account = replace(account, realm="Login to 3C0A1B2C3D4E5F60")
        self.account = account
        self.counts = RecorderCounts()
        self.was_refused = asyncio.Event()
        self.rtsp: Recorder | None = None
        if video:
            cameras = cameras_of(style, self.numbers, account)
            self.rtsp = Recorder(cameras, host=host, port=rtsp_port)
        self._authenticator = Authenticator(account) if account is not None else None
        self._nonces: set[str] = set()
        self._zone = timezone(timedelta(hours=zone_h))
        self._silent = silent
        self._on_refusal = on_refusal
        self._redirect = redirect
        self._answers = dict(answers or {})
        self._at_once = 0
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        assert runner.server is not None
        server = await asyncio.get_running_loop().create_server(
            runner.server, self.host, self.http_port
        )
        self._stack.push_async_callback(close_server, server)
        self.http_port = server.sockets[0].getsockname()[1]
        if self.rtsp is not None:
            await self._stack.enter_async_context(self.rtsp)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def ports(self) -> tuple[int, ...]:
        """Where it listens: RTSP, if it has streams, and HTTP."""
        return (*((self.rtsp.port,) if self.rtsp is not None else ()), self.http_port)

    @property
    def locked(self) -> bool:
        """Whether nobody may log in any more."""
        return self.counts.refused >= LOCK_AFTER

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.counts.requests.append(request.path)
        self._at_once += 1
        self.counts.peak = max(self.counts.peak, self._at_once)
        try:
            return await self._answer(request)
        finally:
            self._at_once -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self._silent:
            await asyncio.Event().wait()
        if self._redirect:
            return web.Response(status=302, headers={"Location": self._redirect})
        body = self._page(request)
        if request.path in self._answers:
            given = self._answers[request.path]
            if given is None:
                return await self._endless(request)
            body = given
        if body is None:
            return web.Response(status=404)
        if (refusal := self._refusal(request)) is not None:
            if "Authorization" in request.headers:
                await self._before_refusal(request)
            return refusal
        kind = "application/xml" if self.style == "isapi" else "text/plain"
        return web.Response(body=body, content_type=kind, headers={"Server": "App-webs/"})

    async def _before_refusal(self, request: web.Request) -> None:
        """Do what it does about a wrong login; return if it says so."""
        if self._on_refusal == "hang_up" and request.transport is not None:
            request.transport.abort()
        if self._on_refusal != "say":
            await asyncio.Event().wait()

    def _refusal(self, request: web.Request) -> web.Response | None:
        if self._authenticator is None:
            return None
        said = request.headers.get("Authorization", "")
        verdict = self._authenticator.check(request.method, said) if said else "none"
        nonce = said.partition('nonce="')[2].partition('"')[0]
        if verdict in ("ok", "wrong") and (nonce not in self._nonces or verdict == "wrong"):
            self._nonces.add(nonce)
            self.counts.logins += 1
        if verdict == "ok" and not self.locked:
            return None
        if verdict == "wrong":
            self.counts.refused += 1
            self.was_refused.set()
        state = "lock" if self.locked else "unlock"
        body = f'<userCheck xmlns="{_XML}"><statusValue>401</statusValue><lockStatus>{state}'
        answer = web.Response(status=401, text=f"{body}</lockStatus></userCheck>")
        for challenge in self._authenticator.challenges(stale=verdict == "stale"):
            answer.headers.add("WWW-Authenticate", challenge)
        return answer

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_type = "application/xml"
        await response.prepare(request)
        piece = b"<a>" + b" " * 65_533
        try:
            while True:
                await response.write(piece)
                self.counts.sent_bytes += len(piece)
        except ConnectionError:
            return response

    def _page(self, request: web.Request) -> bytes | None:
        page = self._isapi(request.path) if self.style == "isapi" else self._dahua(request)
        return None if page is None else page.encode()

    def _name(self, number: int) -> str:
        usual = f"Camera {number:02}" if self.style == "isapi" else f"CAM{number}"
        return self.names.get(number, usual)

    # Hikvision

    def _isapi(self, path: str) -> str | None:
        return {
            "/ISAPI/System/deviceInfo": self._device_info,
            "/ISAPI/System/time": self._time,
            "/ISAPI/Streaming/channels": self._streams,
            "/ISAPI/System/Video/inputs/channels": self._inputs,
        }.get(path, lambda: None)()

    def _device_info(self) -> str:
        return (
            f'<?xml version="1.0" encoding="UTF-8"?><DeviceInfo version="2.0" xmlns="{_XML}">'
            "<deviceName>Đầu ghi một cửa</deviceName><model>DS-7216HQHI-K1</model>"
            "<serialNumber>DS-7216HQHI-K11620190101CCWRC00000000WCVU</serialNumber>"
            "<macAddress>44:19:b6:00:00:01</macAddress><firmwareVersion>V4.30.085</firmwareVersion>"
            "<firmwareReleasedDate>build 210312</firmwareReleasedDate><deviceType>DVR</deviceType>"
            "</DeviceInfo>"
        )

    def _time(self) -> str:
        shown = datetime.now(self._zone)
        return (
            f'<Time xmlns="{_XML}"><timeMode>manual</timeMode><localTime>'
            f"{shown.isoformat(timespec='seconds')}</localTime></Time>"
        )

    def _streams(self) -> str:
        listed = "".join(
            self._isapi_stream(number, nth) for number in self.numbers for nth in (1, 2)
        )
        return f'<StreamingChannelList xmlns="{_XML}">{listed}</StreamingChannelList>'

    def _isapi_stream(self, number: int, nth: int) -> str:
        codec, width, height, kbps = (
            ("H.265", 1920, 1080, 4096) if nth == 1 else ("H.264", 640, 360, 512)
        )
        return (
            f"<StreamingChannel><id>{number}{nth:02}</id><channelName>{escape(self._name(number))}"
            "</channelName><enabled>true</enabled><Video><enabled>true</enabled>"
            f"<videoInputChannelID>{number}</videoInputChannelID>"
            f"<videoCodecType>{codec}</videoCodecType>"
            f"<videoResolutionWidth>{width}</videoResolutionWidth>"
            f"<videoResolutionHeight>{height}</videoResolutionHeight>"
            "<videoQualityControlType>VBR</videoQualityControlType>"
            f"<vbrUpperCap>{kbps}</vbrUpperCap><maxFrameRate>2500</maxFrameRate>"
            "<GovLength>50</GovLength><SmartCodec><enabled>true</enabled></SmartCodec>"
            "</Video></StreamingChannel>"
        )

    def _inputs(self) -> str:
        listed = "".join(
            f"<VideoInputChannel><id>{number}</id><inputPort>{number}</inputPort>"
            f"<videoInputEnabled>true</videoInputEnabled><name>{escape(self._name(number))}</name>"
            f"<videoFormat>PAL</videoFormat><resDesc>"
            f"{'NO VIDEO' if number in self.unplugged else ' 1920*1080(HD1080P)P25'}"
            "</resDesc></VideoInputChannel>"
            for number in self.numbers
        )
        return f'<VideoInputChannelList xmlns="{_XML}">{listed}</VideoInputChannelList>'

    # Dahua

    def _dahua(self, request: web.Request) -> str | None:
        program = request.path.removeprefix("/cgi-bin/").removesuffix(".cgi")
        action, name = request.query.get("action", ""), request.query.get("name", "")
        if program == "magicBox":
            return {
                "getDeviceType": "type=DH-XVR5116HS-I3\r\n",
                "getDeviceClass": "class=HCVR\r\n",
                "getSoftwareVersion": "version=4.001.0000000.0,build:2021-06-01\r\n",
                "getVendor": "vendor=KBVision\r\n",
            }.get(action)
        if program == "global":
            return f"result={datetime.now(self._zone):%Y-%m-%d %H:%M:%S}\r\n"
        if program == "eventManager":
            lost = sorted(number - 1 for number in self.unplugged)
            lines = [f"channels[{index}]={number}" for index, number in enumerate(lost)]
            return "\r\n".join(lines or ["Error: No Events"]) + "\r\n"
        if program == "configManager":
            lines = self._encode() if name == "Encode" else self._titles()
            return "\r\n".join(lines) + "\r\n"
        return None

    def _titles(self) -> list[str]:
        return [
            f"table.ChannelTitle[{number - 1}].Name={self._name(number)}" for number in self.numbers
        ]

    def _encode(self) -> list[str]:
        formats = (
            ("MainFormat[0]", "H.265", 1920, 1080, 4096),
            ("ExtraFormat[0]", "H.264", 704, 576, 512),
        )
        return [
            f"table.Encode[{number - 1}].{name}.{key}={value}"
            for number in self.numbers
            for name, codec, width, height, kbps in formats
            for key, value in (
                ("Video.BitRate", kbps),
                ("Video.BitRateControl", "CBR"),
                ("Video.Compression", codec),
                ("Video.FPS", 25),
                ("Video.GOP", 50),
                ("Video.Height", height),
                ("Video.Width", width),
                ("VideoEnable", "true"),
            )
        ]


def cameras_of(
    style: Style, numbers: Sequence[int], account: Account | None
) -> tuple[VirtualCamera, ...]:
    """Return the streams of the channels *numbers*: one recording for each profile."""
    paths = {
        "isapi": ("/Streaming/Channels/{n}01", "/Streaming/Channels/{n}02"),
        "dahua": (
            "/cam/realmonitor?channel={n}&subtype=0",
            "/cam/realmonitor?channel={n}&subtype=1",
        ),
    }[style]
    footage = [
        record("", EncoderSettings(width=width, height=height, fps=10, gop_s=0.6))
        for width, height in ((640, 360), (320, 180))
    ]
    return tuple(
        VirtualCamera(
            f"Kênh {number}",
            pictures,
            path=path.format(n=number),
            account=account,
            behaviour=Behaviour(join="next_keyframe"),
        )
        for number in numbers
        for path, pictures in zip(paths, footage, strict=True)
    )
