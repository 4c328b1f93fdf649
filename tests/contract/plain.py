"""From a pydantic model to the JSON Schema that others read: the wire's names, no repetition."""

from __future__ import annotations

import typing
from typing import Any

from pydantic import TypeAdapter

Schema = dict[str, Any]


def plain(adapter: TypeAdapter[Any]) -> Schema:
    """Return the schema of *adapter* by the wire's names, without what only repeats them."""
    return typing.cast(Schema, _untitled(adapter.json_schema(by_alias=True)))


def _untitled(node: Any) -> Any:
    if isinstance(node, list):
        return [_untitled(each) for each in node]
    if not isinstance(node, dict):
        return node
    # "title" with a text is pydantic's; a property called so has a schema behind it
    return {
        key: _untitled(value)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str))
    }
