"""One viewer's end of a stream: a bounded queue that drops to the next keyframe.

Usually the queue is empty: the stream offers a unit and it is sent in the same call. Units wait
only while the viewer's line is full or the cached GOP is being sent, and only within the bounds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from gateway.fastpath import FrameRun, RtpDestination
from gateway.model.media import AccessUnit

QUEUE_UNITS = 150
QUEUE_BYTES = 4 * 1024 * 1024
"""Six seconds of 25 pictures, or 4 MiB: beyond that a viewer is not behind but lost."""


class FastPathSender(Protocol):
    """A sender that the fast path can send in place of."""

    def destination(self) -> RtpDestination | None:
        """Return where to and how; None if the fast path cannot do it now."""
        ...

    def on_relayed(self, runs: Sequence[FrameRun], evicted_packets: int) -> None:
        """Note *runs*, which the fast path has sent behind packets that it has not buffered."""
        ...

    def on_superseded(self) -> None:
        """Forget all that has been sent: the fast path has what may be asked for again."""
        ...

    def on_reclaimed(self) -> None:
        """Send the rest of what the fast path has relayed: it has stopped."""
        ...


class Reader:
    """Hands the units of a stream to *send*, in order, starting at a keyframe.

    Args:
        send: Sends one unit and returns True; False if it cannot now, and then calls `resume` when
            it can.
        sender: In whose place the fast path may send; None: it may not.
    """

    def __init__(
        self, send: Callable[[AccessUnit], bool], sender: FastPathSender | None = None
    ) -> None:
        self._send = send
        self._sender = sender
        self._queue: deque[AccessUnit] = deque()
        self._queued_bytes = 0
        self._allowed_units = QUEUE_UNITS
        self._allowed_bytes = QUEUE_BYTES
        self._waiting_for_keyframe = True
        self.dropped = 0
        """Units this reader has not seen because it was too slow."""

    @property
    def queued(self) -> int:
        """Units that wait."""
        return len(self._queue)

    def offer(self, unit: AccessUnit) -> None:
        """Send the stream's next unit, queue it, or drop all up to the next keyframe."""
        if self._waiting_for_keyframe:
            if not unit.keyframe:
                return
            self._waiting_for_keyframe = False
        if not self._queue and self._send(unit):
            return
        self._queue.append(unit)
        self._queued_bytes += unit.size_bytes
        if len(self._queue) > self._allowed_units or self._queued_bytes > self._allowed_bytes:
            self._drop_queue(unit)

    def replay(self, units: Iterable[AccessUnit]) -> None:
        """Send *units*, a GOP from its keyframe on, before anything that comes later.

        What was waiting is part of them and is forgotten. The queue may grow by their size.
        """
        self._queue.clear()
        self._queue.extend(units)
        self._queued_bytes = sum(unit.size_bytes for unit in self._queue)
        self._allowed_units = len(self._queue) + QUEUE_UNITS
        self._allowed_bytes = self._queued_bytes + QUEUE_BYTES
        self._waiting_for_keyframe = not self._queue
        self.resume()

    def resume(self) -> None:
        """Send what is queued until the viewer can take no more."""
        queue = self._queue
        while queue:
            unit = queue[0]
            if not self._send(unit):
                return
            queue.popleft()
            self._queued_bytes -= unit.size_bytes
        self._allowed_units, self._allowed_bytes = QUEUE_UNITS, QUEUE_BYTES

    def destination(self, time_90k: int) -> RtpDestination | None:
        """Return where the fast path can send all that comes behind *time_90k*; None: nowhere.

        Not while anything waits, nor before the first keyframe.
        """
        if self._sender is None or self._queue or self._waiting_for_keyframe:
            return None
        destination = self._sender.destination()
        if destination is None or destination.last_90k > time_90k:
            return None
        return destination

    def on_relayed(self, runs: Sequence[FrameRun], evicted_packets: int) -> None:
        """Note *runs*, which the fast path has sent behind packets that it has not buffered."""
        assert self._sender is not None
        self._sender.on_relayed(runs, evicted_packets)

    def on_superseded(self) -> None:
        """Forget what has been sent: the fast path has newer units."""
        assert self._sender is not None
        self._sender.on_superseded()

    def on_reclaimed(self) -> None:
        """Send the rest of what the fast path has relayed: it has stopped."""
        assert self._sender is not None
        self._sender.on_reclaimed()

    def wait_for_keyframe(self) -> None:
        """Wait for the next keyframe: what follows does not continue what was sent."""
        self._waiting_for_keyframe = True

    def _drop_queue(self, newest: AccessUnit) -> None:
        """Drop all that is queued, except the newest if a decoder can start there."""
        self.dropped += len(self._queue)
        self._queue.clear()
        self._queued_bytes = 0
        if newest.keyframe and newest.size_bytes <= self._allowed_bytes:
            self.dropped -= 1
            self._queue.append(newest)
            self._queued_bytes = newest.size_bytes
        else:
            self._waiting_for_keyframe = True
