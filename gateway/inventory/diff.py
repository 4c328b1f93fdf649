"""Digests and differences of the inventory's sections. Pure functions.

A tree is a section as it is sent: objects, lists and values. An object with ``src`` says where its
value came from, and with ``t`` since when. The time counts neither for the digest nor as a change:
a value that is only confirmed is the same.

References: RFC 8785 (canonical JSON), RFC 6901 (pointers).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import rfc8785

from gateway.model.inventory import Change
from gateway.model.provenance import Origin

Tree = Mapping[str, object]

DIGEST_DIGITS = 10
MAX_CHANGES = 64
"""Changes of one section at once; more are reported as a single one without values."""

_NAMES = ("id", "profile", "ends", "name")
"""Keys that identify an item of a list; the first that it has counts."""


def digest(tree: Tree) -> str:
    """Return the digest of *tree*: equal for the same values from the same sources."""
    canonical = rfc8785.dumps(_timeless(tree))  # type: ignore[arg-type]  # of JSON's types
    return hashlib.sha256(canonical).hexdigest()[:DIGEST_DIGITS]


def carry_timestamps(new: object, old: object) -> object:
    """Return *new* with the times of *old* on everything that is unchanged."""
    if isinstance(new, Mapping):
        before = old if isinstance(old, Mapping) else {}
        if "src" in new and "t" in before and _timeless(new) == _timeless(before):
            return {**new, "t": before["t"]}
        return {key: carry_timestamps(value, before.get(key)) for key, value in new.items()}
    if isinstance(new, list):
        earlier = _named(old) if isinstance(old, list) else {}
        return [carry_timestamps(item, earlier.get(name)) for name, item in _named(new).items()]
    return new


def changes(section: str, rev: int, old: Tree, new: Tree, time_ms: int) -> tuple[Change, ...]:
    """Return what *new*, revision *rev* of *section*, has other than *old*.

    Args:
        section: Its name.
        rev: Of *new*.
        old: The tree before.
        new: The tree now.
        time_ms: Wall clock of the comparison.
    """
    found = list(islice(_differences("", old, new), MAX_CHANGES + 1))
    if len(found) > MAX_CHANGES:
        count = sum(1 for _ in _differences("", old, new))
        return (Change(section, rev, "", digest(old), digest(new), None, time_ms, count),)
    return tuple(
        Change(section, rev, at, _plain(before), _plain(now), _origin(before, now), time_ms)
        for at, before, now in found
    )


def _differences(at: str, old: object, new: object) -> Iterator[tuple[str, object, object]]:
    if _timeless(old) == _timeless(new):
        return
    if not _is_deep(old) or not _is_deep(new):
        yield at, old, new
        return
    before, now = _named(old), _named(new)
    for name in dict.fromkeys((*before, *now)):
        step = name.replace("~", "~0").replace("/", "~1")
        yield from _differences(f"{at}/{step}", before.get(name), now.get(name))


def _is_deep(node: object) -> bool:
    """Whether *node* is compared part by part; what has one source is one value."""
    if isinstance(node, Mapping):
        return "src" not in node
    return isinstance(node, list) and all(isinstance(each, Mapping) for each in node)


def _named(node: object) -> dict[str, object]:
    """Return the members of *node* by name; items of a list by what identifies them."""
    if isinstance(node, Mapping):
        return dict(node)
    named: dict[str, object] = {}
    for number, item in enumerate(node if isinstance(node, list) else ()):
        name = _name(item) or str(number)
        named[name if name not in named else f"{name}#{number}"] = item
    return named


def _name(item: object) -> str | None:
    known: Tree = item if isinstance(item, Mapping) else {}
    for key in _NAMES:
        name = known.get(key)
        if isinstance(name, str):
            return name
        if isinstance(name, Sequence):
            return "..".join(map(str, name))
    return None


def _timeless(node: object) -> object:
    if isinstance(node, Mapping):
        timed = "src" in node
        return {key: _timeless(value) for key, value in node.items() if not (timed and key == "t")}
    if isinstance(node, list):
        return [_timeless(each) for each in node]
    return node


def _plain(node: object) -> object:
    """Return the values in *node* without sources and times."""
    if isinstance(node, Mapping):
        if "v" in node and "src" in node:
            return node["v"]
        return {key: _plain(value) for key, value in node.items() if key not in ("src", "t")}
    if isinstance(node, list):
        return [_plain(each) for each in node]
    return node


def _origin(old: object, new: object) -> Origin | None:
    """Return the source of *new*, or of *old* if there is nothing new."""
    for node in (new, old):
        found = next(_origins(node), None)
        if found is not None:
            return found
    return None


def _origins(node: object) -> Iterator[Origin]:
    if isinstance(node, Mapping):
        if "src" in node:
            yield node["src"]
        else:
            for value in node.values():
                yield from _origins(value)
    elif isinstance(node, list):
        for each in node:
            yield from _origins(each)
