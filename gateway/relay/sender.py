"""THE hot path: access units to one viewer as SRTP, a batch per system call.

A unit is sent in the call that delivers it: nothing is queued, no task is switched, unless the
pace of the viewer's line is exceeded; then the rest follows by a timer.

References: RFC 3550 §6.4.1 (sender reports), RFC 4588 (RTX).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable

from gateway.model.media import VIDEO_CLOCK_HZ, AccessUnit
from gateway.relay.batch import Batch, Numbers
from gateway.relay.history import History, Sent
from gateway.relay.path import BATCH_BYTES, Path
from gateway.relay.private import InPlaceSrtp

PACE_S = 0.005
"""How far the line may be filled ahead; asyncio's timers are good for about 1 ms."""

RETRY_S = 0.002
"""Pause after the kernel had no room."""

REPEAT_SHARE = 0.25
"""Retransmissions may take this share of the pace; the rest of a NACK storm is not answered."""

_NTP_EPOCH_S = 2_208_988_800


class Sender:
    """Sends one stream to one viewer.

    Args:
        numbers: SSRCs and payload types.
        srtp: The outbound SRTP session; used by this sender alone.
        path: Where to.
        pace_bps: The most that is put on the line per second, in bits.
        ready: Called when units can be taken again, after `take` has returned False.

    Attributes:
        packets: Media packets sent, retransmissions not counted.
        octets: Their payload bytes.
        repeated: Packets sent again.
        last_90k: Stamp of the newest unit taken, on the stream's timeline; None if none.
    """

    def __init__(
        self,
        numbers: Numbers,
        *,
        srtp: InPlaceSrtp,
        path: Path,
        pace_bps: float,
        ready: Callable[[], None],
    ) -> None:
        self._numbers = numbers
        step_bytes = int(min(max(pace_bps / 8 * PACE_S, 4_096), BATCH_BYTES))
        self._batch = Batch(srtp, numbers, most_bytes=step_bytes)
        self.path = path
        self._ready = ready
        self._s_per_byte = 8 / pace_bps
        self._free_s = 0.0
        self._repeat_free_s = 0.0
        self._seq = random.randrange(1 << 15)
        self._rtx_seq = random.randrange(1 << 15)
        self._offset_90k = random.randrange(1 << 32)
        self._rest: tuple[AccessUnit, int, int] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._history = History()
        self._last_sent_s = 0.0
        self.packets = 0
        self.octets = 0
        self.repeated = 0
        self.last_90k: int | None = None

    def take(self, unit: AccessUnit) -> bool:
        """Send *unit*, or as much of it as the pace allows, the rest following by itself.

        Returns:
            False if the line is taken; nothing of the unit is sent then, and `ready` is called
            later.
        """
        if self._timer is not None:
            return False
        now_s = time.monotonic()
        if self._free_s > now_s + PACE_S:
            self._timer = asyncio.get_running_loop().call_at(self._free_s, self._go_on)
            return False
        time_90k = unit.time_90k
        if self.last_90k is not None and time_90k <= self.last_90k:
            time_90k = self.last_90k + 1
        self.last_90k = time_90k
        rtp_time = (time_90k + self._offset_90k) & 0xFFFF_FFFF
        self._history.add(Sent(self._seq, rtp_time, unit, now_s))
        self._last_sent_s = now_s
        self.packets += len(unit.payloads)
        self.octets += unit.size_bytes
        self._send(unit, 0, rtp_time, now_s)
        return True

    def repeat(self, seqs: Iterable[int]) -> None:
        """Send packets again that the viewer misses (RFC 4588), within the pace."""
        numbers = self._numbers
        now_s = time.monotonic()
        for seq in seqs:
            if self._repeat_free_s > now_s + PACE_S:
                return
            found = self._history.find(seq, now_s)
            if found is None:
                continue
            sent, index = found
            payload = sent.unit.payloads[index]
            marker = 0x80 if index == len(sent.unit.payloads) - 1 else 0
            if numbers.rtx_payload_type is None:
                kind, ssrc, number = marker | numbers.payload_type, numbers.ssrc, seq
            else:
                kind, ssrc = marker | numbers.rtx_payload_type, numbers.rtx_ssrc
                number = self._rtx_seq & 0xFFFF
                self._rtx_seq += 1
                payload = seq.to_bytes(2, "big") + payload
            end = self._batch.single(kind, number, sent.rtp_time, ssrc, payload)
            self.path.send(self._batch.view[:end])
            self.repeated += 1
            cost_s = end * self._s_per_byte / REPEAT_SHARE
            self._repeat_free_s = max(self._repeat_free_s, now_s) + cost_s

    def report(self, now_s: float, wall_s: float) -> tuple[int, int, int, int] | None:
        """Return NTP time, RTP time, packets and octets for a sender report.

        None until something was sent. *now_s* is monotonic, *wall_s* seconds since 1970.
        """
        if self.last_90k is None:
            return None
        since_90k = int((now_s - self._last_sent_s) * VIDEO_CLOCK_HZ)
        rtp_time = (self.last_90k + since_90k + self._offset_90k) & 0xFFFF_FFFF
        ntp_64 = int((wall_s + _NTP_EPOCH_S) * (1 << 32))
        return ntp_64, rtp_time, self.packets, self.octets

    def close(self) -> None:
        """Send nothing more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._rest = None
        self._batch.close()

    def _go_on(self) -> None:
        """Send the rest of a unit, then take what waits."""
        self._timer = None
        if self._rest is not None:
            unit, at, rtp_time = self._rest
            self._rest = None
            self._send(unit, at, rtp_time, time.monotonic())
        if self._timer is None:
            self._ready()

    def _send(self, unit: AccessUnit, at: int, rtp_time: int, now_s: float) -> None:
        """Send *unit* from packet *at* on; stop where the pace says so, and go on later."""
        count = len(unit.payloads)
        self._free_s = max(self._free_s, now_s)
        while at < count:
            if self._free_s > now_s + PACE_S:
                self._rest = (unit, at, rtp_time)
                self._timer = asyncio.get_running_loop().call_at(self._free_s, self._go_on)
                return
            first = at
            at, size_bytes, segment_bytes = self._batch.fill(unit.payloads, at, self._seq, rtp_time)
            self._seq += at - first
            self._free_s += size_bytes * self._s_per_byte
            if not self.path.send_batch(self._batch.view[:size_bytes], segment_bytes):
                # What this batch has cost, the viewer asks for again (NACK).
                self._free_s = max(self._free_s, now_s + RETRY_S) + PACE_S
