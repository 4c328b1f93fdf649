"""Our HLS source against FFmpeg's muxer behind a plain HTTP server; up to a viewer."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import web

from gateway.model.errors import GatewayError
from gateway.ports import Source
from tests.fixtures.broker import Broker
from tests.fixtures.clock import HANG_S, wait_until
from tests.fixtures.decoding import check_whole
from tests.fixtures.ports import held_port
from tests.fixtures.sinks import RecordingSink
from tests.fixtures.site import OWN, site, tree
from tests.fixtures.tcp import web_server
from tests.unit.sources.test_hls_source import source

pytestmark = pytest.mark.live

PICTURES = 100
GOP = 25
ENCODER = (
    f"-c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p -g {GOP} -threads 1"
    " -c:a aac -f hls -hls_time 1 -hls_list_size 4 -hls_flags delete_segments"
)


@contextmanager
def serving(folder: Path, segments: str) -> Iterator[int]:
    """Write *segments* into *folder* and serve it until the block is left; yield the port."""
    command = "ffmpeg -v fatal -re -f lavfi -i testsrc=size=320x240:rate=25 -f lavfi -i sine "
    muxer = f"{command}{ENCODER} -hls_segment_type {segments} {folder}/live.m3u8"
    server = [sys.executable, "-m", "http.server", "-b", "127.0.0.1", "-d", str(folder)]
    quiet = subprocess.DEVNULL
    with (
        held_port() as port,
        subprocess.Popen(muxer.split(), stdin=quiet) as ffmpeg,
        subprocess.Popen([*server, str(port)], stdout=quiet, stderr=quiet) as http,
    ):
        try:
            wait_until((folder / "live.m3u8").exists, "FFmpeg has written a playlist")
            yield port
        finally:
            ffmpeg.kill()
            http.kill()


async def run(pulled: Source, sink: RecordingSink) -> None:
    """Run *pulled* again until the server is there."""
    while True:
        try:
            await pulled.run(sink)
        except GatewayError:
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("segments", ["mpegts", "fmp4"])
async def test_ffmpegs_segments_come_whole(segments: str, tmp_path: Path) -> None:
    """Over several of them; each picture is decoded again, at its time."""
    sink = RecordingSink(PICTURES)
    with serving(tmp_path, segments) as port:
        pulled = source(port, "/live.m3u8")
        running = asyncio.create_task(run(pulled, sink))
        async with asyncio.timeout(HANG_S):
            await sink.enough.wait()
        running.cancel()
        await asyncio.wait([running])

    assert pulled.counters.sessions == 1
    check_whole(sink.units, PICTURES, gop=GOP)


async def test_segments_that_are_parts_of_one_file_come_whole(tmp_path: Path) -> None:
    """The file grows while it is read; headers are a part of it as well."""
    sink = RecordingSink(PICTURES)
    app = web.Application()
    app.router.add_static("/", tmp_path)
    with serving(tmp_path, "fmp4 -hls_flags single_file"):
        async with web_server(app) as port:
            pulled = source(port, "/live.m3u8")
            running = asyncio.create_task(run(pulled, sink))
            async with asyncio.timeout(HANG_S):
                await sink.enough.wait()
            running.cancel()
            await asyncio.wait([running])

    assert "#EXT-X-BYTERANGE:" in (tmp_path / "live.m3u8").read_text()
    assert pulled.counters.sessions == 1
    check_whole(sink.units, PICTURES, gop=GOP)


async def test_a_viewer_watches_it(tmp_path: Path, broker: Broker) -> None:
    """Through a whole gateway, as it is: nothing is transcoded."""
    opened = {"CAMERA_GATEWAY__CAMERAS__SCHEMES": '["http"]'}
    folder = tmp_path / "hls"
    folder.mkdir()
    with serving(folder, "mpegts") as port:
        url = f"http://127.0.0.1:{port}/live.m3u8"
        async with site(tmp_path, broker, (), urls=(url,), env=opened) as running:
            viewer = await running.watch(0)
            await viewer.until(60)
            state = await running.until(
                lambda message: (
                    message.topic == OWN.camera_state("c00")
                    and tree(message).get("codec") == "h264"
                )
            )

    assert not tree(state).get("tc")
