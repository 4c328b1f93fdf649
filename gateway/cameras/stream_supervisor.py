"""Supervises one stream: open while wanted, retried when it breaks, parked when refused.

An on-demand camera that nobody watches is checked now and then, so that the centre knows of a
failure before somebody needs the picture.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Coroutine, Iterator
from typing import NoReturn

import structlog

from gateway.model.errors import GatewayError, PermanentError, TransientError
from gateway.model.reasons import Reason
from gateway.model.site_document import StreamConfig
from gateway.ports import Clock
from gateway.runtime.bugs import place_of, report_bug
from gateway.runtime.supervise import backoff, supervise
from gateway.streams.stream import Stream

IDLE_CHECK_S = 60.0
"""Between two checks of an idle camera; as often as health is reported."""

WATCHED_RETRY_S = 6.0
"""Longest pause between two attempts while somebody has the camera open, however long it has been
away: with the time to connect and for a keyframe it is on the screen within 12 s of its return."""

PARK_AFTER_BUG_S = 60.0
"""How long a stream is left alone on which our own program has failed."""

log = structlog.get_logger(__name__)


class StreamSupervisor:
    """Runs one stream for as long as its configuration lasts.

    Args:
        name: For log lines, e.g. ``c01/main``.
        config: Of this stream.
        stream: Run by nobody else.
        probe_when_idle: Whether the source is checked now and then while nobody watches.
        delay_s: Pause before the first check, so that a recorder is not asked for all its
            channels in one moment.
    """

    def __init__(
        self,
        name: str,
        config: StreamConfig,
        stream: Stream,
        *,
        probe_when_idle: bool,
        delay_s: float,
        clock: Clock,
    ) -> None:
        self._name = name
        self._config = config
        self.stream = stream
        self._probe_when_idle = probe_when_idle
        self._delay_s = delay_s
        self._clock = clock
        self._reason = Reason.CONNECTING
        self._since_s = clock.now()
        self._pulling = False
        self._ended_s = -math.inf
        self._restart_requested = asyncio.Event()
        self.detail = ""
        self.attempts = 0
        self.again_at_s: float | None = None
        self.parked = False

    @property
    def pulling(self) -> bool:
        """Whether the stream is open or being opened."""
        return self._pulling

    async def run(self) -> NoReturn:
        """Supervise the stream until cancelled; no failure of the camera ends this."""
        await self._pause(self._delay_s)
        while True:
            self._restart_requested.clear()
            async with asyncio.TaskGroup() as group:
                running = group.create_task(self._run_stream(), name=f"stream:{self._name}")
                await self._restart_requested.wait()
                running.cancel()
            self._set_state(Reason.CONNECTING)
            self.attempts, self.again_at_s = 0, None

    def restart(self) -> None:
        """End the session and start again; readers stay attached."""
        self._restart_requested.set()

    async def _run_stream(self) -> NoReturn:
        while True:
            refusal: PermanentError | None = None
            try:
                if self.stream.wanted:
                    await self._pull_while_wanted()
                else:
                    await self._check_while_idle()
            except* PermanentError as group:
                # Nothing is awaited in here: except* wraps a cancellation into a group, and the
                # task group around us would take that for a bug.
                refusal = _first(group)
            except* Exception as group:  # ends this attempt only
                report_bug("camera", group, self._name)
                refusal = PermanentError(
                    Reason.INTERNAL_ERROR, place_of(group), park_s=PARK_AFTER_BUG_S
                )
            if refusal is not None:
                await self._park(refusal)

    def state(self) -> tuple[Reason, float]:
        """Return the reason in force, and since when on the monotonic clock."""
        if self._pulling:
            self._update_state()
        return self._reason, self._since_s

    def on_failure(self, error: TransientError, again_in_s: float) -> None:
        """Note a failed attempt (`gateway.runtime.supervise.SupervisorObserver`)."""
        self._end_session()
        self._set_state(error.reason, error.detail)
        self.attempts += 1
        self.again_at_s = self._clock.now() + again_in_s

    async def _pull_while_wanted(self) -> None:
        """Pull until nobody has wanted it for the linger time."""
        self._pulling = True
        if self._reason is Reason.IDLE:
            self._set_state(Reason.CONNECTING)
        try:
            async with asyncio.TaskGroup() as group:
                pulling = group.create_task(
                    supervise(
                        self.stream.pull,
                        name=self._name,
                        clock=self._clock,
                        observer=self,
                        delays=self._delays,
                        wake=self._until_watched,
                    ),
                    name=f"pull:{self._name}",
                )
                await self.stream.until_unwanted()
                pulling.cancel()
        finally:
            self._end_session()
            self._pulling = False
        if self._reason is Reason.OK:
            self._set_state(Reason.IDLE)

    def _delays(self) -> Iterator[float]:
        """Yield the pauses between attempts; short ones while somebody watches."""
        for delay_s in backoff():
            watched_s = WATCHED_RETRY_S * random.uniform(0.8, 1.0)
            yield min(delay_s, watched_s) if self.stream.readers else delay_s

    def _until_watched(self) -> Coroutine[None, None, None] | None:
        """Return what ends when somebody begins to watch; None if somebody does already."""
        return None if self.stream.readers else self.stream.until_read()

    async def _check_while_idle(self) -> None:
        """Check the source now and then until somebody wants the stream."""
        delays = backoff()
        while not self.stream.wanted:
            if self._probe_when_idle:
                try:
                    await self.stream.check()
                except TransientError as error:
                    again_in_s = max(next(delays), error.pause_s)
                    self.on_failure(error, again_in_s)
                    await self._pause(again_in_s, until_wanted=True)
                    continue
            delays = backoff()
            self.attempts, self.again_at_s = 0, None
            self._set_state(Reason.IDLE)
            await self._pause(IDLE_CHECK_S, until_wanted=True)

    async def _park(self, error: PermanentError) -> None:
        self._set_state(error.reason, error.detail)
        self.attempts += 1
        self.again_at_s = None if error.park_s is None else self._clock.now() + error.park_s
        self.parked = True
        log.error(
            "stream_parked",
            name=self._name,
            reason=error.reason,
            detail=error.detail,
            again_in_s=error.park_s,
        )
        try:
            if error.park_s is None:
                await asyncio.Event().wait()
            else:
                await self._pause(error.park_s)
        finally:
            self.parked = False

    async def _pause(self, delay_s: float, *, until_wanted: bool = False) -> None:
        if not until_wanted:
            await self._clock.sleep(delay_s)
            return
        try:
            async with asyncio.timeout(delay_s):
                await self.stream.until_wanted()
        except TimeoutError:
            return

    def _set_state(self, reason: Reason, detail: str = "") -> None:
        if reason is not self._reason:
            self._reason, self._since_s = reason, self._clock.now()
        self.detail = detail

    def _end_session(self) -> None:
        """Take into account what came until now; later nothing of this session says anything."""
        self._update_state()
        self._ended_s = self._clock.now()

    def _update_state(self) -> None:
        """Set the state by the units that have come: OK, or starved of keyframes."""
        last_s, opened_s = self.stream.last_unit_s, self.stream.opened_s
        if last_s is None or opened_s is None or last_s < opened_s or opened_s < self._ended_s:
            return
        now_s = self._clock.now()
        if now_s - last_s > self._config.stall_s + 1.0:
            return
        starved_s = max(self._config.keyframe_s, 2 * (self.stream.gop_s or 0.0))
        keyframe_s = max(self.stream.keyframe_s or 0.0, opened_s)
        if now_s - keyframe_s > starved_s:
            self._set_state(Reason.KEYFRAME_STARVED, f"no keyframe for {now_s - keyframe_s:.0f} s")
            self.stream.want_keyframe()
        elif self._reason is not Reason.OK and last_s > self._since_s:
            self._set_state(Reason.OK)
            self.attempts, self.again_at_s = 0, None


def _first(group: BaseExceptionGroup[GatewayError]) -> PermanentError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, PermanentError)
    return error
