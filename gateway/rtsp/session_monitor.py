"""Keeps a playing session alive and notices when it has stalled.

Four things at once: the session's keep-alive, receiver reports, the camera's goodbye, and the time
since the last packet, which also shows a half-open connection.

Reference: RFC 2326 §10.8 and §12.37.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from gateway.model.errors import GatewayError, SourceStalled, SourceUnavailable
from gateway.model.reasons import Reason
from gateway.ports import Clock
from gateway.rtsp.connection import ANSWER_S, RtspConnection
from gateway.rtsp.headers import Session
from gateway.rtsp.receiver_stats import ReceiverStats
from gateway.rtsp.requests import RtspRequests
from gateway.runtime.lateness import Silence, next_look_s

REPORT_S = 5.0
SHORTEST_KEEP_ALIVE_S = 0.5
LONGEST_KEEP_ALIVE_S = 30.0
GOODBYE_S = 0.5
"""How long after a goodbye RTP may show that the camera goes on, as another source."""


class KeepAlive:
    """Which requests keep a camera's sessions, as far as sessions before have told.

    GET_PARAMETER where it is offered. Some servers answer it, and end the session all the same:
    OPTIONS is what they count. Others count GET_PARAMETER alone and do not offer it. So when one
    has ended at its timeout, the next is kept by both.
    """

    def __init__(self) -> None:
        self._both = False
        self._unasked = False  # GET_PARAMETER is sent without having been offered, ...
        self._hangs_up = False  # ... and has ended a session

    def methods(self, offered: frozenset[str]) -> tuple[str, ...]:
        """Return what to send each time: the second too if the first is refused, or `both`."""
        if "GET_PARAMETER" in offered:
            return ("GET_PARAMETER", "OPTIONS")
        self._unasked = self._both and not self._hangs_up
        return ("OPTIONS", "GET_PARAMETER") if self._unasked else ("OPTIONS",)

    @property
    def both(self) -> bool:
        """Whether OPTIONS is to be sent even where GET_PARAMETER is answered."""
        return self._both

    def on_lost(self, lasted_s: float, timeout_s: float, stall_s: float) -> None:
        """Note that a session has been lost *lasted_s* after PLAY."""
        at_timeout = timeout_s * 0.9 <= lasted_s <= timeout_s * 1.5 + stall_s
        self._both |= at_timeout
        self._hangs_up |= self._unasked and not at_timeout


@dataclass(frozen=True, slots=True)
class SessionMonitor:
    """Runs one session.

    Attributes:
        last_unit_s: Returns when the last access unit came; None: only RTP is watched.
        sync: Brings `receiver_stats` and *last_unit_s* up to date.
        keep_alive: Which requests keep the session; outlives it.
    """

    requests: RtspRequests
    connection: RtspConnection
    session: Session
    url: str
    methods: frozenset[str]
    receiver_stats: ReceiverStats
    send_rtcp: Callable[[bytes], None]
    clock: Clock
    last_unit_s: Callable[[], float] | None = None
    sync: Callable[[], None] = lambda: None
    keep_alive: KeepAlive = field(default_factory=KeepAlive)

    async def run(self, stall_s: float) -> NoReturn:
        """Keep the session until it breaks.

        Raises:
            SourceStalled: No RTP, or no picture in it, for *stall_s* in which our own loop was not
                late; the camera has hung up, or has ended its stream.
            GatewayError: The camera has ended the session in another way.
        """
        failure: BaseException | None = None
        began_s = self.clock.now()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._send_keep_alives(), name=f"keep-alive:{self.url}")
                group.create_task(self._send_reports(), name=f"receiver-report:{self.url}")
                group.create_task(self._watch_goodbyes(), name=f"goodbye:{self.url}")
                await self._watch_stalls(stall_s)
        except* GatewayError as broken:
            failure = broken
        while isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
        assert failure is not None
        if isinstance(failure, SourceStalled):
            if self._has_left():
                raise _ended() from failure
            lasted_s = self.clock.now() - began_s
            self.keep_alive.on_lost(lasted_s, self.session.timeout_s, stall_s)
        raise failure

    async def _watch_stalls(self, stall_s: float) -> NoReturn:
        now, planned_s = self.clock.now, 0.0
        self.sync()
        rtp = Silence(now, since_s=self.receiver_stats.last_rtp_s)
        unit = None if self.last_unit_s is None else Silence(now, since_s=self.last_unit_s())
        while True:
            self.sync()
            silent_s = rtp.look(self.receiver_stats.last_rtp_s, after_s=planned_s)
            if silent_s >= stall_s:
                raise SourceStalled(Reason.STALLED, f"no RTP for {stall_s:g} s")
            blank_s = silent_s
            if unit is not None and self.last_unit_s is not None:
                blank_s = unit.look(self.last_unit_s(), after_s=planned_s)
            # Without RTP for as long as this it has stopped, if within a picture: not damaged.
            stopped = silent_s >= stall_s / 2
            if blank_s >= stall_s and not stopped:
                raise SourceStalled(Reason.CORRUPT, f"RTP, but no picture in it for {stall_s:g} s")
            longest_s = silent_s if stopped else max(silent_s, blank_s)
            planned_s = next_look_s(stall_s - longest_s)
            await self.connection.wait_ended(timeout_s=planned_s)

    async def _watch_goodbyes(self) -> NoReturn:
        while True:
            await self.receiver_stats.left.wait()
            self.receiver_stats.left.clear()
            await self.clock.sleep(GOODBYE_S)
            self.sync()
            if self._has_left():
                raise _ended()

    def _has_left(self) -> bool:
        """Whether the camera has said goodbye, and has sent nothing more."""
        left_s = self.receiver_stats.left_s
        return left_s is not None and self.receiver_stats.last_rtp_s <= left_s + GOODBYE_S / 5

    async def _send_keep_alives(self) -> NoReturn:
        pause_s = min(max(self.session.timeout_s / 2, SHORTEST_KEEP_ALIVE_S), LONGEST_KEEP_ALIVE_S)
        methods = self.keep_alive.methods(self.methods)
        while True:
            await self.clock.sleep(pause_s)
            answered = await self._ask(methods[0], pause_s / 2)
            if len(methods) > 1 and (self.keep_alive.both or not answered):
                # At once, not after another pause: that would be when the session ends.
                await self._ask(methods[1], pause_s / 2)
            if not answered and methods[0] == "GET_PARAMETER":
                methods = ("OPTIONS",)

    async def _ask(self, method: str, longest_s: float) -> bool:
        """Return whether the camera has answered *method* and has not refused it."""
        try:
            response = await self.requests.request(
                method, self.url, self.session.fields, timeout_s=min(longest_s, ANSWER_S)
            )
        except SourceUnavailable as error:
            if error.reason is not Reason.TIMEOUT:
                raise
            return False  # some never answer while they play; whether RTP flows decides
        if response.status == 454:
            raise SourceUnavailable(Reason.STALLED, "the camera has forgotten the session")
        return response.status < 400

    async def _send_reports(self) -> NoReturn:
        while True:
            await self.clock.sleep(REPORT_S)
            self.sync()
            self.send_rtcp(self.receiver_stats.build_report(self.clock.now()))


def _ended() -> SourceStalled:
    return SourceStalled(Reason.SOURCE_ENDED, "the camera has said goodbye (RTCP BYE)")
