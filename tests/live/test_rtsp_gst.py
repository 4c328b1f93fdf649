"""Our RTSP client against GStreamer's server, which nobody here wrote."""

from __future__ import annotations

import asyncio
import resource
import signal
from ipaddress import ip_network
from itertools import pairwise
from typing import Literal

import av
import pytest
from pydantic import SecretStr

from gateway.model.errors import (
    CodecUnsupported,
    SourceRefused,
    SourceStalled,
    SourceUnavailable,
    TransientError,
)
from gateway.model.media import Codec
from gateway.model.reasons import Reason
from gateway.model.site_document import CameraConfig, StreamConfig
from gateway.rtp.codecs import coded_picture
from gateway.rtp.parameter_sets import parse_picture
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.runtime.clock import SystemClock
from gateway.sources.probe_steps import ProbeOptions, StepTimer
from gateway.sources.registry import url_policy
from gateway.sources.rtsp_probe import probe_rtsp
from gateway.sources.rtsp_source import RtspSource
from tests.fixtures.clock import HANG_S, LOOK_S
from tests.fixtures.fastpath_scenarios import RecordingStream
from tests.fixtures.gst import PASSWORD, USER, GstServer, serving
from tests.fixtures.sinks import RecordingSink
from tests.fixtures.tcp import tcp_server

pytestmark = pytest.mark.live

CLOCK = SystemClock()


def source(
    server: GstServer,
    mount: str,
    transport: Literal["auto", "tcp", "udp"] = "auto",
    password: str | None = None,
) -> RtspSource:
    stream = StreamConfig(url=server.url(mount), transport=transport)
    username = USER if password is not None else None
    return RtspSource(
        CameraConfig(id="c1", name="gst", username=username, streams=(stream,)),
        stream,
        password=SecretStr(password) if password is not None else None,
        policy=url_policy((ip_network("127.0.0.0/8"),), (server.port,)),
        login_limiter=LoginLimiter(CLOCK),
        payload_bytes=1180,
        clock=CLOCK,
    )


async def watched(pulled: RtspSource, units: int = 40) -> RecordingSink:
    """Return what comes until there are *units* pictures."""
    sink = RecordingSink(units)
    async with asyncio.timeout(HANG_S):
        running = asyncio.create_task(pulled.run(sink))
        done, _ = await asyncio.wait(
            {running, waiting := asyncio.create_task(sink.enough.wait())},
            return_when=asyncio.FIRST_COMPLETED,
        )
        if running in done:
            waiting.cancel()
            await running
        running.cancel()
        await asyncio.wait([running])
    return sink


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_the_fast_path_takes_over(gst: GstServer, transport: Literal["tcp", "udp"]) -> None:
    """GStreamer's pictures are ordinary, however they come."""
    pulled = source(gst, "h264", transport)
    stream = RecordingStream(pulled.counters)
    running = asyncio.create_task(pulled.run(stream))

    async with asyncio.timeout(HANG_S):
        while not stream.fast_path_units:
            assert not running.done()
            stream.sync()
            await asyncio.sleep(LOOK_S)
    running.cancel()
    await asyncio.wait([running])

    assert pulled.counters.lost == 0


@pytest.mark.parametrize(
    ("mount", "transport"),
    [("h264", "tcp"), ("h264", "udp"), ("h264udp", "auto"), ("mtu", "tcp"), ("h265", "tcp")],
)
async def test_pictures_come(
    gst: GstServer, mount: str, transport: Literal["auto", "tcp", "udp"]
) -> None:
    """H.264 and H.265, over TCP and UDP, UDP where TCP is refused, packets of any size."""
    pulled = source(gst, mount, transport)

    sink = await watched(pulled)

    times = [unit.time_90k for unit in sink.units]
    assert sink.video is not None
    assert sink.video.codec == ("h265" if mount == "h265" else "h264")
    assert sink.units[0].keyframe
    assert all(later > earlier for earlier, later in pairwise(times))
    assert max(len(payload) for unit in sink.units for payload in unit.payloads) <= 1180
    assert (pulled.counters.lost, pulled.counters.resyncs) == (0, 0)


@pytest.mark.parametrize(
    ("mount", "transport", "size"),
    [
        ("jpeg", "tcp", (320, 240)),
        ("jpeg", "udp", (320, 240)),
        ("jpeg422", "tcp", (320, 240)),
        ("jpeg_large", "tcp", (2592, 1944)),
    ],
)
async def test_jpeg_comes_whole(
    gst: GstServer,
    mount: str,
    transport: Literal["auto", "tcp", "udp"],
    size: tuple[int, int],
) -> None:
    """JPEG (RFC 2435), also of more than 2,040 pixels; FFmpeg decodes each."""
    codec: Codec = "mjpeg"
    pulled = source(gst, mount, transport)

    sink = await watched(pulled, units=8)

    assert sink.video is not None
    assert sink.video.codec == codec
    assert (pulled.counters.lost, pulled.counters.discarded) == (0, 0)
    head = parse_picture(codec, sink.units[0].payloads)
    assert head is not None
    assert (head.width, head.height) == size
    decoder = av.CodecContext.create(codec, "r")
    assert isinstance(decoder, av.VideoCodecContext)
    frames = [
        frame
        for unit in sink.units
        for frame in decoder.decode(av.Packet(coded_picture(codec, unit.payloads)))
    ]
    assert len(frames) == len(sink.units)
    assert {(frame.width, frame.height, frame.is_corrupt) for frame in frames} == {(*size, False)}


async def test_the_probe_tells_that_jpeg_is_transcoded(gst: GstServer) -> None:
    """Codec, size, and what becomes of it."""
    options = ProbeOptions(None, None, False, "tcp", 5.0, CLOCK)
    target = await url_policy((ip_network("127.0.0.0/8"),), (gst.port,)).resolve(gst.url("jpeg"))

    async with asyncio.timeout(HANG_S):
        steps = [step async for step in probe_rtsp(target, options, StepTimer(CLOCK))]

    facts = {step.name: step.fact for step in steps}
    assert all(step.ok for step in steps)
    assert facts["codec"] == "JPEG Baseline, 320x240; always transcoded"


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_digest_is_accepted(
    gst_digest: GstServer, transport: Literal["auto", "tcp", "udp"]
) -> None:
    """A foreign implementation of Digest takes ours, on every request of the session."""
    sink = await watched(source(gst_digest, "h264", transport, PASSWORD), units=5)

    assert sink.units


async def test_a_wrong_password_is_told(gst_digest: GstServer) -> None:
    """As such, and not as anything else."""
    with pytest.raises(SourceRefused) as caught:
        await source(gst_digest, "h264", password="wrong").check()

    assert caught.value.reason is Reason.AUTH_FAILED


async def test_an_absent_channel_and_another_codec_are_told(gst: GstServer) -> None:
    """404 and VP8, each by its name."""
    with pytest.raises(SourceUnavailable) as absent:
        await source(gst, "channel-99").check()
    with pytest.raises(CodecUnsupported, match="VP8"):
        await source(gst, "vp8").check()

    assert absent.value.reason is Reason.NOT_FOUND


async def test_a_frozen_server_is_a_stall(gst: GstServer) -> None:
    """The connection stays open, nothing comes any more (A8)."""
    sink = RecordingSink(5)
    running = asyncio.create_task(source(gst, "h264").run(sink))
    async with asyncio.timeout(HANG_S):
        await sink.enough.wait()

    gst.process.send_signal(signal.SIGSTOP)
    with pytest.raises(SourceStalled, match="no RTP for 5 s"):
        await running
    gst.process.send_signal(signal.SIGCONT)


async def test_a_killed_camera_comes_back_on_the_same_timeline() -> None:
    """Killed while playing, restarted on its port: the second run goes on in time (A2)."""
    with serving() as server:
        pulled = source(server, "h264")
        sink = RecordingSink(5)
        running = asyncio.create_task(pulled.run(sink))
        async with asyncio.timeout(HANG_S):
            await sink.enough.wait()
            server.process.kill()
            with pytest.raises(TransientError):
                await running
        port = server.port
    last = sink.units[-1].time_90k
    with serving(port=port):
        again = await watched(pulled, units=5)

    assert again.units[0].time_90k > last


async def test_a_giant_description_is_cut_off_without_growth() -> None:
    """1.5 GB of body: ended at its header, and memory stays where it was (A21)."""

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 1500000000\r\n\r\n")
        try:
            while True:
                writer.write(bytes(65_536))
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()

    async with asyncio.timeout(HANG_S), tcp_server(flood) as port:
        growth_kib = await growth_of_check(port)

    assert growth_kib <= 5 * 1024


async def growth_of_check(port: int) -> int:
    """Return by how many KiB we have grown when what a camera at *port* says was found corrupt."""
    stream = StreamConfig(url=f"rtsp://127.0.0.1:{port}/x")
    pulled = RtspSource(
        CameraConfig(id="c1", name="flood", streams=(stream,)),
        stream,
        password=None,
        policy=url_policy((ip_network("127.0.0.0/8"),), (port,)),
        login_limiter=LoginLimiter(CLOCK),
        payload_bytes=1180,
        clock=CLOCK,
    )
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(TransientError) as caught:
        await pulled.check()

    assert caught.value.reason is Reason.CORRUPT
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
