"""A line that is away, a broker that forgets, another machine in our place.

Waits of minutes pass on a fast clock; the line and the broker are real.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import dropwhile, repeat
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.model.errors import TransientError
from gateway.model.reasons import Reason
from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.client.dialer import AGAIN_S
from gateway.mqtt.client.failover import reconnect_delays
from gateway.mqtt.topics import CENTRE_SUBSCRIPTIONS
from gateway.ports import InboundMessage, OutboundMessage
from gateway.runtime.supervise import supervise
from tests.fixtures.broker import Broker, Brokers, Observer, cable, observing
from tests.fixtures.clock import HANG_S, FastClock
from tests.fixtures.presence import KEY, TOPICS, PresenceGateway, connected
from tests.fixtures.site import OWN, cameras, site

pytestmark = pytest.mark.live


BEHIND = "behind all that is kept"


class Failures:
    """`gateway.runtime.supervise.SupervisorObserver` that remembers."""

    def __init__(self) -> None:
        self.seen: list[tuple[Reason, float]] = []
        self._stirred = asyncio.Event()

    def on_failure(self, error: TransientError, again_in_s: float) -> None:
        self.seen.append((error.reason, again_in_s))
        self._stirred.set()

    def pauses_s(self, reason: Reason) -> list[float]:
        """Return how long was paused after each failure with *reason*."""
        return [pause_s for why, pause_s in self.seen if why is reason]

    async def until(self, times: int, reason: Reason) -> None:
        """Return once there have been so many with *reason*."""
        async with asyncio.timeout(HANG_S):
            while len(self.pauses_s(reason)) < times:
                self._stirred.clear()
                await self._stirred.wait()


@asynccontextmanager
async def held(
    made: PresenceGateway,
    clock: FastClock,
    pauses: Callable[[], Iterator[float]] = reconnect_delays,
) -> AsyncIterator[Failures]:
    """Have *made* come back as the gateway does."""
    failures = Failures()
    task = asyncio.create_task(
        supervise(made.client.run, name="broker", clock=clock, observer=failures, delays=pauses)
    )
    try:
        yield failures
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_line_that_was_away_for_hours_is_taken_up_soon(
    broker: Broker, ports: Callable[[], int]
) -> None:
    """B4: the pauses have long been as long as they get, and still are 20 s at most."""
    clock, port = FastClock(20), ports()
    made = PresenceGateway(BrokerAddress(host="127.0.0.1", port=port), clock=clock)
    async with asyncio.timeout(HANG_S), held(made, clock, lambda: repeat(180.0)) as failures:
        await failures.until(3, Reason.REFUSED)
        async with cable(broker, port=port):
            await made.up.wait()

    assert max(failures.pauses_s(Reason.REFUSED)) <= AGAIN_S[1]


async def test_two_machines_with_one_identity_both_say_so_and_take_their_time(
    broker: Broker,
) -> None:
    """B8: each comes back after 15 s at the soonest; it was after one."""
    clock = FastClock(20)
    ours, theirs = (PresenceGateway(broker.address, clock=clock) for _ in range(2))
    async with held(ours, clock) as one, held(theirs, clock) as other:
        for each in (one, other):
            await each.until(2, Reason.DUPLICATE_IDENTITY)

    for each in (one, other):
        assert min(each.pauses_s(Reason.DUPLICATE_IDENTITY)) >= 15


async def test_an_account_that_is_taken_away_is_not_hammered(
    brokers: Brokers, tmp_path: Path
) -> None:
    """B7: thrown out while connected; from then on at most two tries a minute, with the reason."""
    passwords, clock = tmp_path / "passwords", FastClock(60)
    tool = shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd"
    subprocess.run([tool, "-b", "-c", str(passwords), "gw", "right"], check=True)  # noqa: ASYNC221
    passwords.chmod(0o644)
    broker = await brokers("allow_anonymous false", f"password_file {passwords}")
    address = BrokerAddress(
        host="127.0.0.1", port=broker.port, username="gw", password=SecretStr("right")
    )
    made = PresenceGateway(address, clock=clock)
    async with asyncio.timeout(HANG_S), held(made, clock) as failures:
        await made.up.wait()
        passwords.write_text("")
        broker.send(signal.SIGHUP)
        await failures.until(3, Reason.NOT_AUTHORISED)

    refusals = list(dropwhile(lambda each: each[0] is not Reason.NOT_AUTHORISED, failures.seen))
    assert {reason for reason, _ in refusals} == {Reason.NOT_AUTHORISED}
    assert min(pause_s for _, pause_s in refusals) >= 30


async def test_a_broker_that_takes_three_at_once_is_given_no_more(brokers: Brokers) -> None:
    """It says so when it accepts us (receive maximum); nothing is lost and the order is kept."""
    broker = await brokers("allow_anonymous true", "max_inflight_messages 3")
    topic = TOPICS.gateway_signalling(KEY)
    made = PresenceGateway(broker.address)
    async with observing(broker.address, *CENTRE_SUBSCRIPTIONS) as centre, connected(made):
        for number in range(200):
            made.client.publish(OutboundMessage(topic, b"%d" % number))
        got = [
            int((await centre.until(lambda inbound: inbound.topic == topic)).payload)
            for _ in range(200)
        ]

    assert got == list(range(200))
    assert made.client.sample.connects == 1


async def heard_by(centre: Observer) -> list[InboundMessage]:
    """Return what has come to *centre*, and what is on its way."""
    messages: list[InboundMessage] = []

    def is_last(message: InboundMessage) -> bool:
        messages.append(message)
        return message.topic == BEHIND

    centre.client.publish(OutboundMessage(BEHIND, b""))
    await centre.until(is_last)
    return messages


def retained(messages: list[InboundMessage]) -> set[str]:
    """Return the topics of what a broker has kept."""
    return {inbound.topic for inbound in messages if inbound.retain and inbound.payload}


async def kept_by(broker: Broker, wanted: frozenset[str]) -> set[str]:
    """Return what *broker* has kept of the gateway, once all that is *wanted* is among it."""
    async with asyncio.timeout(HANG_S):
        while True:
            async with AsyncExitStack() as stack:
                centre = await stack.enter_async_context(
                    observing(broker.address, "cgw/v1/+/+/up/#", BEHIND, client_id="later")
                )
                if (found := retained(await heard_by(centre))) >= wanted:
                    return found


async def test_a_broker_that_has_forgotten_everything_is_told_everything(
    tmp_path: Path, brokers: Brokers
) -> None:
    """B6, the whole gateway: each retained topic is there again after a kill -9."""
    broker, elsewhere = await brokers(), await brokers()
    wanted = frozenset({OWN.site_health, OWN.inventory("cams"), OWN.camera_state("c01")})
    address = elsewhere.address  # who reads along is cut off too
    async with site(tmp_path, broker, cameras(2), keep="warm", address=address, online=False):
        before = await kept_by(broker, wanted)
        broker.stop(signal.SIGKILL)
        await broker.start()
        after = await kept_by(broker, frozenset(before))

    assert after >= before
