"""Our HTTP source against FFmpeg's server of multipart JPEG, which nobody here wrote."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network

import av
import pytest

from gateway.model.errors import SourceUnavailable
from gateway.model.media import VideoFormat
from gateway.model.site_document import CameraConfig, StreamConfig
from gateway.ports import Source
from gateway.rtp.codecs import coded_picture
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.runtime.clock import SystemClock
from gateway.sources.registry import source_type, url_policy
from gateway.transcoding.capacity import Capacity
from tests.fixtures.clock import HANG_S
from tests.fixtures.sinks import RecordingSink

pytestmark = pytest.mark.live

CLOCK = SystemClock()
PICTURES = 20


@contextmanager
def serving() -> Iterator[str]:
    """Run FFmpeg until the block is left; yield the URL of its stream, for one client."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/video"
    command = ["ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=25"]
    command += ["-c:v", "mjpeg", "-threads", "1", "-f", "mpjpeg", "-boundary_tag", "ffserver"]
    command += ["-content_type", "multipart/x-mixed-replace;boundary=ffserver", "-listen", "1", url]
    with subprocess.Popen(command) as ffmpeg:
        try:
            yield url
        finally:
            ffmpeg.kill()


def source(url: str) -> Source:
    stream = StreamConfig(url=url)
    port = int(url.split(":")[2].split("/")[0])
    return source_type(url).create(
        CameraConfig(id="c1", name="ffmpeg", streams=(stream,)),
        stream,
        password=None,
        policy=url_policy((ip_network("127.0.0.0/8"),), (port,), opened=("http",)),
        login_limiter=LoginLimiter(CLOCK),
        payload_bytes=1180,
        clock=CLOCK,
        capacity=Capacity(4.0),
    )


async def run(pulled: Source, sink: RecordingSink) -> None:
    """Run *pulled* again until FFmpeg listens."""
    while True:
        try:
            await pulled.run(sink)
        except SourceUnavailable:
            await asyncio.sleep(0.1)


async def test_ffmpegs_stream_comes_whole() -> None:
    """Chunked, with a boundary of its own; each picture is decoded again."""
    sink = RecordingSink(PICTURES)
    with serving() as url:
        pulled = source(url)
        running = asyncio.create_task(run(pulled, sink))
        async with asyncio.timeout(HANG_S):
            await sink.enough.wait()
        running.cancel()
        await asyncio.wait([running])

    assert set(sink.formats) == {VideoFormat("mjpeg")}
    decoder = av.CodecContext.create("mjpeg", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    frames = [
        frame
        for unit in sink.units
        for frame in decoder.decode(av.Packet(coded_picture("mjpeg", unit.payloads)))
    ]
    assert len(frames) == len(sink.units)
    sizes = {(frame.width, frame.height, frame.is_corrupt) for frame in frames}
    assert sizes == {(320, 240, False)}
    assert pulled.counters.discarded == 0
