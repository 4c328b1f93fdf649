"""H.264: its payload format, and its parameter sets read without decoding.

References: ITU-T H.264 §7.3.2.1 (SPS), Table 7-1, annexes A.2 and E.1.1; RFC 6184.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from gateway.rtp.bit_reader import BitReader
from gateway.rtp.packet import Malformed
from gateway.rtp.payload import PayloadFormat
from gateway.rtp.video_info import VideoInfo, read_pixel_aspect

IDR, SPS, PPS = 5, 7, 8

PAYLOAD_FORMAT = PayloadFormat(
    header_bytes=1,
    nal_type_shift=0,
    nal_type_mask=0x1F,
    fragment=28,
    aggregate=24,
    slice_types=frozenset((1, 2, IDR)),
    irap_types=frozenset((IDR,)),
    parameter_set_types=(SPS, PPS),
    padding=frozenset({9, 12}),
    single_end=24,
)

_PROFILES = {66: "Baseline", 77: "Main", 88: "Extended", 100: "High", 110: "High 10"}
_PROFILES |= {122: "High 4:2:2", 244: "High 4:4:4"}
_WITH_CHROMA = frozenset((100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135))
_INTRA_ONLY = 0x10  # constraint_set3_flag: with a High profile, all pictures are IDR


def parse_set_id(nal: bytes) -> int:
    """Return the id under which the SPS or PPS *nal* is referred to.

    Raises:
        Malformed: It is cut off, or the id is out of range.
    """
    bits = BitReader(nal[1:])
    if nal[0] & 0x1F == SPS:
        bits.u(24)
        return bits.ue_below(32)
    return bits.ue_below(256)


def parse_sps(sps: bytes) -> VideoInfo:
    """Return what *sps* says.

    Raises:
        Malformed: It is cut off or contradicts itself.
    """
    bits = BitReader(sps[1:])
    profile, constraints, level = bits.u(8), bits.u(8), bits.u(8)
    bits.ue_below(32)
    chroma = _chroma(bits) if profile in _WITH_CHROMA else 1
    _order_count(bits)
    bits.ue_below(17)  # max_num_ref_frames
    bits.flag()
    width = 16 * (bits.ue_below(1 << 16) + 1)
    rows = bits.ue_below(1 << 16) + 1
    progressive = bits.flag()
    if not progressive:
        bits.flag()
    height = 16 * rows * (1 if progressive else 2)
    bits.flag()
    if bits.flag():
        left, right, top, bottom = (bits.ue_below(1 << 16) for _ in range(4))
        width -= (left + right) * (2 if chroma in (1, 2) else 1)
        height -= (top + bottom) * (2 if chroma == 1 else 1) * (1 if progressive else 2)
    if width <= 0 or height <= 0:
        raise Malformed("nothing left after cropping")
    vui = _read_vui(bits)
    return VideoInfo(
        width=width,
        height=height,
        profile=_PROFILES.get(profile, f"profile {profile}"),
        profile_idc=profile,
        level="1b" if level == 11 and constraints & 0x10 and profile < 100 else _level(level),
        reordered=_reordered(vui, profile, constraints),
        interlaced=not progressive,
        pixel_aspect=vui.pixel_aspect,
    )


def _level(level: int) -> str:
    return f"{level // 10}.{level % 10}"


def _chroma(bits: BitReader) -> int:
    chroma = bits.ue_below(4)
    if chroma == 3:
        bits.flag()
    bits.ue_below(7)
    bits.ue_below(7)
    bits.flag()
    if bits.flag():
        for index in range(8 if chroma != 3 else 12):
            if bits.flag():
                _skip_scaling(bits, 16 if index < 6 else 64)
    return chroma


def _skip_scaling(bits: BitReader, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _order_count(bits: BitReader) -> None:
    bits.ue_below(13)
    kind = bits.ue_below(3)
    if kind == 0:
        bits.ue_below(13)
    elif kind == 1:
        bits.flag()
        bits.se()
        bits.se()
        for _ in range(bits.ue_below(256)):
            bits.se()


@dataclass(slots=True)
class _Vui:
    """What we read of the video usability information (annex E); None: it does not say."""

    pixel_aspect: tuple[int, int] | None = None
    reordered: int | None = None


def _reordered(vui: _Vui, profile: int, constraints: int) -> int | None:
    """Return max_num_reorder_frames, by the VUI or by what the profile excludes."""
    without = profile == 66 or (profile >= 100 and constraints & _INTRA_ONLY)
    return 0 if vui.reordered is None and without else vui.reordered


def _read_vui(bits: BitReader) -> _Vui:
    """Return what the VUI says, as far as it goes: many a camera's is cut off."""
    vui = _Vui()
    with suppress(Malformed):
        if bits.flag():
            vui.pixel_aspect = read_pixel_aspect(bits)
            _skip_display(bits)
            vui.reordered = _vui_reordered(bits)
    return vui


def _vui_reordered(bits: BitReader) -> int | None:
    if bits.flag():
        bits.u(65)
    timed = bits.flag()
    if timed:
        _skip_hrd(bits)
    if bits.flag():
        _skip_hrd(bits)
        timed = True
    if timed:
        bits.flag()
    bits.flag()
    if not bits.flag():
        return None
    bits.flag()
    for _ in range(4):
        bits.ue()
    return bits.ue_below(17)


def _skip_display(bits: BitReader) -> None:
    """Skip overscan, video signal and chroma location."""
    if bits.flag():
        bits.flag()
    if bits.flag():
        bits.u(4)
        if bits.flag():
            bits.u(24)
    if bits.flag():
        bits.ue()
        bits.ue()


def _skip_hrd(bits: BitReader) -> None:
    count = bits.ue_below(32) + 1
    bits.u(8)
    for _ in range(count):
        bits.ue()
        bits.ue()
        bits.flag()
    bits.u(20)
