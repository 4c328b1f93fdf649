"""The AsyncAPI 3.0 document: the topic tree with its payloads, from the gateway's view.

The MQTT binding knows QoS, retain and expiry; what else a row says stands in extensions, ``x-``.
Sources: AsyncAPI 3.0.0, "Multi Format Schema Object"; MQTT bindings 0.2.0.
"""

from __future__ import annotations

import re
from typing import Any

from gateway.mqtt import topic_tree
from gateway.mqtt.client import client, paho_client
from gateway.mqtt.topic_tree import CONTROL, LEVELS, PLAIN, ROOT, TOPIC_SPECS, TopicSpec
from tests.contract.schemas import file_of

SCHEMA_FORMAT = "application/schema+json;version=draft-2020-12"
"""AsyncAPI's own schemas know less than draft 2020-12, in which ours are written."""

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def document() -> dict[str, Any]:
    """Return the whole document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Camera gateway",
            "version": "1",
            "description": "What a gateway and the national centre say to each other over MQTT 5. "
            "Payloads above 1 KiB are packed: application/json+zlib (RFC 1950).",
        },
        "defaultContentType": PLAIN,
        "servers": {
            "centre": {
                "host": "mqtt.centre.example:8883",
                "protocol": "secure-mqtt",
                "protocolVersion": "5.0",
                "description": "Client certificate with common name {prov}/{gw}.",
                "bindings": {
                    "mqtt": {
                        "clientId": "{gw}",
                        "cleanSession": False,
                        "keepAlive": int(client.KEEPALIVE_S),
                        "sessionExpiryInterval": paho_client.SESSION_EXPIRY_S,
                        "maximumPacketSize": paho_client.PACKET_BYTES,
                        "lastWill": {
                            "topic": f"{ROOT}/{{prov}}/{{gw}}/{topic_tree.PRESENCE.name}",
                            "qos": 1,
                            "retain": True,
                            "message": '{"st":"offline","ep":0,"why":"lost"}',
                        },
                        "bindingVersion": "0.2.0",
                    }
                },
            }
        },
        "channels": {_id(each): _channel(each) for each in TOPIC_SPECS},
        "operations": {_id(each): _operation(each) for each in TOPIC_SPECS},
        "components": {
            "parameters": {name: _parameter(name) for name in LEVELS},
            "messages": {_id(each): _message(each) for each in TOPIC_SPECS},
        },
    }


def _id(channel: TopicSpec) -> str:
    words: list[str] = re.findall(r"[a-z0-9]+", channel.name)
    return words[0] + "".join(word.capitalize() for word in words[1:])


def _address(channel: TopicSpec) -> str:
    if channel.name.startswith(f"{CONTROL}/"):
        return channel.name
    return f"{ROOT}/{{prov}}/{{gw}}/{channel.name}"


def _channel(channel: TopicSpec) -> dict[str, Any]:
    address = _address(channel)
    names = _PLACEHOLDER.findall(address)
    made: dict[str, Any] = {
        "address": address,
        "messages": {_id(channel): {"$ref": f"#/components/messages/{_id(channel)}"}},
        "description": channel.when,
    }
    if names:
        made["parameters"] = {name: {"$ref": f"#/components/parameters/{name}"} for name in names}
    return made


def _operation(channel: TopicSpec) -> dict[str, Any]:
    made: dict[str, Any] = {
        "action": "send" if channel.name.startswith("up/") else "receive",
        "channel": {"$ref": f"#/channels/{_id(channel)}"},
        "summary": channel.when,
        "bindings": {"mqtt": _binding(channel)},
        "x-path": channel.path,
    }
    if channel.journalled:
        made["x-acknowledged"] = "once it is on the gateway's disk"
    if channel is topic_tree.COMMAND:
        made["reply"] = {
            "address": {
                "description": "Below the gateway's own up/rsp/; any other is refused.",
                "location": "$message.header#/responseTopic",
            },
            "channel": {"$ref": f"#/channels/{_id(topic_tree.REPLY)}"},
        }
    return made


def _message(channel: TopicSpec) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": channel.schema,
        "contentType": PLAIN,
        "bindings": {"mqtt": {"contentType": PLAIN, "bindingVersion": "0.2.0"}},
        "x-user-properties": {"sv": channel.schema},
    }
    if channel is topic_tree.SCHEMA:
        made["payload"] = {"type": "object"}
    else:
        schema = {"$ref": f"./schemas/{file_of(channel.schema)}"}
        made["payload"] = {"schemaFormat": SCHEMA_FORMAT, "schema": schema}
    return made


def _binding(channel: TopicSpec) -> dict[str, Any]:
    made: dict[str, Any] = {"qos": channel.qos, "retain": channel.retain}
    if channel.expiry_s is not None:
        made["messageExpiryInterval"] = channel.expiry_s
    return {**made, "bindingVersion": "0.2.0"}


def _parameter(name: str) -> dict[str, Any]:
    return {"description": f"One level: {LEVELS[name]}", "x-pattern": f"^{LEVELS[name]}$"}
