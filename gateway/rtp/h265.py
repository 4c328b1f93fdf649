"""H.265: its payload format, and its parameter sets read without decoding.

References: ITU-T H.265 §7.3.2 (VPS, SPS, PPS), §7.3.4 (scaling lists), §7.3.7 (reference pictures),
Table 7-1, annexes A.3 and E.2.1; RFC 7798.
"""

from __future__ import annotations

from contextlib import suppress

from gateway.rtp.bit_reader import BitReader
from gateway.rtp.packet import Malformed
from gateway.rtp.payload import PayloadFormat
from gateway.rtp.video_info import VideoInfo, read_pixel_aspect

VPS, SPS, PPS = 32, 33, 34

PAYLOAD_FORMAT = PayloadFormat(
    header_bytes=2,
    nal_type_shift=1,
    nal_type_mask=0x3F,
    fragment=49,
    aggregate=48,
    slice_types=frozenset((*range(10), *range(16, 22))),
    irap_types=frozenset(range(16, 22)),
    parameter_set_types=(VPS, SPS, PPS),
    padding=frozenset({35, 38}),
    single_end=48,
)

_MOST_REFERENCES = 16
_PROFILES = {1: "Main", 2: "Main 10", 3: "Main Still Picture", 4: "Range Extensions"}


def parse_set_id(nal: bytes) -> int:
    """Return the id under which the VPS, SPS or PPS *nal* is referred to.

    Raises:
        Malformed: It is cut off, or the id is out of range.
    """
    bits = BitReader(nal[2:])
    kind = PAYLOAD_FORMAT.nal_type(nal)
    if kind == VPS:
        return bits.u(4)
    if kind == SPS:
        bits.u(4)
        _skip_profile(bits, bits.u(3))
        return bits.ue_below(16)
    return bits.ue_below(64)


def parse_sps(sps: bytes) -> VideoInfo:
    """Return what *sps* says.

    Raises:
        Malformed: It is cut off or contradicts itself.
    """
    bits = BitReader(sps[2:])
    bits.u(4)
    layers = bits.u(3)
    profile, level, interlaced = _skip_profile(bits, layers)
    bits.ue_below(16)
    chroma = bits.ue_below(4)
    if chroma == 3:
        bits.flag()
    width, height = bits.ue_below(1 << 17), bits.ue_below(1 << 17)
    if bits.flag():
        left, right, top, bottom = (bits.ue_below(1 << 16) for _ in range(4))
        width -= (left + right) * (2 if chroma in (1, 2) else 1)
        height -= (top + bottom) * (2 if chroma == 1 else 1)
    if width <= 0 or height <= 0:
        raise Malformed("nothing left after cropping")
    reordered, order_bits = _ordering(bits, layers)
    return VideoInfo(
        width=width,
        height=height,
        profile=_PROFILES.get(profile, f"profile {profile}"),
        profile_idc=profile,
        level=f"{level // 30}.{level % 30 // 3}",
        reordered=reordered,
        interlaced=interlaced,
        pixel_aspect=_pixel_aspect(bits, order_bits),
    )


def _ordering(bits: BitReader, layers: int) -> tuple[int, int]:
    """Return sps_max_num_reorder_pics of the highest sub-layer, and the bits of a picture order."""
    bits.ue_below(9)
    bits.ue_below(9)
    order_bits = bits.ue_below(13) + 4
    reordered = 0
    for _ in range(1 if not bits.flag() else layers + 1):
        bits.ue_below(17)
        reordered = bits.ue_below(17)
        bits.ue()
    return reordered, order_bits


def _pixel_aspect(bits: BitReader, order_bits: int) -> tuple[int, int] | None:
    """Return what the VUI says, if we get there: many a camera's sets are cut off."""
    with suppress(Malformed):
        _skip_tools(bits)
        count = bits.ue_below(65)
        pictures = 0
        for index in range(count):
            pictures = _skip_reference_set(bits, index, pictures)
        if bits.flag():
            for _ in range(bits.ue_below(33)):
                bits.u(order_bits + 1)
        bits.u(2)
        if bits.flag():
            return read_pixel_aspect(bits)
    return None


def _skip_tools(bits: BitReader) -> None:
    """Skip block sizes, scaling lists, and which tools are used."""
    for _ in range(6):
        bits.ue_below(33)
    if bits.flag() and bits.flag():
        _skip_scaling_lists(bits)
    bits.u(2)
    if bits.flag():
        bits.u(8)
        bits.ue_below(33)
        bits.ue_below(33)
        bits.flag()


def _skip_scaling_lists(bits: BitReader) -> None:
    for size in range(4):
        for _ in range(2 if size == 3 else 6):
            if not bits.flag():
                bits.ue_below(7)
                continue
            for _ in range((size > 1) + min(64, 16 << 2 * size)):
                bits.se()


def _skip_reference_set(bits: BitReader, index: int, before: int) -> int:
    """Skip one short-term set; return how many pictures it has, *before* is those of the last."""
    if index and bits.flag():
        bits.flag()
        bits.ue()
        # Used now, or else kept for later; the last bit is for the picture between both sets.
        pictures = sum(bits.flag() or bits.flag() for _ in range(before + 1))
    else:
        pictures = bits.ue_below(_MOST_REFERENCES + 1) + bits.ue_below(_MOST_REFERENCES + 1)
        for _ in range(pictures):
            bits.ue()
            bits.flag()
    if pictures > _MOST_REFERENCES:
        raise Malformed("more reference pictures than there may be")
    return pictures


def _skip_profile(bits: BitReader, layers: int) -> tuple[int, int, bool]:
    """Read temporal nesting and profile_tier_level; return profile, level, interlaced."""
    bits.flag()
    bits.u(3)
    profile = bits.u(5)
    bits.u(32)
    progressive, interlaced = bits.flag(), bits.flag()
    bits.u(46)
    level = bits.u(8)
    present = [(bits.flag(), bits.flag()) for _ in range(layers)]
    if layers:
        bits.u(2 * (8 - layers))
    for with_profile, with_level in present:
        bits.u(88 * with_profile + 8 * with_level)
    return profile, level, interlaced and not progressive
