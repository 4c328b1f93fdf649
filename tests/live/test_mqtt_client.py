"""The client against a real Mosquitto: presence, restarts, takeover, silence, sizes."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from gateway.model.errors import BrokerUnavailable
from gateway.model.reasons import Reason
from gateway.mqtt.client.client import FAREWELL_S
from gateway.mqtt.client.connection import MqttConnection
from gateway.mqtt.client.failover import reconnect_delays
from gateway.mqtt.topics import CENTRE_SUBSCRIPTIONS
from gateway.ports import OutboundMessage
from gateway.runtime.clock import SystemClock
from gateway.runtime.supervise import supervise
from tests.fixtures.broker import Broker, Brokers, cable, observing
from tests.fixtures.clock import HANG_S
from tests.fixtures.presence import (
    KEY,
    TOPICS,
    PresenceGateway,
    connected,
    is_presence,
    read_presence,
)

pytestmark = pytest.mark.live


async def test_presence_is_online_then_offline_on_a_clean_exit(broker: Broker) -> None:
    """Birth on connecting; the last word before a clean disconnect says that we are stopping."""
    async with observing(broker.address, *CENTRE_SUBSCRIPTIONS) as centre:
        async with connected(PresenceGateway(broker.address)):
            online = read_presence(await centre.until(is_presence("online")))
        offline = read_presence(await centre.until(is_presence("offline")))

    assert (offline.epoch, offline.why) == (online.epoch, "stopping")


async def test_a_restarted_broker_hears_everything_again(broker: Broker) -> None:
    """After kill -9 without persistence: subscribed and present again."""
    site = PresenceGateway(broker.address)
    supervised = asyncio.create_task(
        supervise(site.client.run, name="broker", clock=SystemClock(), delays=reconnect_delays),
        name="site",
    )
    async with asyncio.timeout(HANG_S):
        await site.up.wait()

    site.up.clear()
    broker.stop(signal.SIGKILL)
    await broker.start()
    async with asyncio.timeout(HANG_S):
        await site.up.wait()
    async with observing(
        broker.address, *CENTRE_SUBSCRIPTIONS, "cgw/v1/79/hcm-q1-01/dn/#"
    ) as centre:
        await centre.until(is_presence("online"))
        centre.client.publish(OutboundMessage(TOPICS.viewer_signalling(KEY), b"{}"))
        async with asyncio.timeout(HANG_S):
            message = await site.messages.get()
    supervised.cancel()
    await asyncio.wait([supervised])

    assert message.topic == TOPICS.viewer_signalling(KEY)


async def test_a_vanished_gateway_is_reported_lost_by_the_will(broker: Broker) -> None:
    """A gateway whose line is cut is offline with the epoch of its connection."""
    async with (
        observing(broker.address, *CENTRE_SUBSCRIPTIONS) as centre,
        cable(broker) as line,
        connected(PresenceGateway(line.address, will_delay_s=0)) as running,
    ):
        online = read_presence(await centre.until(is_presence("online")))
        line.cut()
        offline = read_presence(await centre.until(is_presence("offline")))
        with pytest.raises(BrokerUnavailable) as caught:
            await running

    assert (offline.epoch, offline.why) == (online.epoch, "lost")
    assert caught.value.reason is Reason.UPLINK_DOWN


async def test_each_connection_has_a_higher_epoch(broker: Broker) -> None:
    """So that a late will of the earlier connection is known for what it is."""
    async with observing(broker.address, *CENTRE_SUBSCRIPTIONS) as centre:
        site = PresenceGateway(broker.address)
        async with connected(site):
            first = read_presence(await centre.until(is_presence("online")))
        site.up.clear()
        async with connected(site):
            second = read_presence(await centre.until(is_presence("online")))

    assert second.epoch > first.epoch


async def test_a_second_machine_with_our_identity_is_named(broker: Broker) -> None:
    """Who is thrown out again and again names the reason, and then takes its time."""
    ours, theirs = PresenceGateway(broker.address), PresenceGateway(broker.address)
    errors = []
    for _ in range(3):
        ours.up.clear()
        theirs.up.clear()
        async with connected(ours) as running, connected(theirs), asyncio.timeout(HANG_S):
            with pytest.raises(BrokerUnavailable) as caught:
                await running
        errors.append(caught.value)

    assert errors[-1].reason is Reason.DUPLICATE_IDENTITY
    assert errors[-1].pause_s >= 15


async def test_a_silent_broker_is_noticed(broker: Broker) -> None:
    """A half-open line counts as broken after one and a half keepalives."""
    async with connected(PresenceGateway(broker.address, keepalive_s=2.0)) as running:
        broker.send(signal.SIGSTOP)
        async with asyncio.timeout(HANG_S):
            with pytest.raises(BrokerUnavailable) as caught:
                await running

    assert caught.value.reason is Reason.STALLED


async def test_a_silent_broker_cannot_keep_us_from_leaving(broker: Broker) -> None:
    """The farewell, which nobody takes, is given up."""
    async with connected(PresenceGateway(broker.address)) as running:
        broker.send(signal.SIGSTOP)
        running.cancel()
        await asyncio.wait([running], timeout=HANG_S)

    assert running.cancelled()
    assert FAREWELL_S <= 1


async def test_a_broker_that_shuts_down_is_said_so(broker: Broker) -> None:
    """An orderly restart of the broker is told from a cut line, or is at least a lost uplink."""
    async with connected(PresenceGateway(broker.address)) as running:
        broker.stop()
        async with asyncio.timeout(HANG_S):
            with pytest.raises(BrokerUnavailable) as caught:
                await running

    assert caught.value.reason is Reason.UPLINK_DOWN


async def test_nobody_there_is_refused(brokers: Brokers) -> None:
    """A port that nobody listens on is a reason of its own."""
    broker = await brokers()
    broker.stop()

    with pytest.raises(BrokerUnavailable) as caught:
        await PresenceGateway(broker.address).client.run()

    assert caught.value.reason is Reason.REFUSED


async def test_what_is_too_large_is_refused_and_the_rest_goes_on(broker: Broker) -> None:
    """A payload above 64 KiB is counted; the next publication arrives all the same."""
    topic = TOPICS.gateway_signalling(KEY)
    async with observing(broker.address, *CENTRE_SUBSCRIPTIONS) as centre:
        site = PresenceGateway(broker.address)
        async with connected(site):
            site.client.publish(OutboundMessage(topic, b"x" * 65_537))
            site.client.publish(OutboundMessage(topic, b"y" * 65_536))
            arrived = await centre.until(lambda message: message.topic == topic)

    assert arrived.payload == b"y" * 65_536
    assert site.client.sample.refused == 1


async def test_the_brokers_own_packet_limit_is_kept(brokers: Brokers) -> None:
    """A packet above the broker's maximum would end the session; it is never handed over."""
    broker = await brokers("allow_anonymous true", "max_packet_size 2000")
    topic = TOPICS.gateway_signalling(KEY)
    async with observing(broker.address, *CENTRE_SUBSCRIPTIONS) as centre:
        site = PresenceGateway(broker.address)
        async with connected(site):
            for size in range(1700, 2001, 10):
                site.client.publish(OutboundMessage(topic, b"x" * size))
            site.client.publish(OutboundMessage(topic, b"end"))
            await centre.until(lambda message: message.payload == b"end")

    assert site.client.sample.connects == 1
    assert site.client.sample.refused > 0


async def test_two_thousand_round_trips_at_ten_in_flight(broker: Broker) -> None:
    """Nothing is lost and the order is kept, though only ten are unacknowledged at once."""
    topic = TOPICS.gateway_signalling(KEY)
    async with observing(broker.address, *CENTRE_SUBSCRIPTIONS) as centre:
        site = PresenceGateway(broker.address)
        async with connected(site):
            arrived: list[int] = []
            for batch in range(20):
                for number in range(100):
                    site.client.publish(OutboundMessage(topic, b"%d" % (batch * 100 + number)))
                while len(arrived) < (batch + 1) * 100:
                    message = await centre.until(lambda message: message.topic == topic)
                    arrived.append(int(message.payload))

    assert arrived == list(range(2000))
    assert site.client.sample.dropped == 0


async def test_nothing_is_left_open(broker: Broker) -> None:
    """Twenty connections leave no descriptor behind."""
    site = PresenceGateway(broker.address)
    async with connected(site):
        pass
    before = len(os.listdir("/proc/self/fd"))

    for _ in range(20):
        site.up.clear()
        async with connected(site):
            pass

    assert len(os.listdir("/proc/self/fd")) == before


async def test_an_idle_line_wakes_nobody_but_for_its_look(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop sleeps from one look to the next."""
    woken, looks, enough = 0, 0, asyncio.Event()
    selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
    select, check = selector.select, MqttConnection.check_alive

    def turned(timeout_s: float | None = None) -> object:
        nonlocal woken
        woken += timeout_s is None or timeout_s > 0
        return select(timeout_s)

    def looked(session: MqttConnection) -> None:
        nonlocal woken, looks
        if not looks:  # the greeting is over
            woken = 0
        looks += 1
        check(session)
        if looks > 3:
            enough.set()

    async with connected(PresenceGateway(broker.address)):
        monkeypatch.setattr(MqttConnection, "check_alive", looked)
        monkeypatch.setattr(selector, "select", turned)
        async with asyncio.timeout(HANG_S):
            await enough.wait()

    assert woken <= 2 * 3  # a timer may be a little early
