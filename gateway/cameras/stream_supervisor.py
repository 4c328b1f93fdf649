"""Keeps one stream: open while wanted, tried again when it breaks, left alone when refused.

While nobody watches an on-demand camera it is asked now and then whether it would play, so that
the centre knows before somebody needs the picture.
"""

from __future__ import annotations

import asyncio
from typing import NoReturn

import structlog

from gateway.model.errors import GatewayError, PermanentError, TransientError
from gateway.model.reasons import Reason
from gateway.model.site_document import StreamConfig
from gateway.ports import Clock
from gateway.runtime.supervise import backoff, supervise
from gateway.streams.stream import Stream

LOOK_EVERY_S = 60.0
"""How often an idle camera is asked; as often as health is reported."""

log = structlog.get_logger(__name__)


class StreamSupervisor:
    """Runs one stream for as long as its configuration lasts.

    Args:
        name: For log lines, e.g. ``c01/main``.
        config: Of this stream.
        stream: What is kept; nobody else runs it.
        looked_at: Whether it is asked now and then while idle.
        delay_s: Pause before the first look, so that a recorder is not asked for all its
            channels in one moment.
    """

    def __init__(
        self,
        name: str,
        config: StreamConfig,
        stream: Stream,
        *,
        looked_at: bool,
        delay_s: float,
        clock: Clock,
    ) -> None:
        self._name = name
        self._config = config
        self.stream = stream
        self._looked_at = looked_at
        self._delay_s = delay_s
        self._clock = clock
        self._reason = Reason.CONNECTING
        self._since_s = clock.now()
        self._pulling = False
        self._begun_anew = asyncio.Event()
        self.detail = ""
        self.attempts = 0
        self.again_at_s: float | None = None
        self.parked = False

    @property
    def pulling(self) -> bool:
        """Whether the stream is open or being opened."""
        return self._pulling

    async def run(self) -> NoReturn:
        """Keep the stream until cancelled; no camera trouble ever ends this."""
        await self._pause(self._delay_s)
        while True:
            self._begun_anew.clear()
            async with asyncio.TaskGroup() as group:
                keeping = group.create_task(self._keep(), name=f"keep:{self._name}")
                await self._begun_anew.wait()
                keeping.cancel()
            self._become(Reason.CONNECTING)
            self.attempts, self.again_at_s = 0, None

    def begin_anew(self) -> None:
        """Leave the camera and come back; whoever watches goes on when it does."""
        self._begun_anew.set()

    async def _keep(self) -> NoReturn:
        while True:
            try:
                if self.stream.wanted:
                    await self._serve()
                else:
                    await self._idle()
            except* PermanentError as group:
                await self._park(_first(group))

    def state(self) -> tuple[Reason, float]:
        """Return how the stream is now and since when (monotonic)."""
        if self._pulling:
            self._notice_pictures()
        return self._reason, self._since_s

    def failed(self, error: TransientError, again_in_s: float) -> None:
        """Note a failed attempt (`gateway.runtime.supervise.SupervisorObserver`)."""
        self._notice_pictures()
        self._become(error.reason, error.detail)
        self.attempts += 1
        self.again_at_s = self._clock.now() + again_in_s

    async def _serve(self) -> None:
        """Pull until nobody has wanted it for the linger time."""
        self._pulling = True
        if self._reason is Reason.IDLE:
            self._become(Reason.CONNECTING)
        try:
            async with asyncio.TaskGroup() as group:
                pulling = group.create_task(
                    supervise(self.stream.pull, name=self._name, clock=self._clock, witness=self),
                    name=f"pull:{self._name}",
                )
                await self.stream.until_unwanted()
                pulling.cancel()
        finally:
            self._notice_pictures()
            self._pulling = False
        if self._reason is Reason.OK:
            self._become(Reason.IDLE)

    async def _idle(self) -> None:
        """Look in now and then until somebody wants the stream."""
        delays = backoff()
        while not self.stream.wanted:
            if self._looked_at:
                try:
                    await self.stream.check()
                except TransientError as error:
                    again_in_s = max(next(delays), error.pause_s)
                    self.failed(error, again_in_s)
                    await self._pause(again_in_s, until_wanted=True)
                    continue
            delays = backoff()
            self.attempts, self.again_at_s = 0, None
            self._become(Reason.IDLE)
            await self._pause(LOOK_EVERY_S, until_wanted=True)

    async def _park(self, error: PermanentError) -> None:
        self._become(error.reason, error.detail)
        self.attempts += 1
        self.again_at_s = None if error.park_s is None else self._clock.now() + error.park_s
        self.parked = True
        log.error(
            "parked",
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

    def _become(self, reason: Reason, detail: str = "") -> None:
        if reason is not self._reason:
            self._reason, self._since_s = reason, self._clock.now()
        self.detail = detail

    def _notice_pictures(self) -> None:
        """Pictures that came after the trouble began are its end."""
        last_s, opened_s = self.stream.last_unit_s, self.stream.opened_s
        if last_s is None or opened_s is None or last_s < opened_s:
            return
        now_s = self._clock.now()
        if now_s - last_s > self._config.stall_s + 1.0:
            return
        starved_s = max(self._config.keyframe_s, 2 * (self.stream.gop_s or 0.0))
        keyframe_s = max(self.stream.keyframe_s or 0.0, opened_s)
        if now_s - keyframe_s > starved_s:
            self._become(Reason.KEYFRAME_STARVED, f"no keyframe for {now_s - keyframe_s:.0f} s")
        elif self._reason is not Reason.OK and last_s > self._since_s:
            self._become(Reason.OK)
            self.attempts, self.again_at_s = 0, None


def _first(group: BaseExceptionGroup[GatewayError]) -> PermanentError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, PermanentError)
    return error
