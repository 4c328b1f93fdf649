"""The session manager where viewers' offers are admitted, answered and remembered.

One viewer's pending: an offer from its arrival on, and how it is told.

Candidates that come before their session.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

import structlog

from gateway.model.errors import ViewerRejected
from gateway.model.event import Event, Weight
from gateway.model.health import RelaySample
from gateway.model.reasons import Reason
from gateway.model.signalling import Answer, Bye, Candidates, Extend, IceServer, Offer, SessionKey
from gateway.model.site_document import Limits
from gateway.ports import Events
from gateway.streams.camera_streams import CameraStreams
from gateway.webrtc.codec_selection import negotiate
from gateway.webrtc.ice_candidates import Network, ice_servers, usable_candidates
from gateway.webrtc.sdp_offer import CANDIDATES
from gateway.webrtc.session import Session
from gateway.webrtc.ticker import Ticker


class PendingSession:
    """One offer from its arrival on."""

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        self.session: Session | None = None
        self.answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.candidates = 0
        self.left = False


def told(offer: Offer, act: str, weight: Weight, **more: object) -> Event:
    """Return what has become of *offer*, for those who ask later who has watched what."""
    who = {"viewer": offer.key.viewer, "sid": offer.key.session, "cam": offer.camera}
    return Event("session", {"act": act, **who, **more}, weight)


EARLY_S = 10.0
"""How long candidates wait for the offer, or for the camera to open."""

SESSIONS = 32


class EarlyCandidates:
    """Keeps them for a few seconds and a few sessions."""

    def __init__(self) -> None:
        self._kept: OrderedDict[SessionKey, tuple[float, list[str]]] = OrderedDict()

    def keep(self, key: SessionKey, lines: list[str]) -> None:
        """Add *lines* to what is kept for *key*."""
        since_s, kept = self._kept.pop(key, (time.monotonic(), []))
        self._kept[key] = since_s, [*kept, *lines][:CANDIDATES]
        while len(self._kept) > SESSIONS:
            self._kept.popitem(last=False)

    def take(self, key: SessionKey) -> list[str]:
        """Return what is kept for *key*, unless it is too old, and forget it."""
        since_s, lines = self._kept.pop(key, (0.0, []))
        return lines if time.monotonic() - since_s <= EARLY_S else []


PENDING = 8
"""Offers that may be in work at once; more are refused, existing viewers are not to suffer."""

REMEMBERED = 256
"""Ended sessions whose offers are recognised when they come late."""

log = structlog.get_logger(__name__)


class SessionManager:
    """Admits viewers within the limits and keeps their sessions.

    Args:
        find: Returns the camera of that id; None if there is none.
        limits: Returns the limits in force.
        servers: ICE servers for offers that bring none.
        relay_only: Whether only TURN may be used, for every session.
        forbidden: Networks a viewer's candidate may not lie in (the camera networks).
        ended: Told of every session's end that the viewer did not ask for.
        events: Takes who watched what, from when to when; None: it is only logged.
    """

    def __init__(
        self,
        *,
        find: Callable[[str], CameraStreams | None],
        limits: Callable[[], Limits],
        servers: tuple[IceServer, ...] = (),
        relay_only: bool = False,
        forbidden: tuple[Network, ...] = (),
        ended: Callable[[Bye], None],
        events: Events | None = None,
    ) -> None:
        self._find = find
        self._limits = limits
        self._servers = servers
        self._relay_only = relay_only
        self._forbidden = forbidden
        self._ended = ended
        self._events = events
        self._visits: dict[SessionKey, PendingSession] = {}
        self._gone: OrderedDict[SessionKey, None] = OrderedDict()
        self._early = EarlyCandidates()
        self._ticker = Ticker()
        self._gone_bytes = 0
        self._sampled = (0, time.monotonic())
        self._opened: asyncio.Queue[PendingSession] = asyncio.Queue(maxsize=1024)

    @property
    def sessions(self) -> int:
        """How many viewers are served or being set up."""
        return len(self._visits)

    def sample(self) -> RelaySample:
        """Return what the viewers take; the rate is that since the last sample."""
        now_s = time.monotonic()
        sessions = [pending.session for pending in self._visits.values() if pending.session]
        sent_bytes = self._gone_bytes + sum(session.sent_bytes for session in sessions)
        before_bytes, before_s = self._sampled
        self._sampled = (sent_bytes, now_s)
        return RelaySample(
            sessions=sum(session.serving for session in sessions),
            relayed=sum(session.relayed for session in sessions),
            kbps=(sent_bytes - before_bytes) * 8 / 1000 / max(now_s - before_s, 1e-3),
        )

    def viewers(self, camera: str) -> int:
        """How many of them watch *camera*."""
        return sum(pending.offer.camera == camera for pending in self._visits.values())

    async def run(self) -> None:
        """Serve the admitted sessions. All of them have ended when this returns."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._ticker.run(), name="ticker")
                while True:
                    pending = await self._opened.get()
                    group.create_task(self._serve(pending), name=f"session:{pending.offer.key}")
        finally:
            for pending in self._visits.values():  # answered, but not served yet
                if pending.session is not None:
                    await pending.session.close()
            self._visits.clear()

    async def answer(self, offer: Offer) -> Answer:
        """Admit *offer* and return the answer; the same offer again gets the same answer.

        Raises:
            ViewerRejected: With the contract's code: 400 the offer is not valid, 404 no such
                camera, 410 the session has ended, 480 the camera does not work, 486 or 503 a
                limit is reached, 488 the viewer cannot decode what the camera sends.
        """
        pending = self._visits.get(offer.key)
        if pending is not None:
            return await self._again(pending, offer)
        if offer.key in self._gone:
            raise ViewerRejected(410, Reason.VIEWER_GONE, "this session has ended")
        self._admit(offer)
        pending = self._visits[offer.key] = PendingSession(offer)
        try:
            pending.session = await self._session(offer)
            sdp = await pending.session.open()
            if pending.left:
                raise ViewerRejected(410, Reason.VIEWER_GONE, "the viewer has left")
        except BaseException as error:
            self._visits.pop(offer.key, None)
            pending.answered.cancel()
            if pending.session is not None:
                await pending.session.close()
            if isinstance(error, ViewerRejected):
                log.info("offer refused", session=str(offer.key), error=str(error))
                self._tell(offer, "refused", "info", code=error.code, why=str(error.reason))
            raise
        if offer.lasts_s is not None:
            pending.session.last(offer.lasts_s)
        early = self._early.take(offer.key)
        await pending.session.add_candidates(usable_candidates(early, forbidden=self._forbidden))
        pending.answered.set_result(sdp)
        self._opened.put_nowait(pending)
        return Answer(offer.key, sdp)

    async def add_candidates(self, batch: Candidates) -> None:
        """Take more addresses of a viewer.

        They may come before our answer is made, or even before the offer; they are kept then.
        """
        pending = self._visits.get(batch.key)
        lines = [c.candidate for c in batch.candidates if c.candidate]
        if pending is None or pending.session is None:
            self._early.keep(batch.key, lines)
            return
        pending.candidates += len(lines)
        if pending.candidates <= CANDIDATES:
            usable = usable_candidates(lines, forbidden=self._forbidden)
            await pending.session.add_candidates(usable)

    def extend(self, said: Extend) -> None:
        """Let a session last longer; unknown ones are ignored."""
        pending = self._visits.get(said.key)
        if pending is not None and pending.session is not None:
            pending.session.last(said.lasts_s)

    def leave(self, bye: Bye) -> None:
        """End a session because its viewer says so; unknown ones are ignored."""
        pending = self._visits.get(bye.key)
        if pending is not None:
            pending.left = True
            if pending.session is not None:
                pending.session.leave("viewer")

    def dismiss(self, camera: str, why: str) -> int:
        """End every session of *camera*, its viewers told *why*; return how many there were."""
        visits = [each for each in self._visits.values() if each.offer.camera == camera]
        for pending in visits:
            if pending.session is not None:
                pending.session.leave(why)
        return len(visits)

    def _admit(self, offer: Offer) -> None:
        limits = self._limits()
        if self.sessions >= limits.viewers:
            raise ViewerRejected(
                486, Reason.OVERLOADED, f"{limits.viewers} viewers are the limit of this site"
            )
        if self.viewers(offer.camera) >= limits.viewers_per_camera:
            raise ViewerRejected(
                486,
                Reason.OVERLOADED,
                f"{limits.viewers_per_camera} viewers are the limit of one camera",
            )
        pending = sum(not pending.answered.done() for pending in self._visits.values())
        if pending >= PENDING:
            raise ViewerRejected(503, Reason.OVERLOADED, f"{pending} offers are being answered")

    async def _again(self, pending: PendingSession, offer: Offer) -> Answer:
        if pending.offer.sdp != offer.sdp:
            raise ViewerRejected(
                400, Reason.OFFER_INVALID, "another offer in a session that has one already"
            )
        try:
            return Answer(offer.key, await asyncio.shield(pending.answered))
        except asyncio.CancelledError:
            if pending.answered.cancelled():
                raise ViewerRejected(410, Reason.VIEWER_GONE, "this session has ended") from None
            raise

    async def _session(self, offer: Offer) -> Session:
        watchable = self._find(offer.camera)
        if watchable is None:
            raise ViewerRejected(404, Reason.NOT_FOUND, "no such camera here")
        servers = ice_servers(offer.ice or self._servers)
        pace_bps = self._limits().burst_mbps * 1e6
        stream, agreed = await negotiate(
            offer, watchable, forbidden=self._forbidden, pace_bps=pace_bps
        )
        relay_only = offer.relay_only or self._relay_only
        return Session(
            offer.key, stream, agreed, servers=servers, relay_only=relay_only, ticker=self._ticker
        )

    async def _serve(self, pending: PendingSession) -> None:
        key = pending.offer.key
        assert pending.session is not None
        why = "stopping"
        log.info("session", session=str(key), camera=pending.offer.camera)
        self._tell(pending.offer, "begin", "audit")
        began_s = time.monotonic()
        try:
            why = await pending.session.run()
        finally:
            self._visits.pop(key, None)
            self._gone_bytes += pending.session.sent_bytes
            self._gone[key] = None
            while len(self._gone) > REMEMBERED:
                self._gone.popitem(last=False)
            log.info("session over", session=str(key), camera=pending.offer.camera, why=why)
            lasted_s = round(time.monotonic() - began_s, 1)
            self._tell(pending.offer, "end", "audit", why=why, lasted_s=lasted_s)
            if why != "viewer":
                self._ended(Bye(key, why))

    def _tell(self, offer: Offer, act: str, weight: Weight, **more: object) -> None:
        if self._events is not None:
            self._events.record(told(offer, act, weight, **more))
