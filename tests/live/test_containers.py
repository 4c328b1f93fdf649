"""Containers of servers and senders that nobody here wrote, and one all the way to a viewer."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_network
from pathlib import Path

import av
import pytest
from aiohttp import web

from gateway.model.errors import TransientError
from gateway.model.media import Codec
from gateway.model.site_document import CameraConfig, StreamConfig
from gateway.ports import Source
from gateway.rtp.codecs import CODEC_SYNTAX, coded_picture
from gateway.rtp.payload import nal_units
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.runtime.clock import SystemClock
from gateway.sources.registry import source_type, url_policy
from gateway.transcoding.capacity import Capacity
from gateway.vision.ffmpeg_input import PADDING
from tests.fixtures.broker import Broker
from tests.fixtures.clock import HANG_S
from tests.fixtures.containers import container, flv_tags
from tests.fixtures.http_camera import Handler, http_camera
from tests.fixtures.sinks import RecordingSink
from tests.fixtures.site import OWN, PASSWORD, site, tree
from tests.fixtures.viewer import Viewer

pytestmark = pytest.mark.live

CLOCK = SystemClock()
PICTURES = 50
PICTURE = ("-re", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25")
SOUND = ("-f", "lavfi", "-i", "sine=sample_rate=8000", "-c:a", "aac")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-threads", "1")
H265 = ("-c:v", "libx265", *H264[2:6], "-x265-params", "log-level=none:pools=1")
MPEG4 = ("-c:v", "mpeg4", "-threads", "1")
GOP = ("-g", "12")

GST_SCRIPT = """
import sys, gi
gi.require_version("Gst", "1.0")
from gi.repository import Gst, GLib
Gst.init(None)
Gst.parse_launch(sys.argv[1]).set_state(Gst.State.PLAYING)
GLib.MainLoop().run()
"""


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as trying:
        trying.bind(("127.0.0.1", 0))
        return int(trying.getsockname()[1])


@contextmanager
def running(*command: str) -> Iterator[None]:
    """Run *command* until the block is left."""
    with subprocess.Popen(command) as process:
        try:
            yield
        finally:
            process.kill()


def source(url: str) -> Source:
    stream = StreamConfig(url=url)
    port = int(url.split(":")[2].split("/")[0])
    return source_type(url).create(
        CameraConfig(id="c1", name="foreign", streams=(stream,)),
        stream,
        password=None,
        policy=url_policy((ip_network("127.0.0.0/8"),), (port,), opened=("http", "udp")),
        login_limiter=LoginLimiter(CLOCK),
        payload_bytes=1_180,
        clock=CLOCK,
        capacity=Capacity(4.0),
    )


async def watched(pulled: Source, units: int = PICTURES) -> RecordingSink:
    """Return what comes until there are so many *units*; the server may still be starting."""
    sink = RecordingSink(units)

    async def run() -> None:
        while True:
            with suppress(TransientError):
                await pulled.run(sink)
            await asyncio.sleep(0.1)

    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
        running = group.create_task(run(), name="run")
        await sink.enough.wait()
        running.cancel()
    return sink


def check_decodes(sink: RecordingSink, codec: Codec) -> None:
    """Decode all from the first keyframe on: whole pictures, and as many."""
    assert sink.video is not None
    assert sink.video.codec == codec
    first = next(at for at, unit in enumerate(sink.units) if unit.keyframe)
    decoder = av.CodecContext.create({"h265": "hevc"}.get(codec, codec), "r")
    assert isinstance(decoder, av.VideoCodecContext)
    frames = []
    for unit in sink.units[first:]:
        frames += decoder.decode(av.Packet(coded_picture(codec, unit.payloads) + PADDING))
    frames += decoder.decode(None)
    assert len(frames) == len(sink.units) - first
    assert {(frame.width, frame.height, frame.is_corrupt) for frame in frames} == {
        (320, 240, False)
    }


@pytest.mark.parametrize(
    ("codec", "coded", "container_format", "content_type"),
    [
        ("h264", H264, "flv", "video/x-flv"),
        ("h264", H264, "mpegts", "video/mp2t"),
        ("h265", H265, "mpegts", "application/octet-stream"),
        ("mpeg4", MPEG4, "mpegts", "video/mp2t"),
    ],
)
async def test_ffmpeg_as_an_http_server(
    codec: Codec, coded: tuple[str, ...], container_format: str, content_type: str
) -> None:
    """With sound beside the video; every picture is decoded again."""
    url = f"http://127.0.0.1:{free_port()}/live"
    out = ("-f", container_format, "-content_type", content_type, "-listen", "1", url)
    with running("ffmpeg", "-v", "error", *PICTURE, *SOUND, *coded, *GOP, *out):
        sink = await watched(source(url))

    check_decodes(sink, codec)


@pytest.mark.parametrize(
    "out", ["-f mpegts udp://{}:{}?pkt_size=1316", "-f rtp_mpegts rtp://{}:{}"]
)
@pytest.mark.parametrize("host", ["127.0.0.1", "239.255.8.8"])
async def test_ffmpeg_as_a_udp_sender(out: str, host: str) -> None:
    """Plain and in RTP, to us alone and to a group."""
    port = free_port(socket.SOCK_DGRAM)
    arguments = out.format(host, port).split()
    if host != "127.0.0.1":
        arguments[-1] += ("&" if "?" in arguments[-1] else "?") + "localaddr=127.0.0.1"
    with running("ffmpeg", "-v", "error", *PICTURE, *SOUND, *H264, *GOP, *arguments):
        sink = await watched(source(f"udp://{host}:{port}"))

    check_decodes(sink, "h264")


@pytest.mark.parametrize("wrapped", ["", "! rtpmp2tpay"])
async def test_gstreamer_as_a_udp_sender(wrapped: str) -> None:
    """Another muxer; plain and in RTP."""
    port = free_port(socket.SOCK_DGRAM)
    pipeline = "videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1 "
    pipeline += "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=12 threads=1 "
    pipeline += f"! mpegtsmux alignment=7 {wrapped} ! udpsink host=127.0.0.1 port={port}"
    with running("/usr/bin/python3", "-c", GST_SCRIPT, pipeline):
        sink = await watched(source(f"udp://127.0.0.1:{port}"))

    check_decodes(sink, "h264")


DATA = container("flv", pictures=3_000, gop=25)


def in_real_time() -> Handler:
    """Return a handler that sends `DATA` as a camera does: a tag when its picture is there."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "video/x-flv"})
        await response.prepare(request)
        await response.write(DATA[:13])
        with suppress(ConnectionError):
            for tag in flv_tags(DATA):
                await response.write(tag)
                await asyncio.sleep(0.04 if tag[0] == 9 else 0)
        return response

    return handle


async def test_http_flv_is_relayed_untouched(tmp_path: Path, broker: Broker) -> None:
    """From the server to the viewer no slice has changed, and nobody transcodes."""
    opened = {"CAMERA_GATEWAY__CAMERAS__SCHEMES": '["http"]'}
    async with http_camera(in_real_time()) as port:
        urls = (f"http://127.0.0.1:{port}/live.flv",)
        async with site(tmp_path, broker, (), urls=urls, env=opened, linger_s=0.0) as running_site:
            viewer = await running_site.watch(0)
            await viewer.until(300)
            state = await running_site.until(
                lambda message: (
                    message.topic == OWN.camera_state("c00") and tree(message).get("w") == 160
                )
            )

    assert tree(state)["codec"] == "h264"
    assert not tree(state).get("tc")
    assert PASSWORD not in "".join(running_site.output)
    sent = set(_slices_of_flv(DATA))
    seen = _slices_of(viewer)
    assert len(seen) > 20
    assert set(seen) <= sent


def _slices_of(viewer: Viewer) -> list[bytes]:
    """Return the slices of the whole pictures that *viewer* was sent."""
    pictures: list[list[bytes]] = [[]]
    for packet in viewer.packets:
        pictures[-1].append(packet.payload)
        if packet.marker:
            pictures.append([])
    syntax = CODEC_SYNTAX["h264"].payload_format
    return [
        nal
        for picture in pictures[:-1]
        for nal in nal_units(syntax, picture)
        if syntax.nal_type(nal) in syntax.slice_types
    ]


def _slices_of_flv(data: bytes) -> Iterator[bytes]:
    """Yield the slices in the video tags of *data* (AVC, lengths of four bytes)."""
    for tag in flv_tags(data):
        if tag[0] != 9 or tag[12] != 1:
            continue
        at, end = 16, len(tag) - 4
        while at < end:
            length = int.from_bytes(tag[at : at + 4])
            yield tag[at + 4 : at + 4 + length]
            at += 4 + length
