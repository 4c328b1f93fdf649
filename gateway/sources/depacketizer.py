"""RTP packets of one video stream into access units: the hot path of everything that comes in.

An access unit ends at the marker if that can be trusted (`marker_trust`), at a new timestamp, or
where a new picture begins (some recorders never set the marker, others set it on the SPS, on every
slice or on every packet). What has no slice is kept for the picture that follows. Payloads above
the limit are fragmented again; parameter sets are put before a keyframe that lacks them. NAL units
that some cameras send as one, with start codes between them, are taken apart where anything but a
slice comes first.

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
from gateway.rtp.payload import (
    END,
    START,
    PayloadFormat,
    fragment,
    is_later_part,
    is_plain,
    split_aggregate,
    split_byte_stream,
)
from gateway.rtsp.budget import PACKETS, PARAMETER_SETS, PICTURES, Allowance, CameraBudget
from gateway.sources.access_unit_builder import (
    AccessUnitBuilder,
    as_later_fragment,
    nal_unit_from_fragments,
    payloads_from_fragments,
)
from gateway.sources.bystanders import EMPTY, Bystanders
from gateway.sources.marker_trust import MarkerTrust
from gateway.sources.timeline import Timeline

_FEW = 128  # packets that cannot be too many, whatever their size

# The eight bytes that foretell the next packet, and the first four of its payload.
_HEAD = struct.Struct("!Q4xI")
_FIELDS = struct.Struct("!xBHI")
_SOURCE = slice(8, HEADER_BYTES)
_NEXT = 1 << 32
_UNSURE = 1 << 64
"""Added to the expected head behind a bystander: no packet's head is as large."""
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
        markers: What is known of its marker bits, also from sessions before; None: nothing.
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
        markers: MarkerTrust | None = None,
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
        self._plain = True  # the open run is of a slice
        self._opening = False  # its first fragment has come, with nothing in it
        self._source = b""  # SSRC of the last packet of the video
        self._now_s = 0.0
        self._markers = markers or MarkerTrust()
        self._marked_time = _NONE  # of the picture that a marker has ended
        self._marked = False  # the last packet of the video had one that was not followed
        self._bystanders = Bystanders()
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

    def finish(self, now_s: float, *, orderly: bool) -> list[AccessUnit]:
        """Return the access unit that waits for the next packet, if it is whole.

        Args:
            now_s: On the monotonic clock.
            orderly: Whether the camera has said that nothing more comes. Else only a picture with
                a marker behind it is known to be whole.
        """
        units: list[AccessUnit] = []
        self._now_s = now_s
        if not self._run and (self._marked or orderly):
            self._end_unit(units)
        return units

    def _push_packet(self, packet: bytes, units: list[AccessUnit]) -> None:
        """Push a packet that is not the expected middle fragment."""
        if len(packet) <= HEADER_BYTES or packet[0] != 0x80:
            packet = strip_extensions(packet)
        if not packet:
            self._counters.discarded += 1
            return
        second, seq, time = _FIELDS.unpack_from(packet)
        wanted = self._expected >> 32 & 0xFFFF
        if second & 0x7F != self._payload_type or len(packet) == HEADER_BYTES:
            self._push_bystander(packet, units)
            return
        if not self._check_sequence(packet, seq, wanted):
            return
        if time != self._expected & 0xFFFF_FFFF and not self._goes_on(packet):
            if self._marked:
                self._markers.confirm()
            self._end_unit(units)
        self._expect(seq + 1, time)
        self._push_payload(packet, units)
        if second & 0x80:
            self._push_marker(time, units)

    def _push_bystander(self, packet: bytes, units: list[AccessUnit]) -> None:
        """Push a packet that is not the video's, or has no payload; its marker counts."""
        second, seq, time = _FIELDS.unpack_from(packet)
        kind = second & 0x7F
        if kind == self._payload_type:
            kind = EMPTY
        else:
            self._counters.discarded += 1
        wanted = self._expected >> 32 & 0xFFFF
        if self._expected != _NONE and self._bystanders.note(kind, seq, wanted):
            self._expected |= _UNSURE
        if kind == EMPTY and second & 0x80 and time == self._expected & 0xFFFF_FFFF:
            self._push_marker(time, units)

    def _push_marker(self, time: int, units: list[AccessUnit]) -> None:
        """Follow the marker, if it can be trusted, or wait for the packet behind it."""
        if self._run:  # it lies, or the end bit was forgotten: what comes next will tell
            return
        builder, markers = self._builder, self._markers
        if not (markers.trusted or not builder.has_slice or markers.ends_picture(builder.slices)):
            self._marked = True
            return
        self._marked_time = time if builder.has_slice else _NONE
        self._end_unit(units)

    def _expect(self, seq: int, time: int) -> None:
        self._expected = self._high | (seq & 0xFFFF) << 32 | time & 0xFFFF_FFFF

    def _check_sequence(self, packet: bytes, seq: int, wanted: int) -> bool:
        """Count what is missing before *seq*; False if it is late and to be discarded.

        Another SSRC counts anew (RFC 3550 §8.2).
        """
        known, self._source = self._source, packet[_SOURCE]
        if self._expected == _NONE:
            return True
        if seq == wanted:
            if self._expected & _UNSURE:
                self._bystanders.resolve(0)
            return True
        anew = known != self._source
        gap = 0 if anew else count_missing(seq, wanted)
        if gap is None:
            self._counters.discarded += 1
            return False
        if gap and self._expected & _UNSURE and not (gap := self._bystanders.resolve(gap)):
            return True
        self._bystanders.clear()
        self._opening = False
        self._counters.lost += gap
        self._marked_time = _NONE
        ended = anew and self._marked and packet[4:8] != (self._expected & 0xFFFF_FFFF).to_bytes(4)
        if not ended and (self._builder.has_slice or self._run):
            self._discard_unit()
        return True

    def _goes_on(self, packet: bytes) -> bool:
        """Return whether *packet*, of another time, can only be the rest of the open picture."""
        if self._builder.broken or not self._builder.has_slice or self._marked:
            return False
        return is_later_part(self._payload_format, packet[HEADER_BYTES:], bool(self._run))

    def _push_payload(self, packet: bytes, units: list[AccessUnit]) -> None:
        payload_format = self._payload_format
        kind = packet[HEADER_BYTES] >> payload_format.nal_type_shift & payload_format.nal_type_mask
        if kind == payload_format.fragment:
            self._push_fragment(packet, units)
            return
        if self._run:
            self._end_fragments(units)
        self._opening = False
        payload = packet[HEADER_BYTES:]
        if len(payload) < payload_format.header_bytes:
            self._counters.discarded += 1
        elif kind in payload_format.slice_types and payload[:2] != b"\x00\x00":
            self._append_nals([payload], [payload], 1, units)
        elif kind < payload_format.single_end:
            self._push_nal(payload, 1, units)
        elif kind == payload_format.aggregate:
            self._push_aggregate(payload, units)
        else:
            self._counters.discarded += 1

    def _push_nal(self, nal: bytes, packets: int, units: list[AccessUnit]) -> None:
        """Push a NAL unit that has come in so many packets, or several with start codes."""
        payload_format = self._payload_format
        if is_plain(payload_format, nal):
            if payload_format.is_needed(payload_format.nal_type(nal)):
                self._append_nals([nal], [nal], packets, units)
            return
        try:
            found = split_byte_stream(payload_format, nal)
        except Malformed:
            self._discard_unit(packets)
            return
        self._charge(PACKETS, len(found))
        nals = [each for each in found if payload_format.is_needed(payload_format.nal_type(each))]
        self._append_nals(nals, nals, packets, units)

    def _push_aggregate(self, payload: bytes, units: list[AccessUnit]) -> None:
        payload_format = self._payload_format
        try:
            nals = split_aggregate(payload_format, payload)
            payload = payload[: payload_format.header_bytes + sum(len(nal) + 2 for nal in nals)]
            whole = len(payload) <= self._payload_bytes
            if not all(is_plain(payload_format, nal) for nal in nals):
                whole = False
                nals = [each for nal in nals for each in split_byte_stream(payload_format, nal)]
        except Malformed:
            self._discard_unit(1)
            return
        self._charge(PACKETS, len(nals))
        self._append_nals(nals, [payload] if whole else nals, 1, units)

    def _append_nals(
        self, nals: list[bytes], payloads: list[bytes], packets: int, units: list[AccessUnit]
    ) -> None:
        """Append the complete *nals* of so many packets, to be sent as *payloads*."""
        payload_format = self._payload_format
        for nal in nals:
            kind = payload_format.nal_type(nal)
            self._begin_nal(kind, payload_format.is_first_slice(nal), units)
            if kind in payload_format.parameter_set_types:
                if self._parameter_sets.update(nal):
                    self._charge(PARAMETER_SETS)
                if not self._builder.has_slice:
                    self._builder.set_types.add(kind)
        if self._builder.broken:
            self._counters.discarded += packets
            return
        for payload in payloads:
            self._builder.payloads += fragment(payload_format, payload, self._payload_bytes)
        self._builder.packets += packets
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
            if self._marked:
                self._markers.confirm()
            self._end_unit(units)
        elif self._marked:
            self._markers.refute(followed=False)
            self._marked = False
        builder = self._builder
        if not builder.has_slice:
            builder.known_sets = self._parameter_sets.payloads
            if not first_slice:
                # The rest of a picture: its beginning is lost, or went away with a false marker.
                if self._marked_time == self._expected & 0xFFFF_FFFF:
                    self._markers.refute(followed=True)
                self._discard_unit()
        builder.slices += 1
        builder.has_slice = True
        builder.has_irap |= kind in payload_format.irap_types

    def _push_fragment(self, packet: bytes, units: list[AccessUnit]) -> None:
        at = self._mark_at
        if len(packet) <= at:
            self._discard_unit(1)
            return
        mark = packet[at]
        if len(packet) == at + 1:  # some cameras send fragments of nothing
            self._push_empty_fragment(mark, units)
            return
        if self._opening:
            self._opening, mark = False, mark | START
            packet = packet[:at] + bytes((mark,)) + packet[at + 1 :]
        kind = mark & self._payload_format.nal_type_mask
        if mark & START:
            self._begin_fragments(packet, kind, units)
        elif self._run:
            packet = as_later_fragment(self._payload_format, packet, self._run[0])
        else:
            self._discard_unit()
            self._builder.has_slice |= kind in self._payload_format.slice_types
            self._builder.has_irap |= kind in self._payload_format.irap_types
        if self._builder.broken:
            self._word = _NONE
            self._counters.discarded += 1
            return
        self._run.append(packet)
        if mark & END:
            self._end_fragments(units)

    def _begin_fragments(self, packet: bytes, kind: int, units: list[AccessUnit]) -> None:
        """Begin a NAL unit of *kind*, whose first fragment is *packet*."""
        if self._run:  # never ended, yet nothing is missing: some cameras forget the end bit
            self._end_fragments(units)
        at = self._mark_at
        # A start code read as H.265's NAL unit header: type 0 with a temporal id of 0.
        started = kind == 0 and packet[at - 1] == 0
        self._plain = kind in self._payload_format.slice_types and not started
        if self._plain:
            self._begin_nal(kind, packet[at + 1] & 0x80 != 0, units)
        self._word = int.from_bytes(packet[HEADER_BYTES:at]) << 8 | kind

    def _push_empty_fragment(self, mark: int, units: list[AccessUnit]) -> None:
        """Push a fragment that has nothing of its NAL unit, but may begin or end it."""
        if mark & START or (mark & END and self._run):
            if self._run:
                self._end_fragments(units)
            self._opening = mark & (START | END) == START

    def _end_fragments(self, units: list[AccessUnit]) -> None:
        """Turn the open run into payloads; none of its fragments is missing."""
        run = self._run
        self._begin_run()
        if not self._plain:
            self._push_nal(nal_unit_from_fragments(self._payload_format, run), len(run), units)
            return
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
        self._opening = False
        self._weighed = self._run_bytes = 0

    def _end_unit(self, units: list[AccessUnit]) -> None:
        """End the access unit: deliver it, drop it, or keep it if it holds no picture yet."""
        if self._run:
            self._end_fragments(units)
        self._marked = self._opening = False
        if self._builder.broken:
            self._waiting_for_keyframe |= self._builder.has_irap
            self._builder = AccessUnitBuilder()
            return
        if not self._builder.has_slice:
            return
        if self._markers.lied:
            self._markers.count_slices(self._builder.slices)
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
        if pending or self._waiting_for_keyframe or not self._markers.trusted:
            return None
        if self._expected < 0 or self._expected & _UNSURE:
            return None
        return self._expected >> 32 & 0xFFFF

    def continue_from(self, seq: int, rtp_time: int, source: int) -> None:
        """Expect packet *seq* next, behind the picture of *rtp_time*, which has been relayed.

        *source* is its SSRC.
        """
        self._source = source.to_bytes(4)
        self._expect(seq, rtp_time)
        self._marked_time = rtp_time
