"""The lossy disk of the machine tests: what a power cut leaves."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from tests.machines.power.volatile_disk import SECTOR, VolatileDisk

SIZE = 8 * SECTOR
WRITES = st.lists(st.tuples(st.integers(0, 7), st.integers(1, 255)), max_size=12)


def written(disk: VolatileDisk, writes: list[tuple[int, int]]) -> None:
    for sector, value in writes:
        disk.write(sector * SECTOR, bytes([value]) * SECTOR)


@given(WRITES, WRITES, st.integers(0, 99))
def test_each_sector_is_what_was_flushed_or_written_since(
    flushed: list[tuple[int, int]], pending: list[tuple[int, int]], seed: int
) -> None:
    """Whole, and never anything else."""
    disk = VolatileDisk(SIZE)
    written(disk, flushed)
    disk.flush()
    written(disk, pending)

    cut = disk.cut(random.Random(seed))

    assert cut.pending == len(pending)
    for sector in range(8):
        may_be = {dict(flushed).get(sector, 0), *(value for at, value in pending if at == sector)}
        assert set(cut.image[sector * SECTOR : (sector + 1) * SECTOR]) in [
            {each} for each in may_be
        ]


def test_some_cuts_lose_what_is_pending_and_some_keep_it() -> None:
    """And whoever reads sees it all the while."""
    disk = VolatileDisk(SIZE)
    written(disk, [(0, 7)])
    chance = random.Random(1)

    assert {disk.cut(chance).survived for _ in range(40)} == {0, 1}
    assert disk.read(0, 1) == b"\x07"


def test_the_power_may_go_in_the_middle_of_a_flush() -> None:
    """What is told at its beginning finds nothing flushed; an empty flush tells nothing."""
    seen: list[int] = []
    disk = VolatileDisk(SIZE)
    disk.on_flush = lambda: seen.append(disk.cut(random.Random(0)).pending)
    written(disk, [(1, 1), (2, 2)])
    disk.flush()
    disk.flush()

    assert seen == [2]
    assert disk.cut(random.Random(0)).pending == 0
