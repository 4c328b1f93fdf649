"""Parameter sets of x264 and x265, read without decoding, and remembered."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.media import Codec
from gateway.rtp.bit_reader import BitReader
from gateway.rtp.codecs import CODEC_SYNTAX
from gateway.rtp.packet import Malformed
from gateway.rtp.parameter_sets import MAX_SETS, ParameterSets
from gateway.rtp.payload import split_aggregate
from gateway.rtp.video_info import VideoInfo
from tests.fixtures.calls import calls_of

CODECS: tuple[Codec, ...] = ("h264", "h265")
SPS, PPS = (
    b"\x67\x42\xc0\x1e\xd9\x00\xa0\x3d\xb0\x11\0\0\x03\0\x01\0\0\x03\0\x32\x0f\x16\x2e\x48",
    b"\x68\xce",
)

KNOWN: list[tuple[Codec, str, VideoInfo]] = [
    (
        "h264",
        "67640029acd940780227e5c044000003000400000300c83c60c658",
        VideoInfo(1920, 1080, "High", 100, "4.1", 2, False, (1, 1)),
    ),
    (
        "h264",
        "6742c01ed900a03db011000003000100000300320f162e48",
        VideoInfo(640, 480, "Baseline", 66, "3.0", 0, False, (1, 1)),
    ),
    (
        "h264",
        "6764001eace402c0936022000003000200000300643e285490",
        VideoInfo(704, 576, "High", 100, "3.0", 0, True, (1, 1)),
    ),
    (  # with HRD parameters
        "h264",
        "674d4032eca014005ad8088000000300800000193020007a12000f427261803c60c658",
        VideoInfo(2560, 1440, "Main", 77, "5.0", 2, False, (1, 1)),
    ),
    (  # 4:4:4, odd cropping
        "h264",
        "67f4000d919b282a33c7c5e022000003000200000300641e28532c",
        VideoInfo(322, 182, "High 4:4:4", 244, "1.3", 2, False, (1, 1)),
    ),
    (  # PAL, from the table
        "h264",
        "674d401ef405a126c084000003000400000300ca7c50aa80",
        VideoInfo(720, 576, "Main", 77, "3.0", 0, True, (12, 11)),
    ),
    (  # PAL, in full
        "h264",
        "674d401ef405a126ffc0040003c4000003000400000300ca7c50aa80",
        VideoInfo(720, 576, "Main", 77, "3.0", 0, True, (16, 15)),
    ),
    (
        "h265",
        "420101016000000300900000030000030078a003c08010e596566924caf0168080000003008000000c84",
        VideoInfo(1920, 1080, "Main", 1, "4.0", 2, False, (1, 1)),
    ),
    (
        "h265",
        "420101022000000300900000030000030096a0014420079936592a4932bc05a02000000300200000030321",
        VideoInfo(2592, 1944, "Main 10", 2, "5.0", 0, False, (1, 1)),
    ),
    (
        "h265",
        "42010101600000030040000003000003005aa0058200905964a924caf0168680000003008000000c84",
        VideoInfo(704, 576, "Main", 1, "3.0", 0, True, (1, 1)),
    ),
    (  # PAL, in full, behind HRD-less VUI
        "h265",
        "4201010408000003009e0800000300005a9000b440120b2cacb24995ffe0020001edc0808001000003000100"
        "0003001908",
        VideoInfo(720, 576, "Range Extensions", 4, "3.0", 2, False, (16, 15)),
    ),
    (  # scaling lists, from the table
        "h265",
        "4201010408000003009e0800000300005a9000b440120b2cacb249caf106e040400080000003008000000c84",
        VideoInfo(720, 576, "Range Extensions", 4, "3.0", 2, False, (2, 1)),
    ),
]


def sps_of(width_mbs: int, height_mbs: int) -> bytes:
    """Return a Baseline SPS of that many macroblocks, without cropping or VUI."""
    bits = "1" + "1" + "011" + "1" + "0"  # id 0, log2 4, order type 2, one reference, no gaps
    for value in (width_mbs, height_mbs):  # ue(v) of value - 1 is value, with zeros before it
        bits += f"{value:0{2 * value.bit_length() - 1}b}"
    bits += "1" + "0" + "0" + "0" + "1"
    body = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8))
    return b"\x67\x42\x00\x1e" + body


@pytest.mark.parametrize(("codec", "sps", "picture"), KNOWN)
def test_an_sps_is_read(codec: Codec, sps: str, picture: VideoInfo) -> None:
    """Size after cropping, profile, level, B-frames and fields, as the encoder was told."""
    assert CODEC_SYNTAX[codec].parse_sps(bytes.fromhex(sps)) == picture
    assert not picture.oversized


@pytest.mark.parametrize(("codec", "sps", "picture"), KNOWN)
def test_an_sps_cut_off_is_malformed(codec: Codec, sps: str, picture: VideoInfo) -> None:
    """However short, it is refused or read as far as the picture goes."""
    whole = bytes.fromhex(sps)
    for end in range(1, len(whole)):
        with contextlib.suppress(Malformed):
            said = CODEC_SYNTAX[codec].parse_sps(whole[:end])
            assert (said.width, said.height) == (picture.width, picture.height)


def test_a_decompression_bomb_is_seen() -> None:
    """16384 x 16384 is larger than anything we would decode; 4096 x 2304 is not."""
    bomb = CODEC_SYNTAX["h264"].parse_sps(sps_of(1_024, 1_024))
    largest = CODEC_SYNTAX["h264"].parse_sps(sps_of(256, 144))

    assert (bomb.width, bomb.height, bomb.oversized) == (16_384, 16_384, True)
    assert (largest.width, largest.height, largest.oversized) == (4_096, 2_304, False)


def test_baseline_without_vui_has_no_b_frames() -> None:
    """The profile forbids them, whatever else is unknown."""
    assert CODEC_SYNTAX["h264"].parse_sps(sps_of(40, 30)).reordered == 0


@given(body=st.binary(max_size=80), codec=st.sampled_from(CODECS))
def test_any_bytes_are_read_or_malformed(body: bytes, codec: Codec) -> None:
    """Nothing else is ever raised, and sizes are positive."""
    grammar = CODEC_SYNTAX[codec]
    head = b"\x67" if codec == "h264" else b"\x42\x01"
    with contextlib.suppress(Malformed):
        grammar.parse_set_id(head + body)
    with contextlib.suppress(Malformed):
        picture = grammar.parse_sps(head + body)
        assert picture.width > 0
        assert picture.height > 0


def test_the_newest_of_each_id_is_kept() -> None:
    """An SPS of the same id replaces the old; another PPS id stands beside it."""
    sets = ParameterSets(CODEC_SYNTAX["h264"], (SPS, PPS), limit=1_180)
    second_pps, newer = b"\x68\x5c", sps_of(20, 15)

    sets.update(second_pps)
    sets.update(newer)

    (payload,) = sets.payloads
    assert split_aggregate(CODEC_SYNTAX["h264"].payload_format, payload) == [newer, PPS, second_pps]
    assert sets.video_info is not None
    assert (sets.video_info.width, sets.video_info.height) == (320, 240)


def test_until_all_kinds_are_known_there_is_nothing_to_send() -> None:
    """An SPS alone lets no decoder start."""
    assert ParameterSets(CODEC_SYNTAX["h264"], (SPS,), limit=1_180).payloads == ()


def test_sets_too_large_together_go_one_by_one() -> None:
    """No aggregate above the payload limit."""
    assert ParameterSets(CODEC_SYNTAX["h264"], (SPS, PPS), limit=26).payloads == (SPS, PPS)


def test_a_set_that_is_known_is_not_read_again() -> None:
    """By its bytes: a camera that repeats its sets with every picture costs nothing."""
    sets = ParameterSets(CODEC_SYNTAX["h264"], (SPS, PPS), limit=1_180)

    assert not sets.update(SPS)
    assert sets.update(sps_of(20, 15))
    assert not sets.update(sps_of(20, 15))
    assert sets.update(SPS)


@given(st.binary(max_size=12), st.lists(st.sampled_from([1, 3, 8, 32, "ue"]), max_size=12))
def test_bits_are_read_as_one_by_one(body: bytes, asked: list[int | str]) -> None:
    """Fields and Exp-Golomb codes, from any bit on, up to the last."""
    digits = "".join(f"{byte:08b}" for byte in body.replace(b"\0\0\3", b"\0\0"))
    bits = BitReader(body)
    with contextlib.suppress(Malformed):
        for each in asked:
            if each == "ue":
                value = bits.ue()
                zeros = len(digits) - len(digits.lstrip("0"))
                width = 2 * zeros + 1
                assert value == int(digits[:width], 2) - 1
            else:
                assert isinstance(each, int)
                width = each
                value = bits.u(width)
                assert value == int(digits[:width], 2)
            assert len(digits) >= width
            digits = digits[width:]
        return
    assert len(digits) < 66


def test_the_slowest_sps_is_read_in_few_calls() -> None:
    """All lists and offsets that the syntax allows, and then it is at its end."""
    slow = b"\x67\x64\x00\x1f\x88\x80" + b"\xff" * 4_000

    assert calls_of(lambda: ParameterSets(CODEC_SYNTAX["h264"], (slow,), limit=1_180)) < 6_000


@given(st.lists(st.binary(max_size=40)), st.sampled_from(CODECS))
def test_any_sets_are_survived(nals: list[bytes], codec: Codec) -> None:
    """Hostile sets neither raise nor pile up."""
    sets = ParameterSets(CODEC_SYNTAX[codec], nals, limit=1_180)

    assert len(sets.payloads) <= MAX_SETS
    assert len(sets._newest) <= MAX_SETS
