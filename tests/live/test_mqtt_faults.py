"""What becomes of events when lines are cut, brokers restart and the gateway is killed."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from gateway.model.errors import BrokerUnavailable
from gateway.model.event import Event
from gateway.model.reasons import Reason
from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.client.client import KEEPALIVE_S, WILL_DELAY_S
from gateway.mqtt.epoch import Epochs
from gateway.mqtt.outbox.outbox import Outbox
from gateway.mqtt.outbox.store import OutboxStore
from gateway.mqtt.outbox.writer import OutboxWriter
from gateway.mqtt.payloads.event import EventRecord, decode_event
from gateway.mqtt.topics import CENTRE_SUBSCRIPTIONS
from gateway.ports import InboundMessage, OutboundMessage
from gateway.runtime.clock import SystemClock
from tests.fixtures.access import revoke
from tests.fixtures.broker import Authority, Broker, Brokers, Observer, cable, observing, tls_lines
from tests.fixtures.clock import HANG_S
from tests.fixtures.presence import TOPICS, PresenceGateway, connected, is_presence, read_presence

pytestmark = pytest.mark.live

EVENTS = 1000
CUTS = (90, 210, 400, 520, 690, 860)
KILLS = (300, 750)
"""After so many events have been recorded."""

BROKER_LOOKS_S = 8
"""How late a Mosquitto finds a client silent (it looks every 6 s), and sends a will that is due."""


async def event_process(folder: Path, port: int) -> Process:
    """Start the process that tells events."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.fixtures.event_process",
        folder,
        str(port),
        str(EVENTS),
        stdout=PIPE,
    )


async def recorded(process: Process, number: int) -> int:
    """Return the newest number that *process* has recorded, once it is at least *number*."""
    assert process.stdout is not None
    newest = 0
    while newest < number:
        line = await process.stdout.readline()
        assert line, "the process has ended"
        newest = int(line)
    return newest


async def until_seq(centre: Observer, number: int) -> list[EventRecord]:
    """Return every event that arrives until the one with that number."""
    heard: list[EventRecord] = []
    while not heard or heard[-1].facts["seq"] != number:
        message = await centre.until(lambda message: message.topic == TOPICS.event)
        heard.append(decode_event(message.payload, message.content_type))
    return heard


async def test_six_cuts_and_two_kills_lose_nothing_of_a_thousand_events(
    broker: Broker, tmp_path: Path
) -> None:
    """All are delivered, in order, and what comes twice is known by its id."""
    async with (
        asyncio.timeout(HANG_S),
        observing(broker.address, TOPICS.event) as centre,
        cable(broker, back_s=0.02) as line,
        asyncio.TaskGroup() as group,
    ):
        hearing = group.create_task(until_seq(centre, EVENTS), name="centre")
        process = await event_process(tmp_path, line.port)
        for number in sorted((*CUTS, *KILLS, EVENTS)):
            await recorded(process, number)
            if number in CUTS:
                line.cut()
            elif number in KILLS:
                process.send_signal(signal.SIGKILL)
                await process.wait()
                process = await event_process(tmp_path, line.port)
        heard = await hearing
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    once: dict[str, EventRecord] = {}
    for each in heard:
        once.setdefault(each.id, each)  # a dict keeps the order in which they came first
    seqs = [each.facts["seq"] for each in once.values()]
    twice, late = len(heard) - len(once), sum(each.late for each in once.values())
    print(f"{len(seqs)} events, {twice} of them twice, {late} late")  # noqa: T201
    assert seqs == list(range(1, EVENTS + 1))
    assert twice > 0
    assert all(each.number == each.facts["seq"] for each in heard)


class Keeping(PresenceGateway):
    """A gateway reduced to its presence and its outbox."""

    def __init__(self, address: BrokerAddress, folder: Path) -> None:
        clock = SystemClock()
        self.outbox = Outbox(
            OutboxWriter(OutboxStore(folder / "outbox.db"), clock=clock),
            topics=TOPICS,
            epochs=Epochs(None),
            boot="b",
            on_ready=lambda: self.client.send_pending(),
            clock=clock,
        )
        super().__init__(address, outbox=self.outbox)

    def tell(self, *seqs: int) -> None:
        for seq in seqs:
            self.outbox.record(Event("test", {"seq": seq}))


@asynccontextmanager
async def keeping(address: BrokerAddress, folder: Path) -> AsyncIterator[Keeping]:
    """Have an outbox on *folder* written to the disk."""
    site = Keeping(address, folder)
    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
        writing = group.create_task(site.outbox.run(), name="outbox")
        yield site
        writing.cancel()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
async def test_what_happens_while_the_broker_is_away_is_told_when_it_is_back(
    broker: Broker, tmp_path: Path, number: signal.Signals
) -> None:
    """In order, once, with the times of then, and marked as late."""
    async with keeping(broker.address, tmp_path) as site:
        async with connected(site) as running:
            broker.stop(number)
            with suppress(BrokerUnavailable):
                await running
        site.tell(*range(1, 21))
        await site.outbox.flush()
        before_ms = time.time() * 1000
        site.up.clear()
        await broker.start()
        async with observing(broker.address, *CENTRE_SUBSCRIPTIONS) as centre, connected(site):
            heard = await until_seq(centre, 20)

    assert [each.facts["seq"] for each in heard] == list(range(1, 21))
    assert all(each.late and each.time_ms <= before_ms for each in heard)


async def test_an_access_list_that_forbids_events_does_not_hold_up_the_rest(
    brokers: Brokers, tmp_path: Path
) -> None:
    """What is refused becomes a gap; what is allowed later is delivered."""
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite cgw/v1/79/hcm-q1-01/up/presence\n")
    acl.chmod(0o644)
    broker = await brokers("allow_anonymous true", f"acl_file {acl}")
    async with keeping(broker.address, tmp_path) as site, connected(site):
        site.tell(1, 2, 3)
        while site.outbox.birth_status().lost < 3 or site.outbox.pending:  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # a broker's refusal has no event to wait for
        acl.write_text("topic readwrite #\n")
        broker.send(signal.SIGHUP)
        async with observing(broker.address, *CENTRE_SUBSCRIPTIONS) as centre:
            site.tell(4)
            heard = await until_seq(centre, 4)

    assert [each.facts["seq"] for each in heard] == [4]
    assert site.outbox.birth_status().lost == 3


async def test_a_backlog_does_not_hold_up_what_is_said_now(broker: Broker, tmp_path: Path) -> None:
    """A thousand old events wait behind the answer to a viewer."""
    async with keeping(broker.address, tmp_path) as site:
        site.tell(*range(1000))
        await site.outbox.flush()
        order: list[str] = []
        async with observing(broker.address, *CENTRE_SUBSCRIPTIONS) as centre, connected(site):
            site.client.publish(OutboundMessage(TOPICS.birth, b"now"))

            def seen(message: InboundMessage) -> bool:
                order.append(message.topic)
                return order.count(TOPICS.event) == 1000

            await centre.until(seen)

    assert order.index(TOPICS.birth) < 20


async def test_a_half_open_line_is_found_out_at_both_ends(broker: Broker) -> None:
    """By its silence; the hub hears of it from the broker, and by our times within 30 s."""
    async with (
        observing(broker.address, *CENTRE_SUBSCRIPTIONS) as centre,
        cable(broker) as line,
        connected(PresenceGateway(line.address, keepalive_s=2.0, will_delay_s=1)) as running,
    ):
        online = read_presence(await centre.until(is_presence("online")))
        line.freeze()
        with pytest.raises(BrokerUnavailable) as caught:
            await running
        offline = read_presence(await centre.until(is_presence("offline")))

    assert caught.value.reason is Reason.STALLED
    assert (offline.epoch, offline.why) == (online.epoch, "lost")
    assert KEEPALIVE_S * 1.5 + BROKER_LOOKS_S + WILL_DELAY_S <= 30


async def test_a_revoked_certificate_is_refused_and_never_goes_round_tls(
    brokers: Brokers, tmp_path: Path
) -> None:
    """The broker's list of revoked certificates ends the connection; we say that it is TLS."""
    authority, list_file = Authority.create(tmp_path / "ca"), tmp_path / "revoked.pem"
    ours = authority.issue("79/hcm-q1-01")
    revoke(authority, list_file, [ours])
    broker = await brokers(
        *tls_lines(
            authority.issue("broker", hosts=("localhost",)),
            "require_certificate true",
            f"crlfile {list_file}",
        )
    )
    address = BrokerAddress(host="localhost", port=broker.port, tls=ours)
    with pytest.raises(BrokerUnavailable) as caught:
        await PresenceGateway(address).client.run()

    assert caught.value.reason is Reason.TLS_FAILED
    assert "revoked" in caught.value.detail
