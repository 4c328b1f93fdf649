"""The worker process: its answers to good, broken and hostile keyframes, and what replaces it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import cv2
import numpy as np
import pytest

from gateway.model.errors import NoPicture
from gateway.model.media import Codec
from gateway.model.reasons import Reason
from gateway.runtime.bugs import BugCounts
from gateway.runtime.clock import SystemClock
from gateway.vision.decoder import Decoder
from gateway.vision.pipe import (
    MAX_CODED_BYTES,
    Request,
    Status,
)
from gateway.vision.worker_process import WorkerLost
from tests.fixtures import pictures
from tests.fixtures.coded_pictures import coded_pictures

GOOD = pictures.encode_keyframe(pictures.hall(1))
START = b"\0\0\0\1"


def hang(decoder: Decoder) -> None:
    """Let the worker that is there answer no more, and no longer be waited for."""
    assert decoder._worker is not None
    decoder._worker._answers_within_s = 0.3
    os.kill(pid_of(decoder), signal.SIGSTOP)


@asynccontextmanager
async def decoding() -> AsyncIterator[Decoder]:
    decoder = pictures.patient_decoder()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(decoder.run(), name="decoder")
        yield decoder
        running.cancel()
    assert decoder.pid is None


async def refused(asked: Awaitable[object]) -> NoPicture:
    """Return why nothing came of it."""
    with pytest.raises(NoPicture) as caught:
        await asked
    return caught.value


def pid_of(decoder: Decoder) -> int:
    assert decoder.pid is not None
    return decoder.pid


def told(pid: int, about: str) -> str:
    """Return what the kernel tells of a process."""
    return Path(f"/proc/{pid}/{about}").read_text()


def size(jpeg: bytes) -> tuple[int, int]:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image.shape[1], image.shape[0]


class Bits:
    """Writes an SPS."""

    def __init__(self) -> None:
        self.text = ""

    def u(self, width: int, number: int) -> Bits:
        self.text += f"{number:0{width}b}"
        return self

    def ue(self, *numbers: int) -> Bits:
        for number in numbers:
            code = f"{number + 1:b}"
            self.text += "0" * (len(code) - 1) + code
        return self

    def done(self) -> bytes:
        text = self.text + "1"
        text += "0" * (-len(text) % 8)
        raw = int(text, 2).to_bytes(len(text) // 8)
        while (at := raw.find(b"\0\0\0")) != -1:  # emulation prevention
            raw = raw[: at + 2] + b"\3" + raw[at + 2 :]
        return raw


def with_size(width: int, height: int) -> bytes:
    """Return the good keyframe under an SPS that claims another size."""
    sps = Bits().u(8, 0x67).u(8, 66).u(8, 0xC0).u(8, 62)
    sps.ue(0, 0, 2, 1).u(1, 0).ue(width // 16 - 1, height // 16 - 1)
    sps.u(1, 1).u(1, 1).u(1, 0).u(1, 0)
    rest = GOOD.split(START)[1:]
    return b"".join(START + nal for nal in (sps.done(), *(n for n in rest if n[0] & 31 != 7)))


@pytest.mark.parametrize("codec", ["h264", "h265"])
async def test_an_analysis_says_what_the_picture_is(codec: Codec) -> None:
    """Its size, its light; and that it is as sharp and alike as a picture of itself."""
    async with decoding() as decoder:
        coded = pictures.encode_keyframe(pictures.hall(1), codec)
        first = await decoder.analyze("c01", codec, coded, b"")
        again = (await decoder.analyze("c01", codec, coded, first.next_reference)).metrics

    assert (again.width, again.height) == (640, 360)
    assert again.digest == first.metrics.digest
    assert again.bright > 150
    assert again.likeness == pytest.approx(1.0)


@pytest.mark.parametrize("codec", ["mjpeg", "mpeg4"])
async def test_keyframes_that_are_only_transcoded_are_analysed_too(codec: Codec) -> None:
    """Damaged ones are told, and the next good one works."""
    good = coded_pictures(codec, 1)[0]
    async with decoding() as decoder:
        for damaged in (good[: len(good) // 4], b"\xff\xd8" * 50, bytes(range(256))):
            with suppress(NoPicture):
                await decoder.analyze("c01", codec, damaged, b"")
        metrics = (await decoder.analyze("c01", codec, good, b"")).metrics
        jpeg = await decoder.encode_jpeg("c01", codec, good, width=320, at_most_bytes=48 * 1024)

    assert (metrics.width, metrics.height) == (320, 240)
    assert size(jpeg) == (320, 240)


async def test_a_jpeg_is_as_wide_and_as_long_as_it_may_be() -> None:
    """Never enlarged, and of lower quality before it is made smaller."""
    async with decoding() as decoder:
        wide = await decoder.encode_jpeg("c01", "h264", GOOD, width=1920, at_most_bytes=48 * 1024)
        small = await decoder.encode_jpeg("c01", "h264", GOOD, width=320, at_most_bytes=4096)

    assert size(wide) == (640, 360)
    assert len(wide) <= 48 * 1024
    assert size(small)[0] <= 320
    assert len(small) <= 4096


async def test_the_largest_picture_is_decoded_within_the_memory_allowed() -> None:
    """4096 x 2304; one macroblock row more is refused."""
    big = np.asarray(cv2.resize(pictures.hall(1), (4096, 2304)), np.uint8)
    async with decoding() as decoder:
        analysis = await decoder.analyze("c01", "h264", pictures.encode_keyframe(big), b"")
        jpeg = await decoder.encode_jpeg(
            "c01", "h264", pictures.encode_keyframe(big), width=1920, at_most_bytes=49152
        )
        allowed = await refused(decoder.analyze("c01", "h264", with_size(4096, 2304), b""))
        over = await refused(decoder.analyze("c01", "h264", with_size(4096, 2320), b""))

    assert (analysis.metrics.width, size(jpeg)[0] <= 1920) == (4096, True)
    assert allowed.detail == "damaged"  # it was decoded, under an SPS that is not its own
    assert over.detail != "damaged"
    assert over.reason is Reason.CORRUPT


SEED = np.random.default_rng(5)
HOSTILE = {
    "random": SEED.bytes(20_000),
    "random slices": b"".join(START + b"\x65" + SEED.bytes(900) for _ in range(20)),
    "random behind true sets": GOOD[:60] + SEED.bytes(30_000),
    "one byte": b"\0",
    "start codes": START * 500,
    "sets only": GOOD[:40],
    "16k": with_size(16_384, 16_384),
    "a million wide": with_size(1 << 20, 16),
}


async def test_hostile_keyframes_are_answered_and_the_next_good_one_works() -> None:
    """None of them costs the worker, let alone us."""
    async with decoding() as decoder:
        await decoder.analyze("c01", "h264", GOOD, b"")
        pid = pid_of(decoder)
        for name, coded in HOSTILE.items():
            for codec in ("h264", "h265"):
                error = await refused(decoder.analyze("c01", codec, coded, b""))
                assert error.reason is Reason.CORRUPT, name
        analysis = await decoder.analyze("c01", "h264", GOOD, b"")

        assert pid_of(decoder) == pid
    assert analysis.metrics.width == 640


async def test_damaged_keyframes_are_answered() -> None:
    """Cut off or with flipped bytes, they give a picture or a refusal, and the worker lives on."""
    seed = np.random.default_rng(6)
    async with decoding() as decoder:
        await decoder.analyze("c01", "h264", GOOD, b"")
        pid = pid_of(decoder)
        for _ in range(60):
            broken = bytearray(GOOD[: int(seed.integers(1, len(GOOD)))])
            for at in seed.integers(0, len(broken), 5):
                broken[at] = int(seed.integers(0, 256))
            try:
                await decoder.analyze("c01", "h264", bytes(broken), b"")
            except NoPicture as error:
                assert error.reason is Reason.CORRUPT  # noqa: PT017  (either is right)

        assert pid_of(decoder) == pid


async def test_a_worker_that_is_killed_is_replaced() -> None:
    """Between two tasks hardly anybody notices: who asks in that moment may be refused."""
    async with decoding() as decoder:
        await decoder.analyze("c01", "h264", GOOD, b"")
        pid = pid_of(decoder)
        os.kill(pid, signal.SIGKILL)
        with suppress(NoPicture):
            await decoder.analyze("c01", "h264", GOOD, b"")
        await decoder.analyze("c01", "h264", GOOD, b"")

        assert pid_of(decoder) != pid
        assert decoder.deaths == 1


async def test_a_worker_that_hangs_is_replaced_and_the_camera_left_alone_the_second_time() -> None:
    """Pictures of other cameras are decoded as before."""
    async with decoding() as decoder:
        await decoder.analyze("c02", "h264", GOOD, b"")
        for _ in range(2):
            hang(decoder)
            error = await refused(decoder.analyze("c01", "h264", GOOD, b""))
            assert "no answer within 0.3 s" in error.detail
            await decoder.analyze("c02", "h264", GOOD, b"")

        barred = await refused(decoder.analyze("c01", "h264", GOOD, b""))
        analysis = await decoder.analyze("c02", "h264", GOOD, b"")
    assert "left alone" in barred.detail
    assert analysis.metrics.width == 640


async def test_there_is_no_worker_before_there_is_something_to_do() -> None:
    """It costs 80 MB."""
    async with decoding() as decoder:
        assert decoder.pid is None


async def test_who_waits_when_the_decoder_ends_is_told() -> None:
    """The task that the worker is busy with and those behind it."""
    decoder = pictures.patient_decoder()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(decoder.run(), name="decoder")
        await decoder.analyze("c01", "h264", GOOD, b"")
        os.kill(pid_of(decoder), signal.SIGSTOP)
        asked = [
            group.create_task(refused(decoder.analyze(name, "h264", GOOD, b"")), name=name)
            for name in ("c01", "c02")
        ]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        running.cancel()
    assert [task.result().reason for task in asked] == [Reason.OVERLOADED] * 2


async def test_what_is_too_long_or_too_much_is_refused_at_once() -> None:
    """A keyframe above the limit, and the ninth task that waits."""
    decoder = Decoder(clock=SystemClock())
    long = await refused(decoder.analyze("c01", "h264", bytes(MAX_CODED_BYTES + 1), b""))
    waiting = [asyncio.ensure_future(decoder.analyze("c01", "h264", GOOD, b"")) for _ in range(8)]
    await asyncio.sleep(0)
    ninth = await refused(decoder.analyze("c01", "h264", GOOD, b""))
    for each in waiting:
        each.cancel()

    assert (long.reason, ninth.reason) == (Reason.CORRUPT, Reason.OVERLOADED)


async def test_the_worker_is_sandboxed() -> None:
    """It can write no file, keep no core, take no memory beyond its share, and gains nothing."""
    worker = await pictures.patient_worker()
    try:
        assert (await worker.request(Request("h264", GOOD)))[0] is Status.DONE
        limits, status = told(worker.pid, "limits"), told(worker.pid, "status")
        for name in ("Max core file size", "Max file size", "Max processes"):
            assert f"{name:<26}0 " in limits
        assert f"{'Max data size':<26}{256 << 20} " in limits
        assert "NoNewPrivs:\t1" in status
        assert "Threads:\t1" in status
    finally:
        await worker.stop()
    assert not worker.alive


async def test_a_worker_that_hears_nonsense_leaves() -> None:
    """It is lost, not obeyed."""

    class Nonsense(Request):
        def pack(self) -> bytes:
            return b"?" * 64

    worker = await pictures.patient_worker()
    with pytest.raises(WorkerLost, match="has ended"):
        await worker.request(Nonsense("h264", GOOD))
    assert not worker.alive


async def test_a_bug_ends_one_picture_and_not_the_decoder(contained_bugs: BugCounts) -> None:
    """Whoever waits is told, the worker is replaced, and the next picture is decoded."""
    async with decoding() as decoder:
        keyframe = pictures.encode_keyframe(pictures.hall(1))
        with pytest.MonkeyPatch.context() as broken:
            broken.setattr(decoder._breaker, "is_open", _fail)
            why = await refused(decoder.analyze("c1", "h264", keyframe, b""))
        await decoder.analyze("c1", "h264", keyframe, b"")

    assert why.reason is Reason.INTERNAL_ERROR
    assert contained_bugs.counts == {"camera": 1}


def _fail(*_: object) -> bool:
    raise RuntimeError("a bug in the circuit breaker")
