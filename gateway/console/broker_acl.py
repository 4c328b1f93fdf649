"""Writes Mosquitto's access control lists from the topic tree.

``python -m gateway.console.broker_acl FOLDER`` writes ``acl``, ``acl.viewers`` and ``acl.relay``. A
rule must be alone on its line: Mosquitto takes a comment behind it for a part of the topic.

Source: mosquitto.conf(5), "acl_file".
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from gateway.model.provinces import PROVINCES
from gateway.mqtt.topic_tree import (
    CONTACTS,
    CONTROL,
    DOCUMENT,
    ECHO,
    GATEWAY_SIGNALLING,
    LEVELS,
    LOG,
    REPLY,
    REVOCATION,
    ROOT,
    TOPIC_SPECS,
    VIEWER_SIGNALLING,
    TopicSpec,
)

OWN = f"{ROOT}/%u"
"""Topics of one gateway. Its user name is ``{prov}/{gw}``, which are two levels of a topic."""

ANY = dict.fromkeys(LEVELS, "+")
"""Every name in braces as any one level."""

RELAYED = "relay/"
"""Where the broker says again, never retained, what gateways say to viewers (`relay`)."""

BRIDGE, RELAY = "viewers", "relay"
"""Names in the certificates: the viewers' broker; the centre's, as its own client."""

NOT_FOR_PROVINCES: tuple[tuple[TopicSpec, str], ...] = (
    (CONTACTS, "personal data"),
    (GATEWAY_SIGNALLING, "answers to viewers: whoever has one can watch"),
    (REPLY, "replies belong to whoever sent the command; snapshots are among them"),
    (
        DOCUMENT,
        "documents belong to the province's office and the centre; whoever delivers has them",
    ),
    (LOG, "log lines of a gateway that an operator follows"),
)
"""Topics that the operators of a province may not read, and why."""


def staff() -> Iterator[str]:
    """Yield the lines for the listeners of gateways, console and operators."""
    yield "# Written by scripts/broker-acl. Không ghi chú thích sau một dòng luật."
    yield ""
    yield "# A gateway, whose name is {prov}/{gw}: its own topics and what the centre says to all."
    for spec in TOPIC_SPECS:
        if spec.name.startswith("up/"):
            yield f"pattern write {OWN}/{spec.name.format(**ANY)}"
    yield f"pattern read {OWN}/{ECHO.name}"
    yield f"pattern read {OWN}/dn/#"
    yield f"pattern read {CONTROL}/#"
    yield ""
    yield "# The national centre. Trung tâm điều hành quốc gia."
    yield "user console"
    yield f"topic read {ROOT}/+/+/up/#"
    yield f"topic write {ROOT}/+/+/dn/#"
    yield f"topic write {CONTROL}/#"
    yield "topic read $SYS/broker/#"  # how much memory is taken, by how many retained messages
    yield ""
    yield "# They have a listener of their own (acl.relay). Có cổng riêng."
    for name in (BRIDGE, RELAY):
        yield f"user {name}"
        yield "topic deny #"
    for code, name in PROVINCES.items():
        yield ""
        yield f"# {name}"
        yield f"user op{code}"
        yield f"topic read {ROOT}/{code}/+/up/#"
        for channel, _ in NOT_FOR_PROVINCES:
            yield f"topic deny {ROOT}/{code}/+/{_filter(channel)}"
        yield f"topic deny {REVOCATION.name}"  # names of people, which gateways alone need
        yield f"topic deny {ROOT}/op{code}/#"  # the patterns are for everybody


def viewers() -> Iterator[str]:
    """Yield the lines for the listener of viewers, whose certificates have their own authority."""
    yield "# Written by scripts/broker-acl. Người xem: chỉ phiên của chính mình."
    yield ""
    yield "# A viewer, whose name begins with v-: its own sessions and nothing else."
    yield f"pattern write {ROOT}/+/+/{_sessions(VIEWER_SIGNALLING)}"
    yield f"pattern read {ROOT}/+/+/{_sessions(GATEWAY_SIGNALLING)}"


def relay() -> Iterator[str]:
    """Yield the lines for the listener of the viewers' broker and of the relay."""
    answers = f"{RELAYED}{ROOT}/+/+/{GATEWAY_SIGNALLING.name.format(**ANY)}"
    yield "# Written by scripts/broker-acl. Máy chủ của người xem: như người xem."
    yield ""
    yield "# The viewers' broker: what all viewers together may, and no more."
    yield f"user {BRIDGE}"
    yield f"topic write {ROOT}/+/+/{VIEWER_SIGNALLING.name.format(**ANY)}"
    yield f"topic read {answers}"
    yield ""
    yield "# This broker itself, which says again what gateways say to viewers."
    yield f"user {RELAY}"
    yield f"topic write {answers}"


def _filter(channel: TopicSpec) -> str:
    """Return the topic filter that matches *channel* with any value of its parameters."""
    fixed, brace, _ = channel.name.partition("{")
    return fixed + ("#" if brace else "")


def _sessions(channel: TopicSpec) -> str:
    return channel.name.format(viewer="%u", sid="+")


def main() -> None:
    """Write the files into the folder that is named."""
    folder = Path(sys.argv[1])
    for name, lines in (("acl", staff()), ("acl.viewers", viewers()), ("acl.relay", relay())):
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
