"""Containers over HTTP: by their type, by their bytes, and every way to fail."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from gateway.demuxing.messages import ContainerFormat
from gateway.model.errors import GatewayError
from gateway.model.reasons import Reason
from gateway.model.site_document import CameraConfig, StreamConfig
from gateway.ports import Source
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.runtime.clock import SystemClock
from gateway.sources.http_container import SNIFFED_BYTES, sniff
from gateway.sources.http_probe import probe_http
from gateway.sources.probe_steps import ProbeOptions, Step, StepTimer
from gateway.sources.registry import source_type, url_policy
from gateway.transcoding.capacity import Capacity
from tests.fixtures.broker import Authority
from tests.fixtures.clock import HANG_S
from tests.fixtures.containers import container, flv, sound
from tests.fixtures.http_camera import Handler, http_camera
from tests.fixtures.sinks import RecordingSink, watched

CLOCK = SystemClock()


def source(port: int, scheme: str = "http", **more: float) -> Source:
    stream = StreamConfig(url=f"{scheme}://127.0.0.1:{port}/live.flv", **more)
    return source_type(stream.url).create(
        CameraConfig(id="c1", name="http", streams=(stream,)),
        stream,
        password=None,
        policy=url_policy((ip_network("127.0.0.0/8"),), (port,), opened=(scheme,)),
        login_limiter=LoginLimiter(CLOCK),
        payload_bytes=1_180,
        clock=CLOCK,
        capacity=Capacity(4.0),
    )


def sending(data: bytes, content_type: str, *, endless: bool = True) -> Handler:
    """Return a handler that sends *data* in small pieces, and then nothing."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": content_type})
        await response.prepare(request)
        with suppress(ConnectionError):
            for at in range(0, len(data), 1_000):
                await response.write(data[at : at + 1_000])
            if endless:
                await asyncio.Event().wait()
        return response

    return handle


async def failure(pulled: Source) -> GatewayError:
    """Return what ends *pulled*."""
    async with asyncio.timeout(HANG_S):
        with pytest.raises(GatewayError) as caught:
            await pulled.run(RecordingSink())
    return caught.value


@pytest.mark.parametrize(
    ("container_format", "content_type"),
    [
        ("flv", "video/x-flv"),
        ("flv", "application/octet-stream"),
        ("flv", "video/mp4"),
        ("mpegts", "video/mp2t"),
        ("mpegts", "video/MP2T; charset=binary"),
        ("mpegts", "video/x-mpegts"),
        ("mpegts", "application/octet-stream"),
        ("mp4", "video/mp4"),
        ("mp4", "binary/octet-stream"),
    ],
)
async def test_a_container_plays_whatever_it_is_called(
    container_format: ContainerFormat, content_type: str
) -> None:
    """The type says that it is one; the first bytes say which."""
    async with http_camera(sending(container(container_format), content_type)) as port:
        sink = await watched(source(port), 25)

    assert sink.video is not None
    assert sink.video.codec == "h264"
    assert sink.units[0].keyframe


async def test_https_plays(tmp_path: Path) -> None:
    """From a server that speaks TLS, with a certificate that nobody vouches for."""
    files = Authority.create(tmp_path).issue("camera", hosts=("127.0.0.1",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    assert files.cert_file is not None
    context.load_cert_chain(files.cert_file, files.key_file)
    async with http_camera(sending(container("flv"), "video/x-flv"), tls=context) as port:
        sink = await watched(source(port, "https"), 25)
        await source(port, "https").check()

    assert sink.units[0].keyframe


async def test_a_server_without_tls_behind_https_is_told() -> None:
    """Not as one that sends damaged video."""
    async with http_camera(sending(b"", "video/x-flv")) as port:
        error = await failure(source(port, "https"))

    assert error.reason is Reason.TLS_FAILED


async def test_the_end_of_the_stream_is_told_behind_its_pictures() -> None:
    """All of them are delivered."""
    async with http_camera(sending(container("flv"), "video/x-flv", endless=False)) as port:
        pulled = source(port)
        error = await failure(pulled)

    assert error.reason is Reason.SOURCE_ENDED
    assert pulled.counters.units == 30


@pytest.mark.parametrize(
    ("data", "content_type", "reason"),
    [
        (b"<html>please log in</html>" * 50, "application/octet-stream", Reason.NOT_FOUND),
        (b"<html>please log in</html>" * 50, "video/x-flv", Reason.CORRUPT),
        (b"FLV", "video/x-flv", Reason.CORRUPT),
        (container("flv", "flv1"), "video/x-flv", Reason.UNSUPPORTED_CODEC),
        (
            flv(*(sound(20 * each, 4_000) for each in range(600))),
            "video/x-flv",
            Reason.UNSUPPORTED_CODEC,
        ),
    ],
    ids=["page", "page as FLV", "three bytes", "codec", "sound"],
)
async def test_what_is_no_video_of_ours_is_told(
    data: bytes, content_type: str, reason: Reason
) -> None:
    """By the cause that an operator can mend."""
    async with http_camera(sending(data, content_type, endless=False)) as port:
        error = await failure(source(port))

    assert error.reason is reason


async def test_silence_is_told() -> None:
    """Also within a picture; the pictures before it are delivered."""
    async with http_camera(sending(container("flv")[:-3_000], "video/x-flv")) as port:
        pulled = source(port, stall_s=2.0)
        error = await failure(pulled)

    assert error.reason is Reason.STALLED
    assert pulled.counters.units > 20


async def test_check_asks_without_playing() -> None:
    """No child is started for it."""
    async with http_camera(sending(container("flv"), "video/x-flv")) as port:
        pulled = source(port)
        await pulled.check()

    assert pulled.counters.sessions == 0


async def probed(handler: Handler) -> dict[str, Step]:
    options = ProbeOptions(None, None, False, "auto", 5.0, CLOCK)
    async with http_camera(handler) as port:
        policy = url_policy((ip_network("127.0.0.0/8"),), (port,), opened=("http",))
        target = await policy.resolve(f"http://127.0.0.1:{port}/x")
        return {step.name: step async for step in probe_http(target, options, StepTimer(CLOCK))}


async def test_the_probe_tells_what_is_in_a_container() -> None:
    """Format, GOP, codec and size."""
    data = container("flv", gop=5)
    steps = await probed(sending(data, "video/x-flv"))

    assert steps["setup"].fact == "FLV, video/x-flv"
    assert "160x96" in steps["codec"].fact
    assert steps["gop"].fact == "0.20 s, 5 pictures"
    assert steps["b_frames"].ok


async def test_the_probe_tells_what_is_wrong_with_a_container() -> None:
    """As the camera's first packet."""
    steps = await probed(sending(container("flv", "flv1"), "video/x-flv"))

    assert steps["first_packet"].reason is Reason.UNSUPPORTED_CODEC


@given(st.binary(max_size=SNIFFED_BYTES))
def test_any_bytes_can_be_looked_at(head: bytes) -> None:
    """They are one of three things, or none."""
    assert sniff(head) in {None, "flv", "mpegts", "mp4"}


@given(st.integers(0, 187))
def test_mpegts_is_known_wherever_it_begins(at: int) -> None:
    """Within a packet, as a re-sender cuts it."""
    assert sniff(container("mpegts")[at : at + SNIFFED_BYTES]) == "mpegts"
