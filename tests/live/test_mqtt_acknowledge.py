"""Messages from the centre: when they are acknowledged, and what they bring along."""

from __future__ import annotations

import asyncio

import pytest

from gateway.mqtt.topics import CENTRE_SUBSCRIPTIONS, is_journalled
from gateway.ports import InboundMessage, OutboundMessage
from tests.fixtures.broker import Broker, observing
from tests.fixtures.clock import HANG_S
from tests.fixtures.presence import KEY, TOPICS, EventLog, PresenceGateway, connected

pytestmark = pytest.mark.live

COMMAND = TOPICS.command("probe")


async def test_a_command_comes_again_until_it_is_acknowledged(broker: Broker) -> None:
    """A gateway that dies before it has noted a command gets it once more, and then not again."""
    site = PresenceGateway(broker.address, journalled=is_journalled)
    async with observing(broker.address) as centre:
        got: list[InboundMessage] = []
        for _ in range(3):
            site.up.clear()
            async with connected(site):
                if not got:
                    centre.client.publish(OutboundMessage(COMMAND, b"once"))
                centre.client.publish(OutboundMessage(TOPICS.viewer_signalling(KEY), b"last"))
                async with asyncio.timeout(HANG_S):
                    while (message := await site.messages.get()).topic == COMMAND:
                        got.append(message)
                        if len(got) == 2:
                            site.client.acknowledge(message)

    assert [each.payload for each in got] == [b"once", b"once"]
    assert got[0].receipt != got[1].receipt


async def test_a_receipt_of_an_earlier_connection_acknowledges_nothing(broker: Broker) -> None:
    """Packet numbers are used again: another message must not be taken for this one."""
    site = PresenceGateway(broker.address, journalled=is_journalled)
    async with observing(broker.address) as centre:
        got: list[InboundMessage] = []
        for turn in range(3):
            site.up.clear()
            async with connected(site):
                if turn == 0:
                    centre.client.publish(OutboundMessage(COMMAND, b"once"))
                async with asyncio.timeout(HANG_S):
                    got.append(await site.messages.get())
                site.client.acknowledge(got[0] if turn == 1 else InboundMessage(COMMAND, b""))

    assert [each.payload for each in got] == [b"once"] * 3


async def test_other_messages_do_not_wait_for_anybody(broker: Broker) -> None:
    """Twenty unacknowledged ones would stop the line."""
    site = PresenceGateway(broker.address, journalled=is_journalled)
    async with observing(broker.address) as centre, connected(site):
        for number in range(100):
            centre.client.publish(OutboundMessage(TOPICS.viewer_signalling(KEY), b"%d" % number))
        async with asyncio.timeout(HANG_S):
            got = [int((await site.messages.get()).payload) for _ in range(100)]

    assert got == list(range(100))


async def test_a_message_says_how_it_is_to_be_answered_and_how_long_it_counts(
    broker: Broker,
) -> None:
    """Response topic, correlation data and what is left of its expiry."""
    asked = OutboundMessage(
        COMMAND, b"?", expiry_s=300, correlation_data=b"\x00\xff", response_topic="cgw/v1/x"
    )
    site = PresenceGateway(broker.address)
    async with observing(broker.address) as centre, connected(site):
        centre.client.publish(asked)
        async with asyncio.timeout(HANG_S):
            message = await site.messages.get()

    assert (message.response_topic, message.correlation_data) == ("cgw/v1/x", b"\x00\xff")
    assert message.expiry_s is not None
    assert 0 < message.expiry_s <= 300


async def test_an_answer_carries_the_correlation_data(broker: Broker) -> None:
    """The centre finds its question by it."""
    topic = TOPICS.replies + "centre/1"
    site = PresenceGateway(broker.address)
    async with observing(broker.address, *CENTRE_SUBSCRIPTIONS) as centre, connected(site):
        site.client.publish(OutboundMessage(topic, b"!", correlation_data=b"\x01" * 40))
        message = await centre.until(lambda message: message.topic == topic)

    assert message.correlation_data == b"\x01" * 40


async def test_what_is_too_large_to_send_is_told_once(broker: Broker) -> None:
    """As an event with its topic: it is not dropped in silence, nor told for each."""
    told = EventLog()
    site = PresenceGateway(broker.address, events=told)
    async with connected(site):
        for _ in range(3):
            site.client.publish(OutboundMessage(TOPICS.birth, b"x" * 65_537))

    (event,) = [each for each in told.events if each.kind == "publication.refused"]
    assert event.facts == {"topic": TOPICS.birth, "why": "65537 bytes"}
    assert site.client.sample.refused == 3


async def test_what_belongs_into_the_outbox_is_not_sent_past_it(broker: Broker) -> None:
    """An event that nobody has kept is none."""
    site = PresenceGateway(broker.address)
    async with connected(site):
        site.client.publish(OutboundMessage(TOPICS.event, b"{}", path="outbox"))

    assert site.client.sample.refused == 1
