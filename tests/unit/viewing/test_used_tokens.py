"""A token is used once: in this process, in the next one, and when the disk refuses."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.model.errors import ViewerRejected
from gateway.model.reasons import Reason
from gateway.viewing import used_tokens
from gateway.viewing.used_tokens import MAX_TOKENS, RETENTION_S, RETRY_S, UsedTokens
from tests.fixtures.clock import HANG_S, FakeClock
from tests.fixtures.viewing import NOW_S, view_claims


class Box:
    """A gateway's wall clock and monotonic clock, and its state folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "viewing.db"
        self.clock = FakeClock()
        self.wall_s = float(NOW_S)
        self.started: list[UsedTokens] = []

    def start(self, retry_s: float = RETRY_S) -> UsedTokens:
        made = UsedTokens(self.path, clock=self.clock, wall_s=lambda: self.wall_s, retry_s=retry_s)
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


async def test_a_flood_of_tokens_holds_nobody_up(box: Box) -> None:
    """What waits for the disk goes there in one commit, however much it is."""
    used = box.start()
    commits: list[str] = []
    busy = threading.Event()
    used._file.connection().set_trace_callback(
        lambda said: commits.append(said) if said == "COMMIT" else None
    )
    used._thread.submit(busy.wait)
    uses = [
        asyncio.create_task(is_refused(used, token_id=f"token-{number:016d}"))
        for number in range(40)
    ]
    await asyncio.sleep(0)
    busy.set()

    assert await asyncio.gather(*uses) == [False] * 40
    assert box.rows() == 40
    assert len(commits) == 1


async def test_of_those_that_wait_together_each_has_its_answer(box: Box) -> None:
    """One of them was used before the start of this process, as the disk knows."""
    assert not await is_refused(box.start(), token_id="token-0000000000000001")
    used, busy = box.start(), threading.Event()
    used._thread.submit(busy.wait)
    uses = [
        asyncio.create_task(is_refused(used, token_id=f"token-{number:016d}"))
        for number in range(3)
    ]
    await asyncio.sleep(0)
    busy.set()

    assert await asyncio.gather(*uses) == [False, True, False]


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

    assert len(used._recent) == 2
    assert await is_refused(used, token_id=f"{0:020}")


async def test_a_token_that_came_as_the_file_was_lost_may_have_been_used(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found corrupt with the very commit that is to take the token."""
    used = box.start()
    box.wall_s += 1.0  # so the token is older than the process
    transact = used._file.transact

    def lose(work: Callable[[sqlite3.Connection], None], **given: Any) -> None:
        used._on_replaced(used._file.connection(), sqlite3.DatabaseError("malformed"))
        transact(work, **given)

    monkeypatch.setattr(used._file, "transact", lose)

    assert await is_refused(used)


async def until(true: Callable[[], bool]) -> None:
    """Return once *true* is."""
    while not true():  # noqa: ASYNC110 (looks at what has no event)
        await asyncio.sleep(0.01)


async def refusal(used: UsedTokens, **changed: object) -> ViewerRejected:
    """Return how a good token is refused."""
    with pytest.raises(ViewerRejected) as caught:
        await used.use(view_claims(**changed))
    return caught.value


async def test_without_a_disk_nobody_begins_to_watch(box: Box) -> None:
    """What the next process cannot know must not be let in by this one: 503, and the reason."""
    box.path.mkdir()
    used = box.start()

    error = await refusal(used)

    assert (error.code, error.reason) == (503, Reason.DISK_READONLY)
    assert used.trouble is not None


async def test_what_a_full_disk_did_not_take_is_not_used_again_after_a_restart(box: Box) -> None:
    """It was let in, and once more by the next process, whose disk had space again."""
    used = box.start()
    used._file.connection().execute("PRAGMA max_page_count = 1")
    admitted: list[str] = []

    async def admit_on() -> None:
        for number in range(500):
            await used.use(view_claims(token_id=f"{number:020}"))
            admitted.append(f"{number:020}")

    with pytest.raises(ViewerRejected) as caught:
        await admit_on()

    assert (caught.value.code, caught.value.reason) == (503, Reason.DISK_FULL)
    assert [await is_refused(box.start(), token_id=each) for each in admitted[-3:]] == [True] * 3


async def test_it_is_found_out_that_the_disk_takes_ids_again(box: Box) -> None:
    """Without a viewer who tries."""
    box.path.mkdir()
    used = box.start(retry_s=0.01)
    running = asyncio.create_task(used.run())
    assert (await refusal(used)).code == 503
    box.path.rmdir()
    async with asyncio.timeout(HANG_S):
        await until(lambda: used.trouble is None)
    running.cancel()
    await asyncio.wait([running])

    assert not await is_refused(used, token_id="b" * 26)
    assert box.rows() == 1


async def test_who_knows_nothing_takes_no_older_token(box: Box) -> None:
    """The process before may have used it; the file cannot tell."""
    box.path.write_bytes(b"no database, but garbage" * 100)
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


async def test_a_token_that_was_used_under_a_newer_program_stays_used(box: Box) -> None:
    """Its file, which the older one has set aside, is taken back."""
    assert not await is_refused(box.start())
    box.started.pop().close()
    box.path.rename(box.path.with_name("viewing.db.version-0"))

    assert await is_refused(box.start())


async def test_a_disk_that_takes_again_is_used_again(box: Box) -> None:
    """Without a restart."""
    box.path.mkdir()
    used = box.start()
    assert (await refusal(used)).code == 503
    box.path.rmdir()

    await used.use(view_claims(token_id="b" * 26))

    assert used.trouble is None
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
