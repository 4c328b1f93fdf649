"""The virtual camera, seen by a client that nobody here wrote: FFmpeg."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from gateway.demo.auth import Account
from gateway.demo.encoder import EncoderSettings
from gateway.demo.faults import Loss, MarkerOnSets, SetsOnlyInSdp
from gateway.demo.rtsp_server import Recorder
from gateway.demo.virtual_camera import Behaviour
from tests.fixtures.camera import ACCOUNT, SMALL, virtual_camera
from tests.fixtures.clock import HANG_S

pytestmark = pytest.mark.live


async def seen(recorder: Recorder, *options: str, pictures: int = 20) -> dict[str, str]:
    """Return what ffprobe says of the first *pictures* it has decoded."""
    login = f"rtsp://{ACCOUNT.username}:{ACCOUNT.password.get_secret_value()}@"
    url = recorder.url().replace("rtsp://", login)
    process = await asyncio.create_subprocess_exec(
        *(
            "timeout",
            f"{HANG_S:.0f}",
            "ffprobe",
            "-v",
            "error",
            *options,
            "-show_streams",
            "-count_frames",
        ),
        *("-read_intervals", f"%+#{pictures}", "-of", "json", url),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    stream: dict[str, str] = json.loads(out)["streams"][0]
    return stream


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_ffmpeg_plays_it(camera: Recorder, transport: str) -> None:
    """Over both transports, with Digest, and it is told goodbye in good order."""
    stream = await seen(camera, "-rtsp_transport", transport)

    assert stream["codec_name"] == "h264"
    assert int(stream["nb_read_frames"]) >= 15
    async with asyncio.timeout(HANG_S):
        while camera.cameras[0].counts.sessions:  # noqa: ASYNC110 (the camera has no event for it)
            await asyncio.sleep(0.01)
    assert camera.cameras[0].counts.requests["TEARDOWN"] == 1


async def test_ffmpeg_plays_h265() -> None:
    """H.265 too, with its three parameter sets."""
    async with virtual_camera(shape=replace(SMALL, codec="h265")) as recorder:
        stream = await seen(recorder, "-rtsp_transport", "tcp")

    assert stream["codec_name"] == "hevc"


async def test_ffmpeg_finds_the_b_frames() -> None:
    """A camera that is asked for B-frames sends them."""
    async with virtual_camera(shape=EncoderSettings(width=320, height=180, b_frames=2)) as recorder:
        stream = await seen(recorder, "-rtsp_transport", "tcp", pictures=40)

    assert int(stream["has_b_frames"]) > 0


async def test_basic_is_enough_where_it_is_offered() -> None:
    """An old camera that knows Basic only lets the right password in."""
    account = Account(ACCOUNT.username, ACCOUNT.password, schemes=("Basic",))
    async with virtual_camera(account=account) as recorder:
        assert await seen(recorder, "-rtsp_transport", "tcp")


@pytest.mark.parametrize("fault", [SetsOnlyInSdp(), MarkerOnSets(), Loss(every=40)])
async def test_ffmpeg_gets_over_bad_behaviour(fault: SetsOnlyInSdp | MarkerOnSets | Loss) -> None:
    """What real recorders do is within what a decoder can take."""
    async with virtual_camera(behaviour=Behaviour(join="next_keyframe")) as recorder:
        recorder.cameras[0].faults = (fault,)

        stream = await seen(recorder, "-rtsp_transport", "tcp")

    assert int(stream["nb_read_frames"]) > 0
