"""NAL units into RTP payloads and back, for H.264 and H.265 alike.

The two differ in header lengths and numbers only; `PayloadFormat` holds those, and everything here
is a pure function of it and of bytes. A NAL unit that must be cut is cut into pieces of one size,
the last excepted, so that a batch can leave with UDP segmentation offload.

References: RFC 6184 §5.6-5.8 (single, STAP-A, FU-A), RFC 7798 §4.4 (single, AP, FU).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gateway.rtp.packet import Malformed

START, END = 0x80, 0x40
"""Bits of the FU header: first and last fragment of a NAL unit."""

MAX_AGGREGATED = 128
"""NAL units of one aggregate; a picture cut into a slice for each row of macroblocks has 68."""


@dataclass(frozen=True, slots=True)
class PayloadFormat:
    """What is particular to one codec's NAL units and payloads.

    Attributes:
        header_bytes: Length of the NAL unit header, and of the payload header.
        nal_type_shift: Where the type stands in the first byte.
        nal_type_mask: How wide it is, after shifting.
        fragment: Payload type number of FU-A / FU.
        aggregate: Payload type number of STAP-A / AP.
        slice_types: NAL unit types that carry (the beginning of) a coded slice.
        irap_types: Those of pictures that a decoder can start at (IDR / IRAP).
        parameter_set_types: In the order in which the sets are sent.
        padding: Types that no decoder needs: access unit delimiters and filler data.
        single_end: Types from here on are not NAL units.
    """

    header_bytes: int
    nal_type_shift: int
    nal_type_mask: int
    fragment: int
    aggregate: int
    slice_types: frozenset[int]
    irap_types: frozenset[int]
    parameter_set_types: tuple[int, ...]
    padding: frozenset[int]
    single_end: int

    def nal_type(self, nal: bytes) -> int:
        """Return the type of a NAL unit or payload; it must not be empty."""
        return nal[0] >> self.nal_type_shift & self.nal_type_mask

    def with_nal_type(self, header: bytes, kind: int) -> bytes:
        """Return the NAL or payload *header* with its type replaced by *kind*."""
        first = (
            header[0] & ~(self.nal_type_mask << self.nal_type_shift) | kind << self.nal_type_shift
        )
        return bytes((first,)) + header[1 : self.header_bytes]

    def is_needed(self, kind: int) -> bool:
        """Return whether a NAL unit of type *kind* goes to viewers.

        Padding would cost a packet per picture and viewer, and nobody misses it.
        """
        return kind < self.single_end and kind not in self.padding

    def is_first_slice(self, nal: bytes) -> bool:
        """Return whether the slice *nal* is the first of its picture."""
        # first_mb_in_slice is ue(v), 0 is the single bit 1; H.265 has a flag in the same place.
        return len(nal) > self.header_bytes and nal[self.header_bytes] & 0x80 != 0


def is_later_part(payload_format: PayloadFormat, payload: bytes, in_fragments: bool) -> bool:
    """Return whether *payload* can only be within a picture, not the first of it.

    *payload* is not empty; *in_fragments*: a NAL unit has begun in fragments and has not ended.
    """
    at = payload_format.header_bytes
    kind = payload_format.nal_type(payload)
    if kind == payload_format.fragment and len(payload) > at:
        if not payload[at] & START:
            return in_fragments
        kind, at = payload[at] & payload_format.nal_type_mask, at + 1
    return kind in payload_format.slice_types and len(payload) > at and not payload[at] & 0x80


def fragment(payload_format: PayloadFormat, nal: bytes, limit: int) -> list[bytes]:
    """Return *nal* as payloads of at most *limit* bytes: itself, or fragmentation units."""
    if len(nal) <= limit:
        return [nal]
    return _fragments(
        payload_format,
        nal[: payload_format.header_bytes],
        nal[payload_format.header_bytes :],
        limit,
    )


def _fragments(
    payload_format: PayloadFormat, header: bytes, body: bytes, limit: int
) -> list[bytes]:
    head, kind = (
        payload_format.with_nal_type(header, payload_format.fragment),
        payload_format.nal_type(header),
    )
    room = limit - len(head) - 1
    if room <= 0:
        raise ValueError(f"payloads of {limit} bytes have no room for a fragment")
    count = max(2, -(-len(body) // room))
    size = -(-len(body) // count)
    middle = head + bytes((kind,))
    pieces = [middle + body[at : at + size] for at in range(0, len(body), size)]
    pieces[0] = head + bytes((kind | START,)) + body[:size]
    pieces[-1] = head + bytes((kind | END,)) + pieces[-1][len(middle) :]
    return pieces


def refragment(
    payload_format: PayloadFormat, run: Sequence[bytes], limit: int, skip: int = 0
) -> list[bytes]:
    """Return the NAL unit whose fragments are *run*, in order and none missing, cut anew.

    In front of each fragment stand *skip* bytes of something else (an RTP header).
    """
    at = skip + payload_format.header_bytes
    body = b"".join([piece[at + 1 :] for piece in run])
    header = payload_format.with_nal_type(
        run[0][skip:at], run[0][at] & payload_format.nal_type_mask
    )
    if len(header) + len(body) <= limit:
        return [header + body]
    return _fragments(payload_format, header, body, limit)


def aggregate(payload_format: PayloadFormat, nals: Sequence[bytes]) -> bytes:
    """Return one STAP-A / AP with *nals*; each must be shorter than 64 KiB, none empty.

    The header takes the highest importance (H.264 NRI) and the lowest layer and temporal id
    (H.265) of its units, as the payload formats want it.
    """
    header = payload_format.with_nal_type(nals[0], payload_format.aggregate)
    if payload_format.header_bytes == 1:
        nri = max(nal[0] & 0x60 for nal in nals)
        header = bytes((header[0] & 0x1F | nri,))
    return header + b"".join([len(nal).to_bytes(2) + nal for nal in nals])


def split_aggregate(payload_format: PayloadFormat, payload: bytes) -> list[bytes]:
    """Return the NAL units of a STAP-A / AP; zeros behind the last are filling.

    Raises:
        Malformed: A length leaves the payload, a unit has no header, or there are more than
            `MAX_AGGREGATED`.
    """
    nals: list[bytes] = []
    at = payload_format.header_bytes
    while at < len(payload):
        end = at + 2 + int.from_bytes(payload[at : at + 2])
        if nals and not any(payload[at:]):
            break
        if end > len(payload) or end - at - 2 < payload_format.header_bytes:
            raise Malformed("aggregated unit cut off")
        if len(nals) == MAX_AGGREGATED:
            raise Malformed(f"more than {MAX_AGGREGATED} aggregated units")
        nals.append(payload[at + 2 : end])
        at = end
    if not nals:
        raise Malformed("nothing aggregated")
    return nals


def split(payload_format: PayloadFormat, payload: bytes, limit: int) -> list[bytes]:
    """Return *payload* as payloads of at most *limit* bytes that mean the same.

    A NAL unit becomes fragments; a fragment becomes smaller ones, the start and end bits on the
    first and last; an aggregate is unpacked.

    Raises:
        Malformed: *payload* is larger than *limit* and not a payload of this codec.
    """
    if len(payload) <= limit:
        return [payload]
    kind = payload_format.nal_type(payload)
    if kind == payload_format.aggregate:
        return [
            piece
            for nal in split_aggregate(payload_format, payload)
            for piece in fragment(payload_format, nal, limit)
        ]
    if kind != payload_format.fragment:
        if kind >= payload_format.single_end:
            raise Malformed(f"payload of type {kind}")
        return fragment(payload_format, payload, limit)
    at = payload_format.header_bytes
    mark = payload[at]
    header = payload_format.with_nal_type(payload[:at], mark & payload_format.nal_type_mask)
    pieces = _fragments(payload_format, header, payload[at + 1 :], limit)
    if not mark & START:
        pieces[0] = _without(pieces[0], at, START)
    if not mark & END:
        pieces[-1] = _without(pieces[-1], at, END)
    return pieces


def _without(piece: bytes, at: int, bit: int) -> bytes:
    return piece[:at] + bytes((piece[at] & ~bit,)) + piece[at + 1 :]


def packetise(payload_format: PayloadFormat, nals: Iterable[bytes], limit: int) -> list[bytes]:
    """Return the payloads of one access unit whose NAL units are *nals*.

    Neighbouring parameter sets travel together when they fit; everything else is cut where it
    is too large. The marker belongs on the last.
    """
    payloads: list[bytes] = []
    sets: list[bytes] = []
    for nal in nals:
        if payload_format.nal_type(nal) in payload_format.parameter_set_types:
            sets.append(nal)
            continue
        payloads += aggregate_if_fits(payload_format, sets, limit)
        payloads += fragment(payload_format, nal, limit)
        sets = []
    return payloads + aggregate_if_fits(payload_format, sets, limit)


def aggregate_if_fits(
    payload_format: PayloadFormat, nals: Sequence[bytes], limit: int
) -> list[bytes]:
    """Return *nals* in one aggregate if that is within *limit*, else each by itself."""
    if len(nals) > 1 and payload_format.header_bytes + sum(len(nal) + 2 for nal in nals) <= limit:
        return [aggregate(payload_format, nals)]
    return [piece for nal in nals for piece in fragment(payload_format, nal, limit)]


def nal_units(payload_format: PayloadFormat, payloads: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the NAL units in *payloads*, fragments put together.

    Raises:
        Malformed: A fragment without its beginning or end, or bytes that are no payload.
    """
    run: list[bytes] = []
    for payload in payloads:
        if len(payload) < payload_format.header_bytes:
            raise Malformed("shorter than its header")
        kind = payload_format.nal_type(payload)
        if kind == payload_format.fragment:
            run.append(payload)
            if _completes(payload_format, run):
                yield refragment(payload_format, run, 1 << 62)[0]
                run = []
            continue
        if run or (kind >= payload_format.single_end and kind != payload_format.aggregate):
            raise Malformed(f"payload of type {kind} where it cannot be")
        yield from (
            split_aggregate(payload_format, payload)
            if kind == payload_format.aggregate
            else (payload,)
        )
    if run:
        raise Malformed("a NAL unit never ends")


def _completes(payload_format: PayloadFormat, run: list[bytes]) -> bool:
    at = payload_format.header_bytes
    if len(run[-1]) <= at:
        raise Malformed("a fragment without its header")
    mark, first = run[-1][at], run[0][at]
    follows = (
        len(run) == 1
        or mark & (START | payload_format.nal_type_mask) == first & payload_format.nal_type_mask
    )
    if not (first & START and follows):
        raise Malformed("a fragment of another NAL unit")
    return mark & END != 0


def annex_b(nals: Iterable[bytes]) -> bytes:
    """Return *nals* as a byte stream, each behind a four-byte start code."""
    return b"".join([b"\x00\x00\x00\x01" + nal for nal in nals])


_START_CODE = b"\x00\x00\x01"


def is_byte_stream(nal: bytes) -> bool:
    """Return whether *nal* holds a start code: it is NAL units in Annex B form, not one.

    No NAL unit has one inside (H.264 §7.4.1, H.265 §7.4.2: emulation prevention).
    """
    return _START_CODE in nal


def is_plain(payload_format: PayloadFormat, nal: bytes) -> bool:
    """Return whether *nal* is one NAL unit: a slice, or without start codes.

    Slices are not searched, for the time it would take: more of them behind a start code change
    nothing here, and a decoder finds them.
    """
    if nal[:2] != b"\x00\x00" and payload_format.nal_type(nal) in payload_format.slice_types:
        return True
    return not is_byte_stream(nal)


def split_byte_stream(payload_format: PayloadFormat, data: bytes) -> list[bytes]:
    """Return the NAL units in *data*, an Annex B byte stream; the first start code may be missing.

    What is too short to be a NAL unit is left out.

    Raises:
        Malformed: There are more than `MAX_AGGREGATED`.
    """
    pieces = data.split(_START_CODE, MAX_AGGREGATED + 1)
    if len(pieces) > MAX_AGGREGATED + 1:
        raise Malformed(f"more than {MAX_AGGREGATED} NAL units in one")
    stripped = [piece.rstrip(b"\x00") for piece in pieces]  # the longer code's, and filling
    return [nal for nal in stripped if len(nal) > payload_format.header_bytes]
