"""docs/mqtt.md: the prose of mqtt.md beside this room, with what the code knows put in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from gateway.agent.commands import journal
from gateway.agent.desired.configuration import CALM_S
from gateway.model.alarm import Damping
from gateway.mqtt import (
    certificates,
    link,
    link_client,
    link_echo,
    outbox_backlog,
    tree,
    ways,
    window,
    wire_config,
    wire_health,
)
from gateway.mqtt.tree import CHANNELS, LEVELS
from tests.contract import kinds
from tests.contract.examples import text_of
from tests.contract.schemas import ARGS, file_of

HERE = Path(__file__).parent
_PLACE = re.compile(r"\{\{([^}]+)\}\}")
_SIGNED = ("stream.restart", "reboot")
_DAMPING = Damping()

VALUES: Mapping[str, object] = {
    "keepalive": link.KEEPALIVE_S,
    "will_delay": link.WILL_DELAY_S,
    "session_expiry": link_client.SESSION_EXPIRY_S,
    "receive_maximum": link_client.RECEIVE_MAXIMUM,
    "in_flight": window.IN_FLIGHT,
    "kept_free": window.KEPT_FREE,
    "echo_every": link_echo.EVERY_S,
    "echo_within": link_echo.WITHIN_S,
    "ways_tries": ways.TRIES,
    "ways_back": ways.BACK_S,
    "cert_look": certificates.LOOK_S,
    "outbox.count": outbox_backlog.RECORDS,
    "outbox.mib": outbox_backlog.RECORDS_BYTES // 2**20,
    "journal_days": journal.KEPT_MS // 86_400_000,
    "calm": CALM_S,
    "rollback_min": wire_config.ROLLBACK_S[0],
    "rollback_max": wire_config.ROLLBACK_S[1],
    "raise_checks": _DAMPING.raise_checks,
    "raise_s": _DAMPING.raise_s,
    "clear_s": _DAMPING.clear_s,
    "flap_checks": _DAMPING.flap_checks,
    "flap_enter": _DAMPING.flap_enter_percent,
    "flap_leave": _DAMPING.flap_leave_percent,
}


def document() -> str:
    """Return docs/mqtt.md as it ought to be."""
    head = "<!-- Written by scripts/contract from tests/contract/mqtt.md and the code. -->\n"
    return head + _PLACE.sub(_put, (HERE / "mqtt.md").read_text(encoding="utf-8"))


def _put(place: re.Match[str]) -> str:
    name = place[1]
    if name.startswith("example "):
        return text_of(name.removeprefix("example "))
    if name in _PARTS:
        return _PARTS[name]()
    value = VALUES[name]
    return f"{value:g}" if isinstance(value, float) else f"{value:,}".replace(",", " ")


def _topics() -> str:
    lines = [
        "| topic | schema (`sv`) | retain | expiry | path | when |",
        "|---|---|---|---|---|---|",
    ]
    for channel in CHANNELS:
        expiry = "-" if channel.expiry_s is None else f"{channel.expiry_s} s"
        shown = f"`{channel.schema}`"
        if channel is not tree.SCHEMA:
            shown = f"[{shown}](schemas/{file_of(channel.schema)})"
        lines.append(
            f"| `{channel.name}` | {shown} | {'yes' if channel.retain else 'no'} | {expiry} "
            f"| {channel.path} | {channel.when} |"
        )
    return "\n".join(lines)


def _levels() -> str:
    return "\n".join(f"- `{{{name}}}`: `{pattern}`" for name, pattern in LEVELS.items())


def _commands() -> str:
    return "\n".join(
        f"| `{name}` | [`cmd.{name}/1`](schemas/{file_of(f'cmd.{name}/1')}) "
        f"| {'yes' if name in _SIGNED else 'no'} |"
        for name in ARGS
    )


def _site_keys() -> str:
    places = [place for part in wire_health.SITE.values() for place in part]
    return "`, `".join(places)


_PARTS: Mapping[str, Callable[[], str]] = {
    "topics": _topics,
    "levels": _levels,
    "commands": _commands,
    "site_keys": _site_keys,
    "kinds": kinds.table,
    "consumer": lambda: (HERE / "consumer.py").read_text(encoding="utf-8").strip(),
    "sizing": lambda: (HERE / "sizing.md").read_text(encoding="utf-8").strip(),
}
