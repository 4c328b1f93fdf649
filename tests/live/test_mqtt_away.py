"""A line that is away, a broker that forgets, another machine in our place: bars in seconds.

Waits of minutes pass on a fast clock; the line and the broker are real.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import repeat
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.aio.supervise import supervise
from gateway.demo.papers import free_port
from gateway.model.errors import TransientError
from gateway.model.reasons import Reason
from gateway.mqtt.broker import BrokerAddress
from gateway.mqtt.topics import CENTRE_INBOX
from gateway.mqtt.ways import delays
from gateway.ports import Letter, Publication
from tests.fixtures.broker import Broker, Brokers, cable, observing
from tests.fixtures.clock import FastClock
from tests.fixtures.presence import KEY, TOPICS, Site, living
from tests.fixtures.site import OWN, cameras, site

pytestmark = pytest.mark.live


class Failures:
    """`gateway.aio.supervise.Witness` that remembers."""

    def __init__(self) -> None:
        self.reasons: list[Reason] = []
        self.stirred = asyncio.Event()

    def failed(self, error: TransientError, again_in_s: float) -> None:  # noqa: ARG002 (protocol)
        self.reasons.append(error.reason)
        self.stirred.set()


@asynccontextmanager
async def held(
    made: Site, clock: FastClock, pauses: Callable[[], Iterator[float]] = delays
) -> AsyncIterator[Failures]:
    """Have *made* come back as the gateway does."""
    failures = Failures()
    task = asyncio.create_task(
        supervise(made.link.run, name="broker", clock=clock, witness=failures, delays=pauses)
    )
    try:
        yield failures
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_line_that_was_away_for_hours_is_taken_up_within_30_s(broker: Broker) -> None:
    """B4: the pauses have long been as long as they get."""
    clock, port = FastClock(20), free_port()
    made = Site(BrokerAddress(host="127.0.0.1", port=port), clock=clock)
    async with asyncio.timeout(20), held(made, clock, lambda: repeat(180.0)) as failures:
        await failures.stirred.wait()
        began_s = clock.now()
        async with cable(broker, port=port):
            await made.up.wait()
            took_s = clock.now() - began_s

    assert took_s < 30


async def test_two_machines_with_one_identity_both_say_so_and_take_their_time(
    broker: Broker,
) -> None:
    """B8: at most four kicks a minute after the first, where there were sixty."""
    clock = FastClock(60)
    ours, theirs = (Site(broker.address, clock=clock) for _ in range(2))
    async with asyncio.timeout(30), held(ours, clock) as one, held(theirs, clock) as other:
        await clock.sleep(60)
        before = len(one.reasons) + len(other.reasons)
        await clock.sleep(180)
        kicks = len(one.reasons) + len(other.reasons) - before

    print(f"{kicks} kicks in three minutes")  # noqa: T201
    assert 0 < kicks <= 12
    # Not each time: under the fast clock a slow second is a minute, after which it is a lost line.
    assert Reason.DUPLICATE_IDENTITY in one.reasons
    assert Reason.DUPLICATE_IDENTITY in other.reasons


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
    made = Site(address, clock=clock)
    async with asyncio.timeout(20), held(made, clock) as failures:
        await made.up.wait()
        passwords.write_text("")
        broker.send(signal.SIGHUP)
        await failures.stirred.wait()
        thrown_out = len(failures.reasons)
        await clock.sleep(120)

    tries = failures.reasons[thrown_out:]
    print(f"{len(tries)} tries in two minutes")  # noqa: T201
    assert set(tries) == {Reason.NOT_AUTHORISED}
    assert len(tries) <= 4


async def test_a_broker_that_takes_three_at_once_is_given_no_more(brokers: Brokers) -> None:
    """It says so when it accepts us (receive maximum); nothing is lost and the order is kept."""
    broker = await brokers("allow_anonymous true", "max_inflight_messages 3")
    topic = TOPICS.gateway_says(KEY)
    made = Site(broker.address)
    async with observing(broker.address, *CENTRE_INBOX) as centre, living(made):
        for number in range(200):
            made.link.post(Publication(topic, b"%d" % number))
        got = [
            int((await centre.until(lambda letter: letter.topic == topic)).payload)
            for _ in range(200)
        ]

    assert got == list(range(200))
    assert made.link.sample.connects == 1


def retained(letters: list[Letter]) -> set[str]:
    """Return the topics of what a broker has kept."""
    return {letter.topic for letter in letters if letter.retain and letter.payload}


async def kept_by(broker: Broker, wanted: frozenset[str]) -> set[str]:
    """Return what *broker* has kept of the gateway, once that is all that is *wanted*."""
    async with asyncio.timeout(10):
        while True:
            async with AsyncExitStack() as stack:
                centre = await stack.enter_async_context(
                    observing(broker.address, "cgw/v1/+/+/up/#", client_id="later")
                )
                await asyncio.sleep(0.3)  # that nothing more comes has no event
                letters = [centre.letters.get_nowait() for _ in range(centre.letters.qsize())]
                if (found := retained(letters)) >= wanted:
                    return found


async def test_a_broker_that_has_forgotten_everything_is_told_everything(
    tmp_path: Path, brokers: Brokers
) -> None:
    """B6, the whole gateway: each retained topic is there again within 10 s of a kill -9."""
    broker, elsewhere = await brokers(), await brokers()
    wanted = frozenset({OWN.site_health, OWN.inventory("cams"), OWN.camera_state("c01")})
    address = elsewhere.address  # who reads along is cut off too
    async with site(tmp_path, broker, cameras(2), keep="warm", address=address, online=False):
        before = await kept_by(broker, wanted)
        broker.stop(signal.SIGKILL)
        began_s = time.monotonic()
        await broker.start()
        after = await kept_by(broker, frozenset(before))
        took_s = time.monotonic() - began_s

    print(f"{len(after)} retained topics after {took_s:.1f} s")  # noqa: T201
    assert after == before
    assert took_s < 10
