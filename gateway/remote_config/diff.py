"""What a configuration changes, as pointers, and whether the settings allow the centre to.

Items of a list are called by their name where they have one, so that a camera that has moved
within the list has not changed: ``/site/cameras/c07/streams/main/url``. Pure functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.model.errors import Fault
from gateway.remote_config.document import DesiredConfig

_NAMES = ("id", "profile")
"""Keys that name an item of a list."""


def changes(old: DesiredConfig, new: DesiredConfig) -> tuple[str, ...]:
    """Return pointers to where *new* differs from *old*; an item added or removed has one."""
    return tuple(_differences(_tree(old), _tree(new), ""))


def forbidden_faults(changed: Iterable[str], allowed: Iterable[str]) -> Iterator[Fault]:
    """Yield a fault for each pointer in *changed* that is below none of *allowed*."""
    patterns = [pattern.split("/") for pattern in allowed]
    for place in changed:
        steps = place.split("/")
        if not any(_is_below(steps, pattern) for pattern in patterns):
            message = "the settings of this machine do not let the centre change this"
            yield Fault(place, "forbidden", message)


def _is_below(steps: list[str], pattern: list[str]) -> bool:
    if len(pattern) > len(steps):
        return False
    return all(want in ("*", step) for want, step in zip(pattern, steps, strict=False))


def _tree(config: DesiredConfig) -> object:
    # The version is the document's own and not a change.
    return config.model_dump(mode="json", by_alias=True, exclude={"site": {"version"}})


def _differences(old: object, new: object, at: str) -> Iterator[str]:
    if old == new:
        return
    before, after = _named(old), _named(new)
    if before is None or after is None:
        yield at
        return
    if isinstance(old, list) and [k for k in before if k in after] != [
        k for k in after if k in before
    ]:
        yield at  # the same items in another order
    for key in [*before, *(key for key in after if key not in before)]:
        place = f"{at}/{key.replace('~', '~0').replace('/', '~1')}"
        if key in before and key in after:
            yield from _differences(before[key], after[key], place)
        else:
            yield place


def _named(tree: object) -> dict[str, object] | None:
    """Return *tree* as an object, if it is one or a list of items with names."""
    if isinstance(tree, dict):
        return tree
    if not isinstance(tree, list):
        return None
    for name in _NAMES:
        if all(isinstance(item, dict) and isinstance(item.get(name), str) for item in tree):
            return {item[name]: item for item in tree}
    return None
