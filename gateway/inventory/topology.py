"""The network as a graph: which nodes stand between a camera and the gateway.

A node takes a camera away if every path from the camera to the gateway leads through it: it
dominates the camera, seen from the gateway. A camera on a recorder is pulled from there: the path
is from the camera to the recorder, and from the recorder to the gateway.

Source: Cooper, Harvey, Kennedy, "A Simple, Fast Dominance Algorithm" (2001).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from gateway.model.inventory import Inventory
from gateway.model.survey import GATEWAY

Neighbours = Mapping[str, tuple[str, ...]]


class NetworkTopology:
    """The graph of one site.

    Args:
        links: Pairs of names that are connected.
        recorders: Camera -> the recorder it is pulled from.
    """

    def __init__(self, links: Iterable[tuple[str, str]], recorders: Mapping[str, str]) -> None:
        joined: dict[str, dict[str, None]] = {}
        for one, other in links:
            joined.setdefault(one, {})[other] = None
            joined.setdefault(other, {})[one] = None
        self._neighbours: Neighbours = {name: tuple(ends) for name, ends in joined.items()}
        self._recorders = recorders
        self._nearer: dict[str, Mapping[str, str]] = {}

    @property
    def recorders(self) -> frozenset[str]:
        """The recorders that cameras are pulled from."""
        return frozenset(self._recorders.values())

    def upstream(self, camera: str) -> tuple[str, ...]:
        """Return the nodes whose failure takes *camera* away, the nearest first; empty: unknown."""
        recorder = self._recorders.get(camera)
        if recorder is None:
            return self._between(camera, GATEWAY)
        way = (*self._between(camera, recorder), recorder, *self._between(recorder, GATEWAY))
        return tuple(dict.fromkeys(way))  # both legs may pass one switch

    def _between(self, name: str, goal: str) -> tuple[str, ...]:
        """Return the nodes on every path from *name* to *goal*, the nearest to *name* first."""
        if goal not in self._neighbours:  # nobody has drawn it: certain is the only way out
            ends = self._neighbours.get(name, ())
            return ends if len(ends) == 1 and goal == GATEWAY else ()
        if goal not in self._nearer:
            self._nearer[goal] = _dominators(self._neighbours, goal)
        nearer = self._nearer[goal]
        if name not in nearer:
            return ()
        found = []
        while (name := nearer[name]) != goal:
            found.append(name)
        return tuple(found)


def topology_of(inventory: Inventory) -> NetworkTopology:
    """Return the network of *inventory*."""
    return NetworkTopology(
        [each.ends for each in inventory.net.links],
        {each.id: each.nvr.value for each in inventory.cameras if each.nvr is not None},
    )


def _dominators(neighbours: Neighbours, root: str) -> Mapping[str, str]:
    """Return node -> its immediate dominator, for each node that *root* reaches."""
    order = tuple(_postorder(neighbours, root))
    rank = {name: number for number, name in enumerate(order)}
    nearer = {root: root}
    changed = True
    while changed:
        changed = False
        for name in reversed(order[:-1]):
            known = [each for each in neighbours[name] if each in nearer]
            best = known[0]
            for other in known[1:]:
                best = _common(best, other, nearer, rank)
            if nearer.get(name) != best:
                nearer[name] = best
                changed = True
    return nearer


def _common(one: str, other: str, nearer: Mapping[str, str], rank: Mapping[str, int]) -> str:
    while one != other:
        while rank[one] < rank[other]:
            one = nearer[one]
        while rank[other] < rank[one]:
            other = nearer[other]
    return one


def _postorder(neighbours: Neighbours, root: str) -> Iterator[str]:
    """Yield the nodes that *root* reaches, in postorder of a depth-first search."""
    seen = {root}
    path = [(root, iter(neighbours[root]))]
    while path:
        name, ends = path[-1]
        deeper = next((each for each in ends if each not in seen), None)
        if deeper is None:
            path.pop()
            yield name
        else:
            seen.add(deeper)
            path.append((deeper, iter(neighbours[deeper])))
