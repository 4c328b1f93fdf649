"""What strangers share: nobody loses anything to whoever has as much or more."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gateway.runtime.fair_share import Bounds, FairQueue, FairTable, FairTurns

BOUNDS = Bounds(total=12, each=5)
OWNERS = st.sampled_from("abcdefghijklmnop")


@given(asked=st.lists(OWNERS, max_size=100))
def test_a_table_keeps_its_bounds_and_the_modest_lose_nothing(asked: list[str]) -> None:
    """Whatever is stored in whatever order; what is newest is always there."""
    table: FairTable[tuple[str, int], int] = FairTable(lambda key: key[0], BOUNDS)
    kept: list[tuple[str, int]] = []
    for number, owner in enumerate(asked):
        before = Counter(each for each, _ in kept)
        table.store((owner, number), number)
        gone = [key for key in kept if key not in table]
        kept = [*(key for key in kept if key in table), (owner, number)]

        assert len(gone) <= 1
        assert all(before[each] >= before[owner] for each, _ in gone)
        assert len(table) == len(kept) <= BOUNDS.total
        assert max(Counter(each for each, _ in kept).values()) <= BOUNDS.each
        assert kept[-1] in table


@given(asked=st.lists(OWNERS, max_size=100))
async def test_a_queue_loses_nothing_of_the_modest_and_keeps_order(asked: list[str]) -> None:
    """What is dropped is of who has most; what one has put comes out in its order, by turns."""
    queue: FairQueue[tuple[str, int]] = FairQueue(BOUNDS)
    held: Counter[str] = Counter()
    for number, owner in enumerate(asked):
        dropped = queue.put(owner, (owner, number))
        if dropped is not None:
            assert held[dropped[0]] >= held[owner]
            held[dropped[0]] -= 1
        held[owner] += 1
        assert len(queue) == held.total() <= BOUNDS.total
        assert max(held.values()) <= BOUNDS.each

    out = [await queue.get() for _ in range(len(queue))]

    assert Counter(owner for owner, _ in out) == +held
    for owner in held:
        numbers = [number for each, number in out if each == owner]
        assert numbers == sorted(numbers)
    for place, (owner, _) in enumerate(out):  # nobody twice before everybody once
        before = Counter(each for each, _ in out[:place])
        assert all(before[each] >= before[owner] for each, _ in out[place:])


async def test_who_waits_for_an_empty_queue_gets_what_comes() -> None:
    """Also after it was emptied before."""
    queue: FairQueue[int] = FairQueue(BOUNDS)
    queue.put("a", 1)
    first = await queue.get()
    queue.put("b", 2)

    assert (first, await queue.get(), len(queue)) == (1, 2, 0)


async def test_one_goes_on_in_each_turn_of_the_loop_the_owners_in_turn() -> None:
    """Also those who come while others wait; who is cancelled keeps nobody up."""
    turns, went_on = FairTurns(), []
    turn = 0

    async def go(owner: str) -> None:
        await turns.wait(owner)
        went_on.append((turn, owner))

    tasks = [asyncio.create_task(go(owner)) for owner in ("a", "a", "a", "b", "gone")]
    await asyncio.sleep(0)
    tasks.pop().cancel()
    tasks.append(asyncio.create_task(go("c")))
    while not all(task.done() for task in tasks):
        turn += 1
        await asyncio.sleep(0)

    assert [owner for _, owner in went_on] == ["a", "b", "a", "c", "a"]
    assert len({number for number, _ in went_on}) == len(went_on)
