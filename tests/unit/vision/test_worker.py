"""The child that decodes strangers' bytes: what it survives, what it dies of, how it is kept in."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.model.errors import NoPicture
from gateway.model.reasons import Reason
from gateway.vision.circuit_breaker import CircuitBreaker
from gateway.vision.decoder import Decoder
from gateway.vision.metrics import unpack_analysis
from gateway.vision.pipe import MalformedMessage, parse_reply_header, parse_request_header
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
    """A reason or a picture, never silence; the same child goes on."""
    raw = hostile()[name]
    try:
        await decoder.encode_jpeg("c01", "h264", raw, width=320, at_most_bytes=49_152)
    except NoPicture as error:
        assert error.reason is Reason.CORRUPT  # noqa: PT017 (either outcome is right)

    assert await works(decoder)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(head=st.binary(min_size=18, max_size=18))
def test_headers_are_read_or_refused(head: bytes) -> None:
    """Both directions: a length is never believed."""
    for read, size in ((parse_request_header, 18), (parse_reply_header, 12)):
        try:
            read(head[:size])
        except MalformedMessage:
            continue
        assert head.startswith(b"EYE\x01")


@given(raw=st.binary(max_size=200))
def test_what_is_no_look_is_refused(raw: bytes) -> None:
    """The child may have been taken over."""
    with pytest.raises(ValueError, match="a look"):
        unpack_analysis(raw)


async def test_a_picture_larger_than_we_decode_is_refused(decoder: Decoder) -> None:
    """Whatever the camera means by it."""
    wide = Hall(people=0).image().repeat(9, axis=1)  # 5760 x 360 is few pixels
    assert await decoder.encode_jpeg("c", "h264", coded(wide), width=640, at_most_bytes=49_152)
    huge = wide.repeat(8, axis=0)  # 5760 x 2880 is too many

    with pytest.raises(NoPicture):
        await decoder.encode_jpeg("c", "h264", coded(huge), width=640, at_most_bytes=49_152)


async def test_a_killed_child_is_followed_by_another(decoder: Decoder) -> None:
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


async def test_a_child_that_hangs_is_killed(
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


async def test_the_child_has_nothing_to_take(decoder: Decoder) -> None:
    """No environment, no files, no socket; the kernel ends it before the gateway."""
    assert await works(decoder)
    child = psutil.Process(decoder.pid)
    proc = Path(f"/proc/{child.pid}")
    limits = (proc / "limits").read_text()
    status = (proc / "status").read_text()

    assert "CAMERA_GATEWAY" not in (proc / "environ").read_text()
    assert int((proc / "oom_score_adj").read_text()) == 500
    assert "NoNewPrivs:\t1" in status
    for line in ("Max core file size        0 ", "Max file size             0 "):
        assert line in limits
    opened = {os.readlink(each) for each in (proc / "fd").iterdir()}
    assert not [each for each in opened if each.startswith("socket:")]


async def test_the_child_goes_with_the_gateway(decoder: Decoder) -> None:
    """Its end of the pipe closes, and it leaves by itself."""
    assert await works(decoder)
    child = psutil.Process(decoder.pid)
    await decoder._stop_worker()

    assert not child.is_running()


def test_a_camera_whose_pictures_crash_the_decoder_is_left_alone_for_a_while() -> None:
    """Two crashes; others are still decoded, until five have crashed it in a minute."""
    breaker = CircuitBreaker()
    breaker.record_crash("c01", 0.0)
    assert not breaker.is_open("c01", 1.0)
    breaker.record_crash("c01", 2.0)
    assert breaker.is_open("c01", 3.0)
    assert not breaker.is_open("c02", 3.0)
    for number in range(3):
        breaker.record_crash(f"x{number}", 4.0 + number)
    assert breaker.is_open_for_all(7.0)
    assert not breaker.is_open("c01", 700.0)
