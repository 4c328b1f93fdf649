"""RTP packets of one video stream into access units: the hot path of everything that comes in.

An access unit ends at the marker, at a new timestamp, or where a new picture begins (some
recorders never set the marker, others set it on the SPS or on every slice). What has no slice is
kept for the picture that follows. Payloads above the limit are fragmented again; parameter sets are
put before a keyframe that lacks them.

After a loss: a picture with a gap is dropped whole. Complete P pictures after it go on, because a
smeared moving picture tells more than a frozen one; but once a keyframe was dropped, everything
is, until the next. Packets are expected in order; UDP reordering is the transport's.

References: RFC 6184, RFC 7798.
"""

from __future__ import annotations

import struct
from dataclasses import replace

from gateway.model.media import AccessUnit, SourceCounters, VideoFormat
from gateway.rtp.codecs import CODEC_SYNTAX
from gateway.rtp.packet import HEADER_BYTES, Malformed, count_missing, strip_extensions
from gateway.rtp.parameter_sets import ParameterSets
from gateway.rtp.payload import END, START, PayloadFormat, fragment, refragment, split_aggregate
from gateway.rtsp.budget import PACKETS, PARAMETER_SETS, PICTURES, Allowance, CameraBudget
from gateway.sources.timeline import Timeline

MAX_UNIT_BYTES = 8 << 20
MAX_UNIT_PACKETS = 20_000


class AccessUnitBuilder:
    """One access unit before it is complete.

    Attributes:
        payloads: Ready to be sent.
        packets: How many packets those were.
        size_bytes: Of those packets.
        set_types: Types of the parameter sets among them.
        has_slice: Whether a slice has been seen.
        has_irap: Whether a slice of a picture that a decoder can start at has been seen.
        broken: Whether something is missing or too large; then it is discarded.
    """

    __slots__ = (
        "broken",
        "has_irap",
        "has_slice",
        "packets",
        "payloads",
        "set_types",
        "size_bytes",
    )

    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self.packets = self.size_bytes = 0
        self.set_types: set[int] = set()
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

        Where a keyframe must have parameter sets of *kinds* types and has not, those of *sets*
        are put in front; without any it is no keyframe.
        """
        payloads, keyframe = tuple(self.payloads), self.has_irap
        if keyframe and len(self.set_types) != kinds:
            payloads, keyframe = sets.payloads + payloads, bool(sets.payloads)
        return AccessUnit(payloads, time_90k, keyframe, arrived_s, sum(map(len, payloads)))


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


_FEW = 128  # packets that cannot be too many, whatever their size

# The eight bytes that foretell the next packet, and the first four of its payload.
_HEAD = struct.Struct("!Q4xI")
_FIELDS = struct.Struct("!xBHI")
_NEXT = 1 << 32
_NONE = -1


class Depacketizer:
    """Makes access units out of the RTP packets of one session.

    Args:
        video: What the stream is; its parameter sets serve until others come in band.
        payload_type: Of the video; packets with another are discarded.
        timeline: Gives each picture its time; outlives the session.
        counters: Where losses and the rest are counted.
        payload_bytes: Largest payload to deliver.
        budget: What the camera may cost; None: as much as it sends.
    """

    def __init__(
        self,
        video: VideoFormat,
        *,
        payload_type: int,
        timeline: Timeline,
        counters: SourceCounters,
        payload_bytes: int,
        budget: CameraBudget | None = None,
    ) -> None:
        self._budget = budget
        syntax = CODEC_SYNTAX[video.codec]
        self._payload_format = syntax.payload_format
        self._parameter_sets = ParameterSets(syntax, video.parameter_sets, limit=payload_bytes)
        self._payload_type = payload_type
        self._high = (0x80 << 8 | payload_type) << 48
        self._timeline = timeline
        self._counters = counters
        self._payload_bytes = payload_bytes
        self._mark_at = HEADER_BYTES + self._payload_format.header_bytes  # of the FU header
        self._word_shift = 24 - 8 * self._payload_format.header_bytes
        self._expected = _NONE  # first eight bytes of the packet that should come next
        self._word = _NONE  # payload and FU header of a middle fragment of the open run
        self._run: list[bytes] = []  # packets with the fragments of one NAL unit
        self._weighed = self._run_bytes = 0  # how many of those were summed up, and their bytes
        self._now_s = 0.0
        self._marked_time = _NONE
        self._markers_unreliable = False
        self._waiting_for_keyframe = False
        self._builder = AccessUnitBuilder()

    def push_packets(self, packets: list[bytes], now_s: float) -> list[AccessUnit]:
        """Return the access units that *packets* complete.

        Args:
            packets: RTP packets with their headers, in the order of their sequence numbers.
            now_s: When they were read, on the monotonic clock.

        Raises:
            SourceUnavailable: They are more than the budget has (`ABUSIVE`).
        """
        units: list[AccessUnit] = []
        self._now_s = now_s
        self._counters.packets += len(packets)
        self._counters.received_bytes += sum(map(len, packets))
        unpack, shift = _HEAD.unpack_from, self._word_shift
        expected, word, run = self._expected, self._word, self._run
        for packet in packets:
            try:
                head, first = unpack(packet)
            except struct.error:
                head = first = 0  # no packet is expected to begin so
            if head == expected and first >> shift == word:
                run.append(packet)
                expected += _NEXT
                continue
            self._expected = expected
            self._push_packet(packet, units)
            expected, word, run = self._expected, self._word, self._run
        self._expected = expected
        if len(run) - self._weighed >= _FEW:
            self._weigh_run()
        return units

    def _weigh_run(self) -> None:
        """Discard the open run if it is too large; each packet of it is weighed once."""
        run = self._run
        self._run_bytes += sum(map(len, run[self._weighed :]))
        self._weighed = len(run)
        if self._builder.exceeds(self._weighed, self._run_bytes):
            self._discard_unit()

    def _push_packet(self, packet: bytes, units: list[AccessUnit]) -> None:
        """Push a packet that is not the expected middle fragment."""
        if len(packet) <= HEADER_BYTES or packet[0] != 0x80:
            packet = strip_extensions(packet)
        if not packet:
            self._counters.discarded += 1
            return
        second, seq, time = _FIELDS.unpack_from(packet)
        wanted = self._expected >> 32 & 0xFFFF
        if second & 0x7F != self._payload_type:
            self._counters.discarded += 1
            if seq == wanted and self._expected != _NONE:
                self._expect(seq + 1, self._expected)
            return
        if not self._check_sequence(seq, wanted):
            return
        if time != self._expected & 0xFFFF_FFFF:
            self._end_unit(units)
        self._expect(seq + 1, time)
        self._push_payload(packet, units)
        if second & 0x80 and not self._markers_unreliable:
            self._marked_time = time if self._builder.has_slice else _NONE
            self._end_unit(units)

    def _expect(self, seq: int, time: int) -> None:
        self._expected = self._high | (seq & 0xFFFF) << 32 | time & 0xFFFF_FFFF

    def _check_sequence(self, seq: int, wanted: int) -> bool:
        """Count what is missing before *seq*; False if it is late and to be discarded."""
        if seq == wanted or self._expected == _NONE:
            return True
        gap = count_missing(seq, wanted)
        if gap is None:
            self._counters.discarded += 1
            return False
        self._counters.lost += gap
        self._marked_time = _NONE
        if self._builder.has_slice or self._run:
            self._discard_unit()
        return True

    def _push_payload(self, packet: bytes, units: list[AccessUnit]) -> None:
        payload_format = self._payload_format
        kind = packet[HEADER_BYTES] >> payload_format.nal_type_shift & payload_format.nal_type_mask
        if kind == payload_format.fragment:
            self._push_fragment(packet, units)
            return
        if self._run:
            self._end_fragments()
        payload = packet[HEADER_BYTES:]
        if len(payload) < payload_format.header_bytes:
            self._counters.discarded += 1
        elif kind < payload_format.single_end:
            if (
                kind not in payload_format.padding
            ):  # a packet per picture and viewer, missed by nobody
                self._append_nals([payload], [payload], units)
        elif kind == payload_format.aggregate:
            try:
                nals = split_aggregate(payload_format, payload)
            except Malformed:
                self._discard_unit(1)
                return
            self._charge(PACKETS, len(nals))
            self._append_nals(
                nals, nals if len(payload) > self._payload_bytes else [payload], units
            )
        else:
            self._counters.discarded += 1

    def _append_nals(
        self, nals: list[bytes], payloads: list[bytes], units: list[AccessUnit]
    ) -> None:
        """Append the complete *nals* of one packet, to be sent as *payloads*."""
        payload_format = self._payload_format
        for nal in nals:
            kind = payload_format.nal_type(nal)
            self._begin_nal(kind, payload_format.is_first_slice(nal), units)
            if kind in payload_format.parameter_set_types:
                if self._parameter_sets.update(nal):
                    self._charge(PARAMETER_SETS)
                self._builder.set_types.add(kind)
        if self._builder.broken:
            self._counters.discarded += 1
            return
        for payload in payloads:
            self._builder.payloads += fragment(payload_format, payload, self._payload_bytes)
        self._builder.packets += 1
        self._builder.size_bytes += sum(map(len, payloads))
        if self._builder.exceeds():
            self._discard_unit()

    def _begin_nal(self, kind: int, first_slice: bool, units: list[AccessUnit]) -> None:
        """Note what a NAL unit that begins means for the access unit, which it may end."""
        payload_format = self._payload_format
        if (
            kind not in payload_format.slice_types
        ):  # GStreamer repeats the sets before each slice of a keyframe
            return
        if first_slice and self._builder.has_slice and not self._parameter_sets.interlaced:
            self._end_unit(units)
        if not self._builder.has_slice and not first_slice:
            # The rest of a picture: its beginning is lost, or went away with a false marker.
            self._markers_unreliable |= self._marked_time == self._expected & 0xFFFF_FFFF
            self._discard_unit()
        self._builder.has_slice = True
        self._builder.has_irap |= kind in payload_format.irap_types

    def _push_fragment(self, packet: bytes, units: list[AccessUnit]) -> None:
        at = self._mark_at
        if len(packet) < at + 2:
            self._discard_unit(1)
            return
        mark = packet[at]
        kind = mark & self._payload_format.nal_type_mask
        word = int.from_bytes(packet[HEADER_BYTES:at]) << 8 | kind
        if mark & START:
            if self._run:  # never ended, yet nothing is missing: some cameras forget the end bit
                self._end_fragments()
            self._begin_nal(kind, packet[at + 1] & 0x80 != 0, units)
            self._word = word
        elif word != self._word:
            self._discard_unit()
            self._builder.has_slice |= kind in self._payload_format.slice_types
            self._builder.has_irap |= kind in self._payload_format.irap_types
        if self._builder.broken:
            self._word = _NONE
            self._counters.discarded += 1
            return
        self._run.append(packet)
        if mark & END:
            self._end_fragments()

    def _end_fragments(self) -> None:
        """Turn the open run into payloads; none of its fragments is missing."""
        run = self._run
        self._begin_run()
        self._builder.packets += len(run)
        self._builder.size_bytes += sum(map(len, run))
        self._builder.payloads += payloads_from_fragments(
            self._payload_format, run, self._payload_bytes
        )
        if self._builder.exceeds():
            self._discard_unit()

    def _discard_unit(self, packets: int = 0) -> None:
        """Discard this unit, what will still come of it, and *packets* more."""
        self._counters.discarded += self._builder.discard() + len(self._run) + packets
        self._begin_run()

    def _begin_run(self) -> None:
        self._run, self._word = [], _NONE
        self._weighed = self._run_bytes = 0

    def _end_unit(self, units: list[AccessUnit]) -> None:
        """End the access unit: deliver it, drop it, or keep it if it holds no picture yet."""
        if self._run:
            self._end_fragments()
        if self._builder.broken:
            self._waiting_for_keyframe |= self._builder.has_irap
            self._builder = AccessUnitBuilder()
            return
        if not self._builder.has_slice:
            return
        if self._builder.has_irap:
            self._waiting_for_keyframe = False
        if self._waiting_for_keyframe:
            self._counters.discarded += self._builder.packets
        else:
            time_90k = self._timeline.to_time_90k(self._expected & 0xFFFF_FFFF, self._now_s)
            self._charge(PICTURES)
            kinds = len(self._payload_format.parameter_set_types)
            unit = self._builder.build(self._parameter_sets, kinds, time_90k, self._now_s)
            early_90k = self._timeline.early_90k
            units.append(replace(unit, early_90k=early_90k) if early_90k else unit)
            self._counters.units += 1
            self._counters.keyframes += units[-1].keyframe
        self._builder = AccessUnitBuilder()

    def _charge(self, allowance: Allowance, count: int = 1) -> None:
        if self._budget is not None:
            self._budget.charge(allowance, count)

    # For the fast path, which may relay between two pictures.

    @property
    def payload_format(self) -> PayloadFormat:
        """Payload format of the codec."""
        return self._payload_format

    @property
    def payload_type(self) -> int:
        """RTP payload type of the video."""
        return self._payload_type

    @property
    def payload_bytes(self) -> int:
        """Largest payload that is delivered."""
        return self._payload_bytes

    @property
    def parameter_sets(self) -> tuple[bytes, ...]:
        """NAL units of the newest parameter sets."""
        return self._parameter_sets.newest

    def handover_seq(self) -> int | None:
        """Return the next sequence number (16 bits), where the fast path can go on; else None.

        It cannot within a picture, while pictures are dropped until the next keyframe, and where
        the marker bit does not end pictures.
        """
        unit = self._builder
        pending = unit.packets or unit.payloads or unit.has_slice or unit.broken or self._run
        if pending or self._waiting_for_keyframe or self._markers_unreliable or self._expected < 0:
            return None
        return self._expected >> 32 & 0xFFFF

    def continue_from(self, seq: int, rtp_time: int) -> None:
        """Expect packet *seq* next, behind the picture of *rtp_time*, which has been relayed."""
        self._expect(seq, rtp_time)
        self._marked_time = rtp_time
