"""The sessions of one browser: its offers out to gateways, their answers back, and the byes.

A browser reaches only the sessions it has begun itself, and only at the gateway it began them
with. An offer that stays unanswered is sent again, the same, twice: it may have met a broker or
a gateway that was just coming back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from gateway.console.messages import (
    BrowserMessage,
    ByeMessage,
    CandidatesMessage,
    OfferMessage,
    signalling_message,
)
from gateway.console.site_registry import SiteRegistry
from gateway.model.reasons import Reason
from gateway.model.signalling import (
    Answer,
    Bye,
    Candidates,
    IceServer,
    Offer,
    Refusal,
    SessionKey,
    SessionStats,
)
from gateway.mqtt.payloads.codec import Stamp
from gateway.mqtt.payloads.signalling import FromGateway, FromViewer, from_viewer
from gateway.mqtt.topic_tree import VIEWER_SAYS
from gateway.mqtt.topics import Topics, publication
from gateway.ports import Bus

ANSWER_TIMEOUT_S = 3.0
"""After so long an offer is sent again (contract, Others)."""

MAX_SENDINGS = 3
"""The offer itself and two repetitions."""

MAX_SESSIONS = 32
"""Sessions of one browser; its wall has 16 pictures."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Session:
    """One session: where it goes, and whether the gateway has said anything yet."""

    topics: Topics
    answered: asyncio.Event = field(default_factory=asyncio.Event)


class BrowserSignalling:
    """Routes one browser's sessions. Lives as long as its WebSocket.

    Args:
        viewer: The id the server gave it; nobody else has it.
        bus: The way to the gateways.
        register: Knows where gateways are at home.
        stamp: Makes the stamp of the next message.
        ice: Servers that gateways are told to use for this viewer.
        tell: Takes what the browser must hear.
    """

    def __init__(
        self,
        viewer: str,
        *,
        bus: Bus,
        registry: SiteRegistry,
        stamp: Callable[[], Stamp],
        ice: tuple[IceServer, ...],
        send: Callable[[str], None],
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        self.viewer = viewer
        self._bus = bus
        self._registry = registry
        self._stamp = stamp
        self._ice = ice
        self._send = send
        self._answer_timeout_s = answer_timeout_s
        self._sessions: dict[str, _Session] = {}

    @property
    def sessions(self) -> tuple[str, ...]:
        """The ids of the sessions that are open."""
        return tuple(self._sessions)

    def handle_browser_message(self, message: BrowserMessage, group: asyncio.TaskGroup) -> None:
        """Take what the browser says; waiting for answers runs in *group*."""
        match message:
            case OfferMessage():
                self._handle_offer(message, group)
            case CandidatesMessage():
                call = self._sessions.get(message.sid)
                if call is not None:
                    said = Candidates(self._key(message.sid), message.values())
                    self._post(call.topics, said)
            case ByeMessage():
                self._end(message.sid, message.why)

    def handle_gateway_message(self, gateway: str, said: FromGateway) -> None:
        """Take what *gateway* says in a session that bears this viewer's name."""
        call = self._sessions.get(said.key.session)
        if call is None or call.topics.gateway != gateway:
            log.info("stray", viewer=self.viewer, session=said.key.session, gateway=gateway)
            return
        call.answered.set()
        match said:
            case Bye() | Refusal():
                del self._sessions[said.key.session]
                self._send(signalling_message(said))
            case Answer() | Candidates():
                self._send(signalling_message(said))
            case SessionStats():
                pass  # the browser counts for itself

    def close(self) -> None:
        """End every session: the browser is gone."""
        for sid in self.sessions:
            self._end(sid, "viewer")

    def _handle_offer(self, message: OfferMessage, group: asyncio.TaskGroup) -> None:
        key = self._key(message.sid)
        refusal = self._refusal(message, key)
        if refusal is not None:
            self._send(signalling_message(refusal))
            return
        province = self._registry.province_of(message.gw)
        call = _Session(Topics(province or "", message.gw))
        self._sessions[message.sid] = call
        offer = Offer(key, message.cam, message.sdp, message.profile, self._ice)
        log.info("offer", viewer=self.viewer, session=message.sid, gw=message.gw, cam=message.cam)
        self._post(call.topics, offer)
        group.create_task(self._await_answer(call, offer), name=f"offer:{message.sid}")

    def _refusal(self, message: OfferMessage, key: SessionKey) -> Refusal | None:
        """Return why this offer need not be sent, or None."""
        if message.sid in self._sessions:
            return Refusal(key, 400, Reason.OFFER_INVALID, "this session is open already")
        if len(self._sessions) >= MAX_SESSIONS:
            return Refusal(key, 486, Reason.OVERLOADED, f"{MAX_SESSIONS} sessions are open")
        if not self._bus.connected:
            return Refusal(key, 480, Reason.UPLINK_DOWN, "the broker is away")
        if self._registry.province_of(message.gw) is None:
            # A console that has just started has not heard of every gateway yet: not 404, which
            # a page takes for final, but "ask again".
            return Refusal(key, 480, Reason.UPLINK_DOWN, "the gateway has not been heard of")
        if self._registry.is_offline(message.gw):
            return Refusal(key, 480, Reason.UPLINK_DOWN, "the gateway is offline")
        return None

    async def _await_answer(self, call: _Session, offer: Offer) -> None:
        """Wait for the first word; repeat the offer; give up with 408."""
        sid = offer.key.session
        for sending in range(1, MAX_SENDINGS + 1):
            try:
                async with asyncio.timeout(self._answer_timeout_s):
                    await call.answered.wait()
                    return
            except TimeoutError:
                if self._sessions.get(sid) is not call:
                    return
            if sending < MAX_SENDINGS:
                self._post(call.topics, offer)
        self._end(sid, "silence")
        refusal = Refusal(offer.key, 408, Reason.TIMEOUT, "the gateway does not answer")
        self._send(signalling_message(refusal))

    def _end(self, sid: str, why: str) -> None:
        call = self._sessions.pop(sid, None)
        if call is not None:
            call.answered.set()
            self._post(call.topics, Bye(self._key(sid), why))

    def _post(self, topics: Topics, said: FromViewer) -> None:
        encoded = from_viewer(self._stamp(), said)
        self._bus.post(publication(VIEWER_SAYS, topics.viewer_says(said.key), encoded))

    def _key(self, sid: str) -> SessionKey:
        return SessionKey(self.viewer, sid)
