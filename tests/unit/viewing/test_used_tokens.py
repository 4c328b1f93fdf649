"""A token is used once: in this process, in the next one, and when the disk refuses."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.model.errors import ViewerRejected
from gateway.viewing import used_tokens
from gateway.viewing.used_tokens import MAX_TOKENS, RETENTION_S, UsedTokens
from tests.fixtures.clock import FakeClock
from tests.fixtures.viewing import NOW_S, view_claims


class Box:
    """A gateway's wall clock and monotonic clock, and its state folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "viewing.db"
        self.clock = FakeClock()
        self.wall_s = float(NOW_S)
        self.started: list[UsedTokens] = []

    def start(self) -> UsedTokens:
        made = UsedTokens(self.path, clock=self.clock, wall_s=lambda: self.wall_s)
        self.started.append(made)
        return made

    def rows(self) -> int:
        with closing(sqlite3.connect(self.path)) as base:
            (count,) = base.execute("SELECT count(*) FROM used").fetchone()
        return int(count)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    made = Box(tmp_path)
    yield made
    for used in made.started:
        used.close()


async def is_refused(used: UsedTokens, **changed: object) -> bool:
    """Return whether the token is refused, and for that reason."""
    refusal = ""
    try:
        await used.use(view_claims(**changed))
    except ViewerRejected as error:
        refusal = f"{error.code} {error.detail}"
    assert refusal == "" or refusal.startswith("403 token.used")
    return bool(refusal)


async def test_a_token_is_used_once(box: Box) -> None:
    """Another one is another one."""
    used = box.start()

    assert not await is_refused(used)
    assert await is_refused(used)
    assert not await is_refused(used, token_id="b" * 26)


async def test_of_two_at_the_same_moment_one_gets_in(box: Box) -> None:
    """Neither has to wait for the disk to be told."""
    used = box.start()

    assert sorted(await asyncio.gather(is_refused(used), is_refused(used))) == [False, True]


async def test_a_token_is_known_after_a_restart(box: Box) -> None:
    """Without a goodbye: the process was killed."""
    await box.start().use(view_claims())

    assert await is_refused(box.start())


async def test_a_clock_that_is_set_back_lets_none_in_again(box: Box) -> None:
    """An id is kept for a day longer than its token is good."""
    used = box.start()
    await used.use(view_claims())
    box.wall_s += RETENTION_S
    await used.use(view_claims(token_id="b" * 26, issued_s=NOW_S + RETENTION_S))
    box.wall_s = NOW_S

    assert await is_refused(box.start())


async def test_old_ids_are_deleted(box: Box) -> None:
    """A day after their token has expired."""
    used = box.start()
    await used.use(view_claims())
    box.wall_s += RETENTION_S + 120
    await used.use(view_claims(token_id="b" * 26, expires_s=int(box.wall_s) + 60))

    assert box.rows() == 1


async def test_ids_on_the_disk_are_bounded(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the oldest tokens go."""
    assert MAX_TOKENS >= 86_400 / 5
    monkeypatch.setattr(used_tokens, "MAX_TOKENS", 3)
    used = box.start()
    for number in range(5):
        await used.use(view_claims(token_id=f"{number:020}", expires_s=NOW_S + number + 1))

    assert box.rows() == 3
    assert await is_refused(box.start(), token_id=f"{4:020}")


async def test_ids_in_memory_are_bounded(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk knows those that memory has forgotten."""
    monkeypatch.setattr(used_tokens, "RECENT", 2)
    used = box.start()
    for number in range(5):
        await used.use(view_claims(token_id=f"{number:020}"))

    assert await is_refused(used, token_id=f"{0:020}")


async def test_a_disk_that_refuses_costs_no_viewing(box: Box) -> None:
    """Within this process a token is still used once."""
    box.path.mkdir()
    used = box.start()
    box.clock.time_s += 10
    box.wall_s += 10

    assert not await is_refused(used, issued_s=NOW_S + 5)
    assert await is_refused(used, issued_s=NOW_S + 5)
    assert used.refusing


async def test_who_knows_nothing_takes_no_older_token(box: Box) -> None:
    """The process before may have used it; the file cannot tell."""
    box.path.mkdir()
    used = box.start()

    assert await is_refused(used, issued_s=NOW_S - 1)
    assert not await is_refused(used, issued_s=NOW_S)


async def test_a_corrupt_file_is_set_aside(box: Box) -> None:
    """The next one is good again; until then nothing older than the process gets in."""
    box.path.write_bytes(b"no database, but garbage" * 100)
    used = box.start()

    assert await is_refused(used, issued_s=NOW_S - 1)
    assert not await is_refused(used)
    assert box.path.with_name("viewing.db.corrupt").exists()
    assert box.rows() == 1
    assert await is_refused(box.start())


async def test_a_disk_that_takes_again_is_used_again(box: Box) -> None:
    """Without a restart."""
    box.path.mkdir()
    used = box.start()
    await used.use(view_claims())
    box.path.rmdir()

    await used.use(view_claims(token_id="b" * 26))

    assert not used.refusing
    assert box.rows() == 1


async def test_closing_waits_for_what_is_in_work(box: Box) -> None:
    """A token whose viewer was cancelled is used all the same."""
    used = box.start()
    viewer = asyncio.ensure_future(used.use(view_claims()))
    await asyncio.sleep(0)
    viewer.cancel()
    box.started.remove(used)
    used.close()

    assert await is_refused(box.start())
