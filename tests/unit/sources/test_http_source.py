"""Cameras over HTTP: streams, single pictures, logins, and every way to fail."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import suppress
from ipaddress import ip_network
from itertools import pairwise

import pytest
from aiohttp import web
from pydantic import SecretStr

from gateway.model.errors import GatewayError, PermanentError, SourceRefused
from gateway.model.media import VideoFormat
from gateway.model.reasons import Reason
from gateway.model.site_document import CameraConfig, StreamConfig
from gateway.ports import TimedSource
from gateway.rtp.codecs import coded_picture
from gateway.rtp.parameter_sets import parse_picture
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.runtime.clock import SystemClock
from gateway.sources import http_clock
from gateway.sources.http_client import MOST_HEADERS, MOST_LINE_BYTES
from gateway.sources.http_probe import probe_http
from gateway.sources.http_source import HttpSource
from gateway.sources.probe_steps import ProbeOptions, Step, StepFailed, StepTimer
from gateway.sources.registry import source_type, url_policy
from gateway.transcoding.capacity import Capacity
from tests.fixtures.clock import HANG_S
from tests.fixtures.coded_pictures import coded_pictures
from tests.fixtures.http_camera import (
    PASSWORD,
    USER,
    Handler,
    basic,
    digest,
    http_camera,
    raw_camera,
    stream_of,
)
from tests.fixtures.sinks import RecordingSink, watched

CLOCK = SystemClock()
JPEGS = coded_pictures("mjpeg", 4)
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Content-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\n\r\n"
MIXED = OK + b"Content-Type: multipart/x-mixed-replace; boundary=f\r\n\r\n"


def source(port: int, *, password: str | None = None, allow_basic: bool = False) -> HttpSource:
    stream = StreamConfig(url=f"http://127.0.0.1:{port}/a%2Fb?x=1", stall_s=2.0, snapshot_s=0.2)
    camera = CameraConfig(
        id="c1",
        name="http",
        username=None if password is None else USER,
        allow_basic=allow_basic,
        streams=(stream,),
    )
    made = source_type(stream.url).create(
        camera,
        stream,
        password=None if password is None else SecretStr(password),
        policy=url_policy((ip_network("127.0.0.0/8"),), (port,), opened=("http",)),
        login_limiter=LoginLimiter(CLOCK),
        payload_bytes=1180,
        clock=CLOCK,
        capacity=Capacity(4.0),
    )
    assert isinstance(made, HttpSource)
    return made


async def failure(port: int) -> GatewayError:
    """Return what ends the source at *port*."""
    with pytest.raises(GatewayError) as caught:
        await watched(source(port), 10_000_000)
    return caught.value


@pytest.mark.parametrize("sized", [True, False])
async def test_a_stream_of_pictures_comes_whole(sized: bool) -> None:
    """With lengths and without; each picture is a keyframe at the time at which it has come."""
    async with http_camera(stream_of(JPEGS, sized=sized)) as port:
        sink = await watched(source(port), 6)

    assert sink.video == VideoFormat("mjpeg")
    head = parse_picture("mjpeg", sink.units[0].payloads)
    assert head is not None
    assert (head.width, head.height) == (320, 240)
    assert all(unit.keyframe for unit in sink.units)
    assert all(later.time_90k > earlier.time_90k for earlier, later in pairwise(sink.units))
    assert coded_picture("mjpeg", sink.units[1].payloads)[-900:] == JPEGS[1][-900:]


async def test_a_single_picture_is_fetched_again_and_again() -> None:
    """On one connection, as long as the camera keeps it."""
    peers = set()

    async def handle(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return web.Response(body=JPEGS[0], content_type="image/jpeg")

    async with http_camera(handle) as port:
        pulled = source(port)
        sink = await watched(pulled, 3)

    assert len(sink.units) == 3
    assert len(peers) == 1
    assert pulled.counters.received_bytes >= 3 * len(JPEGS[0])


@pytest.mark.parametrize("kind", ["image/jpeg", "video/x-motion-jpeg", "text/plain", ""])
async def test_pictures_one_behind_the_other_are_a_stream(kind: str) -> None:
    """Whatever it is called."""
    head = OK + f"Content-Type: {kind}\r\n\r\n".encode()
    async with raw_camera(head + b"".join(JPEGS)) as port:
        sink = await watched(source(port), units=len(JPEGS))

    assert coded_picture("mjpeg", sink.units[1].payloads)[-900:] == JPEGS[1][-900:]


async def test_digest_is_answered_and_the_password_never_said() -> None:
    """By the path as it stands in the request, percent signs and query included."""
    seen: list[str] = []
    async with http_camera(digest(stream_of(JPEGS), seen)) as port:
        sink = await watched(source(port, password=PASSWORD), 6)

    assert sink.units
    assert all(each.startswith("Digest ") and PASSWORD not in each for each in seen)


async def test_a_wrong_password_is_told_and_tried_once() -> None:
    """The limiter of RTSP counts here as well."""
    seen: list[str] = []
    async with http_camera(digest(stream_of(JPEGS), seen)) as port:
        pulled = source(port, password="wrong")
        for _ in range(6):
            with pytest.raises(SourceRefused) as caught:
                await pulled.check()

    assert caught.value.reason is Reason.AUTH_FAILED
    assert len(seen) == 3


@pytest.mark.parametrize("allowed", [True, False])
async def test_basic_is_answered_only_where_it_is_allowed(allowed: bool) -> None:
    """Else nothing is sent."""
    seen: list[str] = []
    async with http_camera(basic(seen)) as port:
        with pytest.raises(SourceRefused) as caught:
            await source(port, password=PASSWORD, allow_basic=allowed).check()

    assert len(seen) == allowed
    assert caught.value.reason is (Reason.AUTH_FAILED if allowed else Reason.UNSUPPORTED_LOGIN)


async def test_no_redirect_is_followed() -> None:
    """Wherever it leads; the host is named."""
    asked: list[str] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        raise web.HTTPFound("http://169.254.169.254/latest/meta-data/")

    async with http_camera(handle) as port:
        error = await failure(port)

    assert error.reason is Reason.REDIRECT_REFUSED
    assert "169.254.169.254" in error.detail
    assert "meta-data" not in error.detail
    assert len(asked) == 1


def body_of(pictures: list[bytes]) -> bytes:
    """Return *pictures* as FFmpeg's mpjpeg muxer writes them."""
    parts = [
        b"Content-type: image/jpeg\r\nContent-length: %d\r\n\r\n%b\r\n--ffmpeg\r\n"
        % (len(each), each)
        for each in pictures
    ]
    return b"--ffmpeg\r\n" + b"".join(parts)


@pytest.mark.parametrize(
    "kind", ["application/octet-stream", "multipart/x-mixed-replace", "video/x-flv"]
)
async def test_a_stream_of_pictures_is_known_by_its_beginning(kind: str) -> None:
    """FFmpeg serves it as octet-stream; others forget the boundary."""

    async def handle(_request: web.Request) -> web.StreamResponse:
        return web.Response(headers={"Content-Type": kind}, body=body_of(JPEGS * 3))

    async with http_camera(handle) as port:
        sink = await watched(source(port), 6)

    assert sink.video == VideoFormat("mjpeg")
    assert coded_picture("mjpeg", sink.units[1].payloads)[-900:] == JPEGS[1][-900:]


async def test_a_single_picture_is_known_by_its_beginning() -> None:
    """And fetched again."""

    async def handle(_request: web.Request) -> web.StreamResponse:
        headers = {"Content-Type": "application/octet-stream"}
        return web.Response(headers=headers, body=JPEGS[0])

    async with http_camera(handle) as port:
        sink = await watched(source(port), 2)

    assert sink.video == VideoFormat("mjpeg")


DATE, DATE_S = "Sat, 28 Nov 2026 14:17:56 GMT", 1_795_875_476.0


@pytest.mark.parametrize("kind", ["image/jpeg", "multipart/x-mixed-replace; boundary=ffmpeg"])
async def test_the_camera_tells_its_time_in_the_head_of_its_answers(kind: str) -> None:
    """As RTSP cameras do, and as fresh as the newest answer."""

    async def handle(_request: web.Request) -> web.StreamResponse:
        body = body_of(JPEGS) if kind.startswith("multipart") else JPEGS[0]
        return web.Response(headers={"Content-Type": kind, "Date": DATE}, body=body)

    async with http_camera(handle) as port:
        pulled = source(port)
        assert isinstance(pulled, TimedSource)
        await watched(pulled, 2)

    assert pulled.clock_reading is not None
    assert pulled.clock_reading.unix_s == DATE_S


async def test_the_time_is_asked_again_while_one_answer_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a login; a camera that has put its clock right is not accused for days."""
    monkeypatch.setattr(http_clock, "CLOCK_EVERY_S", 0.1)
    asked: list[str] = []
    stream, again = stream_of(JPEGS), asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path != "/":
            return await stream(request)
        asked.append(request.headers.get("Authorization", ""))
        if len(asked) == 2:  # what the first has told is known
            again.set()
        return web.Response(status=401, headers={"Date": DATE, "WWW-Authenticate": "Digest x"})

    async with http_camera(handle) as port:
        pulled = source(port, password=PASSWORD)
        running = asyncio.create_task(pulled.run(RecordingSink()))
        async with asyncio.timeout(HANG_S):
            await again.wait()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    assert set(asked) == {""}
    assert pulled.clock_reading is not None
    assert pulled.clock_reading.unix_s == DATE_S


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (404, "text/html", Reason.NOT_FOUND),
        (503, "text/html", Reason.BUSY_SESSIONS),
        (403, "text/html", Reason.LOGIN_FORBIDDEN),
        (500, "text/html", Reason.REFUSED),
        (200, "text/html", Reason.NOT_FOUND),
        (200, "video/h264", Reason.UNSUPPORTED_CODEC),
        (200, "video/x-flv", Reason.CORRUPT),
        (200, "application/octet-stream", Reason.UNSUPPORTED_CODEC),
        (200, "multipart/x-mixed-replace", Reason.CORRUPT),
    ],
)
async def test_each_answer_has_its_reason(status: int, kind: str, reason: Reason) -> None:
    """As RTSP's answers have theirs."""

    async def handle(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Content-Type": kind}, body=b"x")

    async with http_camera(handle) as port:
        assert (await failure(port)).reason is reason


@pytest.mark.parametrize(
    ("answer", "endless", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"", Reason.CORRUPT),
        (OK + b"X: " + b"x" * (2 * MOST_LINE_BYTES) + b"\r\n\r\n", b"", Reason.CORRUPT),
        (OK + b"X: y\r\n" * (2 * MOST_HEADERS) + b"\r\n", b"", Reason.CORRUPT),
        (OK, b"X: y\r\n", Reason.CORRUPT),
        (MIXED, bytes(65_536), Reason.CORRUPT),
        (MIXED + b"--f\r\n\r\n", bytes(65_536), Reason.CORRUPT),
        (MIXED, b"--f\r\n\r\nno picture\r\n", Reason.CORRUPT),
        (MIXED, b"--f\r\nContent-Length: 4\r\n\r\n\xff\xd8\xff\xd9\r\n", Reason.CORRUPT),
        (OK + b"Content-Type: image/jpeg\r\n\r\n", bytes(65_536), Reason.CORRUPT),
        (
            OK + b"Content-Type: image/jpeg\r\nContent-Length: 99999999999\r\n\r\n",
            bytes(65_536),
            Reason.CORRUPT,
        ),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, Reason.ABUSIVE),
        (CHUNKED, b"1\r\n\0\r\n" * 1_000, Reason.ABUSIVE),
        (MIXED, b"", Reason.STALLED),
        (MIXED + b"--f\r\n\r\n" + JPEGS[0][:50], b"", Reason.STALLED),
    ],
    ids=[
        *("ssh", "long header", "many headers", "endless headers", "no delimiter", "endless part"),
        *("no jpegs", "empty jpegs", "endless file", "giant file"),
        *("endless interim answers", "tiny chunks", "silent", "silent within"),
    ],
)
async def test_each_hostile_camera_is_cut_off(
    answer: bytes, endless: bytes, reason: Reason
) -> None:
    """By the true cause."""
    async with raw_camera(answer, endless=endless) as port:
        assert (await failure(port)).reason is reason


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "Bad status line"),
        (OK + b"Content-Length: -1\r\n\r\n", "Invalid character in Content-Length"),
        (OK + b"Content-Length: 9\r\nContent-Length: 9\r\n\r\n", "Duplicate Content-Length"),
        (OK + b"user=u&password=secret\r\n\r\n", "Invalid header token"),
        (OK + b"X: y\r\n" * (2 * MOST_HEADERS) + b"\r\n", "Too many headers received"),
    ],
    ids=["other protocol", "length", "two lengths", "no field", "fields"],
)
async def test_what_is_wrong_with_an_answer_is_told(answer: bytes, said: str) -> None:
    """In words, and without the answer itself."""
    async with raw_camera(answer) as port:
        error = await failure(port)

    assert error.detail.endswith(f"does not speak HTTP as it should: {said}")


async def test_too_many_pictures_are_abusive() -> None:
    """As many as fit into the line; those of a camera are far fewer."""
    tiny = JPEGS[0]
    part = b"--f\r\nContent-Length: " + str(len(tiny)).encode() + b"\r\n\r\n" + tiny + b"\r\n"
    async with raw_camera(MIXED, endless=part * 100) as port:
        error = await failure(port)

    assert error.reason is Reason.ABUSIVE


async def test_a_stream_that_ends_is_told() -> None:
    """In order; it is asked again."""
    body = b"--f\r\n\r\n" + JPEGS[0] + b"\r\n--f--\r\n"
    head = MIXED.replace(
        b"\r\n\r\n", b"\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n"
    )
    async with raw_camera(head + body) as port:
        error = await failure(port)

    assert error.reason is Reason.SOURCE_ENDED
    assert not isinstance(error, PermanentError)


async def test_nothing_listens() -> None:
    """It is told as for RTSP."""
    async with raw_camera(b"") as port:
        pass

    assert (await failure(port)).reason is Reason.REFUSED


def test_http_is_closed_by_default() -> None:
    """Scheme and port; the settings open them."""
    networks = (ip_network("10.0.0.0/8"),)
    closed = url_policy(networks).check("http://10.0.0.1/x")
    opened = url_policy(networks, opened=("http",))

    assert closed is not None
    assert closed.code == "url.scheme"
    assert opened.check("http://10.0.0.1/x") is None
    assert opened.check("https://10.0.0.1/x") is not None
    other_port = opened.check("http://10.0.0.1:8080/x")
    assert other_port is not None
    assert other_port.code == "url.port"


async def probed(handler: Handler, password: str | None = None) -> list[Step]:
    options = ProbeOptions(
        None if password is None else USER,
        None if password is None else SecretStr(password),
        False,
        "auto",
        5.0,
        CLOCK,
    )
    async with http_camera(handler) as port:
        policy = url_policy((ip_network("127.0.0.0/8"),), (port,), opened=("http",))
        target = await policy.resolve(f"http://127.0.0.1:{port}/x")
        return [step async for step in probe_http(target, options, StepTimer(CLOCK))]


async def test_the_probe_tells_what_there_is() -> None:
    """Login, kind, size, rate."""
    steps = {step.name: step for step in await probed(digest(stream_of(JPEGS), []), PASSWORD)}

    assert all(step.ok for step in steps.values())
    assert steps["authentication"].fact == "login accepted"
    assert steps["setup"].fact == "a stream of pictures, multipart/x-mixed-replace"
    assert steps["codec"].fact == "JPEG Baseline, 320x240; always transcoded"


async def test_the_probe_tells_what_is_wrong() -> None:
    """A login that is missing is the login's step."""
    with pytest.raises(StepFailed) as caught:
        await probed(digest(stream_of(JPEGS), []))

    assert caught.value.name == "authentication"


def test_nothing_of_it_is_loaded_where_no_camera_is_asked() -> None:
    """The library takes 8 MB of each gateway, and few have such a camera."""
    program = "import sys, gateway.app.compose; print('aiohttp' in sys.modules)"

    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert ended.stdout == "False\n"
