"""Our RTMP source against FFmpeg's server, which nobody here wrote; up to a viewer."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.demo.config_files import free_port
from gateway.model.errors import TransientError
from gateway.ports import Source
from tests.fixtures.broker import Broker
from tests.fixtures.clock import HANG_S
from tests.fixtures.decoding import check_whole
from tests.fixtures.sinks import RecordingSink
from tests.fixtures.site import OWN, site, tree
from tests.unit.sources.test_rtmp_source import source

pytestmark = pytest.mark.live

PICTURES = 40
GOP = 10
ENCODER = f"-c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p -g {GOP} -threads 1"


@contextmanager
def serving() -> Iterator[int]:
    """Serve one client after the other until the block is left; yield the port."""
    port = free_port()
    server = (
        f"ffmpeg -v fatal -re -f lavfi -i testsrc=size=320x240:rate=25 -f lavfi -i sine {ENCODER}"
    )
    server += f" -c:a aac -f flv -listen 1 rtmp://127.0.0.1:{port}/live/cam"
    command = ["bash", "-c", f"while :; do {server} </dev/null; done"]
    with subprocess.Popen(command, start_new_session=True) as shell:
        try:
            yield port
        finally:
            os.killpg(shell.pid, signal.SIGKILL)


async def run(pulled: Source, sink: RecordingSink) -> None:
    """Run *pulled* again until FFmpeg listens."""
    while True:
        try:
            await pulled.run(sink)
        except TransientError:
            await asyncio.sleep(0.1)


async def test_ffmpegs_stream_comes_whole() -> None:
    """Sound is left out; each picture is decoded again, at its time."""
    sink = RecordingSink(PICTURES)
    with serving() as port:
        running = asyncio.create_task(run(source(port), sink))
        async with asyncio.timeout(HANG_S):
            await sink.enough.wait()
        running.cancel()
        await asyncio.wait([running])

    check_whole(sink.units, PICTURES, gop=GOP)


async def test_a_viewer_watches_it(tmp_path: Path, broker: Broker) -> None:
    """Through a whole gateway, as it is: nothing is transcoded."""
    opened = {"CAMERA_GATEWAY__CAMERAS__SCHEMES": '["rtmp"]'}
    with serving() as port:
        url = f"rtmp://127.0.0.1:{port}/live/cam"
        async with site(tmp_path, broker, (), urls=(url,), env=opened) as running:
            viewer = await running.watch(0)
            await viewer.until(30)
            state = await running.until(
                lambda message: (
                    message.topic == OWN.camera_state("c00")
                    and tree(message).get("codec") == "h264"
                )
            )

    assert not tree(state).get("tc")
