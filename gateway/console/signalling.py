"""Relays the signalling of one browser: offers to gateways, their answers back, and the byes.

A browser reaches only sessions that it has opened itself, and only at the gateway that it opened
them with. An unanswered offer is sent again unchanged, twice: it may have met a broker or a gateway
that was just restarting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import structlog
from pydantic import SecretStr

from gateway.console.messages import (
    BrowserMessage,
    ByeMessage,
    CandidatesMessage,
    OfferMessage,
    signalling_message,
)
from gateway.console.site_registry import SiteRegistry
from gateway.console.site_state import site_key
from gateway.console.view_tokens import PersonTokens
from gateway.model.reasons import Reason
from gateway.model.signalling import (
    Answer,
    Bye,
    Candidates,
    Extend,
    Offer,
    Refusal,
    SessionKey,
    SessionStats,
)
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.signalling import GatewayMessage, ViewerMessage, encode_viewer_message
from gateway.mqtt.topic_tree import VIEWER_SIGNALLING
from gateway.mqtt.topics import Topics, build_message
from gateway.ports import Bus, Clock
from gateway.runtime.lateness import time_limit
from gateway.runtime.rate_limit import TokenBucket

ANSWER_TIMEOUT_S = 3.0
"""An offer without an answer for so long is sent again (docs/mqtt.md)."""

MAX_SENDINGS = 3
"""The offer and two repetitions."""

MAX_SESSIONS = 32
"""Most sessions of one browser; its wall has 16 pictures."""

MESSAGES_PER_MIN, MESSAGES = 30, 7
"""Messages of a gateway in one session that are passed on, a minute and at once, beside the last:
an answer to each sending, and what is sent. All sessions of a browser together must not fill its
queue (`SendQueue`)."""

RENEW_BEFORE_S = 60
"""So long before its end a viewing is extended."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Session:
    """One session: the topics of its gateway, whether that has answered yet, and its end.

    *budget* is for what its gateway says.
    """

    topics: Topics
    budget: TokenBucket
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class BrowserSignalling:
    """The viewing sessions of one browser; lives as long as its WebSocket.

    Args:
        viewer: Viewer id that the server has given it.
        bus: Publishes to the gateways.
        registry: Knows which sites are connected.
        stamp: Returns the stamp of the next message.
        tokens: Issues view tokens for the person before this browser.
        send: Sends an encoded message to the browser.
        clock: Monotonic, for what gateways may say.
        answer_timeout_s: See `ANSWER_TIMEOUT_S`.
    """

    def __init__(
        self,
        viewer: str,
        *,
        bus: Bus,
        registry: SiteRegistry,
        stamp: Callable[[], Stamp],
        tokens: PersonTokens,
        send: Callable[[str], None],
        clock: Clock,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        self.viewer = viewer
        self._bus = bus
        self._registry = registry
        self._stamp = stamp
        self._tokens = tokens
        self._send = send
        self._clock = clock
        self._answer_timeout_s = answer_timeout_s
        self._sessions: dict[str, _Session] = {}

    @property
    def sessions(self) -> tuple[str, ...]:
        """Ids of the open sessions."""
        return tuple(self._sessions)

    def handle_browser_message(self, message: BrowserMessage, group: asyncio.TaskGroup) -> None:
        """Handle a message of the browser; tasks that wait for answers run in *group*."""
        match message:
            case OfferMessage():
                self._handle_offer(message, group)
            case CandidatesMessage():
                session = self._sessions.get(message.sid)
                if session is not None:
                    candidates = Candidates(self._key(message.sid), message.values())
                    self._post(session.topics, candidates)
            case ByeMessage():
                self._end(message.sid, message.why)

    def handle_gateway_message(self, topics: Topics, message: GatewayMessage) -> bool:
        """Handle a signalling message for this viewer from the gateway of *topics*.

        Returns:
            Whether there is such a session with that gateway.
        """
        session = self._sessions.get(message.key.session)
        if session is None or session.topics != topics:
            return False
        session.answered.set()
        match message:
            case Bye() | Refusal():
                del self._sessions[message.key.session]
                session.ended.set()
                self._send(signalling_message(message))
            case SessionStats(level=None):
                pass  # the browser has statistics of its own
            case Answer() | SessionStats():
                if session.budget.try_acquire():
                    self._send(signalling_message(message))
        return True

    def close(self) -> None:
        """Close every session with a bye: the browser has disconnected."""
        for sid in self.sessions:
            self._end(sid, "viewer")

    def _handle_offer(self, message: OfferMessage, group: asyncio.TaskGroup) -> None:
        key = self._key(message.sid)
        refusal = self._refusal(message, key)
        if refusal is not None:
            self._send(signalling_message(refusal))
            return
        budget = TokenBucket(MESSAGES_PER_MIN, MESSAGES, clock=self._clock)
        session = _Session(Topics(message.prov, message.gw), budget)
        self._sessions[message.sid] = session
        offer = Offer(key, message.cam, message.sdp, message.profile, slate=False)
        site = site_key(message.prov, message.gw)
        log.debug("offer_sent", viewer=self.viewer, session=message.sid, site=site, cam=message.cam)
        self._post_offer(session.topics, offer)
        group.create_task(self._follow(session, offer), name=f"offer:{message.sid}")

    def _refusal(self, message: OfferMessage, key: SessionKey) -> Refusal | None:
        """Return the refusal of an offer that is not worth sending, else None."""
        if message.sid in self._sessions:
            return Refusal(key, 400, Reason.OFFER_INVALID, "this session is open already")
        if len(self._sessions) >= MAX_SESSIONS:
            return Refusal(key, 486, Reason.OVERLOADED, f"{MAX_SESSIONS} sessions are open")
        if not self._tokens.may_watch:
            return Refusal(key, 403, Reason.VIEW_NOT_ALLOWED, "nobody says who you are")
        if not self._bus.connected:
            return Refusal(key, 480, Reason.UPLINK_DOWN, "the broker is away")
        state = self._registry.site_state(site_key(message.prov, message.gw))
        if state is None:
            # A console that has just started does not know every gateway yet. Not 404, which is
            # final for the page; after 480 it tries again.
            return Refusal(key, 480, Reason.UPLINK_DOWN, "the gateway has not been heard of")
        if state == "off":
            return Refusal(key, 480, Reason.UPLINK_DOWN, "the gateway is offline")
        return None

    async def _follow(self, session: _Session, offer: Offer) -> None:
        """Wait for the answer, then let the viewing last until somebody ends it."""
        await self._await_answer(session, offer)
        max_s = self._tokens.max_s
        if max_s is not None:
            await self._renew(session, offer, max_s)

    async def _renew(self, session: _Session, offer: Offer, max_s: int) -> None:
        """Extend the viewing with a fresh token, a minute before its time is over."""
        while not session.ended.is_set():
            try:
                async with asyncio.timeout(max_s - RENEW_BEFORE_S):
                    await session.ended.wait()
            except TimeoutError:
                if session.ended.is_set():  # at that very moment
                    return
                lifetime_s = float(max_s + RENEW_BEFORE_S)
                token = self._token(session.topics, offer.camera)
                self._post(session.topics, Extend(offer.key, lifetime_s, token))

    async def _await_answer(self, session: _Session, offer: Offer) -> None:
        """Wait for the first message of the gateway; repeat the offer; give up with 408."""
        sid = offer.key.session
        for sending in range(1, MAX_SENDINGS + 1):
            try:
                async with time_limit(self._answer_timeout_s):
                    await session.answered.wait()
                    return
            except TimeoutError:
                if self._sessions.get(sid) is not session:
                    return
            if sending < MAX_SENDINGS:
                self._post_offer(session.topics, offer)
        self._end(sid, "silence")
        refusal = Refusal(offer.key, 408, Reason.TIMEOUT, "the gateway does not answer")
        self._send(signalling_message(refusal))

    def _end(self, sid: str, why: str) -> None:
        session = self._sessions.pop(sid, None)
        if session is not None:
            session.answered.set()
            session.ended.set()
            self._post(session.topics, Bye(self._key(sid), why))

    def _post_offer(self, topics: Topics, offer: Offer) -> None:
        """Send *offer* with a fresh token: each is used once, though its answer may be lost."""
        self._post(topics, replace(offer, token=self._token(topics, offer.camera)))

    def _token(self, topics: Topics, camera: str) -> SecretStr | None:
        return self._tokens.issue(province=topics.province, gateway=topics.gateway, camera=camera)

    def _post(self, topics: Topics, message: ViewerMessage) -> None:
        encoded = encode_viewer_message(self._stamp(), message)
        self._bus.publish(
            build_message(VIEWER_SIGNALLING, topics.viewer_signalling(message.key), encoded)
        )

    def _key(self, sid: str) -> SessionKey:
        return SessionKey(self.viewer, sid)
