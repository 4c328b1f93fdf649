"""The worker decodes bytes of strangers: what it survives, what kills it, what confines it."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from gateway.model.errors import NoPicture
from gateway.model.reasons import Reason
from gateway.vision.decoder import Decoder
from tests.fixtures.clock import HANG_S
from tests.fixtures.hall import Hall, coded
from tests.fixtures.pictures import patient_decoder

GOOD = Hall().coded()
SPS_16K = bytes.fromhex("00000001674d0033da000800100010") + b"\x40\x00\x80\x00" * 4


@pytest.fixture
async def decoder() -> AsyncIterator[Decoder]:
    """A decoder that runs."""
    decoder = patient_decoder()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(decoder.run(), name="decoder")
        yield decoder
        running.cancel()


async def works(decoder: Decoder, camera: str = "c01") -> bool:
    jpeg = await decoder.encode_jpeg(camera, "h264", GOOD, width=320, at_most_bytes=49_152)
    return jpeg.startswith(b"\xff\xd8")


def hostile() -> dict[str, bytes]:
    chance = random.Random(3)
    flipped = bytearray(GOOD)
    for _ in range(200):
        flipped[chance.randrange(40, len(flipped))] ^= 1 << chance.randrange(8)
    return {
        "random": chance.randbytes(50_000),
        "random_nals": b"".join(b"\0\0\0\1" + chance.randbytes(300) for _ in range(50)),
        "no_start_code": b"\x65" * 1000,
        "zeros": bytes(10_000),
        "cut": GOOD[: len(GOOD) // 9],
        "sets_only": GOOD[:40],
        "flipped": bytes(flipped),
        "sps_of_16k": SPS_16K + GOOD[40:],
    }


@pytest.mark.parametrize("name", hostile())
async def test_hostile_pictures_are_answered_and_the_next_is_decoded(
    decoder: Decoder, name: str
) -> None:
    """A reason or a picture, never silence; the same worker goes on."""
    raw = hostile()[name]
    try:
        await decoder.encode_jpeg("c01", "h264", raw, width=320, at_most_bytes=49_152)
    except NoPicture as error:
        assert error.reason is Reason.CORRUPT  # noqa: PT017 (either outcome is right)

    assert await works(decoder)


async def test_a_picture_larger_than_we_decode_is_refused(decoder: Decoder) -> None:
    """Whatever the camera means by it."""
    wide = Hall(people=0).image().repeat(9, axis=1)  # 5760 x 360 is few pixels
    assert await decoder.encode_jpeg("c", "h264", coded(wide), width=640, at_most_bytes=49_152)
    huge = wide.repeat(8, axis=0)  # 5760 x 2880 is too many

    with pytest.raises(NoPicture):
        await decoder.encode_jpeg("c", "h264", coded(huge), width=640, at_most_bytes=49_152)


async def test_a_killed_worker_is_followed_by_another(decoder: Decoder) -> None:
    """Whoever asks next has a picture; nothing is left of the first."""
    assert await works(decoder)
    first = decoder.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)

    async with asyncio.timeout(HANG_S):
        while True:
            try:
                assert await works(decoder)
                break
            except NoPicture:  # it died of this one, for all we know
                continue

    assert decoder.pid != first
    assert not psutil.pid_exists(first)


async def test_a_worker_that_hangs_is_killed(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The picture is answered with a reason after the time one may take."""
    assert await works(decoder)
    assert decoder.pid is not None
    monkeypatch.setattr(decoder._worker, "_answers_within_s", 0.3)
    os.kill(decoder.pid, signal.SIGSTOP)

    with pytest.raises(NoPicture, match="no answer within"):
        await works(decoder)

    assert decoder.pid is None


async def test_the_worker_has_nothing_to_take(decoder: Decoder) -> None:
    """No environment, no files, no socket; the kernel ends it before the gateway."""
    assert await works(decoder)
    worker = psutil.Process(decoder.pid)
    proc = Path(f"/proc/{worker.pid}")
    limits = (proc / "limits").read_text()
    status = (proc / "status").read_text()

    assert int((proc / "oom_score_adj").read_text()) == 500
    assert "NoNewPrivs:\t1" in status
    for line in ("Max core file size        0 ", "Max file size             0 "):
        assert line in limits
    if os.geteuid() == 0:
        assert "CAMERA_GATEWAY" not in (proc / "environ").read_text()
        opened = {os.readlink(each) for each in (proc / "fd").iterdir()}
        assert not [each for each in opened if each.startswith("socket:")]
    else:  # not even its own user may look
        with pytest.raises(PermissionError):
            (proc / "environ").read_text()
        with pytest.raises(PermissionError):
            os.listdir(proc / "fd")


async def test_the_worker_goes_with_the_gateway(decoder: Decoder) -> None:
    """Its end of the pipe closes, and it leaves by itself."""
    assert await works(decoder)
    worker = psutil.Process(decoder.pid)
    await decoder._stop_worker()

    assert not worker.is_running()
