"""How one browser's sessions are routed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.console.messages import BrowserMessage, parse_browser_message
from gateway.console.send_queue import MAX_SIGNALS
from gateway.console.signalling import MAX_SENDINGS, MAX_SESSIONS, BrowserSignalling
from gateway.console.view_tokens import PersonTokens
from gateway.model.quality import ViewLevel
from gateway.model.reasons import Reason
from gateway.model.signalling import (
    Answer,
    Bye,
    Candidates,
    Offer,
    Refusal,
    SessionKey,
    SessionStats,
)
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.signalling import ViewerMessage, decode_viewer_message
from gateway.mqtt.topic_tree import VIEWER_SIGNALLING
from gateway.mqtt.topics import Topics, parse_topic
from gateway.ports import OutboundMessage
from tests.fixtures.clock import HANG_S, FakeClock
from tests.unit.console.centre import TOPICS, MemoryBus, Site, channel_of

VIEWER = "v-0123456789abcdef"


class Harness:
    """One browser's calls, with everything it is told and everything that goes out."""

    def __init__(self, patience_s: float = 3.0, tokens: PersonTokens | None = None) -> None:
        self.site = Site()
        self.site.online()
        self.bus = MemoryBus()
        self.received: list[dict[str, Any]] = []
        self.signalling = BrowserSignalling(
            VIEWER,
            bus=self.bus,
            registry=self.site.registry,
            stamp=lambda: Stamp(1, 2, 3),
            tokens=tokens or PersonTokens(None, None, purpose="", viewer=VIEWER),
            send=lambda text: self.received.append(json.loads(text)),
            clock=FakeClock(),
            answer_timeout_s=patience_s,
        )

    def sent(self) -> list[ViewerMessage]:
        return [said_of(each) for each in self.bus.posted]


def said_of(publication: OutboundMessage) -> ViewerMessage:
    place = parse_topic(publication.topic)
    assert place is not None
    assert place.key is not None
    return decode_viewer_message(place.key, publication.payload, publication.content_type)


def said(**fields: object) -> BrowserMessage:
    message = parse_browser_message(json.dumps({"sid": "session-1", **fields}))
    assert message is not None
    return message


OFFER = said(k="offer", prov="24", gw="bacninh-01", cam="c01", sdp="v=0\r\n")
KEY = SessionKey(VIEWER, "session-1")


async def test_an_offer_goes_to_the_gateways_topic_with_the_centres_servers() -> None:
    """Province from the register, viewer from the server, TURN from its settings."""
    session = Harness()

    async with asyncio.TaskGroup() as group:
        session.signalling.handle_browser_message(OFFER, group)
        session.signalling.handle_gateway_message(TOPICS, Answer(KEY, "v=0\r\n"))

    posted = session.bus.posted[0]
    assert posted.topic == f"cgw/v1/24/bacninh-01/dn/rtc/{VIEWER}/session-1"
    assert channel_of(posted) is VIEWER_SIGNALLING
    assert posted.expiry_s == 15
    assert session.sent() == [Offer(KEY, "c01", "v=0\r\n", slate=False)]


async def test_an_answer_reaches_the_browser() -> None:
    """By viewer and session."""
    session = Harness()

    async with asyncio.TaskGroup() as group:
        session.signalling.handle_browser_message(OFFER, group)
        session.signalling.handle_gateway_message(TOPICS, Answer(KEY, "v=0\r\nanswer"))

    assert session.received == [{"k": "answer", "sid": "session-1", "sdp": "v=0\r\nanswer"}]


@pytest.mark.parametrize("site", [Topics("46", "hue-ttpvhcc"), Topics("01", "bacninh-01")])
async def test_another_gateway_cannot_answer(site: Topics) -> None:
    """A session belongs to the gateway it was begun with."""
    session = Harness()

    async with asyncio.TaskGroup() as group:
        session.signalling.handle_browser_message(OFFER, group)
        session.signalling.handle_gateway_message(site, Answer(KEY, "v=0\r\nfalse"))
        session.signalling.close()

    assert session.received == []


async def test_an_unanswered_offer_is_sent_again_twice_then_given_up() -> None:
    """The same offer three times, then bye to the gateway and 408 to the browser."""
    session = Harness(patience_s=0.005)

    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
        session.signalling.handle_browser_message(OFFER, group)

    offers = [each for each in session.sent() if isinstance(each, Offer)]
    assert len(offers) == MAX_SENDINGS
    assert len(set(offers)) == 1
    assert session.sent()[-1] == Bye(KEY, "silence")
    assert (session.received[-1]["code"], session.received[-1]["reason"]) == (408, "TIMEOUT")


async def test_an_answered_offer_is_not_sent_again() -> None:
    """The first word of the gateway ends the waiting."""
    session = Harness(patience_s=0.005)

    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
        session.signalling.handle_browser_message(OFFER, group)
        session.signalling.handle_gateway_message(TOPICS, Answer(KEY, "v=0\r\n"))

    assert len(session.bus.posted) == 1


async def test_a_gateway_that_floods_its_session_does_not_fill_the_browsers_queue() -> None:
    """Of 1,000 answers a few are passed on: another session has its turn."""
    session = Harness()

    async with asyncio.TaskGroup() as group:
        session.signalling.handle_browser_message(OFFER, group)
        for _ in range(1_000):
            session.signalling.handle_gateway_message(TOPICS, Answer(KEY, "v=0\r\n"))
        session.signalling.handle_gateway_message(TOPICS, Bye(KEY, "stopping"))

    assert len(session.received) * MAX_SESSIONS < MAX_SIGNALS + MAX_SESSIONS
    assert session.received[-1]["k"] == "bye"


async def test_what_comes_for_no_session_is_no_line_of_the_log_each() -> None:
    """A gateway can say it as often as it likes."""
    session = Harness()

    with capture_logs() as logged:
        for _ in range(100):
            session.signalling.handle_gateway_message(TOPICS, Answer(KEY, "v=0\r\n"))

    assert len(logged) < 2


async def test_a_refusal_ends_the_session() -> None:
    """The browser gets code and reason; nothing more goes to the gateway."""
    session = Harness()

    async with asyncio.TaskGroup() as group:
        session.signalling.handle_browser_message(OFFER, group)
        session.signalling.handle_gateway_message(
            TOPICS, Refusal(KEY, 486, Reason.OVERLOADED, "8 of 8")
        )
        session.signalling.handle_browser_message(said(k="bye"), group)

    assert session.received[-1]["code"] == 486
    assert session.signalling.sessions == ()
    assert len(session.bus.posted) == 1


async def test_candidates_go_only_into_sessions_of_ones_own() -> None:
    """A session that this browser has not begun does not exist for it."""
    session = Harness()
    batch = {"k": "cand", "c": [{"candidate": "candidate:1", "sdpMid": "0"}], "end": True}

    async with asyncio.TaskGroup() as group:
        session.signalling.handle_browser_message(said(**{**batch, "sid": "somebody-elses"}), group)
        session.signalling.handle_browser_message(OFFER, group)
        session.signalling.handle_browser_message(said(**batch), group)
        session.signalling.handle_gateway_message(TOPICS, Answer(KEY, "v=0\r\n"))

    _, candidates = session.sent()
    assert isinstance(candidates, Candidates)
    assert [each.candidate for each in candidates.candidates] == ["candidate:1", None]


async def test_leaving_says_bye_for_every_session() -> None:
    """A browser that is gone leaves no session behind."""
    session = Harness()

    async with asyncio.TaskGroup() as group:
        session.signalling.handle_browser_message(OFFER, group)
        second = {"k": "offer", "prov": "24", "gw": "bacninh-01", "cam": "c02", "sdp": "v=0\r\n"}
        session.signalling.handle_browser_message(said(**second, sid="session-2"), group)
        session.signalling.close()

    assert session.sent()[2:] == [
        Bye(KEY, "viewer"),
        Bye(SessionKey(VIEWER, "session-2"), "viewer"),
    ]


@pytest.mark.parametrize(
    ("gateway", "connected", "offline", "code"),
    [
        ("unknown-01", True, False, 480),
        ("bacninh-01", False, False, 480),
        ("bacninh-01", True, True, 480),
    ],
)
async def test_a_hopeless_offer_is_refused_at_once(
    gateway: str, connected: bool, offline: bool, code: int
) -> None:
    """No such gateway, no broker, gateway offline: said now, not after nine seconds."""
    session = Harness()
    session.bus.connected = connected
    if offline:
        session.site.lost(epoch=5)
    message = said(k="offer", prov="24", gw=gateway, cam="c01", sdp="v=0\r\n")

    async with asyncio.TaskGroup() as group:
        session.signalling.handle_browser_message(message, group)

    assert session.received[-1]["code"] == code
    assert session.bus.posted == []


async def test_sessions_of_one_browser_are_bounded() -> None:
    """One more than allowed is refused; the others live."""
    session = Harness()

    async with asyncio.TaskGroup() as group:
        for number in range(MAX_SESSIONS + 1):
            offer = {"k": "offer", "prov": "24", "gw": "bacninh-01", "cam": "c01", "sdp": "v=0\r\n"}
            session.signalling.handle_browser_message(said(**offer, sid=f"session-{number}"), group)
        open_now = len(session.signalling.sessions)
        session.signalling.close()

    assert open_now == MAX_SESSIONS
    assert [each["code"] for each in session.received] == [486]


async def test_a_gateways_figures_are_not_passed_on() -> None:
    """The browser counts for itself."""
    session = Harness()

    async with asyncio.TaskGroup() as group:
        session.signalling.handle_browser_message(OFFER, group)
        session.signalling.handle_gateway_message(TOPICS, SessionStats(KEY, 100.0))

    assert session.received == []


async def test_what_is_sent_and_why_reaches_the_browser() -> None:
    """The tile says it; the browser cannot know it by itself."""
    session = Harness()
    stats = SessionStats(KEY, 100.0, level=ViewLevel.SUB, why=Reason.LINE_NARROW)

    async with asyncio.TaskGroup() as group:
        session.signalling.handle_browser_message(OFFER, group)
        session.signalling.handle_gateway_message(TOPICS, stats)

    assert session.received == [
        {"k": "level", "sid": KEY.session, "level": "sub", "why": "LINE_NARROW"}
    ]
