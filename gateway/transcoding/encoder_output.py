"""What the children of one stream encode: delivered, counted, and its cost told."""

from __future__ import annotations

from typing import Protocol

from gateway.model.media import AccessUnit, SourceCounters, VideoFormat
from gateway.ports import Clock, Sink
from gateway.transcoding.capacity import Capacity, Load
from gateway.transcoding.messages import OutputHeader, Report
from gateway.transcoding.output_payloads import payloads_of

KEYFRAME_INTERVAL_S = 0.5
"""However many viewers ask, there is no more than one keyframe in this time."""
MEASURE_EVERY = 100
"""Pictures between two measurements of what an encoder costs."""
MOST_FPS = 60.0


class EncodingChild(Protocol):
    """A running child that encodes."""

    def request_keyframe(self) -> None:
        """Make the next picture a keyframe."""
        ...


class EncoderOutput:
    """The output of one stream's encoder, of one child after the other.

    Args:
        name: What *capacity* knows it by; no other has it.
        payload_bytes: Largest RTP payload that is delivered.
        capacity: Of this machine; shared by all.
        clock: Monotonic.

    Attributes:
        counters: What has been delivered since it was made.
    """

    def __init__(self, name: str, payload_bytes: int, capacity: Capacity, clock: Clock) -> None:
        self._name = name
        self._payload_bytes = payload_bytes
        self._capacity = capacity
        self._clock = clock
        self._child: EncodingChild | None = None
        self._sink: Sink | None = None
        self._last_90k = -1
        self._asked_s = float("-inf")
        self._measured_at = 0, 0.0  # pictures, and when
        self.counters = SourceCounters()

    def admit(self, load: Load) -> str:
        """Let it begin, for *load*; return why this machine cannot carry it, or nothing."""
        return self._capacity.admit(self._name, load, self._clock.now())

    def begin(self, sink: Sink, child: EncodingChild, load: Load) -> None:
        """Deliver what *child* encodes to *sink*, at about *load*."""
        self._child, self._sink = child, sink
        self._capacity.begin(self._name, load)
        self._measured_at = 0, self._clock.now()
        self.counters.sessions += 1
        sink.on_opened(VideoFormat("h264"))

    def end(self) -> None:
        """Deliver no more: the child ends, or has not begun."""
        self._child = self._sink = None
        self._capacity.end(self._name)

    def request_keyframe(self) -> bool:
        """Make the next picture a keyframe; False: there is no child to make it."""
        if self._child is None:
            return False
        now_s = self._clock.now()
        if now_s - self._asked_s >= KEYFRAME_INTERVAL_S:
            self._asked_s = now_s
            self._child.request_keyframe()
        return True

    def take(self, head: OutputHeader, nals: list[bytes], time_90k: int) -> None:
        """Take one report of the child, and what it has encoded, if anything.

        Args:
            head: Its header.
            nals: The picture's NAL units.
            time_90k: When the picture was taken; delivered so that it grows.

        Raises:
            MalformedMessage: The picture is not what *head* says.
        """
        self._measure(head)
        if head.report is not Report.UNIT or self._sink is None:
            return
        payloads = payloads_of(
            "h264", nals, keyframe=head.keyframe, limit_bytes=self._payload_bytes
        )
        self._last_90k = time_90k = max(time_90k, self._last_90k + 1)
        size_bytes = sum(map(len, payloads))
        counters = self.counters
        counters.units += 1
        counters.keyframes += head.keyframe
        counters.packets += len(payloads)
        counters.received_bytes += size_bytes
        self._sink.deliver(
            AccessUnit(payloads, time_90k, head.keyframe, self._clock.now(), size_bytes)
        )

    def _measure(self, head: OutputHeader) -> None:
        """Tell the capacity now and then what this costs."""
        pictures, since_s = self._measured_at
        if head.decoded - pictures < MEASURE_EVERY:
            return
        now_s = self._clock.now()
        fps = min((head.decoded - pictures) / max(now_s - since_s, 0.1), MOST_FPS)
        self._measured_at = head.decoded, now_s
        self._capacity.measure(self._name, head.decoded, head.cpu_s, fps)
