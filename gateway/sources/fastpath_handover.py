"""Hands a playing camera's connection, or its RTP port, over to the fast path, and takes it back.

The fast path goes on behind the last picture of depacketizer and timeline, and they go on behind
its last one: nothing is read twice and nothing is left out. See `gateway.fastpath`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from gateway.fastpath import COMPILED, Forwarder, FrameRun, RtpDestination
from gateway.model.media import SourceCounters
from gateway.ports import FastPath
from gateway.rtsp.budget import BYTES, PACKETS, PICTURES, STRANGERS, Allowance, abusive
from gateway.rtsp.client import RtspClient
from gateway.rtsp.connection import PacketHandler
from gateway.rtsp.receiver_stats import ReceiverStats
from gateway.sources.depacketizer import Depacketizer
from gateway.sources.picture_depacketizer import PictureDepacketizer
from gateway.sources.timeline import Timeline

MAX_BUFFERED = 128
"""Access units that the fast path buffers before it wakes the loop: five seconds. It does not wake
it at all while what may be wanted again is less: `RETAIN_S`, or the GOP if that is longer."""

RETAIN_S = 2.0
"""How long the fast path buffers what lies before the GOP: as long as a viewer may ask for it
again (`gateway.webrtc.retransmit_buffer`)."""

COPIED = Allowance("bytes copied", 400_000_000, 800_000_000)
"""The fast path copies what is there of an access unit with each read, while that is at most
16 KiB. A picture of any size in packets of 1,400 bytes is 100 kB."""

_BUDGET = (BYTES, PACKETS, PICTURES, COPIED, STRANGERS)

MAX_FRUITLESS_STARTS = 8
"""So many times in a row the fast path has stopped before it had relayed one access unit: this
camera sends none that is ordinary, and is left to the depacketizer for the rest of the session."""


@runtime_checkable
class FastPathSink(Protocol):
    """A sink whose readers the fast path can send to (`gateway.streams.stream.Stream`)."""

    fast_path: FastPath | None

    @property
    def keyframe_s(self) -> float | None:
        """When the last keyframe came, on the monotonic clock; None if none ever did."""
        ...

    def destinations(self, time_90k: int) -> tuple[RtpDestination, ...] | None:
        """Return where to send all that comes behind *time_90k*; None: not now."""
        ...

    def on_relayed(self, runs: Sequence[FrameRun], evicted_packets: int) -> None:
        """Note what the fast path has sent to all of them, behind packets no longer buffered."""
        ...

    def on_superseded(self) -> None:
        """Drop all units: the fast path has newer ones, from a keyframe on."""
        ...

    def on_reclaimed(self) -> None:
        """Send the rest of what the fast path has relayed: it has stopped."""
        ...


class Carrier(Protocol):
    """What a session's RTP comes over: `RtspConnection` or `gateway.rtsp.udp.UdpPair`.

    Attributes:
        on_rtcp: Called with RTCP packets.
    """

    on_rtcp: PacketHandler

    @property
    def descriptor(self) -> int:
        """Of the socket; -1: the fast path cannot read it."""
        ...

    @property
    def rtp_channel(self) -> int:
        """Of the interleaved frames with the video's RTP."""
        ...

    @property
    def rtcp_channel(self) -> int:
        """Of those with its RTCP; negative: there are none."""
        ...

    @property
    def sender(self) -> str | None:
        """IP address whose datagrams are read; None: it is a TCP connection."""
        ...

    def is_idle(self, seq: int) -> bool:
        """Whether all that has been read is passed on, and packet *seq* is next."""
        ...

    def pause(self) -> None:
        """Stop reading until `resume`: somebody else does."""
        ...

    def continue_from(self, seq: int, source: int) -> None:
        """Expect packet *seq* of the SSRC *source* next.

        Called before `resume` if others were relayed.
        """
        ...

    def add_strangers(self, count: int) -> None:
        """Count datagrams of other senders that the fast path has dropped."""
        ...

    def resume(self, read: bytes) -> None:
        """Go on reading; *read* has been read meanwhile and comes first."""
        ...

    def fail(self, error: BaseException) -> None:
        """End the session with *error*."""
        ...


class FastPathHandover:
    """Between one RTSP session and the fast path.

    Args:
        sink: Where the session's pictures go.
        carrier: Where they come from.
        depacketizer: Of the session; gets what the fast path does not relay.
        retain_s: How long the fast path buffers what lies before the GOP.
    """

    def __init__(
        self,
        sink: FastPathSink,
        carrier: Carrier,
        depacketizer: Depacketizer,
        *,
        timeline: Timeline,
        receiver_stats: ReceiverStats,
        counters: SourceCounters,
        retain_s: float = RETAIN_S,
    ) -> None:
        self._sink, self._carrier, self._depacketizer = sink, carrier, depacketizer
        self._timeline, self._receiver_stats, self._counters = timeline, receiver_stats, counters
        self._loop = asyncio.get_running_loop()
        # The transport closes its own descriptor when it likes; this one is ours.
        self._fd = os.dup(carrier.descriptor)
        self._wakeup_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._loop.add_reader(self._wakeup_fd, self._on_wakeup)
        self._forwarder = Forwarder(
            self._fd,
            rtp_channel=carrier.rtp_channel,
            rtcp_channel=carrier.rtcp_channel,
            payload_type=depacketizer.payload_type,
            payload_format=depacketizer.payload_format,
            max_payload_bytes=depacketizer.payload_bytes,
            max_buffered=MAX_BUFFERED,
            retain_s=retain_s,
            budget=tuple((each.per_s, each.burst) for each in _BUDGET),
            on_buffer_full=self.sync,
            on_fallback=self._fall_back,
            on_superseded=sink.on_superseded,
            on_rtcp=self.sync_counters,
            sender=carrier.sender,
        )
        self._strangers = 0  # that the carrier has been told of
        self._relayed = False
        self._fruitless_starts = 0
        self._reclaiming = self._closed = False

    def start(self) -> None:
        """Let the fast path relay from here on, if it can; called after a complete picture."""
        if self._closed or self._reclaiming or self._forwarder.running:
            return
        if self._fruitless_starts >= MAX_FRUITLESS_STARTS:
            return
        seq, place = self._depacketizer.handover_seq(), self._timeline.handover_point()
        if seq is None or place is None or not self._carrier.is_idle(seq):
            return
        destinations = self._sink.destinations(place[1])
        if destinations is None:
            return
        self._relayed = False
        keyframe_s = self._sink.keyframe_s or 0
        self._carrier.pause()
        self._sink.fast_path = self
        self._forwarder.start(
            destinations,
            seq=seq,
            rtp_time=place[0],
            time_90k=place[1],
            parameter_sets=self._depacketizer.parameter_sets,
            keyframe_s=keyframe_s,
        )
        if not self._forwarder.start_polling(self._wakeup_fd):
            self.reclaim()

    @property
    def last_unit_s(self) -> float:
        """When the newest access unit that the fast path has relayed came; 0 if none did."""
        return self._forwarder.last_unit_s

    @property
    def keyframe_s(self) -> float:
        """When the newest keyframe came, by the fast path or before; 0 if none ever did."""
        return self._forwarder.keyframe_s

    @property
    def gop_s(self) -> float:
        """Between the last two keyframes; 0 if that is not known."""
        return self._forwarder.gop_s

    def sync_counters(self) -> None:
        """Bring counters and receiver statistics up to date."""
        counts = self._forwarder.take_counts()
        packets, size_bytes, units, keyframes, last_rtp_s, newest_header, rtcp = counts
        if units:
            self._relayed = True
            self._counters.packets += packets
            self._counters.received_bytes += size_bytes
            self._counters.units += units
            self._counters.keyframes += keyframes
            self._receiver_stats.on_rtp(newest_header, last_rtp_s)
        elif last_rtp_s > self._receiver_stats.last_rtp_s:  # of a picture that has no end
            self._receiver_stats.last_rtp_s = last_rtp_s
        strangers = self._forwarder.strangers
        self._carrier.add_strangers(strangers - self._strangers)
        self._strangers = strangers
        if rtcp:
            self._carrier.on_rtcp(rtcp)

    def sync(self) -> None:
        """Bring the counters up to date, and tell the sink what has been relayed meanwhile."""
        self.sync_counters()
        if self._forwarder.buffered:
            self._sink.on_relayed(*self._forwarder.collect())

    def reclaim(self) -> None:
        """Sync, and give the connection back to the depacketizer with all that was not relayed.

        The fast path does not start again in this call: its destinations are about to change.
        """
        self._reclaiming = True
        try:
            self._fall_back()
        finally:
            self._reclaiming = False

    def _fall_back(self) -> None:
        if not self._forwarder.running:
            return
        read = self._forwarder.stop()
        self.sync()
        self._fruitless_starts = 0 if self._relayed else self._fruitless_starts + 1
        self._sink.fast_path = None
        self._sink.on_reclaimed()
        if self._relayed:
            seq, rtp_time, time_90k = self._forwarder.position
            source = self._receiver_stats.source
            self._depacketizer.continue_from(seq, rtp_time, source)
            self._carrier.continue_from(seq, source)
            self._timeline.continue_from(rtp_time, time_90k, self.last_unit_s)
        if self._forwarder.over_budget:
            self._carrier.fail(abusive("more than a camera sends, by the fast path"))
        self._carrier.resume(read)

    def close(self) -> None:
        """Reclaim, and never start again."""
        if self._closed:
            return
        self._closed = True
        try:
            self.reclaim()
        finally:
            self._loop.remove_reader(self._wakeup_fd)
            os.close(self._wakeup_fd)
            os.close(self._fd)

    def _on_wakeup(self) -> None:
        """Run the callbacks that the polling thread has asked for."""
        os.eventfd_read(self._wakeup_fd)
        try:
            self._forwarder.run_callbacks()
        except BaseException as error:  # the loop would log it, and we would wait for ever
            self._carrier.fail(error)
            raise


def create_handover(
    sink: object,
    client: RtspClient,
    depacketizer: Depacketizer | PictureDepacketizer,
    *,
    timeline: Timeline,
    counters: SourceCounters,
) -> FastPathHandover | None:
    """Return the fast path's access to a session that is set up; None if it cannot have it.

    It cannot over TLS, nor for a sink that is not a stream, nor for video that is only
    transcoded, nor where it is not compiled.
    """
    carrier: Carrier | None = client.udp or client.connection
    if not COMPILED or not isinstance(sink, FastPathSink):
        return None
    if carrier is None or carrier.descriptor < 0:
        return None
    if not isinstance(depacketizer, Depacketizer):
        return None
    return FastPathHandover(
        sink,
        carrier,
        depacketizer,
        timeline=timeline,
        receiver_stats=client.receiver_stats,
        counters=counters,
    )
