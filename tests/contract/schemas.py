"""JSON Schemas of every payload, from the models that read and write them."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pydantic import BaseModel, TypeAdapter

from gateway.agent.commands.cameras import ProbeArgs, RestartArgs, SnapshotArgs
from gateway.agent.commands.site import NoArgs, RebirthArgs, RebootArgs
from gateway.agent.commands.tail import TailArgs
from gateway.agent.desired.wanted import Wanted
from gateway.model.config import SiteConfig
from gateway.model.health import CameraHealth, SiteHealth
from gateway.mqtt import tree
from gateway.mqtt.tree import CHANNELS, Channel
from gateway.mqtt.wire_alarm import AlarmMessage
from gateway.mqtt.wire_command import Asked, Broadcast, CentreState, LogLines, Reply
from gateway.mqtt.wire_config import Confirm, Desired, Reported
from gateway.mqtt.wire_event import Happened
from gateway.mqtt.wire_health import CAMERA, SITE
from gateway.mqtt.wire_inventory import SECTIONS
from gateway.mqtt.wire_inventory_log import InventoryChange
from gateway.mqtt.wire_rtc import GATEWAY_READER, VIEWER_READER
from gateway.mqtt.wire_site import Birth, Echo, Presence

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

MODELS: Mapping[Channel, Any] = {
    tree.PRESENCE: Presence,
    tree.BIRTH: Birth,
    tree.ALARM: AlarmMessage,
    tree.EVENT: Happened,
    tree.CONTACTS: SECTIONS["contacts"],
    tree.INVENTORY_LOG: InventoryChange,
    tree.INVENTORY: typing.Union[  # noqa: UP007 (made of a table)
        tuple(model for name, model in SECTIONS.items() if name != "contacts")
    ],
    tree.CONFIG_REPORTED: Reported,
    tree.REPLY: Reply,
    tree.LOG: LogLines,
    tree.ECHO: Echo,
    tree.CONFIG_DESIRED: Desired,
    tree.CONFIG_CONFIRM: Confirm,
    tree.COMMAND: Asked,
    tree.CENTRE_STATE: CentreState,
    tree.BROADCAST: Broadcast,
}
"""What reads or writes each channel; health and signalling are made below."""

ARGS: Mapping[str, type[BaseModel]] = {
    "stream.restart": RestartArgs,
    "snapshot": SnapshotArgs,
    "probe": ProbeArgs,
    "rebirth": RebirthArgs,
    "config.get": NoArgs,
    "logs.tail": TailArgs,
    "reboot": RebootArgs,
}
"""``args`` of each command."""

DOCS: Mapping[str, type[BaseModel]] = {"config/1": SiteConfig, "config/2": Wanted}
"""``doc`` of each schema of a configuration."""


def schemas() -> dict[str, Schema]:
    """Return every schema by its id, e.g. ``birth/1``; sorted."""
    made: dict[str, Schema] = {}
    for channel in CHANNELS:
        if channel is tree.SCHEMA:
            continue
        made.setdefault(channel.schema, _of(channel))
    made |= {f"cmd.{name}/1": _plain(TypeAdapter(model)) for name, model in ARGS.items()}
    made |= {name: _plain(TypeAdapter(model)) for name, model in DOCS.items()}
    return {
        name: {"$schema": DIALECT, "$id": f"urn:cgw:schema:{name.replace('/', ':')}", **schema}
        for name, schema in sorted(made.items())
    }


def file_of(schema: str) -> str:
    """Return the name of the file that holds *schema*."""
    return f"{schema.replace('/', '-')}.json"


def _of(channel: Channel) -> Schema:
    if channel is tree.SITE_HEALTH:
        return _site_health()
    if channel is tree.CAMERAS_HEALTH:
        return _cameras_health()
    if channel is tree.CAMERA_STATE:
        return _camera_state()
    if channel is tree.GATEWAY_SAYS or channel is tree.VIEWER_SAYS:
        return _signalling()
    return _plain(TypeAdapter(MODELS[channel]))


def _plain(adapter: TypeAdapter[Any]) -> Schema:
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


def _signalling() -> Schema:
    """Both directions: who speaks stands in the topic."""
    both = [_plain(VIEWER_READER), _plain(GATEWAY_READER)]
    shared: Schema = {}
    for each in both:
        shared |= each.pop("$defs", {})
        each.pop("discriminator", None)
    return {"anyOf": both, "$defs": shared}


def _stamp() -> Schema:
    whole = {"type": "integer", "minimum": 0}
    return {"t": whole, "ep": whole, "n": whole}


def _properties(model: type[Any]) -> tuple[Schema, Schema]:
    schema = _plain(TypeAdapter(model))
    return schema["properties"], schema.get("$defs", {})


def _site_health() -> Schema:
    """From the table of places: each part's field, at its place in the payload."""
    properties: Schema = _stamp()
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


def _cameras_health() -> Schema:
    known, defs = _properties(CameraHealth)
    rows = {"type": "array", "prefixItems": [_without_default(known[n]) for n in CAMERA.values()]}
    listed = {"type": "array", "maxItems": 512, "items": rows}
    columns = {"type": "array", "items": {"type": "string"}, "examples": [list(CAMERA)]}
    return _object({**_stamp(), "cols": columns, "rows": listed}, defs)


def _camera_state() -> Schema:
    known, defs = _properties(CameraHealth)
    return _object(
        {**_stamp(), **{key: _present(known[name]) for key, name in CAMERA.items()}}, defs
    )


def _object(properties: Schema, defs: Schema) -> Schema:
    schema: Schema = {"type": "object", "properties": properties, "required": ["t", "ep", "n"]}
    return {**schema, "$defs": defs} if defs else schema


def _without_default(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key != "default"}


def _present(schema: Schema) -> Schema:
    """Return *schema* without null: what is unknown is left out."""
    plain = _without_default(schema)
    kinds = [each for each in plain.pop("anyOf", []) if each != {"type": "null"}]
    if len(kinds) == 1:
        return {**plain, **kinds[0]}
    return {**plain, "anyOf": kinds} if kinds else plain
