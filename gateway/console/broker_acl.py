"""Writes Mosquitto's access control lists from the topic tree.

``python -m gateway.console.broker_acl FOLDER`` writes ``acl`` and ``acl.viewers``. A rule must be
alone on its line: Mosquitto takes a comment behind it for a part of the topic.

Source: mosquitto.conf(5), "acl_file".
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from gateway.console.provinces import PROVINCES
from gateway.mqtt.topic_tree import (
    CONTACTS,
    CONTROL,
    ECHO,
    GATEWAY_SIGNALLING,
    LOG,
    REPLY,
    REVOCATION,
    ROOT,
    VIEWER_SIGNALLING,
    TopicSpec,
)

OWN = f"{ROOT}/%u"
"""Topics of one gateway. Its user name is ``{prov}/{gw}``, which are two levels of a topic."""

NOT_FOR_PROVINCES: tuple[tuple[TopicSpec, str], ...] = (
    (CONTACTS, "personal data"),
    (GATEWAY_SIGNALLING, "answers to viewers: whoever has one can watch"),
    (REPLY, "replies belong to whoever sent the command; snapshots are among them"),
    (LOG, "log lines of a gateway that an operator follows"),
)
"""Topics that the operators of a province may not read, and why."""


def staff() -> Iterator[str]:
    """Yield the lines for the listeners of gateways, console and operators."""
    yield "# Written by scripts/broker-acl. Không ghi chú thích sau một dòng luật."
    yield ""
    yield "# A gateway, whose name is {prov}/{gw}: its own topics and what the centre says to all."
    yield f"pattern write {OWN}/up/#"
    yield f"pattern read {OWN}/{ECHO.name}"
    yield f"pattern read {OWN}/dn/#"
    yield f"pattern read {CONTROL}/#"
    yield ""
    yield "# The national centre. Trung tâm điều hành quốc gia."
    yield "user console"
    yield f"topic read {ROOT}/+/+/up/#"
    yield f"topic write {ROOT}/+/+/dn/#"
    yield f"topic write {CONTROL}/#"
    for code, name in PROVINCES.items():
        yield ""
        yield f"# {name}"
        yield f"user op{code}"
        yield f"topic read {ROOT}/{code}/+/up/#"
        for channel, _ in NOT_FOR_PROVINCES:
            yield f"topic deny {ROOT}/{code}/+/{_filter(channel)}"
        yield f"topic deny {REVOCATION.name}"  # names of people, which gateways alone need


def viewers() -> Iterator[str]:
    """Yield the lines for the listener of viewers, whose certificates have their own authority."""
    yield "# Written by scripts/broker-acl. Người xem: chỉ phiên của chính mình."
    yield ""
    yield "# A viewer, whose name begins with v-: its own sessions and nothing else."
    yield f"pattern write {ROOT}/+/+/{_sessions(VIEWER_SIGNALLING)}"
    yield f"pattern read {ROOT}/+/+/{_sessions(GATEWAY_SIGNALLING)}"


def _filter(channel: TopicSpec) -> str:
    """Return the topic filter that matches *channel* with any value of its parameters."""
    fixed, brace, _ = channel.name.partition("{")
    return fixed + ("#" if brace else "")


def _sessions(channel: TopicSpec) -> str:
    return channel.name.format(viewer="%u", sid="+")


def main() -> None:
    """Write both files into the folder that is named."""
    folder = Path(sys.argv[1])
    for name, lines in (("acl", staff()), ("acl.viewers", viewers())):
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
