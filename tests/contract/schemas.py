"""JSON Schemas of every payload, from the models that read and write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter

from gateway.agent.commands.cameras import ProbeArgs, RestartArgs, SnapshotArgs
from gateway.agent.commands.site import NoArgs, RebirthArgs, RebootArgs
from gateway.agent.commands.tail import TailArgs
from gateway.agent.desired.wanted import Wanted
from gateway.agent.signing import Signature
from gateway.model.config import SiteConfig
from gateway.mqtt import tree
from gateway.mqtt.tree import CHANNELS, Channel
from gateway.mqtt.wire_alarm import AlarmMessage
from gateway.mqtt.wire_command import Asked, Broadcast, CentreState, LogLines, Reply
from gateway.mqtt.wire_config import Confirm, Desired, Reported
from gateway.mqtt.wire_event import Happened
from gateway.mqtt.wire_inventory import SECTIONS
from gateway.mqtt.wire_inventory_log import InventoryChange
from gateway.mqtt.wire_rtc import GATEWAY_READER, VIEWER_READER
from gateway.mqtt.wire_site import Birth, Echo, Presence
from tests.contract.health import HEALTH
from tests.contract.kinds import by_kind
from tests.contract.plain import Schema, plain

DIALECT = "https://json-schema.org/draft/2020-12/schema"

MODELS: Mapping[Channel, Any] = {
    tree.PRESENCE: Presence,
    tree.BIRTH: Birth,
    tree.ALARM: AlarmMessage,
    tree.EVENT: Happened,
    tree.CONTACTS: SECTIONS["contacts"],
    tree.INVENTORY_LOG: InventoryChange,
    **{tree.INVENTORY[name]: kind for name, kind in SECTIONS.items() if name in tree.INVENTORY},
    tree.CONFIG_REPORTED: Reported,
    tree.GATEWAY_SAYS: GATEWAY_READER,
    tree.VIEWER_SAYS: VIEWER_READER,
    tree.REPLY: Reply,
    tree.LOG: LogLines,
    tree.ECHO: Echo,
    tree.CONFIG_DESIRED: Desired,
    tree.CONFIG_CONFIRM: Confirm,
    tree.COMMAND: Asked,
    tree.CENTRE_STATE: CentreState,
    tree.BROADCAST: Broadcast,
}
"""What reads or writes each channel; health is made in `tests.contract.health`."""

STAMPED = ("t", "ep", "n")
ALWAYS: Mapping[Channel, tuple[str, ...]] = {
    tree.PRESENCE: (),
    tree.INVENTORY_LOG: ("id", "type", *STAMPED),
    tree.GATEWAY_SAYS: ("k", "s", "t", "ep"),
    tree.VIEWER_SAYS: ("k",),
    tree.CONFIG_DESIRED: ("sig",),
    **dict.fromkeys((*tree.INVENTORY.values(), tree.CONTACTS), ("rev", "sha", *STAMPED)),
}
"""What stands in every message of a channel, though the reader, who must also understand what is
older or kept on a disk, can do without. All others that gateways write: `STAMPED`."""

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
    made |= {f"cmd.{name}/1": plain(TypeAdapter(model)) for name, model in ARGS.items()}
    made |= {name: plain(TypeAdapter(model)) for name, model in DOCS.items()}
    return {
        name: {"$schema": DIALECT, "$id": f"urn:cgw:schema:{name.replace('/', ':')}", **schema}
        for name, schema in sorted(made.items())
    }


def file_of(schema: str) -> str:
    """Return the name of the file that holds *schema*."""
    return f"{schema.replace('/', '-')}.json"


def _of(channel: Channel) -> Schema:
    if channel in HEALTH:
        return HEALTH[channel]()
    model = MODELS[channel]
    schema = plain(model if isinstance(model, TypeAdapter) else TypeAdapter(model))
    schema.pop("discriminator", None)  # OpenAPI's
    stamped = STAMPED if channel.name.startswith("up/") else ()
    always = (*schema.get("required", ()), *ALWAYS.get(channel, stamped))
    if always:
        schema["required"] = sorted(set(always))
    if "sig" in schema.get("properties", {}):
        schema["properties"]["sig"] = plain(TypeAdapter(Signature))
    if channel is tree.EVENT:
        schema["allOf"] = by_kind()
    return schema
