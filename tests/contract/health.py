"""JSON Schemas of the health of site and cameras, from the tables that spell them."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from pydantic import TypeAdapter

from gateway.model.health import CameraHealth, SiteHealth
from gateway.mqtt import topic_tree
from gateway.mqtt.payloads.health import BOUNDS, CAMERA, SITE, TEXT_LENGTH
from gateway.mqtt.payloads.numbers import COUNT, TIME_MS
from gateway.mqtt.topic_tree import LEVELS, TopicSpec
from tests.contract.plain import Schema, plain

ALWAYS = ("id", "st", "why", "since_s")
"""What is known of every camera."""


def _site() -> Schema:
    """From the table of places: each part's field, at its place in the payload."""
    properties = _stamp()
    shared: Schema = {}
    parts = {
        field.name: typing.get_type_hints(SiteHealth)[field.name] for field in fields(SiteHealth)
    }
    for part, spellings in SITE.items():
        known, defs = _properties(parts[part])
        shared |= defs
        for place, name in spellings.items():
            *above, key = place.split(".")
            branch = properties
            if above:
                branch = properties.setdefault(above[0], {"type": "object", "properties": {}})
                branch = branch["properties"]
            branch[key] = _present(known[name])
    return _object(properties, shared)


def _cameras() -> Schema:
    """Columns in this order; later ones may stand behind them."""
    known, defs = _camera()
    row = {
        "type": "array",
        "prefixItems": [_without_default(known[name]) for name in CAMERA.values()],
        "minItems": len(CAMERA),
    }
    columns = {
        "type": "array",
        "prefixItems": [{"const": name} for name in CAMERA],
        "items": {"type": "string"},
        "minItems": len(CAMERA),
    }
    rows = {"type": "array", "maxItems": 512, "items": row}
    return _object({**_stamp(), "cols": columns, "rows": rows}, defs, "cols", "rows")


def _state() -> Schema:
    known, defs = _camera()
    named = {key: _present(known[name]) for key, name in CAMERA.items()}
    return _object({**_stamp(), **named}, defs, *ALWAYS)


HEALTH: Mapping[TopicSpec, Callable[[], Schema]] = {
    topic_tree.SITE_HEALTH: _site,
    topic_tree.CAMERAS_HEALTH: _cameras,
    topic_tree.CAMERA_STATE: _state,
}
"""What makes the schema of each channel."""


def _stamp() -> Schema:
    time, count = ({"type": "integer", **_limits(each)} for each in (TIME_MS, COUNT))
    return {"t": time, "ep": count, "n": count}


def _camera() -> tuple[Schema, Schema]:
    known, defs = _properties(CameraHealth)
    return {**known, "id": {"type": "string", "pattern": f"^{LEVELS['cam']}$"}}, defs


def _properties(model: type[Any]) -> tuple[Schema, Schema]:
    schema = plain(TypeAdapter(model))
    known = {name: _within(each, name) for name, each in schema["properties"].items()}
    return known, schema.get("$defs", {})


def _within(schema: Schema, name: str) -> Schema:
    """Return *schema* with the bounds of the field *name*, at every number and text in it."""
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return {**schema, **_limits(BOUNDS[name])}
    if kind == "string" and "enum" not in schema:
        return {**schema, "maxLength": TEXT_LENGTH}
    deeper = ("anyOf", "prefixItems")
    return {
        key: [_within(each, name) for each in value] if key in deeper else value
        for key, value in schema.items()
    }


def _limits(bounds: tuple[float, float]) -> Schema:
    return dict(zip(("minimum", "maximum"), bounds, strict=True))


def _object(properties: Schema, defs: Schema, *required: str) -> Schema:
    schema: Schema = {
        "type": "object",
        "properties": properties,
        "required": ["t", "ep", "n", *required],
    }
    return {**schema, "$defs": defs} if defs else schema


def _without_default(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key != "default"}


def _present(schema: Schema) -> Schema:
    """Return *schema* without null: what is unknown is left out."""
    known = _without_default(schema)
    kinds = [each for each in known.pop("anyOf", []) if each != {"type": "null"}]
    if len(kinds) == 1:
        return {**known, **kinds[0]}
    return {**known, "anyOf": kinds} if kinds else known
