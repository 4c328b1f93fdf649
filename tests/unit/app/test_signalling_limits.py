"""One viewer's flood costs the gateway little, and the other viewers nothing."""

from __future__ import annotations

import asyncio

import pytest

from gateway.app.signalling import MESSAGES, OFFERS, WARNINGS, Signalling
from gateway.model.reasons import Reason
from gateway.model.signalling import Bye, Offer, Refusal, SessionKey
from gateway.mqtt.payloads.signalling import decode_gateway_message
from gateway.mqtt.topics import parse_topic
from gateway.ports import OutboundMessage
from gateway.runtime import strict_json
from gateway.runtime.rate_limit import REQUESTERS
from tests.fixtures.clock import HANG_S
from tests.unit.app.test_signalling import OWN, Bus, answering, deliver, message

HONEST = SessionKey("v-honest", "session-1")
ASKED = Offer(HONEST, "c99", "v=0")
SHORT = b'{"k":"extend","exp_s":30.0,"s":1,"pad":"' + b"x" * 69 + b'"}'  # 111 bytes


def of_viewer(number: int, viewer: str = "v-hostile") -> SessionKey:
    return SessionKey(viewer, f"session-{number}")


async def posted_until_honest(bus: Bus) -> list[tuple[SessionKey, Refusal]]:
    """Return what was said, up to the refusal of the honest viewer's offer (there is no c99)."""
    said: list[tuple[SessionKey, Refusal]] = []
    async with asyncio.timeout(HANG_S):
        while True:
            publication: OutboundMessage = await bus.posted.get()
            place = parse_topic(publication.topic)
            assert place is not None
            assert place.key is not None
            body = decode_gateway_message(place.key, publication.payload, publication.content_type)
            assert isinstance(body, Refusal)
            if place.key == HONEST:
                assert body.code == 404
                return said
            said.append((place.key, body))


async def all_read(signalling: Signalling) -> None:
    """Return once no message waits any more."""
    async with asyncio.timeout(HANG_S):
        while len(signalling._messages):  # noqa: ASYNC110 (looks at what has no event)
            await asyncio.sleep(0)


async def flood(signalling: Signalling, bodies: list[bytes]) -> None:
    """Enqueue *bodies*, each of a session of its own, as paho's callback does."""
    for number, body in enumerate(bodies):
        topic = OWN.viewer_signalling(of_viewer(number))
        deliver(signalling, message(body, topic=topic))
        if number % 50 == 0:
            await asyncio.sleep(0)


async def test_a_flood_of_one_viewer_is_dropped_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of 24,000 messages (a minute at 400/s) so many are decoded as one viewer may send at once."""
    decoded = 0
    parse = strict_json.parse

    def counted(*args: object, **options: object) -> object:
        nonlocal decoded
        decoded += 1
        return parse(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(strict_json, "parse", counted)
    async with answering() as (signalling, bus):
        await flood(signalling, [SHORT] * 24_000)
        await all_read(signalling)
        deliver(signalling, message(ASKED))
        await posted_until_honest(bus)

    assert decoded <= MESSAGES + 1


async def test_a_flood_is_answered_once_and_not_each_time() -> None:
    """503 once; what is malformed and within the limit gets its 400."""
    async with answering() as (signalling, bus):
        await flood(signalling, [b"{}"] * 5_000)
        await all_read(signalling)
        deliver(signalling, message(ASKED))
        said = [body for _, body in await posted_until_honest(bus)]

    codes = [body.code for body in said]
    assert codes.count(503) == WARNINGS
    assert codes.count(400) <= MESSAGES


async def test_large_and_packed_messages_count_for_more() -> None:
    """What costs more to read is read less often."""
    async with answering() as (signalling, bus):
        await flood(signalling, [b"[" * 20_480] * 100)
        await all_read(signalling)
        deliver(signalling, message(ASKED))
        said = [body.code for _, body in await posted_until_honest(bus)]

    assert said.count(400) <= MESSAGES // 11


async def test_offers_have_a_limit_of_their_own() -> None:
    """Beyond it none reaches the session manager, and the viewer is told once."""
    async with answering() as (signalling, bus):
        for number in range(OFFERS + 20):
            deliver(signalling, message(Offer(of_viewer(number), "c99", "v=0")))
        await all_read(signalling)
        deliver(signalling, message(ASKED))
        said = [body for _, body in await posted_until_honest(bus)]

    codes = [body.code for body in said]
    assert (codes.count(404), codes.count(503)) == (OFFERS, WARNINGS)
    assert {body.reason for body in said if body.code == 503} == {Reason.OVERLOADED}


async def test_the_loop_turns_between_two_messages() -> None:
    """A full queue is not emptied in one go: cameras and other viewers have their turn."""
    turns = 0
    loop = asyncio.get_running_loop()

    def turn() -> None:
        nonlocal turns
        turns += 1
        loop.call_soon(turn)

    async with answering() as (signalling, _bus):
        for number in range(200):
            deliver(signalling, message(Bye(of_viewer(number % 2, f"v-{number % 2}"), "viewer")))
        loop.call_soon(turn)
        await all_read(signalling)

    assert turns >= 200


async def test_a_flood_of_one_viewer_pushes_out_nobody_elses_offer() -> None:
    """It comes last of 600 messages, and is read as the second of those that wait."""
    async with answering() as (signalling, bus):  # which reads nothing before it is waited for
        for number in range(MESSAGES):
            deliver(signalling, message(b"{}", topic=OWN.viewer_signalling(of_viewer(number))))
        deliver(signalling, message(ASKED))
        before = await posted_until_honest(bus)

    assert len(before) <= 4  # answering it takes a few turns of the loop, with a message each


async def test_many_floods_push_out_nobody_elses_offer() -> None:
    """Whoever has one message waiting waits for one of each of the others."""
    flooding = [f"v-hostile-{number}" for number in range(4)]
    async with answering() as (signalling, bus):
        for number in range(MESSAGES):
            key = SessionKey(flooding[number % 4], f"session-{number}")
            deliver(signalling, message(b"{}", topic=OWN.viewer_signalling(key)))
        deliver(signalling, message(ASKED))
        before = await posted_until_honest(bus)

    assert {key.viewer for key, _ in before} == set(flooding)
    assert len(before) <= len(flooding) + 4


async def test_a_viewer_loses_nothing_to_one_who_has_more_waiting() -> None:
    """A page's offer and all its candidates are kept, whoever floods before and after them."""
    page = [SessionKey("v-honest", f"session-{number}") for number in range(100)]
    async with answering() as (signalling, _bus):
        for number in range(MESSAGES):
            if number < len(page):
                deliver(signalling, message(Bye(page[number], "viewer")))
            deliver(signalling, message(b"{}", topic=OWN.viewer_signalling(of_viewer(number))))

        waiting = signalling._messages.waiting("v-honest")

    assert waiting == len(page)


async def test_invented_viewers_fill_no_table() -> None:
    """Of 10,000 names so many are remembered as the table holds."""
    async with answering() as (signalling, _bus):
        for number in range(10_000):
            key = SessionKey(f"v-{number}", "session-1")
            deliver(signalling, message(SHORT, topic=OWN.viewer_signalling(key)))

        assert len(signalling._message_limiter._buckets) == REQUESTERS
