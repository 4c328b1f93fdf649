"""The audit log: on the disk before it is published, complete over crashes, bounded."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from gateway.audit import log as audit_log
from gateway.audit import store as audit_store
from gateway.audit.chain import Head, parse_entry, verify_chain
from gateway.audit.log import AuditLog
from gateway.audit.store import AuditFile, AuditStore, read_audit
from gateway.model.event import Event
from tests.fixtures.clock import HANG_S


class Box:
    """A gateway's audit, and the outbox that it goes to."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "audit.db"
        self.sent: list[Event] = []
        self.stored_when_sent: list[bool] = []
        self.arrived = asyncio.Event()
        self.audit = self.start()

    def start(self) -> AuditLog:
        self.store = AuditStore(self.path)
        return AuditLog(self.store, events=self, wall_ms=lambda: 1000, retry_s=0.01)

    def record(self, event: Event) -> None:
        self.sent.append(event)
        self.arrived.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(HANG_S):
            while len(self.sent) < count:
                self.arrived.clear()
                await self.arrived.wait()

    def seqs(self) -> list[object]:
        return [each.facts.get("seq") for each in self.sent]

    def file(self) -> AuditFile:
        return read_audit(self.path)

    def verified(self) -> Head:
        audit = self.file()
        head, faults = verify_chain(audit.entries, anchor=audit.anchor)
        assert [*faults, *audit.faults] == []
        return head


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


@asynccontextmanager
async def running(box: Box) -> AsyncIterator[AuditLog]:
    """The log at work; it ends as the gateway does."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(box.audit.run())
        await asyncio.sleep(0)  # it runs before anybody may end it
        yield box.audit
        task.cancel()
    box.store.close()


def session(act: str, number: int = 1, **facts: object) -> Event:
    who = {"viewer": "v-a1", "sid": f"session-{number}", "cam": "c01", "actor": "An"}
    return Event("session", {"act": act, **who, **facts}, "audit")


async def test_an_event_is_published_with_its_place_in_the_chain(box: Box) -> None:
    """And stands in the file with the same hash."""
    async with running(box) as audit:
        audit.record(session("begin"))
        await box.until(1)
        published = parse_entry({"type": box.sent[0].kind, **box.sent[0].facts})

        assert published is not None
        assert box.file().entries == (published,)
        assert box.verified() == audit.head


async def test_what_is_published_is_on_the_disk_before(box: Box) -> None:
    """Else a crash in between would make two entries of one number."""
    async with running(box) as audit:
        for number in range(20):
            audit.record(session("begin", number))
            await asyncio.sleep(0)
            assert len(box.sent) <= (len(box.file().entries) if box.path.exists() else 0)
        await box.until(20)

    assert box.seqs() == list(range(1, 21))


async def test_other_events_go_on_as_they_are(box: Box) -> None:
    """At once, and without a place in the chain."""
    event = Event("session", {"act": "refused"}, "info")
    box.audit.record(event)

    assert box.sent == [event]
    box.store.close()


async def test_what_is_recorded_at_the_end_is_stored_and_handed_on(box: Box) -> None:
    """Sessions end when the gateway does."""
    async with running(box) as audit:
        audit.record(session("begin"))
        await asyncio.sleep(0)
        audit.record(session("end", why="stopping"))

    assert box.seqs() == [1, 2]
    assert box.verified().seq == 2


async def test_the_chain_goes_on_after_a_restart(box: Box) -> None:
    """Without a gap, and nothing is published twice after an orderly end."""
    async with running(box) as audit:
        audit.record(session("begin"))
        audit.record(session("end"))
    box.audit = box.start()
    async with running(box) as audit:
        audit.record(session("begin", 2))
        audit.record(session("end", 2))

    assert box.seqs() == [1, 2, 3, 4]
    assert box.verified().seq == 4


async def test_a_viewing_without_an_end_gets_one_after_a_crash(box: Box) -> None:
    """Its begin is on the disk, its end was never recorded."""
    async with running(box) as audit:
        audit.record(session("begin", 1))
        audit.record(session("begin", 2))
        audit.record(session("renew", 2, jti="second"))
        audit.record(session("end", 1))
    box.audit = box.start()
    async with running(box):
        await box.until(5)

    facts = box.sent[-1].facts
    assert (facts["act"], facts["why"], facts["sid"], facts["actor"], facts["jti"]) == (
        "end",
        "crash",
        "session-2",
        "An",
        "second",
    )
    assert box.verified().seq == 5


async def test_what_may_not_have_been_handed_on_is_handed_on_again(box: Box) -> None:
    """Killed between the disk and the outbox; the hash tells that it is the same."""
    entries = []
    async with running(box) as audit:
        audit.record(session("begin"))
        await box.until(1)
        entries = list(box.file().entries)
    with closing(sqlite3.connect(box.path)) as base, base:
        base.execute("UPDATE mark SET seq = 0 WHERE name = 'published'")
    box.sent.clear()
    box.audit = box.start()
    async with running(box):
        await box.until(2)

    assert box.sent[0].facts["hash"] == entries[0].head.hash
    assert box.sent[1].facts["why"] == "crash"


async def test_the_oldest_entries_go(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest can still be verified."""
    monkeypatch.setattr(audit_store, "MAX_ENTRIES", 5)
    monkeypatch.setattr(audit_store, "FORGET_EVERY", 1)
    async with running(box) as audit:
        for number in range(12):
            audit.record(session("begin", number))
            audit.record(session("end", number))
            await box.until(2 * number + 2)

    file = box.file()
    assert len(file.entries) == 5
    assert file.anchor is not None
    assert file.anchor.seq == 19
    assert box.verified().seq == 24


async def test_a_disk_that_refuses_holds_nothing_up(box: Box) -> None:
    """Events are published; what it has missed is written when it takes again."""
    box.path.unlink(missing_ok=True)
    box.store.close()
    for name in box.path.parent.iterdir():
        name.unlink()
    box.path.mkdir()
    async with running(box) as audit:
        audit.record(session("begin"))
        await box.until(1)
        assert audit.trouble is not None
        box.path.rmdir()
        audit.record(session("end"))
        await box.until(2)

    assert box.verified().seq == 2


async def test_what_waits_for_the_disk_is_bounded(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest are not kept here; they were published."""
    monkeypatch.setattr(audit_log, "WAITING", 3)
    box.store.close()
    for name in box.path.parent.iterdir():
        name.unlink()
    box.path.mkdir()
    async with running(box) as audit:
        for number in range(10):
            audit.record(session("begin", number))
            await box.until(number + 1)
        assert len(audit._unsaved) <= 3 + 1

    assert len(box.sent) == 10


async def test_a_corrupt_file_begins_a_new_chain(box: Box) -> None:
    """And says so, to whoever verifies and to the centre."""
    box.store.close()
    for name in box.path.parent.iterdir():
        name.unlink()
    box.path.write_bytes(b"no database, but garbage" * 100)
    box.audit = box.start()
    async with running(box):
        await box.until(1)

    assert box.sent[0].kind == "audit.restarted"
    assert box.path.with_name("audit.db.corrupt").exists()
    audit = box.file()
    _, faults = verify_chain(audit.entries, anchor=audit.anchor)
    assert [each.code for each in faults] == ["restarted"]


async def test_facts_that_cannot_be_hashed_are_published_all_the_same(box: Box) -> None:
    """An audit event is not lost for its form."""
    event = Event("session", {"count": 2**60}, "audit")
    box.audit.record(event)

    assert box.sent == [event]
    box.store.close()
