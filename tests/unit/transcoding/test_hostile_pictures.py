"""Whatever a camera sends kills at most the child, and the next good picture is shown."""

from __future__ import annotations

import random
from dataclasses import replace

import psutil
import pytest

from gateway.demo.encoder import CodedPicture, EncoderSettings
from gateway.model.errors import PermanentError
from gateway.model.media import Codec
from gateway.model.reasons import Reason
from gateway.transcoding.output_format import OutputFormat
from tests.fixtures.transcoding import SMALL, Transcode, decoded, pictures, transcoding
from tests.unit.rtp.test_h265_pixel_aspect import sps_of

H264 = replace(SMALL, codec="h264")
SPS_16K = bytes.fromhex("674d0033da000800100010") + b"\x40\x00\x80\x00" * 4


def hostile(codec: Codec) -> dict[str, list[CodedPicture]]:
    """Return what a broken or hostile camera sends, by what it is."""
    chance = random.Random(5)
    loop = pictures(replace(SMALL, codec=codec))
    first = loop[0].nal_units

    def flipped(nal: bytes) -> bytes:
        raw = bytearray(nal)
        for _ in range(1 + len(raw) // 40):
            raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
        return bytes(raw)

    def key(*nals: bytes) -> CodedPicture:
        return CodedPicture(nals, True)

    return {
        "random": [key(chance.randbytes(3000)) for _ in range(20)],
        "random_nals": [key(*[chance.randbytes(200) for _ in range(20)]) for _ in range(10)],
        "cut": [key(*first[:-1], first[-1][: len(first[-1]) // 9]), *loop[1:5]],
        "sets_only": [key(*first[:-1])] * 5,
        "without_sets": list(loop[1:10]),
        "flipped": [replace(each, nal_units=tuple(map(flipped, each.nal_units))) for each in loop],
        "zeros": [key(bytes(5000))],
        "many_small": [key(*[bytes((1, 2)) for _ in range(3000)])],
    }


async def still_works(made: Transcode, codec: Codec) -> bool:
    """Whether a good GOP is shown."""
    made.units.clear()
    await made.send_until(
        lambda: any(unit.keyframe for unit in made.units), replace(SMALL, codec=codec)
    )
    await made.send_until(lambda: len(made.units) > 30, replace(SMALL, codec=codec))
    first = next(index for index, unit in enumerate(made.units) if unit.keyframe)
    return len(decoded(made.units[first:])) > 0 and made.stream.readers == 1


@pytest.mark.parametrize("codec", ["h264", "h265"])
@pytest.mark.parametrize("name", hostile("h264"))
async def test_hostile_pictures_are_survived(codec: Codec, name: str) -> None:
    """By this child or by the next."""
    async with transcoding(codec) as made:
        await made.send_until(lambda: bool(made.units), replace(SMALL, codec=codec))
        for coded in hostile(codec)[name]:
            made.send(coded)
        assert await still_works(made, codec)


async def test_a_picture_of_16k_by_16k_is_not_decoded() -> None:
    """The size is refused before anything is allocated."""
    loop = pictures(H264)
    bomb = CodedPicture((SPS_16K, *loop[0].nal_units[1:]), True)
    async with transcoding("h264") as made:
        await made.send_until(lambda: bool(made.units), H264)
        before = psutil.Process(made.source.pid).memory_info().rss
        for _ in range(5):
            await made.answered(bomb)
        assert psutil.Process(made.source.pid).memory_info().rss - before < 32 << 20
        assert await still_works(made, "h264")


async def test_h265_of_16k_by_16k_is_not_decoded() -> None:
    """Likewise; its parameter sets are whole, so that nothing else is wrong with it."""
    loop = pictures(SMALL)
    vps, _, *rest = loop[0].nal_units
    bomb = CodedPicture((vps, sps_of(None, size=(16_384, 16_384)), *rest), True)
    async with transcoding("h265") as made:
        await made.send_until(lambda: bool(made.units), SMALL)
        before = psutil.Process(made.source.pid).memory_info().rss
        for _ in range(5):
            await made.answered(bomb)
        assert psutil.Process(made.source.pid).memory_info().rss - before < 32 << 20
        assert await still_works(made, "h265")


async def test_what_can_never_be_decoded_is_told() -> None:
    """Not waited for without end, nor tried again and again: it is the camera's to change."""
    first, *rest = pictures(H264)
    bomb = CodedPicture((SPS_16K, *first.nal_units[1:]), True)
    async with transcoding("h264") as made:
        index = 0
        while not made.errors:
            made.send((bomb, *rest[:9])[index % 10])
            index += 1
            await made.until(
                lambda: bool(made.errors) or made.source.state.report.serial >= index  # noqa: B023
            )

    assert made.errors[0].reason is Reason.UNSUPPORTED_CODEC
    assert isinstance(made.errors[0], PermanentError)
    assert made.source.deaths == 0


async def test_a_thousand_pictures_a_second_are_not_encoded() -> None:
    """By the camera's time; decoded they must be."""
    loop = pictures(H264)
    async with transcoding("h264", OutputFormat(fps=25)) as made:
        for index in range(500):
            await made.answered(loop[index % len(loop)], time_90k=index * 90)

        assert made.source.state.report.decoded == 500
        assert 10 <= made.source.state.report.encoded <= 16


async def test_a_change_of_size_begins_with_a_keyframe() -> None:
    """A viewer's decoder follows."""
    large = EncoderSettings("h264", 640, 360, 25, 1.0, 300_000)
    async with transcoding("h264") as made:
        for coded in pictures(H264)[:5]:
            await made.answered(coded)
        for coded in pictures(large)[:5]:
            await made.answered(coded)

    sizes = [(frame.width, frame.height) for frame in decoded(made.units)]
    assert sizes == [(320, 180)] * 5 + [(640, 360)] * 5
    assert [index for index, unit in enumerate(made.units) if unit.keyframe] == [0, 5]


async def test_a_child_that_is_late_drops_to_the_next_keyframe_at_half_the_rate() -> None:
    """And says so."""
    loop = pictures(H264)
    async with transcoding("h264") as made:
        for coded in loop[:5]:
            await made.answered(coded)
        for coded in loop[5:25]:
            await made.answered(coded, old_s=1002.0)
        for coded in loop[25:]:
            await made.answered(coded)

        assert made.source.dropped == 20
        assert made.source.divisor == 2
        assert len(made.units) in range(5 + 12, 5 + 14)
        assert made.units[5].time_90k == 25 * 3600
