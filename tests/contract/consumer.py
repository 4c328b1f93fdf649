"""Prints what happens in one province: consumer.py HOST PORT PROVINCE CA CERTIFICATE KEY."""

import json
import sys
import zlib
from collections import deque
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

host, port, province, ca, certificate, key = sys.argv[1:]
epochs: dict[str, int] = {}  # gateway -> ep of its newest "online"
seen: deque[str] = deque(maxlen=100_000)  # ids of events


def unpack(message: mqtt.MQTTMessage) -> Any:
    """Return the payload as JSON, whatever it is packed in."""
    kind = getattr(message.properties, "ContentType", "application/json")
    if not kind.endswith("+zlib"):
        return json.loads(message.payload)
    return json.loads(zlib.decompressobj().decompress(message.payload, 1_048_576))


def on_connect(client: mqtt.Client, *rest: object) -> None:
    """Subscribe on each connection; the retained messages come first."""
    client.subscribe(f"cgw/v1/{province}/+/up/#", qos=1)


def on_message(client: mqtt.Client, userdata: object, message: mqtt.MQTTMessage) -> None:
    """Say what is new."""
    gateway, _, *what = message.topic.split("/")[3:]
    said = unpack(message) if message.payload else {}
    outdated = said.get("ep", 0) < epochs.get(gateway, 0)
    match what:
        case _ if not said:
            tell(gateway, what, "is no longer there")
        case ["presence"] if said["st"] == "online":
            epochs[gateway] = said["ep"]
            tell(gateway, what, "online")
        case ["presence"] if not outdated:
            tell(gateway, what, f"offline: {said['why']}")
        case ["cam", camera, "state"] if not outdated:
            tell(gateway, [camera], f"{said['st']}: {said['why']}")
        case ["alarm", name] if not outdated:
            tell(gateway, [name], f"{said['st']} {said['sev']}: {said['cause']}")
        case ["health", "cams"]:
            for row in said["rows"]:
                one = dict(zip(said["cols"], row, strict=False))
                tell(gateway, [one["id"]], f"{one['kbps']} kb/s, {one['viewers']} viewers")
        case ["event"] | ["inv", "log"]:
            if said["id"] not in seen and "alias_of" not in said:
                tell(gateway, what, json.dumps(said, ensure_ascii=False))
            seen.append(said["id"])
        case ["inv", section]:
            tell(gateway, what, f"{section} is {said['sha']}")


def tell(gateway: str, what: list[str], text: str) -> None:
    """Print one line."""
    print(province, gateway, ".".join(what), text, flush=True)


name = f"reader-{province}"  # no two connections may have the same
client = mqtt.Client(CallbackAPIVersion.VERSION2, name, protocol=mqtt.MQTTv5)
client.tls_set(ca, certificate, key)
client.on_connect, client.on_message = on_connect, on_message
client.connect(host, int(port), keepalive=30, clean_start=True)
client.loop_forever()
