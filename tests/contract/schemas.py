"""JSON Schemas of every payload, from the models that read and write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter

from gateway.commands.command import CommandSpec
from gateway.commands.handlers.registry import COMMANDS
from gateway.config.signing import Signature
from gateway.model.site_document import SiteConfig
from gateway.mqtt import topic_tree
from gateway.mqtt.payloads.alarm import AlarmMessage
from gateway.mqtt.payloads.command import Broadcast, CentreState, CommandRequest, LogLines, Reply
from gateway.mqtt.payloads.config import Confirm, Desired, Reported
from gateway.mqtt.payloads.document import DOCUMENT_MESSAGES, DocumentAck
from gateway.mqtt.payloads.event import EventRecord
from gateway.mqtt.payloads.inventory import SECTIONS, InventoryChange
from gateway.mqtt.payloads.presence import Birth, Echo, Presence
from gateway.mqtt.payloads.signalling import GATEWAY_MESSAGES, VIEWER_MESSAGES
from gateway.mqtt.payloads.update import UpdateReported
from gateway.mqtt.payloads.viewing import Revoked
from gateway.mqtt.topic_tree import TOPIC_SPECS, TopicSpec
from gateway.remote_config.document import DesiredConfig
from tests.contract.health import HEALTH
from tests.contract.kinds import by_kind
from tests.contract.plain import Schema, plain

DIALECT = "https://json-schema.org/draft/2020-12/schema"

MODELS: Mapping[TopicSpec, Any] = {
    topic_tree.PRESENCE: Presence,
    topic_tree.BIRTH: Birth,
    topic_tree.ALARM: AlarmMessage,
    topic_tree.EVENT: EventRecord,
    topic_tree.CONTACTS: SECTIONS["contacts"],
    topic_tree.INVENTORY_LOG: InventoryChange,
    **{
        topic_tree.INVENTORY[name]: kind
        for name, kind in SECTIONS.items()
        if name in topic_tree.INVENTORY
    },
    topic_tree.CONFIG_REPORTED: Reported,
    topic_tree.UPDATE_REPORTED: UpdateReported,
    topic_tree.DOCUMENT: DOCUMENT_MESSAGES,
    topic_tree.DOCUMENT_ACK: DocumentAck,
    topic_tree.GATEWAY_SIGNALLING: GATEWAY_MESSAGES,
    topic_tree.VIEWER_SIGNALLING: VIEWER_MESSAGES,
    topic_tree.REPLY: Reply,
    topic_tree.LOG: LogLines,
    topic_tree.ECHO: Echo,
    topic_tree.CONFIG_DESIRED: Desired,
    topic_tree.CONFIG_CONFIRM: Confirm,
    topic_tree.COMMAND: CommandRequest,
    topic_tree.CENTRE_STATE: CentreState,
    topic_tree.BROADCAST: Broadcast,
    topic_tree.REVOCATION: Revoked,
}
"""What reads or writes each channel; health is made in `tests.contract.health`."""

STAMPED = ("t", "ep", "n")
ALWAYS: Mapping[TopicSpec, tuple[str, ...]] = {
    topic_tree.PRESENCE: (),
    topic_tree.INVENTORY_LOG: ("id", "type", *STAMPED),
    topic_tree.GATEWAY_SIGNALLING: ("k", "s", "t", "ep"),
    topic_tree.VIEWER_SIGNALLING: ("k",),
    topic_tree.CONFIG_DESIRED: ("sig",),
    topic_tree.DOCUMENT_ACK: ("sig",),
    **dict.fromkeys(
        (*topic_tree.INVENTORY.values(), topic_tree.CONTACTS), ("rev", "sha", *STAMPED)
    ),
}
"""What stands in every message of a channel, though the reader, who must also understand what is
older or kept on a disk, can do without. All others that gateways write: `STAMPED`."""

DOCS: Mapping[str, type[BaseModel]] = {"config/1": SiteConfig, "config/2": DesiredConfig}
"""``doc`` of each schema of a configuration."""


def schemas() -> dict[str, Schema]:
    """Return every schema by its id, e.g. ``birth/1``; sorted."""
    made: dict[str, Schema] = {}
    for channel in TOPIC_SPECS:
        if channel is topic_tree.SCHEMA:
            continue
        made.setdefault(channel.schema, _of(channel))
    made |= {args_schema(spec): plain(TypeAdapter(spec.args)) for spec in COMMANDS}
    made |= {name: plain(TypeAdapter(model)) for name, model in DOCS.items()}
    return {
        name: {"$schema": DIALECT, "$id": f"urn:cgw:schema:{name.replace('/', ':')}", **schema}
        for name, schema in sorted(made.items())
    }


def args_schema(spec: CommandSpec) -> str:
    """Return the id of the schema of ``args`` of a command."""
    return f"cmd.{spec.name}/1"


def file_of(schema: str) -> str:
    """Return the name of the file that holds *schema*."""
    return f"{schema.replace('/', '-')}.json"


def _of(channel: TopicSpec) -> Schema:
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
    if channel is topic_tree.EVENT:
        schema["allOf"] = by_kind()
    return schema
