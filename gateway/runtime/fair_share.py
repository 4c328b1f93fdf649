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
        self._owners: dict[str, OrderedDict[K, tuple[int, T]]] = {}
        self._count = self._number = 0

    def __len__(self) -> int:
        """How many there are."""
        return self._count

    def __contains__(self, key: K) -> bool:
        """Whether there is a value of *key*."""
        return key in self._owners.get(self._owner(key), ())

    def store(self, key: K, value: T) -> None:
        """Keep *value* under *key*, as the newest."""
        self.pop(key)
        owner = self._owner(key)
        mine = len(self._owners.get(owner, ()))
        if mine >= self._bounds.each:
            self._forget_oldest(owner)
        elif self._count >= self._bounds.total:
            greediest = max(self._owners, key=self._greed)
            self._forget_oldest(owner if mine == len(self._owners[greediest]) else greediest)
        self._number += 1
        self._owners.setdefault(owner, OrderedDict())[key] = self._number, value
        self._count += 1

    def pop(self, key: K) -> T | None:
        """Return and forget the value of *key*; None: there is none."""
        owner = self._owner(key)
        found = self._owners.get(owner, OrderedDict()).pop(key, None)
        if found is None:
            return None
        self._count -= 1
        if not self._owners[owner]:
            del self._owners[owner]
        return found[1]

    def _greed(self, owner: str) -> tuple[int, int]:
        """How much *owner* has; of two who have as much, who has had it for longer comes first."""
        values = self._owners[owner]
        since, _ = next(iter(values.values()))
        return len(values), -since

    def _forget_oldest(self, owner: str) -> None:
        self.pop(next(iter(self._owners[owner])))


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


class FairTurns:
    """Lets one go on in each turn of the event loop, the owners in turn.

    For work that costs the loop milliseconds: of what many ask for at once little is done between
    two events of others, and whoever asks for one piece waits for one piece of each other owner.
    """

    def __init__(self) -> None:
        self._owners: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def wait(self, owner: str) -> None:
        """Return when it is the turn of *owner*, in a later turn of the loop."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        if not self._owners:
            loop.call_soon(self._next)
        self._owners.setdefault(owner, deque()).append(turn)
        await turn

    def _next(self) -> None:
        gone_on = False
        while self._owners and not gone_on:
            owner, turns = self._owners.popitem(last=False)
            turn = turns.popleft()
            if turns:
                self._owners[owner] = turns  # behind the others
            if not turn.done():  # whoever waited for it may have been cancelled
                turn.set_result(None)
                gone_on = True
        if self._owners:
            asyncio.get_running_loop().call_soon(self._next)
