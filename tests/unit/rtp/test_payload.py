"""NAL units into payloads and back, for both codecs."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.media import Codec
from gateway.rtp.codecs import CODEC_SYNTAX, packetise, split
from gateway.rtp.packet import Malformed
from gateway.rtp.payload import END, START, annex_b, nal_units, refragment, split_aggregate

CODECS: tuple[Codec, ...] = ("h264", "h265")


@st.composite
def units_of(draw: st.DrawFn, codec: Codec) -> list[bytes]:
    """NAL units of any kind and importance, most of them small, some large."""
    shape = CODEC_SYNTAX[codec].payload_format
    nals = []
    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.integers(0 if codec == "h265" else 1, shape.single_end - 1))
        header = draw(st.binary(min_size=shape.header_bytes, max_size=shape.header_bytes))
        size = draw(st.integers(1, 3_000))
        nals.append(shape.with_nal_type(header, kind) + bytes(range(256)) * 12)
        nals[-1] = nals[-1][: shape.header_bytes + size]
    return nals


def fragments(codec: Codec, size: int, limit: int) -> list[bytes]:
    """Return a slice of *size* bytes in fragments."""
    return packetise([slice_of(codec, size)], codec, limit)


def slice_of(codec: Codec, size: int) -> bytes:
    head = b"\x65\x88" if codec == "h264" else b"\x26\x01\x80"
    return (head + bytes(range(256)) * 40)[:size]


@pytest.mark.parametrize("codec", CODECS)
@given(draws=st.data(), limit=st.integers(100, 1_400))
def test_packetised_units_come_back(codec: Codec, draws: st.DataObject, limit: int) -> None:
    """Any units through any limit: the same units, every payload within it."""
    nals = draws.draw(units_of(codec))

    payloads = packetise(nals, codec, limit)

    assert list(nal_units(CODEC_SYNTAX[codec].payload_format, payloads)) == nals
    assert max(map(len, payloads)) <= limit


@pytest.mark.parametrize("codec", CODECS)
@given(draws=st.data(), coarse=st.integers(200, 1_400), fine=st.integers(100, 1_400))
def test_split_payloads_mean_the_same(
    codec: Codec, draws: st.DataObject, coarse: int, fine: int
) -> None:
    """Payloads split for a narrower path hold the same units."""
    nals = draws.draw(units_of(codec))

    narrow = [
        piece for payload in packetise(nals, codec, coarse) for piece in split(payload, codec, fine)
    ]

    assert list(nal_units(CODEC_SYNTAX[codec].payload_format, narrow)) == nals
    assert max(map(len, narrow)) <= fine


@pytest.mark.parametrize("codec", CODECS)
@given(size=st.integers(1_401, 9_000), coarse=st.integers(500, 1_400), fine=st.integers(500, 1_400))
def test_pieces_are_of_equal_size_but_the_last(
    codec: Codec, size: int, coarse: int, fine: int
) -> None:
    """So that one segmentation-offloaded send can carry them."""
    shape, nal = CODEC_SYNTAX[codec].payload_format, slice_of(codec, size)

    pieces = refragment(shape, fragments(codec, size, coarse), fine)

    sizes = [len(piece) for piece in pieces]
    assert len(set(sizes[:-1])) == 1
    assert sizes[-1] <= sizes[0] <= fine
    assert len(sizes) == -(-(size - shape.header_bytes) // (fine - shape.header_bytes - 1))
    assert list(nal_units(shape, pieces)) == [nal]


@pytest.mark.parametrize("codec", CODECS)
def test_fragments_recut_to_something_larger_may_become_whole(codec: Codec) -> None:
    """A unit that fits is sent by itself."""
    shape = CODEC_SYNTAX[codec].payload_format

    assert refragment(shape, fragments(codec, 900, 500), 1_000) == [slice_of(codec, 900)]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("which", [0, 1, -1])
def test_a_split_fragment_keeps_its_place(codec: Codec, which: int) -> None:
    """Only the first piece of the first begins the unit, only the last of the last ends it."""
    at = CODEC_SYNTAX[codec].payload_format.header_bytes

    pieces = split(fragments(codec, 5_000, 1_400)[which], codec, 500)

    assert [piece[at] & START != 0 for piece in pieces] == [which == 0, False, False]
    assert [piece[at] & END != 0 for piece in pieces] == [False, False, which == -1]


def test_parameter_sets_travel_together() -> None:
    """SPS and PPS of a keyframe in one STAP-A, with the higher of their importances."""
    sps, pps, idr = b"\x27\x42\x00\x1e", b"\x68\xce", b"\x65\x88\x80"

    assert packetise([sps, pps, idr], "h264", 1_180) == [
        b"\x78\x00\x04" + sps + b"\x00\x02" + pps,
        idr,
    ]


def test_parameter_sets_of_h265_travel_together() -> None:
    """VPS, SPS and PPS in one aggregation packet, type 48."""
    sets = [b"\x40\x01\x0c", b"\x42\x01\x01\x02", b"\x44\x01\xc1"]

    (payload,) = packetise(sets, "h265", 1_180)

    assert payload[:2] == b"\x60\x01"
    assert split_aggregate(CODEC_SYNTAX["h265"].payload_format, payload) == sets


@pytest.mark.parametrize(
    "payloads",
    [
        [b""],
        [b"\x78"],
        [b"\x78\x00\x05abcd"],
        [b"\x78\x00\x00"],
        [b"\x7c"],
        [b"\x7c\x05aaa"],
        [b"\x7c\x85aaa"],
        [b"\x7c\x85aaa", b"\x7c\x41aaa"],
        [b"\x7c\x85aaa", b"\x7c\x85aaa"],
        [b"\x7c\x85aaa", b"\x61aaa"],
        [b"\x7daaa"],
    ],
)
def test_what_is_no_unit_is_malformed(payloads: list[bytes]) -> None:
    """Fragments without beginning or end, lengths that lie, types that do not exist."""
    with pytest.raises(Malformed):
        list(nal_units(CODEC_SYNTAX["h264"].payload_format, payloads))


@given(
    payloads=st.lists(st.binary(max_size=30), max_size=8),
    codec=st.sampled_from(CODECS),
    limit=st.integers(8, 30),
)
def test_any_payloads_are_understood_or_malformed(
    payloads: list[bytes], codec: Codec, limit: int
) -> None:
    """Nothing else is ever raised, by reading or by splitting."""
    shape = CODEC_SYNTAX[codec].payload_format
    with contextlib.suppress(Malformed):
        list(nal_units(shape, payloads))
    for payload in payloads:
        try:
            assert max(map(len, split(payload, codec, limit))) <= limit
        except Malformed:
            assert len(payload) > limit


def test_annex_b_puts_a_start_code_before_each() -> None:
    """As decoders want it."""
    assert annex_b([b"ab", b"c"]) == b"\x00\x00\x00\x01ab\x00\x00\x00\x01c"
