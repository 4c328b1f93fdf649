"""All viewers of this gateway: admits offers, answers them, and runs the sessions.

An offer passes `SessionManager.handle_offer` once, from top to bottom: admit, parse, negotiate,
open, answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from aiortc import RTCIceServer

from gateway.model.errors import ViewerRejected
from gateway.model.event import Event, Weight
from gateway.model.health import RelaySample
from gateway.model.quality import ViewLevel
from gateway.model.reasons import Reason
from gateway.model.signalling import (
    Answer,
    Bye,
    Candidates,
    Extend,
    IceServer,
    Offer,
    SessionKey,
    SessionStats,
)
from gateway.model.site_document import Limits
from gateway.model.viewing import ViewingPermit
from gateway.ports import Admit, Events, ViewingAuthority
from gateway.runtime.bugs import report_bug
from gateway.runtime.clock import SystemClock
from gateway.runtime.fair_share import Bounds, FairTable, FairTurns
from gateway.runtime.log_limit import RateLimitedLog
from gateway.runtime.repeated_events import RepeatedEvents
from gateway.streams.camera_streams import CameraStreams
from gateway.streams.stream import Stream
from gateway.webrtc.codec_selection import NegotiatedMedia, negotiate
from gateway.webrtc.early_candidates import EarlyCandidates, viewer_of
from gateway.webrtc.ice_candidates import Network, to_rtc_ice_servers
from gateway.webrtc.inbound_drops import InboundDrops
from gateway.webrtc.remote_candidates import RemoteCandidates
from gateway.webrtc.sdp_offer import parse_offer
from gateway.webrtc.session import Session
from gateway.webrtc.ticker import Ticker
from gateway.webrtc.waiting import who_gives_way

ENDED_SESSIONS = Bounds(total=256, each=64)
"""Ended sessions whose offers are recognised when they come late, of all viewers and of one."""

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class PendingSession:
    """An offer that is being answered.

    Attributes:
        offer: As it came.
        candidates: What the viewer has trickled so far.
        use_right: Uses up the token that it came with; None: everybody may watch.
        answer: For the same offer sent again: the answer or the refusal; cancelled if there will be
            neither.
        session: Once it is being opened.
        permit: Who watches, and what for; nobody, until that is decided.
        left: Whether the viewer has said goodbye meanwhile.
        displaced: Whether it makes room for another viewer.
        limit: Ends the answering early.
    """

    offer: Offer
    candidates: RemoteCandidates
    use_right: Admit | None
    answer: asyncio.Future[Answer] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    session: Session | None = None
    permit: ViewingPermit = field(default_factory=ViewingPermit)
    left: bool = False
    displaced: bool = False
    limit: asyncio.Timeout = field(default_factory=lambda: asyncio.timeout(None))

    def displace(self) -> None:
        """End the answering now."""
        self.displaced = True
        self.limit.reschedule(0.0)


class SessionManager:
    """Admits viewers within the limits and runs their sessions.

    The limits are of connected viewers. Those that are not connected yet have bounds of their own
    (`gateway.webrtc.waiting`): nobody takes a place by offers alone.

    Args:
        find_camera: Returns the camera of that id; None if there is none.
        limits: Returns the limits in force.
        ice_servers: Returns the STUN and TURN servers for a new session; what offers name is not
            used.
        relay_only: Whether only TURN may be used, for every session.
        forbidden_networks: Where no candidate of a viewer may lie (the camera networks).
        on_ended: Called with the end of each session that the viewer did not ask for.
        on_stats: Called now and then with how each session fares.
        authority: Decides who may watch; None: everybody.
        events: Records who watched what, from when to when; None: it is only logged.
        refusals: Records offers that are refused; None: they are only logged.
        drops: Counts what viewers and strangers are refused at the sessions' ports.
    """

    def __init__(
        self,
        *,
        find_camera: Callable[[str], CameraStreams | None],
        limits: Callable[[], Limits],
        ice_servers: Callable[[], tuple[IceServer, ...]] = tuple,
        relay_only: bool = False,
        forbidden_networks: tuple[Network, ...] = (),
        on_ended: Callable[[Bye], None],
        on_stats: Callable[[SessionStats], None] = lambda _stats: None,
        authority: ViewingAuthority | None = None,
        events: Events | None = None,
        refusals: RepeatedEvents | None = None,
        drops: InboundDrops | None = None,
    ) -> None:
        self._find_camera = find_camera
        self._limits = limits
        self._ice_servers = ice_servers
        self._relay_only = relay_only
        self._on_ended = on_ended
        self._on_stats = on_stats
        self._authority = authority
        self._events = events
        self._refusals = refusals
        clock = SystemClock()
        self._rejected = RateLimitedLog("session_manager", "offers_rejected", clock=clock)
        self._displaced = RateLimitedLog("session_manager", "sessions_displaced", clock=clock)
        self._drops = drops or InboundDrops(clock=clock)
        self._early = EarlyCandidates(forbidden_networks, clock)
        self._pending: dict[SessionKey, PendingSession] = {}
        self._sessions: dict[SessionKey, Session] = {}
        self._ended: FairTable[SessionKey, None] = FairTable(viewer_of, ENDED_SESSIONS)
        self._ended_bytes = 0
        self._last_sample = (0, time.monotonic())
        self._ticker = Ticker()
        self._turns = FairTurns()
        self._answered: asyncio.Queue[Session] = asyncio.Queue(maxsize=1024)

    @property
    def session_count(self) -> int:
        """How many viewers are served or being answered."""
        return len(self._pending) + len(self._sessions)

    @property
    def serving_count(self) -> int:
        """How many viewers are connected and served."""
        return sum(session.serving for session in self._sessions.values())

    def viewer_count(self, camera: str) -> int:
        """How many of them watch *camera*."""
        return len(self._keys_of(camera))

    def sample(self) -> RelaySample:
        """Return what the viewers are sent; the rate is that since the last sample."""
        now_s = time.monotonic()
        sessions = self._sessions.values()
        sent_bytes = self._ended_bytes + sum(session.sent_bytes for session in sessions)
        before_bytes, before_s = self._last_sample
        self._last_sample = (sent_bytes, now_s)
        return RelaySample(
            sessions=self.serving_count,
            relayed=sum(session.over_turn for session in sessions),
            narrow=sum(session.narrow for session in sessions),
            slates=sum(session.on_slate for session in sessions),
            kbps=(sent_bytes - before_bytes) * 8 / 1000 / max(now_s - before_s, 1e-3),
        )

    async def run(self) -> None:
        """Run the answered sessions. All of them have ended when this returns."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._ticker.run(), name="ticker")
                while True:
                    session = await self._answered.get()
                    group.create_task(self._run_session(session), name=f"session:{session.key}")
        finally:
            for session in self._sessions.values():  # answered, but not running yet
                await session.close()
            self._sessions.clear()

    async def handle_offer(self, offer: Offer) -> Answer:
        """Admit *offer* and return the answer; the same offer again gets the same answer.

        Raises:
            ViewerRejected: With the contract's code: 400 the offer is not valid, 403 this
                viewer may not watch, 404 no such camera or profile, 410 the session has ended, 480
                the camera does not work, 486 or 503 a limit is reached, 488 the viewer cannot
                decode what the camera sends.
        """
        known = self._pending.get(offer.key) or self._sessions.get(offer.key)
        if known is not None:
            return await self._answer_again(offer, known)
        if offer.key in self._ended:
            raise ViewerRejected(410, Reason.VIEWER_GONE, "this session has ended")
        use_right = self._check_right(offer)
        self._make_place(offer)
        pending = PendingSession(offer, self._early.pop(offer.key), use_right)
        self._pending[offer.key] = pending
        try:
            session, answer = await self._open(pending)
        except BaseException as error:
            await self._drop(pending, error)
            raise
        self._start(pending, session, answer)
        return answer

    async def _open(self, pending: PendingSession) -> tuple[Session, Answer]:
        """Open a session for a pending offer. Raises ViewerRejected."""
        try:
            async with pending.limit:
                return await self._open_in_time(pending)
        except TimeoutError:
            if not pending.displaced:
                raise
            detail = "another viewer is let in; this offer has waited for longest"
            raise ViewerRejected(503, Reason.OVERLOADED, detail) from None

    async def _open_in_time(self, pending: PendingSession) -> tuple[Session, Answer]:
        offer = pending.offer
        if pending.use_right is not None:
            pending.permit = await pending.use_right()
        await self._turns.wait(offer.key.viewer)
        camera = self._camera_of(offer)
        viewer_offer = parse_offer(offer.sdp)
        ice_servers = to_rtc_ice_servers(self._ice_servers())
        pending.candidates.add(viewer_offer.candidates)
        streams, media = await negotiate(
            viewer_offer,
            camera,
            profile=offer.profile,
            pace_bps=self._limits().burst_mbps * 1e6,
            slates=offer.slate,
        )
        first = next(iter(streams.values()))
        first.hold(pending)  # open from here on, so that the camera sees one session and not two
        try:
            await self._turns.wait(offer.key.viewer)  # many may have waited for this camera
            return await self._open_session(pending, streams, media, ice_servers)
        finally:
            first.release(pending)

    async def _open_session(
        self,
        pending: PendingSession,
        streams: dict[ViewLevel, Stream],
        media: NegotiatedMedia,
        ice_servers: list[RTCIceServer],
    ) -> tuple[Session, Answer]:
        offer = pending.offer
        pending.session = session = Session(
            offer,
            streams,
            media,
            candidates=pending.candidates,
            ice_servers=ice_servers,
            relay_only=offer.relay_only or self._relay_only,
            has_place=lambda: self._place_refused(offer.camera) is None,
            ticker=self._ticker,
            drops=self._drops,
            on_stats=lambda stats: self._on_stats(stats),
        )
        session.grant(pending.permit)
        answer = await session.open()
        if pending.left:
            raise ViewerRejected(410, Reason.VIEWER_GONE, "the viewer has left")
        return session, answer

    async def handle_candidates(self, batch: Candidates) -> None:
        """Check more addresses of a viewer.

        They may come before our answer, or even before the offer; they wait for it then.
        """
        lines = [each.candidate for each in batch.candidates if each.candidate]
        pending, session = self._pending.get(batch.key), self._sessions.get(batch.key)
        if session is not None:
            await session.add_candidates(lines)
        elif pending is not None:
            pending.candidates.add(lines)
        else:
            self._early.store(batch.key, lines)

    async def handle_extend(self, extend: Extend) -> None:
        """Let a session last longer; unknown ones are ignored.

        Raises:
            ViewerRejected: 403: the viewer may go on no longer. The session is ended.
        """
        session = self._opened(extend.key)
        if session is None:
            return
        if self._authority is not None:
            try:
                permit = await self._authority.renew(extend, session.offer.camera, session.permit)
            except ViewerRejected:
                session.end("refused")
                raise
            if permit is not session.permit and self._opened(extend.key) is session:
                session.grant(permit)
                self._record(session.offer, permit, "renew", "audit")
        session.expire_in(extend.lifetime_s)

    def handle_bye(self, bye: Bye) -> None:
        """End a session because its viewer says so; unknown ones are ignored."""
        if bye.key in self._pending:
            self._pending[bye.key].left = True
        session = self._opened(bye.key)
        if session is not None:
            session.end("viewer")

    def end_sessions(self, camera: str, why: str) -> int:
        """End every session of *camera*, with *why* for the viewers; return how many there were."""
        keys = self._keys_of(camera)
        for session in map(self._opened, keys):
            if session is not None:
                session.end(why)
        return len(keys)

    def end_viewings(self, is_over: Callable[[ViewingPermit], bool], why: str) -> int:
        """End every session whose permit *is_over*, with *why*; return how many there were."""
        waiting = [each for each in self._pending.values() if is_over(each.permit)]
        running = [each for each in self._sessions.values() if is_over(each.permit)]
        for pending in waiting:
            pending.left = True
        for session in running:
            session.end(why)
        return len(waiting) + len(running)

    def _keys_of(self, camera: str) -> list[SessionKey]:
        """The sessions of *camera*, served or being answered."""
        offers = [pending.offer for pending in self._pending.values()]
        offers += [session.offer for session in self._sessions.values()]
        return [offer.key for offer in offers if offer.camera == camera]

    def _opened(self, key: SessionKey) -> Session | None:
        """Return the session of *key* as soon as it is being opened; None before, or if unknown."""
        pending = self._pending.get(key)
        return self._sessions.get(key) if pending is None else pending.session

    async def _answer_again(self, offer: Offer, known: PendingSession | Session) -> Answer:
        if known.offer.sdp != offer.sdp:
            raise ViewerRejected(
                400, Reason.OFFER_INVALID, "another offer in a session that has one already"
            )
        if isinstance(known, Session):
            return known.answer
        try:
            return await asyncio.shield(known.answer)
        except asyncio.CancelledError:
            if known.answer.cancelled():
                raise ViewerRejected(410, Reason.VIEWER_GONE, "this session has ended") from None
            raise

    def _check_right(self, offer: Offer) -> Admit | None:
        """Refuse who may not watch, before anybody else gives way to them."""
        if self._authority is None:
            return None
        try:
            return self._authority.check(offer)
        except ViewerRejected as error:
            self._note_refusal(offer, ViewingPermit(), error)
            raise

    def _make_place(self, offer: Offer) -> None:
        """Refuse what has no place; have somebody give way to what needs to wait."""
        refused = self._place_refused(offer.camera)
        if refused is not None:
            raise ViewerRejected(486, Reason.OVERLOADED, refused)
        displaced = who_gives_way(self._waiting(), offer.key.viewer)
        if displaced is None:
            return
        self._displaced.count(f"{displaced} by {offer.key}")
        if displaced in self._pending:
            self._pending[displaced].displace()
        else:
            self._sessions[displaced].end("displaced")

    def _place_refused(self, camera: str) -> str | None:
        """Return why no more viewer of *camera* may be connected; None: one may."""
        limits = self._limits()
        connected = [each.offer.camera for each in self._sessions.values() if each.serving]
        if len(connected) >= limits.viewers:
            return f"{limits.viewers} viewers are the limit of this site"
        if connected.count(camera) >= limits.viewers_per_camera:
            return f"{limits.viewers_per_camera} viewers are the limit of one camera"
        return None

    def _waiting(self) -> list[SessionKey]:
        """Return the sessions that are neither connected nor ending, the oldest first."""
        answered = [key for key, each in self._sessions.items() if each.connecting]
        pending = [key for key, each in self._pending.items() if not each.displaced]
        return answered + pending

    def _camera_of(self, offer: Offer) -> CameraStreams:
        camera = self._find_camera(offer.camera)
        if camera is None:
            raise ViewerRejected(404, Reason.NOT_FOUND, "no such camera here")
        return camera

    async def _drop(self, pending: PendingSession, error: BaseException) -> None:
        """Let go of an offer that is not answered, because of *error*."""
        offer = pending.offer
        del self._pending[offer.key]
        if isinstance(error, ViewerRejected):
            pending.answer.set_exception(error)
            pending.answer.exception()  # nobody else may be waiting for it
        else:
            pending.answer.cancel()
        if pending.session is not None:
            await pending.session.close()
        if isinstance(error, ViewerRejected):
            self._note_refusal(offer, pending.permit, error)

    def _start(self, pending: PendingSession, session: Session, answer: Answer) -> None:
        """Make a running session of *pending*, from now on within its lifetime."""
        offer = pending.offer
        del self._pending[offer.key]
        self._sessions[offer.key] = session
        if offer.lifetime_s is not None:
            session.expire_in(offer.lifetime_s)
        pending.answer.set_result(answer)
        self._answered.put_nowait(session)

    async def _run_session(self, session: Session) -> None:
        key, offer = session.key, session.offer
        why = "stopping"
        log.info("session_started", session=str(key), camera=offer.camera)
        self._record(offer, session.permit, "begin", "audit")
        began_s = time.monotonic()
        try:
            why = await session.run()
        except Exception as error:  # ends this session only
            report_bug("session", error, str(key))
            why = "error"
        finally:
            self._sessions.pop(key, None)
            self._ended_bytes += session.sent_bytes
            self._ended.store(key, None)
            log.info("session_ended", session=str(key), camera=offer.camera, why=why)
            lasted_s = round(time.monotonic() - began_s, 1)
            facts = {"why": why, "lasted_s": lasted_s, "received": session.received}
            self._record(offer, session.permit, "end", "audit", **facts)
            if why != "viewer":
                self._on_ended(Bye(key, why))

    def _note_refusal(self, offer: Offer, permit: ViewingPermit, error: ViewerRejected) -> None:
        """Note who was refused what; of the same refusals of one camera the last, and a count."""
        self._rejected.count(f"{offer.key}: {error}")
        if self._refusals is not None:
            facts = {**_facts(offer, permit, "refused"), "code": error.code}
            facts["why"] = str(error.reason)
            camera = "" if self._find_camera(offer.camera) is None else offer.camera
            refused = Event("session", facts, "info")
            subject = camera, str(error.code), str(error.reason)
            self._refusals.record(refused, *subject, by=offer.key.viewer)

    def _record(
        self, offer: Offer, permit: ViewingPermit, act: str, weight: Weight, **details: object
    ) -> None:
        """Record what has become of *offer*, for those who ask later who has watched what."""
        if self._events is not None:
            facts = _facts(offer, permit, act) | details
            self._events.record(Event("session", facts, weight))


def _facts(offer: Offer, permit: ViewingPermit, act: str) -> dict[str, object]:
    """Return who it is about, and which camera."""
    facts: dict[str, object] = {
        "act": act,
        "viewer": offer.key.viewer,
        "sid": offer.key.session,
        "cam": offer.camera,
    }
    if permit.token_id:
        facts["actor"], facts["actor_src"] = permit.actor, permit.actor_source
        facts["purpose"], facts["jti"] = permit.purpose, permit.token_id
    return facts
