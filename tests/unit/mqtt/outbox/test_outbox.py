"""What the outbox keeps, in which order, what it gives up, and what it says of that."""

from __future__ import annotations

import asyncio
import resource
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog.testing
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.event import Event, Weight
from gateway.mqtt.delivery import NOT_AUTHORISED, QUOTA, Refusal
from gateway.mqtt.epoch import Epochs
from gateway.mqtt.outbox.backlog import Backlog
from gateway.mqtt.outbox.outbox import REFUSED_PAUSE_S, TRIES, Outbox
from gateway.mqtt.outbox.store import OutboxStore
from gateway.mqtt.outbox.writer import OutboxWriter
from gateway.mqtt.payloads.event import EventRecord, decode_event
from gateway.mqtt.payloads.inventory import decode_change
from gateway.mqtt.topics import Topics
from gateway.ports import OutboundMessage
from gateway.runtime.clock import SystemClock
from tests.fixtures.clock import HANG_S, FakeClock

TOPICS = Topics("79", "hcm-q1-01")
NO = Refusal(NOT_AUTHORISED, "Not authorized")
LATER = Refusal(QUOTA, "Quota exceeded")
ODD = Refusal(0x83, "Implementation specific error")


CORRUPT = [("outbox.corrupt", None), ("outbox.corrupt", "outbox.corrupt")]
"""What is told of a corrupt file: once by its name, once more by that of contract 1.0."""


@dataclass
class Wall:
    """A wall clock that can be set."""

    ms: int = 1_764_000_000_000

    def __call__(self) -> int:
        return self.ms


def made(
    folder: Path,
    *,
    clock: FakeClock | None = None,
    wall: Wall | None = None,
    records: int = 10_000,
    boot: str = "b1",
) -> Outbox:
    """An outbox on *folder*."""
    now = clock or FakeClock()
    return Outbox(
        OutboxWriter(OutboxStore(folder / "outbox.db"), clock=SystemClock(), retry_s=0.02),
        topics=TOPICS,
        epochs=Epochs(None),
        boot=boot,
        clock=now,
        backlog=Backlog(max_records=records),
        wall_ms=wall or Wall(),
    )


@asynccontextmanager
async def running(outbox: Outbox) -> AsyncIterator[Outbox]:
    """Have *outbox* write."""
    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
        task = group.create_task(outbox.run(), name="outbox")
        yield outbox
        task.cancel()


def told(publication: OutboundMessage | None) -> EventRecord:
    assert publication is not None
    return decode_event(publication.payload, publication.content_type)


def drained(outbox: Outbox) -> list[EventRecord]:
    """Have the broker take everything."""
    found = []
    while (publication := outbox.next_message()) is not None:
        found.append(told(publication))
        assert publication.record is not None
        outbox.on_settled(publication.record, None)
    return found


def seqs(happened: list[EventRecord]) -> list[object]:
    return [each.facts.get("seq") for each in happened]


def event(seq: int, weight: Weight = "event") -> Event:
    return Event("test", {"seq": seq}, weight)


async def test_nothing_is_sent_before_it_is_on_the_disk(tmp_path: Path) -> None:
    """Or a crash would give its number to something else."""
    outbox = made(tmp_path)
    outbox.record(event(1))
    assert outbox.next_message() is None

    async with running(outbox):
        await outbox.flush()
        sent = told(outbox.next_message())

    assert (sent.number, sent.kind, sent.facts) == (1, "test", {"seq": 1})


async def test_what_is_not_acknowledged_is_there_after_a_restart(tmp_path: Path) -> None:
    """In order, late, and with the same ids; what was acknowledged is gone."""
    first = made(tmp_path)
    async with running(first):
        for seq in range(5):
            first.record(event(seq))
        await first.flush()
        first.on_connected()
        ids = []
        for _ in range(3):
            publication = first.next_message()
            ids.append(told(publication).id)
        first.on_settled(1, None)

    second = made(tmp_path)
    second.on_connected()
    again = drained(second)

    assert seqs(again) == [1, 2, 3, 4]
    assert [each.id for each in again[:2]] == ids[1:]
    assert all(each.late for each in again)


async def test_numbers_grow_over_restarts_even_of_an_empty_outbox(tmp_path: Path) -> None:
    """The centre puts records in order by them."""
    first = made(tmp_path)
    async with running(first):
        first.record(event(1))
        first.record(event(2))
        await first.flush()
        drained(first)

    second = made(tmp_path)
    second.record(event(3))

    assert second.last_number == 3


async def test_a_record_sent_on_its_own_connection_is_not_late(tmp_path: Path) -> None:
    """What happened offline is; so is what has to be sent again."""
    outbox = made(tmp_path)
    async with running(outbox):
        outbox.record(event(0))
        outbox.on_connected()
        outbox.record(event(1))
        await outbox.flush()
        before = [told(outbox.next_message()).late, told(outbox.next_message()).late]
        outbox.on_connection_lost()
        outbox.on_connected()
        after = [told(outbox.next_message()).late, told(outbox.next_message()).late]

    assert (before, after) == ([True, False], [True, True])


async def test_when_it_is_full_the_lightest_and_oldest_go_first(tmp_path: Path) -> None:
    """Information, then events, and of what somebody is answerable for the oldest last."""
    outbox = made(tmp_path, records=4)
    async with running(outbox):
        weights: tuple[Weight, ...] = ("audit", "info", "event", "info", "audit", "audit", "audit")
        for seq, weight in enumerate(weights):
            outbox.record(event(seq, weight))
        await outbox.flush()
        kept = [each.facts["seq"] for each in drained(outbox) if each.kind == "test"]

    assert kept == [0, 4, 5, 6]


async def test_a_gap_tells_what_was_dropped_as_one_range(tmp_path: Path) -> None:
    """One for each class, however many were dropped; it survives a restart and grows on."""
    outbox = made(tmp_path, records=10)
    async with running(outbox):
        for seq in range(50):
            outbox.record(event(seq))
        await outbox.flush()
    outbox = made(tmp_path, records=10)
    async with running(outbox):
        for seq in range(50, 100):
            outbox.record(event(seq))
        await outbox.flush()
        happened = drained(outbox)

    (gap,) = [each for each in happened if each.kind == "outbox.gap"]
    assert gap.facts["count"] == 90
    assert (gap.facts["class"], gap.facts["why"]) == ("event", "size_limit")
    assert [each.facts["seq"] for each in happened if each is not gap] == list(range(90, 100))
    assert outbox.birth_status().lost == 90
    numbers = [each.number for each in happened]
    assert numbers == sorted(numbers)


async def test_bytes_are_bounded_too(tmp_path: Path) -> None:
    """Few large records are as many small ones."""
    outbox = Outbox(
        OutboxWriter(OutboxStore(tmp_path / "outbox.db"), clock=SystemClock()),
        topics=TOPICS,
        epochs=Epochs(None),
        boot="b1",
        clock=FakeClock(),
        backlog=Backlog(max_bytes=100_000),
    )
    for seq in range(20):
        outbox.record(Event("test", {"seq": seq, "text": "x" * 10_000}))

    assert outbox.pending == 9 + 1


async def test_what_the_broker_never_takes_does_not_block_the_rest(tmp_path: Path) -> None:
    """It becomes a gap with the broker's code, and is kept apart for people to look at."""
    outbox = made(tmp_path)
    async with running(outbox):
        outbox.record(event(0))
        outbox.record(event(1))
        await outbox.flush()
        first = outbox.next_message()
        assert first is not None
        assert first.record is not None
        outbox.on_settled(first.record, NO)
        await outbox.flush()
        happened = drained(outbox)

    assert [each.kind for each in happened] == ["test", "outbox.gap"]
    assert happened[1].facts["why"] == "refused.135"
    assert happened[1].facts["from_n"] == 1


async def test_a_gap_that_is_refused_is_not_told_by_another(tmp_path: Path) -> None:
    """Or an access list with a mistake would keep the gateway busy for ever."""
    outbox = made(tmp_path)
    async with running(outbox):
        outbox.record(event(0))
        for _ in range(2):
            await outbox.flush()
            publication = outbox.next_message()
            assert publication is not None
            assert publication.record is not None
            outbox.on_settled(publication.record, NO)
        await outbox.flush()

    assert outbox.next_message() is None
    assert outbox.birth_status().pending == 0
    assert outbox.birth_status().lost == 1


async def test_what_the_broker_refuses_for_now_is_tried_again(tmp_path: Path) -> None:
    """After a pause, and before what came after it; a quota is nobody's fault, however often."""
    clock = FakeClock()
    outbox = made(tmp_path, clock=clock)
    async with running(outbox):
        outbox.record(event(0))
        outbox.record(event(1))
        await outbox.flush()
        for _ in range(TRIES + 2):
            assert told(outbox.next_message()).facts["seq"] == 0
            outbox.on_settled(1, LATER)
            assert outbox.next_message() is None
            clock.time_s += 61

        assert seqs(drained(outbox)) == [0, 1]


async def test_what_the_broker_refuses_without_end_is_given_up(tmp_path: Path) -> None:
    """For no reason of the moment: then it is that record, and the others wait for it in vain."""
    clock = FakeClock()
    outbox = made(tmp_path, clock=clock)
    async with running(outbox):
        outbox.record(event(0))
        outbox.record(event(1))
        await outbox.flush()
        for _ in range(TRIES):
            assert told(outbox.next_message()).facts["seq"] == 0
            outbox.on_settled(1, ODD)
            clock.time_s += 61
        await outbox.flush()

        assert [each.kind for each in drained(outbox)] == ["test", "outbox.gap"]


async def test_the_pause_after_a_refusal_is_kept(tmp_path: Path) -> None:
    """A broker that is short of something is not hammered."""
    clock = FakeClock()
    outbox = made(tmp_path, clock=clock)
    async with running(outbox):
        outbox.record(event(0))
        await outbox.flush()
        outbox.next_message()
        outbox.on_settled(1, LATER)
        clock.time_s += REFUSED_PAUSE_S - 0.1
        assert outbox.next_message() is None
        clock.time_s += 0.2
        assert outbox.next_message() is not None


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"x": object()}, "malformed"),
        ({"x": float("nan")}, "malformed"),
        ({"x": "y" * 70_000}, "too_large"),
    ],
    ids=["no JSON", "not a number", "too large"],
)
async def test_facts_that_cannot_be_told_are_a_gap(
    tmp_path: Path, facts: dict[str, object], why: str
) -> None:
    """Recording never raises; that something is missing is said."""
    outbox = made(tmp_path)
    async with running(outbox):
        outbox.record(Event("test", facts))
        await outbox.flush()
        (gap,) = drained(outbox)

    assert gap.facts["why"] == why


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(facts=st.dictionaries(st.text(max_size=8), JSON, max_size=5))
async def test_any_facts_are_recorded_or_become_a_gap(
    tmp_path_factory: pytest.TempPathFactory, facts: dict[str, object]
) -> None:
    """Whatever somebody tells, nothing is raised and something is told."""
    outbox = made(tmp_path_factory.mktemp("any") / "nowhere")
    outbox.record(Event("test", facts))

    assert len(drained(outbox)) == 1


async def test_facts_cannot_take_the_place_of_what_every_record_carries(tmp_path: Path) -> None:
    """They stand beside it, with an underscore."""
    outbox = made(tmp_path)
    async with running(outbox):
        outbox.record(Event("test", {"id": "theirs", "n": 77}))
        await outbox.flush()
        (happened,) = drained(outbox)

    assert (happened.number, happened.facts) == (1, {"id_": "theirs", "n_": 77})


async def test_changes_of_the_inventory_go_to_its_log(tmp_path: Path) -> None:
    """With the time of the change, not of its telling."""
    outbox = made(tmp_path)
    async with running(outbox):
        outbox.record(Event("inventory", {"sec": "cams", "rev": 2, "at": "/x", "t": 5}))
        await outbox.flush()
        publication = outbox.next_message()

    assert publication is not None
    assert publication.topic == TOPICS.inventory_log
    change = decode_change(publication.payload, publication.content_type)
    assert (change.rev, change.time_ms, change.number) == (2, 5, 1)


async def test_times_are_put_right_once_the_clock_is_set(tmp_path: Path) -> None:
    """A machine that starts in 1970 tells events by its monotonic clock once it knows better."""
    clock, wall = FakeClock(), Wall(ms=1000)
    outbox = made(tmp_path, clock=clock, wall=wall)
    async with running(outbox):
        outbox.record(event(0))
        await outbox.flush()
        clock.time_s += 60
        wall.ms = 1_764_000_060_000
        (happened,) = drained(outbox)

    assert (happened.time_ms, happened.first_time_ms) == (1_764_000_000_000, 1000)


async def test_times_of_another_boot_are_left_alone(tmp_path: Path) -> None:
    """Its monotonic clock means nothing any more."""
    clock, wall = FakeClock(), Wall(ms=1000)
    outbox = made(tmp_path, clock=clock, wall=wall)
    async with running(outbox):
        outbox.record(event(0))
        await outbox.flush()

    (happened,) = drained(made(tmp_path, boot="b2"))

    assert (happened.time_ms, happened.first_time_ms) == (1000, None)


async def test_a_corrupt_file_is_put_aside_and_told(tmp_path: Path) -> None:
    """The gateway starts all the same."""
    (tmp_path / "outbox.db").write_bytes(b"garbage" * 1000)

    outbox = made(tmp_path)
    async with running(outbox):
        await outbox.flush()
        happened = drained(outbox)

    assert [(each.kind, each.alias_of) for each in happened] == CORRUPT
    assert (tmp_path / "outbox.db.corrupt").read_bytes().startswith(b"garbage")


@pytest.mark.parametrize("left", [0, 1, 100, 4096, 6000])
async def test_a_file_cut_short_never_keeps_the_gateway_from_starting(
    tmp_path: Path, left: int
) -> None:
    """Wherever a power cut has left it."""
    outbox = made(tmp_path)
    async with running(outbox):
        for seq in range(50):
            outbox.record(event(seq))
        await outbox.flush()
    path = tmp_path / "outbox.db"
    path.write_bytes(path.read_bytes()[:left])

    again = made(tmp_path)
    async with running(again):
        again.record(event(99))
        await again.flush()

        assert 99 in seqs(drained(again))


async def test_without_a_disk_everything_goes_on_from_memory(tmp_path: Path) -> None:
    """Recording does not raise, sending does not wait; when the disk is back it is used."""
    folder = tmp_path / "later"
    outbox = made(folder)
    async with running(outbox):
        outbox.record(event(0))
        first = told(outbox.next_message())
        outbox.record(event(1))
        folder.mkdir()
        while not (folder / "outbox.db").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # a file has no event to wait for
        outbox.record(event(2))
        await outbox.flush()

    again = made(folder)
    again.record(event(3))
    assert first.facts["seq"] == 0
    assert again.last_number > outbox.last_number
    async with running(again):
        await again.flush()
        assert seqs(drained(again)) == [0, 1, 2, 3]


async def test_an_outbox_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    """Until it can."""
    folder = tmp_path / "later"
    outbox = made(folder)
    async with running(outbox):
        outbox.record(event(0))
        await outbox.flush()
        why = outbox.trouble
        told(outbox.next_message())
        outbox.on_settled(outbox.last_number, None)  # nothing is left to be written
        folder.mkdir()
        async with asyncio.timeout(HANG_S):
            while outbox.trouble is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)  # the disk has no event to wait for

    assert why is not None
    assert why.reason == "DISK_READONLY"


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """No file grows beyond what *path* has now: writing fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_costs_no_event(tmp_path: Path) -> None:
    """They are sent from memory meanwhile, and are on the disk once there is space."""
    outbox = made(tmp_path)
    async with running(outbox):
        outbox.record(event(0))
        await outbox.flush()
        with full_disk(tmp_path / "outbox.db-wal"):
            for seq in range(1, 20):
                outbox.record(event(seq))
            await outbox.flush()
            sent = told(outbox.next_message())
        outbox.record(event(20))
        outbox.on_connection_lost()
        async with asyncio.timeout(HANG_S):
            while seqs(drained_copy := drained(made(tmp_path)))[-1:] != [20]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # the disk has no event to wait for

    assert sent.facts["seq"] == 0
    assert seqs(drained_copy) == list(range(21))


async def test_recording_takes_next_to_no_time(tmp_path: Path) -> None:
    """The loop does not wait for the disk: a thousand records are one or two commits."""
    outbox = made(tmp_path)
    async with running(outbox):
        for seq in range(1000):
            outbox.record(event(seq))
        await outbox.flush()
        standing = outbox.birth_status()

    assert (standing.pending, standing.lost) == (1000, 0)


async def test_a_disk_that_refuses_for_months_is_not_remembered_for_months(tmp_path: Path) -> None:
    """What was sent from memory and never came to the disk need not be taken from it."""
    writer = OutboxWriter(OutboxStore(tmp_path / "nowhere" / "x"), clock=SystemClock())
    outbox = Outbox(writer, topics=TOPICS, epochs=Epochs(None), boot="b1", clock=FakeClock())
    for seq in range(1000):
        outbox.record(event(seq))
        drained(outbox)

    assert outbox.pending == 0
    assert writer.waiting == 0


async def test_a_file_that_is_corrupt_while_running_is_begun_anew(tmp_path: Path) -> None:
    """All that waits is on the disk again, under the same numbers, and that it happened is told."""
    path = tmp_path / "outbox.db"
    outbox = made(tmp_path)
    async with running(outbox):
        for seq in range(200):
            outbox.record(event(seq))
        await outbox.flush()
    store = OutboxStore(path)
    writer = OutboxWriter(store, clock=SystemClock(), retry_s=0.02)
    outbox = Outbox(writer, topics=TOPICS, epochs=Epochs(None), boot="b1", clock=FakeClock())
    async with running(outbox):
        store.close()  # or what is corrupt is still in its cache
        path.write_bytes(path.read_bytes()[:4096].ljust(path.stat().st_size, b"\xa5"))
        outbox.record(event(200))
        async with asyncio.timeout(HANG_S):
            while outbox.last_number < 203:  # noqa: ASYNC110 (a disk has no event to wait for)
                await asyncio.sleep(0.01)
        await outbox.flush()

    happened = drained(made(tmp_path))
    assert [each.number for each in happened] == list(range(1, 204))
    assert seqs(happened)[:-2] == list(range(201))
    assert [(each.kind, each.alias_of) for each in happened[-2:]] == CORRUPT


async def test_numbers_go_on_above_those_of_a_corrupt_file(tmp_path: Path) -> None:
    """Nobody knows what it held, and the centre puts records in order by them."""
    (tmp_path / "outbox.db").write_bytes(b"garbage" * 1000)
    wall = Wall()

    assert made(tmp_path, wall=wall).last_number > wall.ms


async def test_a_file_of_a_newer_program_is_put_aside(tmp_path: Path) -> None:
    """It may mean something else by the same columns; what is recorded now is on the disk."""
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as newer:
        newer.executescript("pragma user_version = 2; create table record (n, other)")
    outbox = made(tmp_path)
    async with running(outbox):
        outbox.record(event(1))
        await outbox.flush()

    assert (tmp_path / "outbox.db.version-2").exists()
    told = drained(made(tmp_path))
    assert [each.kind for each in told] == ["outbox.corrupt", "outbox.corrupt", "test"]
    assert [each.facts.get("why") for each in told] == ["newer", "newer", None]


async def test_what_waits_in_a_file_that_was_too_new_is_sent_after_all(tmp_path: Path) -> None:
    """Beside what was recorded meanwhile, in order; numbers go on above them all."""
    newer, older = tmp_path / "newer", tmp_path / "older"
    for folder in (newer, older):
        folder.mkdir()
    (older / "outbox.db").write_bytes(b"garbage" * 1000)  # its numbers begin with the time
    for seq, folder in enumerate((newer, older)):
        outbox = made(folder)
        async with running(outbox):
            outbox.record(event(seq))
            await outbox.flush()
    for file in newer.glob("outbox.db*"):
        file.rename(older / file.name.replace("outbox.db", "outbox.db.version-1"))

    back = made(older)

    assert [each.facts["seq"] for each in drained(back) if each.kind == "test"] == [0, 1]
    assert back.last_number == outbox.last_number
    assert not (older / "outbox.db.version-1").exists()


async def test_a_column_that_a_newer_program_has_added_is_no_harm(tmp_path: Path) -> None:
    """Going back to this one loses nothing."""
    first = made(tmp_path)
    async with running(first):
        first.record(event(0))
        await first.flush()
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as newer:
        newer.execute("alter table record add column more text default 'x'")
        newer.commit()
    second = made(tmp_path)
    async with running(second):
        second.record(event(1))
        await second.flush()

    assert seqs(drained(made(tmp_path))) == [0, 1]


async def test_what_a_disk_holds_that_takes_nothing_any_more_is_sent(tmp_path: Path) -> None:
    """After a kill, on a card that has turned read-only or is full to the last byte.

    Numbers go on above all that it may hold.
    """
    outbox, wall = made(tmp_path), Wall()
    async with running(outbox):
        for seq in range(300):
            outbox.record(event(seq))
        await outbox.flush()
        names = ("outbox.db", "outbox.db-wal", "outbox.db-shm")
        card = tmp_path / "card"
        card.mkdir()
        for name in names:
            shutil.copy(tmp_path / name, card)
    # A log is a file, too.
    with structlog.testing.capture_logs() as logs, full_disk(card / "outbox.db-shm"):
        again = made(card, wall=wall)
        again.record(event(300))
        happened = drained(again)

    assert [each["event"] for each in logs] == ["outbox_read_only"]
    assert seqs(happened) == list(range(301))
    assert happened[-1].number > wall.ms
