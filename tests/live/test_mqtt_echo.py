"""Whether what we say comes back: a broker that only answers pings is found out."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.model.errors import BrokerUnavailable
from gateway.model.reasons import Reason
from gateway.mqtt.payloads.presence import encode_echo
from gateway.mqtt.topic_tree import ECHO
from gateway.mqtt.topics import build_message
from gateway.ports import OutboundMessage
from tests.fixtures.broker import Broker, Brokers
from tests.fixtures.clock import HANG_S
from tests.fixtures.presence import TOPICS, EventLog, PresenceGateway, connected

pytestmark = pytest.mark.live

ALLOWED = "topic readwrite #\n"
DENIED = "topic readwrite cgw/v1/79/hcm-q1-01/up/presence\ntopic write #\n"


def site(broker: Broker, told: EventLog, within_s: float = HANG_S) -> PresenceGateway:
    def say() -> OutboundMessage:
        return build_message(ECHO, TOPICS.echo, encode_echo(made.epochs.stamp()))

    made = PresenceGateway(broker.address, events=told, echo=say, echo_s=(0.1, within_s))
    return made


async def until(true: Callable[[], bool]) -> None:
    """Return once it is *true*; the link looks once a second, and tells nobody."""
    async with asyncio.timeout(HANG_S):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_an_echo_is_our_own_business(broker: Broker) -> None:
    """It is heard, again and again, and nobody else sees it."""
    told = EventLog()
    made = site(broker, told)
    async with connected(made) as running:
        await until(lambda: broker.log.count("up/echo'") >= 6)
        assert not running.done()

    assert made.messages.empty()
    assert [each.facts["st"] for each in told.events] == ["up"]


async def test_a_broker_that_no_longer_lets_us_hear_is_left_once(
    brokers: Brokers, tmp_path: Path
) -> None:
    """The connection counts as broken; if the next is no better it is told, and held."""
    acl = tmp_path / "acl"
    acl.write_text(ALLOWED)
    acl.chmod(0o644)
    broker = await brokers("allow_anonymous true", f"acl_file {acl}")
    told = EventLog()
    made = site(broker, told, within_s=3.0)
    async with connected(made) as running:
        await until(lambda: made.client.sample.rtt_ms is not None)
        acl.write_text(DENIED)
        broker.send(signal.SIGHUP)
        async with asyncio.timeout(HANG_S):
            with pytest.raises(BrokerUnavailable) as caught:
                await running
    made.up.clear()
    async with connected(made) as running:
        await told.until("link", st="echo_missing")
        assert not running.done()

    assert caught.value.reason is Reason.STALLED
    assert "not heard" in caught.value.detail
