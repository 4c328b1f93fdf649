"""A source whose camera is asked for keyframes: when, how often, and what becomes of failures.

At most one request of a stream in `LEAST_S` and one at a time at a device. A camera that does not
do it, or does not react, is asked less and less; one that refuses us is left alone for half an
hour, lest it locks out those who watch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from gateway.model.errors import GatewayError, PermanentError, TransientError
from gateway.model.media import ClockReading, SourceCounters
from gateway.ports import Clock, Sink, Source, TimedSource
from gateway.runtime.bugs import report_bug
from gateway.sources.keyframe_requests import KeyframeRequest

LEAST_S = 2.0
LONGEST_S = 120.0
REFUSED_S = 1800.0
"""After a refusal that will last: no login, no such path, no such operation."""

LOOK_S = 1.0
"""Between two looks for pictures that are thrown away until a keyframe comes."""

log = structlog.get_logger(__name__)


class AskingPace:
    """When a camera may be asked next. No I/O.

    Attributes:
        next_s: Not before, on the monotonic clock.
    """

    def __init__(self) -> None:
        self.next_s = float("-inf")
        self._interval_s = LEAST_S
        self._asked_s: float | None = None  # that it has agreed to

    def on_agreed(self, now_s: float, keyframe_s: float | None) -> None:
        """Note that the camera has agreed; *keyframe_s*: when the newest keyframe came."""
        if self._asked_s is not None and (keyframe_s or 0.0) <= self._asked_s:
            self._interval_s = min(2 * self._interval_s, LONGEST_S)  # it agrees and does nothing
        else:
            self._interval_s = LEAST_S
        self._asked_s = now_s
        self.next_s = now_s + self._interval_s

    def on_failed(self, now_s: float, error: GatewayError) -> None:
        """Note that the request has failed with *error*."""
        self._asked_s = None
        if isinstance(error, PermanentError):
            self.next_s = now_s + REFUSED_S
            return
        pause_s = error.pause_s if isinstance(error, TransientError) else 0.0
        self.next_s = now_s + max(self._interval_s, pause_s)
        self._interval_s = min(2 * self._interval_s, LONGEST_S)


class AskingSource:
    """`gateway.ports.Source` and `AskableSource`: *source*, and requests to its camera meanwhile.

    Args:
        source: What is pulled.
        request: How its camera is asked.
        gate: Of its device, which is asked one thing at a time.
        name: For log lines, e.g. ``c01/main``.
        clock: Monotonic.
    """

    def __init__(
        self,
        source: Source,
        request: KeyframeRequest,
        *,
        gate: asyncio.Lock,
        name: str,
        clock: Clock,
    ) -> None:
        self._source = source
        self._request = request
        self._gate = gate
        self._name = name
        self._clock = clock
        self._pace = AskingPace()
        self._wanted = asyncio.Event()
        self._wanted_s = 0.0
        self._newest_s: Callable[[], float | None] = lambda: None
        self._told = ""

    @property
    def counters(self) -> SourceCounters:
        """What has been counted since the source was made."""
        return self._source.counters

    @property
    def clock_reading(self) -> ClockReading | None:
        """What the camera's clock showed last; None: it has not told, or cannot."""
        told = self._source.clock_reading if isinstance(self._source, TimedSource) else None
        return told or self._request.clock_reading

    @property
    def wanted(self) -> bool:
        """Whether a keyframe is wanted, and neither there nor asked for."""
        return self._wanted.is_set()

    async def check(self) -> None:
        """Ask the camera whether it would play; see `gateway.ports.Source.check`."""
        await self._source.check()

    async def run(self, sink: Sink) -> None:
        """Pull the camera into *sink*; see `gateway.ports.Source.run`."""
        failure: GatewayError | None = None
        self._wanted.clear()
        async with asyncio.TaskGroup() as group:
            tasks = (
                group.create_task(self._ask_as_wanted(), name=f"keyframes:{self._name}"),
                group.create_task(self._watch_discarded(), name=f"discarded:{self._name}"),
            )
            try:
                await self._source.run(sink)
            except GatewayError as error:
                failure = error
            finally:
                for each in tasks:
                    each.cancel()
        if failure is not None:
            raise failure

    def want_keyframe(self, newest_s: Callable[[], float | None]) -> None:
        """Have the camera asked; see `gateway.ports.AskableSource`."""
        if not self._wanted.is_set():
            self._wanted_s, self._newest_s = self._clock.now(), newest_s
            self._wanted.set()

    async def _ask_as_wanted(self) -> None:
        while True:
            await self._wanted.wait()
            wait_s = self._pace.next_s - self._clock.now()
            if wait_s > 0:
                await self._clock.sleep(wait_s)
            async with self._gate:
                if (self._newest_s() or 0.0) <= self._wanted_s:
                    await self._ask()
            self._wanted.clear()

    async def _ask(self) -> None:
        try:
            await self._request.ask()
        except GatewayError as error:
            self._fail(error)
            return
        except Exception as error:  # ends this request only
            report_bug("camera", error, self._name)
            self._pace.next_s = self._clock.now() + REFUSED_S
            self.counters.keyframe_failures += 1
            return
        self._pace.on_agreed(self._clock.now(), self._newest_s())
        self.counters.keyframe_requests += 1
        if self._told:
            self._told = ""
            log.info("keyframe_requests_work", name=self._name)

    def _fail(self, error: GatewayError) -> None:
        now_s = self._clock.now()
        self._pace.on_failed(now_s, error)
        self.counters.keyframe_failures += 1
        if self._told != error.reason:
            self._told = error.reason
            again_in_s = round(self._pace.next_s - now_s, 1)
            log.warning(
                "keyframe_request_failed",
                name=self._name,
                reason=error.reason,
                detail=error.detail,
                again_in_s=again_in_s,
            )

    async def _watch_discarded(self) -> None:
        """Want a keyframe while packets come and every picture is thrown away.

        So it is after a keyframe with a gap: nothing is delivered until the next.
        """
        counters = self.counters
        while True:
            units, discarded = counters.units, counters.discarded
            await self._clock.sleep(LOOK_S)
            if counters.discarded > discarded and counters.units == units:
                self.want_keyframe(self._newest_s)
