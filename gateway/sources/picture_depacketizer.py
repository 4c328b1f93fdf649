"""RTP packets of JPEG or MPEG-4 into access units; these are never relayed, only transcoded.

A picture ends at the marker once that has told the truth, or at a new timestamp. One with a gap is
dropped whole; JPEG goes on with the next picture, MPEG-4 after a lost keyframe with the next
keyframe. See `gateway.sources.depacketizer`, which does the same for NAL units and counts alike.
"""

from __future__ import annotations

from contextlib import suppress

from gateway.model.media import VIDEO_CLOCK_HZ, AccessUnit, SourceCounters, VideoFormat
from gateway.rtp.jpeg import JpegAssembler
from gateway.rtp.mpeg4 import Mpeg4Assembler
from gateway.rtp.packet import (
    Malformed,
    Packet,
    count_missing,
    parse_extension,
    parse_packet,
    signed32,
)
from gateway.rtp.picture import CodedPicture, PictureAssembler
from gateway.rtsp.budget import PICTURES, CameraBudget
from gateway.sources.access_unit_builder import MAX_UNIT_PACKETS
from gateway.sources.bystanders import EMPTY, Bystanders
from gateway.sources.timeline import Timeline


def picture_assembler(video: VideoFormat, size: tuple[int, int] | None = None) -> PictureAssembler:
    """Return what makes pictures of *video*; *size* is what the session description says."""
    if video.codec == "mjpeg":
        return JpegAssembler(size)
    return Mpeg4Assembler(b"".join(video.parameter_sets))


class PictureDepacketizer:
    """Makes access units out of the RTP packets of one session.

    Args:
        assembler: Of the codec.
        payload_type: Of the video; packets with another are discarded.
        timeline: Gives each picture its time; outlives the session.
        counters: Where losses and the rest are counted.
        budget: What the camera may cost; None: as much as it sends.
    """

    def __init__(
        self,
        assembler: PictureAssembler,
        *,
        payload_type: int,
        timeline: Timeline,
        counters: SourceCounters,
        budget: CameraBudget | None = None,
    ) -> None:
        self._assembler = assembler
        self._payload_type = payload_type
        self._timeline = timeline
        self._counters = counters
        self._budget = budget
        self._wanted: int | None = None  # sequence number of the next packet
        self._source = 0  # SSRC of the last packet
        self._bystanders = Bystanders()
        self._unsure = False  # one of them may have taken that number
        self._time = 0  # of the picture that has begun, or was the last
        self._last = 0, 1  # timestamp of the last pictures that came as one, and how many
        self._packets = 0  # of the picture that has begun
        self._broken = False
        self._marked = False  # it has had a marker that was not followed
        self._markers: bool | None = None  # whether they end pictures; None: not known yet
        self._waiting_for_keyframe = False

    def push_packets(self, packets: list[bytes], now_s: float) -> list[AccessUnit]:
        """Return the access units that *packets* complete.

        Args:
            packets: RTP packets with their headers, in the order of their sequence numbers.
            now_s: When they were read, on the monotonic clock.

        Raises:
            SourceUnavailable: They are more than the budget has (`ABUSIVE`).
        """
        units: list[AccessUnit] = []
        self._counters.packets += len(packets)
        self._counters.received_bytes += sum(map(len, packets))
        for packet in packets:
            self._push_packet(packet, units, now_s)
        return units

    def finish(self, now_s: float, *, orderly: bool) -> list[AccessUnit]:
        """Return the picture that waits for the next packet, if it is whole.

        Args:
            now_s: On the monotonic clock.
            orderly: Whether the camera has said that nothing more comes. Else only a picture with
                a marker behind it is known to be whole.
        """
        units: list[AccessUnit] = []
        if self._marked or orderly:
            self._end_picture(units, now_s)
        return units

    def _push_packet(self, raw: bytes, units: list[AccessUnit], now_s: float) -> None:
        packet = self._parse(raw)
        if packet is None:
            return
        if packet.payload_type != self._payload_type or not packet.payload:
            self._push_bystander(packet, units, now_s)
            return
        if not self._check_sequence(packet):
            return
        if packet.time != self._time:
            if self._marked and self._markers is None:
                self._markers = True
            self._end_picture(units, now_s)
            self._time = packet.time
        elif self._marked:
            self._markers = self._marked = False
        self._push_payload(raw, packet.payload)
        if packet.marker:
            self._push_marker(units, now_s)

    def _push_bystander(self, packet: Packet, units: list[AccessUnit], now_s: float) -> None:
        """Push a packet that is not the video's, or has no payload; its marker counts."""
        kind = EMPTY if packet.payload_type == self._payload_type else packet.payload_type
        self._counters.discarded += kind != EMPTY
        if self._wanted is not None:
            self._unsure |= self._bystanders.note(kind, packet.seq, self._wanted)
        if kind == EMPTY and packet.marker and packet.time == self._time:
            self._push_marker(units, now_s)

    def _push_marker(self, units: list[AccessUnit], now_s: float) -> None:
        self._marked = True
        if self._markers:
            self._end_picture(units, now_s)

    def _parse(self, raw: bytes) -> Packet | None:
        """Return the parts of *raw*; None, and counted, if it is no RTP packet."""
        with suppress(Malformed):
            return parse_packet(raw)
        self._counters.discarded += 1
        return None

    def _push_payload(self, raw: bytes, payload: bytes) -> None:
        self._packets += 1
        if self._broken:
            self._counters.discarded += 1
            return
        try:
            self._assembler.push(payload, parse_extension(raw))
        except Malformed:
            self._break()
        if self._packets > MAX_UNIT_PACKETS:
            self._break()

    def _check_sequence(self, packet: Packet) -> bool:
        """Count what is missing before *packet*; False if it is late and to be discarded.

        Another SSRC counts anew (RFC 3550 §8.2).
        """
        wanted, anew = self._wanted, packet.ssrc != self._source
        gap = 0
        if wanted is not None and packet.seq != wanted and not anew:
            missing = count_missing(packet.seq, wanted)
            if missing is None:
                self._counters.discarded += 1
                return False
            gap = missing
        self._source, self._wanted = packet.ssrc, packet.seq + 1 & 0xFFFF
        unsure, self._unsure = self._unsure, False
        if wanted is None or packet.seq == wanted:
            if unsure:
                self._bystanders.resolve(0)
            return True
        if unsure and gap and not (gap := self._bystanders.resolve(gap)):
            return True
        self._bystanders.clear()
        self._counters.lost += gap
        if not (anew and self._marked and packet.time != self._time):  # else the last one is whole
            self._marked = False
            self._break()
        return True

    def _break(self) -> None:
        """Discard the picture that has begun, and what will still come of it."""
        if not self._broken:
            self._counters.discarded += self._packets
            self._waiting_for_keyframe |= self._assembler.begun and self._assembler.keyframe
        self._assembler.clear()
        self._broken = True

    def _end_picture(self, units: list[AccessUnit], now_s: float) -> None:
        """End the picture: deliver it, or drop it."""
        packets, broken, begun = self._packets, self._broken, self._assembler.begun
        self._packets, self._broken, self._marked = 0, False, False
        if broken or not begun:
            return
        try:
            pictures = self._assembler.build()
        except Malformed:
            self._counters.discarded += packets
            return
        if self._waiting_for_keyframe and not pictures[0].keyframe:
            self._counters.discarded += packets
            return
        self._waiting_for_keyframe = False
        time, count = self._last
        step = max(1, min(signed32(self._time - time) // count, VIDEO_CLOCK_HZ))
        self._last = self._time, len(pictures)
        for index, picture in enumerate(pictures):
            units.append(self._unit(picture, self._time + index * step, now_s))

    def _unit(self, picture: CodedPicture, rtp_time: int, now_s: float) -> AccessUnit:
        time_90k = self._timeline.to_time_90k(rtp_time & 0xFFFF_FFFF, now_s)
        if self._budget is not None:
            self._budget.charge(PICTURES)
        self._counters.units += 1
        self._counters.keyframes += picture.keyframe
        payloads = picture.payloads
        return AccessUnit(
            payloads,
            time_90k,
            picture.keyframe,
            now_s,
            sum(map(len, payloads)),
            self._timeline.early_90k,
        )
