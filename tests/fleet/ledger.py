"""Which events and inventory changes the centre has received: each once, and what is missing."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from gateway.mqtt.payloads.event import GAP


class Ledger:
    """Records that have been received: events and changes of the inventory.

    Attributes:
        again: Records that were received more than once.
        late: Records that had waited for a connection.
    """

    def __init__(self) -> None:
        self.again = self.late = 0
        self._ids: set[str] = set()
        self._numbers: defaultdict[str, set[int]] = defaultdict(set)
        self._given_up: defaultdict[str, set[int]] = defaultdict(set)

    def record(self, gateway: str, said: dict[str, Any]) -> None:
        """Add one record of *gateway*."""
        if said["id"] in self._ids:
            self.again += 1
            return
        self._ids.add(said["id"])
        self._numbers[gateway].add(said["n"])
        self.late += said.get("late", False)
        if said["type"] == GAP:
            self._given_up[gateway].update(range(said["from_n"], said["to_n"] + 1))

    def __len__(self) -> int:
        return len(self._ids)

    def missing(self, gateway: str, last: int) -> int:
        """Return how many numbers from 1 to *last* were neither received nor declared lost."""
        known = self._numbers[gateway] | self._given_up[gateway]
        return sum(number not in known for number in range(1, last + 1))

    def holes(self) -> int:
        """Return how many are missing before the newest record of each gateway."""
        return sum(self.missing(name, max(told)) for name, told in list(self._numbers.items()))
