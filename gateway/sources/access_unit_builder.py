"""One access unit before it is complete, and its payloads out of fragments.

References: RFC 6184 §5.8, RFC 7798 §4.4.3.
"""

from __future__ import annotations

from gateway.model.errors import SourceUnavailable
from gateway.model.media import AccessUnit
from gateway.model.reasons import Reason
from gateway.rtp.packet import HEADER_BYTES
from gateway.rtp.parameter_sets import ParameterSets
from gateway.rtp.payload import END, START, PayloadFormat, refragment

MAX_UNIT_BYTES = 8 << 20
MAX_UNIT_PACKETS = 20_000

BARE_S = 30.0
"""So long keyframes come without parameter sets, and none before: no decoder will ever begin."""

BARE_PAUSE_S = 30.0


class AccessUnitBuilder:
    """One access unit before it is complete.

    Attributes:
        payloads: Ready to be sent.
        packets: How many packets those were.
        size_bytes: Of those packets.
        set_types: Types of the parameter sets in front of the first slice.
        known_sets: Payloads with the parameter sets that were in force at the first slice.
        slices: How many slices have begun.
        has_slice: Whether one has.
        has_irap: Whether a slice of a picture that a decoder can start at has been seen.
        broken: Whether something is missing or too large; then it is discarded.
    """

    __slots__ = (
        "broken",
        "has_irap",
        "has_slice",
        "known_sets",
        "packets",
        "payloads",
        "set_types",
        "size_bytes",
        "slices",
    )

    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self.packets = self.size_bytes = 0
        self.set_types: set[int] = set()
        self.known_sets: tuple[bytes, ...] = ()
        self.slices = 0
        self.has_slice = self.has_irap = self.broken = False

    def exceeds(self, packets: int = 0, size_bytes: int = 0) -> bool:
        """Return whether that much more would be out of bounds."""
        return (
            self.packets + packets > MAX_UNIT_PACKETS
            or self.size_bytes + size_bytes > MAX_UNIT_BYTES
        )

    def discard(self) -> int:
        """Mark it broken and drop its payloads; return how many packets those were."""
        dropped = self.packets
        self.payloads, self.packets, self.size_bytes = [], 0, 0
        self.broken = True
        return dropped

    def build(self, sets: ParameterSets, kinds: int, time_90k: int, arrived_s: float) -> AccessUnit:
        """Return the access unit.

        Where a keyframe must have parameter sets of *kinds* types in front and has not, those that
        were in force are put there, or else those of *sets*, which came behind its slices; without
        any it is no keyframe.

        Raises:
            SourceUnavailable: Keyframes have come for `BARE_S`, and not all types of sets.
        """
        payloads, keyframe = tuple(self.payloads), self.has_irap
        if keyframe and len(self.set_types) != kinds:
            missing = self.known_sets or sets.payloads
            payloads, keyframe = missing + payloads, bool(missing)
            if not missing:
                _note_bare_keyframe(sets, arrived_s)
        return AccessUnit(payloads, time_90k, keyframe, arrived_s, sum(map(len, payloads)))


def _note_bare_keyframe(sets: ParameterSets, now_s: float) -> None:
    if sets.bare_since_s is None:
        sets.bare_since_s = now_s
    if now_s - sets.bare_since_s >= BARE_S:
        raise SourceUnavailable(
            Reason.CORRUPT,
            "keyframes come, but their parameter sets (VPS, SPS, PPS) neither in the stream nor "
            "in the camera's description",
            pause_s=BARE_PAUSE_S,
        )


def payloads_from_fragments(
    payload_format: PayloadFormat, run: list[bytes], limit: int
) -> list[bytes]:
    """Return the payloads of *run*, packets with all fragments of one NAL unit.

    None is above *limit*, and the last has the end bit, which some cameras forget.
    """
    at = HEADER_BYTES + payload_format.header_bytes
    last = run[-1]
    if not last[at] & END:
        run[-1] = last[:at] + bytes((last[at] | END,)) + last[at + 1 :]
    if len(run) == 1 or len(max(run, key=len)) > HEADER_BYTES + limit:
        return refragment(payload_format, run, limit, skip=HEADER_BYTES)
    return [packet[HEADER_BYTES:] for packet in run]


def nal_unit_from_fragments(payload_format: PayloadFormat, run: list[bytes]) -> bytes:
    """Return the NAL unit of *run*, packets with all its fragments."""
    (nal,) = refragment(payload_format, run, 2 * MAX_UNIT_BYTES, skip=HEADER_BYTES)
    return nal


def as_later_fragment(payload_format: PayloadFormat, packet: bytes, first: bytes) -> bytes:
    """Return *packet* as a later fragment of the NAL unit whose first fragment is *first*.

    Only that one tells which NAL unit it is: some cameras write anything into the others.
    """
    at = HEADER_BYTES + payload_format.header_bytes
    kind = first[at] & payload_format.nal_type_mask
    if (
        packet[at] & payload_format.nal_type_mask == kind
        and packet[HEADER_BYTES:at] == first[HEADER_BYTES:at]
    ):
        return packet
    bits = packet[at] & (START | END) | kind
    return packet[:HEADER_BYTES] + first[HEADER_BYTES:at] + bytes((bits,)) + packet[at + 1 :]
