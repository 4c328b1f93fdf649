"""The shape of H.265's pixels, behind all that an SPS may say before it: as FFmpeg reads it."""

from __future__ import annotations

import contextlib
from fractions import Fraction

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.rtp.h265 import parse_sps
from gateway.rtp.packet import Malformed
from tests.fixtures.calls import calls_of

VPS = bytes.fromhex("40010c01ffff01600000030090000003000003003c959809")


class Bits:
    """Writes a parameter set, with emulation prevention."""

    def __init__(self) -> None:
        self.digits = ""

    def u(self, count: int, value: int) -> None:
        """Append *value* in *count* bits."""
        self.digits += f"{value:0{count}b}" if count else ""

    def ue(self, *values: int) -> None:
        """Append unsigned Exp-Golomb codes."""
        for value in values:
            digits = f"{value + 1:b}"
            self.digits += "0" * (len(digits) - 1) + digits

    def nal(self, head: bytes) -> bytes:
        """Return it behind *head*, with its stop bit."""
        digits = self.digits + "1"
        body = int(digits.ljust(-(-len(digits) // 8) * 8, "0"), 2).to_bytes(-(-len(digits) // 8))
        escaped = bytearray()
        for byte in body:
            if byte <= 3 and escaped[-2:] == b"\0\0":
                escaped.append(3)
            escaped.append(byte)
        return head + bytes(escaped)


SHAPES = {None: None, 2: (12, 11), 4: (16, 11), (16, 15): (16, 15), (0, 15): None, 99: None}
"""aspect_ratio_idc, or what stands there in full; and what it means (Table E-1)."""


def sps_of(
    aspect: int | tuple[int, int] | None,
    *,
    scaling: int = 0,
    pcm: bool = False,
    sets: tuple[str, ...] = (),
    long_term: int = 0,
    vui: bool = True,
    size: tuple[int, int] = (704, 576),
) -> bytes:
    """Return an SPS.

    Args:
        aspect: As a key of `SHAPES`.
        scaling: 0 no lists, 1 the default ones, 2 all in full.
        pcm: Whether there are PCM blocks.
        sets: Short-term reference picture sets: ``own`` or ``of the one before``.
        long_term: Long-term reference pictures.
        vui: Whether there is one.
        size: Of the picture.
    """
    bits = Bits()
    _size(bits, size)
    _tools(bits, scaling, pcm=pcm)
    _references(bits, sets, long_term)
    bits.u(2, 0b11)
    bits.u(1, vui)
    if vui:
        _vui(bits, aspect)
    bits.u(1, 0)
    return bits.nal(b"\x42\x01")


def _size(bits: Bits, size: tuple[int, int]) -> None:
    """All that stands before the block sizes: VPS 0, one sub-layer, Main."""
    bits.u(8, 1)
    bits.u(8, 1)
    bits.u(32, 0x60000000)
    bits.u(48, 0x900000000000)
    bits.u(8, 90)
    bits.ue(0, 1, *size)
    bits.u(1, 0)
    bits.ue(0, 0, 4)
    bits.u(1, 1)
    bits.ue(4, 0, 0)


def _tools(bits: Bits, scaling: int, *, pcm: bool) -> None:
    bits.ue(0, 3, 0, 3, 0, 0)
    bits.u(1, scaling > 0)
    if scaling:
        bits.u(1, scaling > 1)
    if scaling > 1:
        _lists(bits)
    bits.u(2, 0b01)
    bits.u(1, pcm)
    if pcm:
        bits.u(8, 0x77)
        bits.ue(0, 2)
        bits.u(1, 1)


def _references(bits: Bits, sets: tuple[str, ...], long_term: int) -> None:
    bits.ue(len(sets))
    for index, kind in enumerate(sets):
        _reference_set(bits, index, kind)
    bits.u(1, long_term > 0)
    if long_term:
        bits.ue(long_term)
    for index in range(long_term):
        bits.u(8, index)
        bits.u(1, 1)


def _vui(bits: Bits, aspect: int | tuple[int, int] | None) -> None:
    bits.u(1, aspect is not None)
    if isinstance(aspect, int):
        bits.u(8, aspect)
    elif aspect is not None:
        bits.u(8, 255)
        bits.u(32, aspect[0] << 16 | aspect[1])
    bits.u(9, 0)  # nothing else is said


def _lists(bits: Bits) -> None:
    """All scaling lists, some from another, some in full."""
    for size in range(4):
        for matrix in range(0, 6, 3 if size == 3 else 1):
            bits.u(1, matrix % 2)
            if matrix % 2 == 0:
                bits.ue(0)
                continue
            if size > 1:
                bits.ue(0)
            bits.ue(*[0] * min(64, 1 << 4 + 2 * size))


def _reference_set(bits: Bits, index: int, kind: str) -> None:
    """One short-term set: three pictures, of its own or those of the one before but one later."""
    if index:
        bits.u(1, kind != "own")
    if kind == "own":
        bits.ue(3, 0)
        for _ in range(3):
            bits.ue(0)
            bits.u(1, 1)
        return
    bits.u(1, 1)
    bits.ue(0)
    bits.u(6, 0b101100)  # the three, of which the second is kept only; not the one between


def ffmpeg_says(sps: bytes) -> Fraction | None:
    """Return the pixel shape that FFmpeg's decoder reads."""
    decoder = av.CodecContext.create("hevc", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    decoder.extradata = b"".join(b"\0\0\0\1" + nal for nal in (VPS, sps))
    decoder.open()
    assert (decoder.width, decoder.height) == (704, 576)
    return decoder.sample_aspect_ratio


@pytest.mark.parametrize("aspect", SHAPES)
def test_the_shape_of_pixels_is_read(aspect: int | tuple[int, int] | None) -> None:
    """From the table, or in full; nonsense is nothing."""
    sps = sps_of(aspect)

    assert parse_sps(sps).pixel_aspect == SHAPES[aspect]


@settings(deadline=None)
@given(
    scaling=st.integers(0, 2),
    pcm=st.booleans(),
    sets=st.lists(st.sampled_from(["own", "of the one before"]), max_size=8),
    long_term=st.integers(0, 32),
)
def test_it_is_found_behind_all_that_may_stand_before_it(
    *, scaling: int, pcm: bool, sets: list[str], long_term: int
) -> None:
    """Scaling lists, PCM, reference pictures of both kinds: as FFmpeg finds it."""
    chain = tuple(["own", *sets][: len(sets)])
    sps = sps_of((16, 15), scaling=scaling, pcm=pcm, sets=chain, long_term=long_term)

    assert parse_sps(sps).pixel_aspect == (16, 15)
    assert ffmpeg_says(sps) == Fraction(16, 15)
    assert parse_sps(sps_of(None, sets=chain, vui=False)).pixel_aspect is None


@given(st.binary(max_size=200))
def test_whatever_follows_the_size_is_survived(tail: bytes) -> None:
    """A camera that breaks off, or goes on with anything, still has its size."""
    head = sps_of(None)[:24]
    with contextlib.suppress(Malformed):
        assert parse_sps(head + tail).width == 704


def test_the_dearest_sps_is_read_in_few_calls() -> None:
    """All lists and all sets that the syntax allows."""
    sets = ("own", *["of the one before"] * 63)
    dear = sps_of((16, 15), scaling=2, pcm=True, sets=sets, long_term=32)

    assert calls_of(lambda: parse_sps(dear)) < 8_000
