"""A centre that starts late hears the whole country, whatever the broker has kept."""

from __future__ import annotations

import pytest

from gateway.mqtt.payloads.presence import encode_will
from gateway.mqtt.topic_tree import PRESENCE
from gateway.mqtt.topics import CENTRE_SUBSCRIPTIONS, Topics, build_message
from gateway.ports import InboundMessage
from tests.fixtures.broker import Brokers, observing

pytestmark = pytest.mark.live

SITES = 2_000


async def test_nothing_kept_is_lost_on_the_way(brokers: Brokers) -> None:
    """Two thousand kept messages at once are more than the link keeps: it reads as it delivers."""
    broker = await brokers("allow_anonymous true", "max_queued_messages 10000")
    topics = [Topics("24", f"site-{number}").presence for number in range(SITES)]
    async with observing(broker.address, "done", client_id="loader") as loader:
        for topic in topics:
            kept = build_message(PRESENCE, topic, encode_will(1))
            while loader.client.sample.waiting > 200:
                loader.client.publish(build_message(PRESENCE, "done", encode_will(1)))
                await loader.until(lambda message: message.topic == "done")
            loader.client.publish(kept)
        loader.client.publish(build_message(PRESENCE, "done", encode_will(1)))
        await loader.until(lambda message: message.topic == "done")
    heard: set[str] = set()

    def complete(message: InboundMessage) -> bool:
        heard.add(message.topic)
        return len(heard) == SITES

    async with observing(broker.address, *CENTRE_SUBSCRIPTIONS) as centre:
        await centre.until(complete)

    assert heard == set(topics)
