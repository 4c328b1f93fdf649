"""Bounds that strangers share: bounded for each of them and for all, the modest before the greedy.

A queue or a table that is merely bounded is full of whoever fills it first. Here whoever has most
makes room for whoever has less (max-min fairness; Bertsekas, Gallager, "Data Networks", §6.5.2).
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much there is room for.

    Attributes:
        total: Of all owners together.
        each: Of one of them.
    """

    total: int
    each: int


def who_gives_way(owners: Sequence[str], asker: str, bounds: Bounds) -> int | None:
    """Return the place in *owners* of what goes, so that there is room for one more of *asker*.

    None if there is room. Nobody loses anything to an owner who has as much as they or more.

    Args:
        owners: Of what is there, the oldest first.
        asker: Who asks for one more.
        bounds: The bounds.
    """
    if len(owners) < min(bounds.total, bounds.each):
        return None
    counts = Counter(owners)
    if counts[asker] >= bounds.each:
        return owners.index(asker)
    if len(owners) < bounds.total:
        return None
    most = max(counts.values())
    if counts[asker] == most:
        return owners.index(asker)
    return next(place for place, owner in enumerate(owners) if counts[owner] == most)


class FairTable(Generic[K, T]):
    """Values by key. Of what is too much the oldest of the greediest owner is forgotten.

    Args:
        owner: Returns whose a key is.
        bounds: How many values are kept.
    """

    def __init__(self, owner: Callable[[K], str], bounds: Bounds) -> None:
        self._owner = owner
        self._bounds = bounds
        self._values: OrderedDict[K, T] = OrderedDict()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._values)

    def __contains__(self, key: K) -> bool:
        """Whether there is a value of *key*."""
        return key in self._values

    def store(self, key: K, value: T) -> None:
        """Keep *value* under *key*, as the newest."""
        self._values.pop(key, None)
        if len(self._values) >= min(self._bounds.total, self._bounds.each):
            keys = list(self._values)
            place = who_gives_way([*map(self._owner, keys)], self._owner(key), self._bounds)
            if place is not None:
                del self._values[keys[place]]
        self._values[key] = value

    def pop(self, key: K) -> T | None:
        """Return and forget the value of *key*; None: there is none."""
        return self._values.pop(key, None)


class FairQueue(Generic[T]):
    """A queue of many owners, who take turns: one of the first, one of the second, and so on.

    What an owner puts comes out in its order. Putting never waits: what there is no room for is
    dropped. That is the newest of the owner with most, or what is being put.

    Args:
        bounds: How much may wait.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._owners: OrderedDict[str, deque[T]] = OrderedDict()
        self._count = 0
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        """How much waits."""
        return self._count

    def waiting(self, owner: str) -> int:
        """How much of *owner* waits."""
        return len(self._owners.get(owner, ()))

    def put(self, owner: str, item: T) -> T | None:
        """Add *item* of *owner*; return what is dropped, or None."""
        mine = self.waiting(owner)
        if mine >= self._bounds.each:
            return item
        dropped: T | None = None
        if self._count >= self._bounds.total:
            greediest = max(self._owners, key=self.waiting)
            if self.waiting(greediest) <= mine:
                return item
            dropped = self._owners[greediest].pop()
            self._count -= 1
            if not self._owners[greediest]:
                del self._owners[greediest]
        self._owners.setdefault(owner, deque()).append(item)
        self._count += 1
        self._filled.set()
        return dropped

    async def get(self) -> T:
        """Return the next; waits while there is none."""
        while not self._owners:
            self._filled.clear()
            await self._filled.wait()
        owner, items = self._owners.popitem(last=False)
        item = items.popleft()
        self._count -= 1
        if items:
            self._owners[owner] = items  # behind the others
        return item
