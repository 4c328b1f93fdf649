"""Sends access units to one viewer as SRTP, in batches; the fast path sends most of them instead.

A unit is sent in the call that delivers it, without queue or task switch. Only what exceeds the
pace of the viewer's line is sent later, by a timer; so is what the viewer wants again.

References: RFC 3550 §6.4.1 (sender reports), RFC 4588 (RTX).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from gateway.fastpath import FrameRun, RtpDestination
from gateway.model.media import VIDEO_CLOCK_HZ, AccessUnit
from gateway.runtime.bugs import report_bug
from gateway.webrtc.aiortc_compat import InPlaceSrtp
from gateway.webrtc.packet_batch import PacketBatch, RtpParameters
from gateway.webrtc.playout_delay import playout_delay_extension
from gateway.webrtc.retransmit_buffer import (
    RetransmitBuffer,
    RetransmitRequests,
    SentPacket,
    SentRun,
    SentUnit,
)
from gateway.webrtc.udp_path import BATCH_BYTES, UdpPath

PACE_S = 0.005
"""What exceeds the pace is sent in steps of so much; asyncio's timers are exact to about 1 ms."""

AHEAD_S, AHEAD_BYTES = 0.02, 62_500
"""How far ahead of the pace we may send, in time and at most. The default receive buffer of a
socket (212,992 bytes on Linux, overhead included) holds 92 packets of 1,200 bytes: a reader that
does not run for a moment still loses none of it."""

AT_ONCE_S, AT_ONCE_BYTES = 0.04, 125_000
"""The largest picture that the fast path sends in one go, in time and at most; it paces others, or
on a narrow line gives them back."""

RETRY_S = 0.002
"""Pause after the kernel's send buffer was full."""

NARROW_AHEAD_S = 0.04
"""The same on a narrow line: a picture's time, so that only keyframes wait."""

RETRANSMIT_SHARE = 0.25
"""The share of what the line is believed to carry that retransmissions may take; what exceeds it
waits. So repair does not grow with loss, and fills no line that is full already."""

RETRANSMIT_CREDIT_S = 2.0
"""So much of that share is at hand when nothing was lost for a while: half a second of the stream,
which is then sent again no faster than the stream itself."""

REDUNDANT_LOSS = 0.01, 0.1
"""Between these shares of loss a packet is sent again twice at once. Browsers that only receive do
not know the round trip and ask again after 100 ms (libwebrtc, ``kDefaultRtt``): where 5 % are lost
at random, a picture in 17 s waits for a third request, and stands still. Not while many wait, which
have been lost together."""

FEW_REQUESTS = 20

TOLD_IN = 3
"""So many pictures carry what the player is told, since it is lost with the first packet of one."""

LEAST_REPAIRED_BPS = 1e6
"""A line is believed to carry so much at least until it is known better."""

_NTP_EPOCH_S = 2_208_988_800


def _report(error: Exception) -> None:
    report_bug("session", error)


class RtpSender:
    """Sends one stream to one viewer (a `gateway.streams.reader.Reader` delivers it).

    Args:
        parameters: SSRCs and payload types.
        by_codec: The same for each codec that may be sent; of the same SSRCs.
        srtp: The outbound SRTP session; used by this sender alone.
        path: Where packets are sent.
        pace_bps: The most to be put on the line, in bits per second.
        on_ready: Called when `send_unit`, having returned False, can send again.
        sync: Makes the stream call `on_relayed` with what the fast path has sent.
        on_bug: Called with what nobody expects a timer of this sender to raise.

    Attributes:
        retransmitted: Packets sent again.
        first_sent_s: When the first unit was sent, on the monotonic clock; None: none was yet.
    """

    def __init__(
        self,
        parameters: RtpParameters,
        *,
        by_codec: Mapping[str, RtpParameters] = MappingProxyType({}),
        srtp: InPlaceSrtp,
        path: UdpPath,
        pace_bps: float,
        on_ready: Callable[[], None],
        sync: Callable[[], None] = lambda: None,
        on_bug: Callable[[Exception], None] = _report,
    ) -> None:
        self._parameters = parameters
        self._by_codec = by_codec
        self._srtp = srtp
        self._batch = PacketBatch(srtp, parameters, max_bytes=BATCH_BYTES)
        self._on_ready = on_ready
        self._sync = sync
        self._on_bug = on_bug
        self._usual_pace_bps = pace_bps
        self._retransmit_free_s = self._retransmit_paid_s = 0.0
        self._rtx_seq = random.randrange(1 << 15)
        # Numbers on where the fast path or we have stopped.
        self._destination = self._create_destination(
            random.randrange(1 << 32), random.randrange(1 << 15)
        )
        self._offset_90k = self._destination.offset_90k
        self.set_pace(None)
        self._path = path
        self._set_address()
        self._remainder: deque[tuple[AccessUnit, int, int, bytes]] = deque()
        self._extension, self._to_tell = b"", 0
        self._timer: asyncio.TimerHandle | None = None
        self._retransmit_buffer = RetransmitBuffer()
        self._requests = RetransmitRequests()
        self._retransmit_timer: asyncio.TimerHandle | None = None
        self._recorded_seq = self._destination.seq  # the first that is not in the buffer yet
        self.retransmitted = 0
        self.first_sent_s: float | None = None

    @property
    def packets(self) -> int:
        """Media packets sent, retransmissions not counted."""
        return self._destination.packets

    @property
    def next_seq(self) -> int:
        """Extended sequence number of the next packet."""
        return self._destination.seq

    @property
    def octets(self) -> int:
        """Payload bytes of these packets."""
        return self._destination.octets

    @property
    def last_90k(self) -> int | None:
        """Time of the newest unit sent, on the stream's 90 kHz timeline; None before the first."""
        return self._destination.last_90k if self._destination.last_90k >= 0 else None

    @property
    def last_sent_s(self) -> float | None:
        """When the newest unit was sent, on the monotonic clock; None: none was yet."""
        return None if self.first_sent_s is None else self._destination.last_s

    @property
    def path(self) -> UdpPath:
        """Where to."""
        return self._path

    @path.setter
    def path(self, path: UdpPath) -> None:
        self._path = path
        self._set_address()

    @property
    def busy(self) -> bool:
        """Whether a unit is still being sent, or the pace allows nothing more yet."""
        if self._timer is not None or self._requests or self._destination.waiting:
            return True
        return self._destination.free_s > time.monotonic() + self._ahead_s

    def set_pace(self, bps: float | None, *, sent_bps: float = 0.0, loss: float = 0.0) -> None:
        """Put no more than *bps* on the line, of which repeats are `RETRANSMIT_SHARE`.

        Args:
            bps: What the line carries; None: more than was ever sent, so that the usual pace is.
            sent_bps: Without *bps*: the mean rate sent, which bounds the repeats instead.
            loss: Share of packets lost lately, 0 to 1.
        """
        self._pace = bps, sent_bps, loss
        least, most = REDUNDANT_LOSS
        self._copies = 2 if bps is None and least <= loss <= most else 1
        self._narrow = bps is not None
        pace_bps = min(bps or self._usual_pace_bps, self._usual_pace_bps)
        bytes_per_s = pace_bps / 8
        step_s, ahead_s = (PACE_S, AHEAD_S) if bps is None else (NARROW_AHEAD_S, NARROW_AHEAD_S)
        self._ahead_s = min(ahead_s, AHEAD_BYTES / bytes_per_s)
        self._batch.max_bytes = int(min(max(bytes_per_s * step_s, 4_096), BATCH_BYTES))
        self._s_per_byte = 8 / pace_bps
        self._destination.set_pace(
            bytes_per_s=bytes_per_s,
            ahead_s=self._ahead_s,
            step_s=PACE_S,
            step_bytes=self._batch.max_bytes,
            burst_bytes=int(min(bytes_per_s * AT_ONCE_S, AT_ONCE_BYTES)),
            may_wait=not self._narrow,  # what waits is sent, however narrow the line becomes
        )
        carried_bps = bps or max(sent_bps, LEAST_REPAIRED_BPS)
        self._retransmit_s_per_byte = 8 / carried_bps

    def set_playout_delay(self, delay_s: float) -> bool:
        """Tell the player with the next `TOLD_IN` pictures how long to wait with each.

        Returns:
            Whether it is told, so that the caller has to take the stream from the fast path, which
            sends no header extension; False if the viewer does not know this one.
        """
        identifier = self._parameters.playout_delay_id
        if identifier is None:
            return False
        self._extension, self._to_tell = playout_delay_extension(identifier, delay_s), TOLD_IN
        return True

    def abandon(self) -> None:
        """Send no more of what has been begun, and nothing again that was sent so far.

        For a keyframe of another stream follows. On a line that is full what is left of the one
        before would come first, for seconds. The caller has taken that from the fast path.
        """
        self.forget_requests()
        self._retransmit_buffer.clear()
        self._remainder.clear()
        self._recorded_seq = self._destination.seq
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        destination = self._destination
        destination.free_s = min(destination.free_s, time.monotonic() + self._ahead_s)

    def begin_stream(self, unit: AccessUnit, codec: str | None = None) -> None:
        """Go on with another stream, whose first unit is *unit*: its times follow the last sent.

        As much later as it came later; the caller has taken the one before from the fast path. Of
        another *codec* it has that one's payload types; what was sent before is then not sent
        again, since a repeat would be taken for the new codec.
        """
        parameters = self._by_codec.get(codec or "", self._parameters)
        if parameters is not self._parameters:
            self._use(parameters)
        destination = self._destination
        if destination.last_90k >= 0:
            passed_90k = max(1, int((unit.arrived_s - destination.last_s) * VIDEO_CLOCK_HZ))
            rtp_time = destination.last_90k + self._offset_90k + passed_90k
            self._offset_90k = (rtp_time - unit.time_90k) & 0xFFFF_FFFF
            destination.offset_90k = self._offset_90k
        destination.last_90k = unit.time_90k - 1

    def send_unit(self, unit: AccessUnit) -> bool:
        """Send *unit*; what exceeds the pace is sent later, by itself.

        Returns:
            False if the line is busy: nothing of the unit is sent, and `on_ready` is called later.
        """
        if self._timer is not None:
            return False
        now_s = time.monotonic()
        destination = self._destination
        if destination.free_s > now_s + self._ahead_s:
            self._timer = self._call_in_a_step()
            return False
        if destination.last_90k < 0:
            self.first_sent_s = now_s
        time_90k = max(unit.time_90k, destination.last_90k + 1)
        destination.last_90k, destination.last_s = time_90k, now_s
        rtp_time = (time_90k + self._offset_90k) & 0xFFFF_FFFF
        self._retransmit_buffer.record(SentUnit(destination.seq, rtp_time, unit, now_s))
        destination.packets += len(unit.payloads)
        destination.octets += unit.size_bytes
        extension = self._extension if self._to_tell else b""
        self._to_tell = max(0, self._to_tell - 1)
        self._remainder.append((unit, 0, rtp_time, extension))
        self._send_remainder(now_s)
        return True

    def destination(self) -> RtpDestination | None:
        """Return the destination for the fast path; None while it cannot send in our place."""
        if self._destination.offload_refused:
            self._path.offload = False
        if self._timer is not None or not self._path.offload or not self._destination.sendable:
            return None
        if self._to_tell:
            return None
        return self._destination

    @property
    def srtp_lock(self) -> RtpDestination:
        """A lock: within this context the fast path does not use the SRTP session."""
        return self._destination

    def on_relayed(self, runs: Sequence[FrameRun], evicted_packets: int) -> None:
        """Record *runs*, which the fast path has sent after *evicted_packets* it no longer has."""
        self._recorded_seq += evicted_packets
        for run in runs:
            self._retransmit_buffer.record(SentRun(self._recorded_seq, self._offset_90k, run))
            self._recorded_seq += run.packets

    def on_reclaimed(self) -> None:
        """Send what the fast path has not sent yet of what it has relayed: it has stopped."""
        waiting, at = self._destination.take_waiting()
        for fields in waiting:
            unit = AccessUnit(*fields)
            rtp_time = (unit.time_90k + self._offset_90k) & 0xFFFF_FFFF
            self._remainder.append((unit, at, rtp_time, b""))
            at = 0
        if self._remainder and self._timer is None:
            self._send_remainder(time.monotonic())

    def on_superseded(self) -> None:
        """Clear the buffer: the fast path holds all that may be requested again."""
        self._retransmit_buffer.clear()

    def retransmit(self, seqs: Iterable[int]) -> None:
        """Send the packets *seqs* again (RFC 4588); what exceeds the pace later, by itself."""
        self._requests.add(seqs)
        if self._retransmit_timer is None:
            self._send_requested()

    def forget_requests(self) -> None:
        """Send nothing again that waits for it: the viewer is about to get a keyframe."""
        self._requests.clear()

    def sender_info(self, now_s: float, wall_s: float) -> tuple[int, int, int, int] | None:
        """Return NTP time, RTP time, packets and octets for a sender report (RFC 3550 §6.4.1).

        None until something was sent. *now_s* is monotonic, *wall_s* seconds since 1970.
        """
        destination = self._destination
        with destination:  # the fast path may be sending the next picture
            last_90k, last_s = destination.last_90k, destination.last_s
            packets, octets = destination.packets, destination.octets
        if last_90k < 0:
            return None
        since_90k = int((now_s - last_s) * VIDEO_CLOCK_HZ)
        rtp_time = (last_90k + since_90k + self._offset_90k) & 0xFFFF_FFFF
        ntp_64 = int((wall_s + _NTP_EPOCH_S) * (1 << 32))
        return ntp_64, rtp_time, packets, octets

    def close(self) -> None:
        """Send nothing more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._retransmit_timer is not None:
            self._retransmit_timer.cancel()
            self._retransmit_timer = None
        self._remainder.clear()
        self._destination.clear_address()
        self._batch.close()

    def _create_destination(self, offset_90k: int, seq: int) -> RtpDestination:
        protect, session = self._srtp.addresses
        return RtpDestination(
            payload_type=self._parameters.payload_type,
            ssrc=self._parameters.ssrc,
            offset_90k=offset_90k,
            seq=seq,
            protect=protect,
            session=session,
            keep_alive=self._srtp,
        )

    def _use(self, parameters: RtpParameters) -> None:
        """Send with *parameters* from now on, and number on."""
        self.abandon()
        before, self._parameters = self._destination, parameters
        self._batch.parameters = parameters
        before.clear_address()
        self._destination = after = self._create_destination(before.offset_90k, before.seq)
        after.last_90k, after.last_s, after.free_s = before.last_90k, before.last_s, before.free_s
        after.packets, after.octets = before.packets, before.octets
        bps, sent_bps, loss = self._pace
        self.set_pace(bps, sent_bps=sent_bps, loss=loss)
        self._set_address()

    def _set_address(self) -> None:
        """Give the fast path socket and address of the path."""
        self._destination.clear_address()
        self._destination.offload_refused = False
        if self._path.descriptor >= 0:
            self._destination.set_address(self._path.descriptor, *self._path.address[:2])

    def _resume_retransmitting(self) -> None:
        try:
            self._send_requested()
        except Exception as error:  # ends this session; the loop would only log it
            self._on_bug(error)

    def _send_requested(self) -> None:
        """Send again what waits for it, as far as the pace allows; a timer sends the rest."""
        self._retransmit_timer = None
        if not self._requests:
            return
        now_s = time.monotonic()
        self._sync()
        while self._requests:
            ready_s = max(self._retransmit_free_s, self._retransmit_paid_s)
            if ready_s > now_s + PACE_S:
                self._retransmit_timer = asyncio.get_running_loop().call_at(
                    ready_s, self._resume_retransmitting
                )
                return
            seq = self._requests.pop()
            found = self._retransmit_buffer.find(seq, now_s)
            if found is not None:
                copies = self._copies if len(self._requests) < FEW_REQUESTS else 1
                size_bytes = sum(self._send_again(seq, found) for _ in range(copies))
                self._pay_for_repeats(size_bytes, now_s)

    def _pay_for_repeats(self, size_bytes: int, now_s: float) -> None:
        """Let the next repeats wait until so many bytes are paid for."""
        cost_s = size_bytes * self._retransmit_s_per_byte
        self._retransmit_free_s = max(self._retransmit_free_s, now_s) + cost_s
        credited_s = max(self._retransmit_paid_s, now_s - RETRANSMIT_CREDIT_S)
        self._retransmit_paid_s = credited_s + cost_s / RETRANSMIT_SHARE
        if self._narrow:  # what is sent again is not sent of the stream
            destination = self._destination
            with destination:  # the fast path may be sending the next picture
                destination.free_s = max(destination.free_s, now_s) + size_bytes * self._s_per_byte

    def _send_again(self, seq: int, sent: SentPacket) -> int:
        """Send *sent*, which had number *seq*, again; return its bytes."""
        parameters = self._parameters
        payload = sent.payload
        marker = 0x80 if sent.marker else 0
        if parameters.rtx_payload_type is None:
            kind, ssrc, number = marker | parameters.payload_type, parameters.ssrc, seq
        else:
            kind, ssrc = marker | parameters.rtx_payload_type, parameters.rtx_ssrc
            number = self._rtx_seq & 0xFFFF
            self._rtx_seq += 1
            payload = seq.to_bytes(2, "big") + payload
        with self._destination:
            end = self._batch.write_single(kind, number, sent.rtp_time, ssrc, payload)
        self._path.send(self._batch.view[:end])
        self.retransmitted += 1
        return end

    def _resume(self) -> None:
        """Send the rest of a unit, then let the reader go on."""
        try:
            self._send_rest()
        except Exception as error:  # ends this session; the loop would only log it
            self._on_bug(error)

    def _send_rest(self) -> None:
        self._timer = None
        self._send_remainder(time.monotonic())
        if self._timer is None:
            self._on_ready()

    def _call_in_a_step(self) -> asyncio.TimerHandle:
        """Go on when the pace has room for `PACE_S` more."""
        when_s = self._destination.free_s - self._ahead_s + min(PACE_S, self._ahead_s)
        return asyncio.get_running_loop().call_at(when_s, self._resume)

    def _send_remainder(self, now_s: float) -> None:
        """Send what is left of units, as far as the pace allows; a timer sends the rest."""
        destination = self._destination
        destination.free_s = max(destination.free_s, now_s)
        while self._remainder:
            if destination.free_s > now_s + self._ahead_s:
                self._timer = self._call_in_a_step()
                return
            unit, first, rtp_time, extension = self._remainder.popleft()
            seq = destination.seq
            at, size_bytes, segment_bytes = self._batch.write(
                unit.payloads, first, seq, rtp_time, extension
            )
            destination.seq = seq + at - first
            self._recorded_seq = max(self._recorded_seq, destination.seq)
            if at < len(unit.payloads):
                self._remainder.appendleft((unit, at, rtp_time, extension))
            destination.free_s += size_bytes * self._s_per_byte
            if not self._path.send_batch(self._batch.view[:size_bytes], segment_bytes):
                # The viewer requests what this batch has lost (NACK).
                destination.free_s = max(destination.free_s, now_s) + self._ahead_s + RETRY_S
