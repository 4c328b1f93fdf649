"""Keeps a playing session alive and notices when it has stalled.

Three things at once: the session's keep-alive, receiver reports, and the time since the last
packet, which also shows a half-open connection.

Reference: RFC 2326 §10.8 and §12.37.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from gateway.model.errors import GatewayError, SourceStalled, SourceUnavailable
from gateway.model.reasons import Reason
from gateway.ports import Clock
from gateway.rtsp.connection import RtspConnection
from gateway.rtsp.headers import Session
from gateway.rtsp.receiver_stats import ReceiverStats
from gateway.rtsp.requests import RtspRequests

REPORT_S = 5.0
SHORTEST_KEEP_ALIVE_S = 0.5
LONGEST_KEEP_ALIVE_S = 30.0


@dataclass(frozen=True, slots=True)
class SessionMonitor:
    """Runs one session.

    Attributes:
        last_unit_s: Returns when the last access unit came; None: only RTP is watched.
        sync: Brings `receiver_stats` and *last_unit_s* up to date.
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

    async def run(self, stall_s: float) -> NoReturn:
        """Keep the session until it breaks.

        Raises:
            SourceStalled: No RTP or no picture for *stall_s*, or the camera has hung up.
            GatewayError: The camera has ended the session in another way.
        """
        failure: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._send_keep_alives(), name=f"keep-alive:{self.url}")
                group.create_task(self._send_reports(), name=f"receiver-report:{self.url}")
                await self._watch_stalls(stall_s)
        except* GatewayError as broken:
            failure = broken
        while isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
        assert failure is not None
        raise failure

    async def _watch_stalls(self, stall_s: float) -> NoReturn:
        while True:
            self.sync()
            now_s = self.clock.now()
            silent_s = now_s - self.receiver_stats.last_rtp_s
            if silent_s >= stall_s:
                raise SourceStalled(Reason.STALLED, f"no RTP for {stall_s:g} s")
            blank_s = now_s - self.last_unit_s() if self.last_unit_s is not None else silent_s
            if blank_s >= stall_s:
                raise SourceStalled(Reason.CORRUPT, f"RTP, but no picture in it for {stall_s:g} s")
            await self.connection.wait_ended(timeout_s=stall_s - max(silent_s, blank_s))

    async def _send_keep_alives(self) -> NoReturn:
        pause_s = min(max(self.session.timeout_s / 2, SHORTEST_KEEP_ALIVE_S), LONGEST_KEEP_ALIVE_S)
        method = "GET_PARAMETER" if "GET_PARAMETER" in self.methods else "OPTIONS"
        while True:
            await self.clock.sleep(pause_s)
            try:
                response = await self.requests.request(
                    method, self.url, {"Session": self.session.id}
                )
            except SourceUnavailable as error:
                if error.reason is not Reason.TIMEOUT:
                    raise
                continue  # some never answer while they play; whether RTP flows decides
            if response.status == 454:
                raise SourceUnavailable(Reason.STALLED, "the camera has forgotten the session")
            if response.status >= 400:
                method = "OPTIONS"

    async def _send_reports(self) -> NoReturn:
        while True:
            await self.clock.sleep(REPORT_S)
            self.sync()
            self.send_rtcp(self.receiver_stats.build_report(self.clock.now()))
