"""Who may watch a whole gateway: tokens used once, viewings that end, people who are revoked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.model.reasons import Reason
from gateway.model.signalling import Bye, Extend, Refusal, SessionKey
from gateway.mqtt.payloads.signalling import GatewayMessage, decode_gateway_message
from gateway.ports import InboundMessage
from tests.fixtures.broker import Broker
from tests.fixtures.site import OWN, Site, cameras, site, tree


@pytest.fixture
async def running(tmp_path: Path, broker: Broker) -> AsyncIterator[Site]:
    """A gateway as it is by default, with one camera."""
    async with site(tmp_path, broker, cameras(1)) as made:
        yield made


async def said(running: Site, number: int, kind: type[GatewayMessage]) -> GatewayMessage:
    """Return the next *kind* of message that the gateway says in session *number*."""
    key, found = SessionKey("v-test", f"session-{number}"), []

    def wanted(message: InboundMessage) -> bool:
        if message.topic != OWN.gateway_signalling(key):
            return False
        found.append(decode_gateway_message(key, message.payload, message.content_type))
        return isinstance(found[-1], kind)

    await running.until(wanted)
    return found[-1]


async def session_event(running: Site, act: str) -> dict[str, object]:
    """Return the next event of a session that says *act*."""
    message = await running.until(
        lambda message: (
            message.topic == OWN.event
            and tree(message)["type"] == "session"
            and tree(message)["act"] == act
        )
    )
    return tree(message)


async def refusal(running: Site, sdp: str, **claims: object) -> Refusal:
    """Return the refusal of an offer with a token of *claims*."""
    answer = await running.ask(0, sdp, running.token(0, **claims))
    assert isinstance(answer, Refusal)
    return answer


async def test_who_watches_and_what_for_is_in_the_events(running: Site) -> None:
    """From the token; the person stands in begin and end."""
    await running.watch(0, running.token(0, actor="Nguyễn Thị An", purpose="Giám sát quầy 1"))

    event = await session_event(running, "begin")

    assert (event["actor"], event["actor_src"]) == ("Nguyễn Thị An", "settings")
    assert event["purpose"] == "Giám sát quầy 1"
    assert event["jti"]


async def test_without_a_good_token_nobody_watches(running: Site) -> None:
    """Neither for another camera, gateway, province or viewer."""
    for claims in (
        {"camera": "c01"},
        {"gateway": "other-site"},
        {"province": "24"},
        {"viewer": "v-else"},
    ):
        answer = await refusal(running, "v=0", **claims)
        assert (answer.code, answer.reason) == (403, Reason.VIEW_NOT_ALLOWED)


async def test_a_token_is_used_once_also_after_kill_9(running: Site) -> None:
    """What was captured on the broker is worth nothing."""
    token = running.token(0)
    await running.watch(0, token)

    again = await running.ask(0, "v=0", token)
    assert isinstance(again, Refusal)
    assert again.detail.startswith("token.used")

    await running.kill_and_start()
    later = await running.ask(0, "v=0", token)
    assert isinstance(later, Refusal)
    assert later.detail.startswith("token.used")


async def test_a_viewing_ends_at_its_time(running: Site) -> None:
    """As the token says, though the viewer goes on asking for packets."""
    await running.watch(0, running.token(0, max_s=1))

    bye = await said(running, 1, Bye)

    assert isinstance(bye, Bye)
    assert bye.why == "viewing_time"


async def test_a_fresh_token_lets_it_last_longer(running: Site) -> None:
    """The audit names the token that did."""
    await running.watch(0, running.token(0, max_s=1))
    await session_event(running, "begin")
    key = SessionKey("v-test", "session-1")
    running.say(Extend(key, 600.0, running.token(0, max_s=3600)))

    assert (await session_event(running, "renew"))["actor"] == "an.nguyen"
    running.say(Bye(key, "viewer"))
    assert (await session_event(running, "end"))["why"] == "viewer"


async def test_a_refused_extension_ends_it(running: Site) -> None:
    """Somebody else's token, here."""
    await running.watch(0)
    key = SessionKey("v-test", "session-1")
    running.say(Extend(key, 600.0, running.token(0, actor="binh.tran")))

    answer = await said(running, 1, Refusal)
    assert isinstance(answer, Refusal)
    assert answer.detail.startswith("token.actor")
    assert (await session_event(running, "end"))["why"] == "refused"


async def test_a_revoked_person_sees_nothing_more(running: Site) -> None:
    """Their viewings end, their tokens are refused, also after kill -9; others go on."""
    await running.watch(0, running.token(0, actor="binh.tran"))
    await running.watch(0)
    await running.revoke("Binh.Tran")

    bye = await said(running, 1, Bye)
    assert isinstance(bye, Bye)
    assert bye.why == "revoked"
    answer = await refusal(running, "v=0", actor="binh.tran")
    assert answer.reason is Reason.VIEW_REVOKED
    await running.kill_and_start()
    answer = await refusal(running, "v=0", actor="binh.tran")
    assert answer.reason is Reason.VIEW_REVOKED
    await running.watch(0)
