"""docs/mqtt.md: the prose of mqtt.md beside this module, with what the code knows put in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from gateway.alarms.catalogue import CATALOGUE, AlarmType
from gateway.audit.chain import TRANSPORT
from gateway.commands import journal
from gateway.commands.handlers.registry import COMMANDS
from gateway.console import signalling as console_signalling
from gateway.documents import service as document_service
from gateway.model.alarm import Damping
from gateway.model.document_template import DOCUMENT_BYTES
from gateway.model.site_document import Limits
from gateway.model.viewing import MOST_REVOKED
from gateway.mqtt import topic_tree
from gateway.mqtt.client import certificates, client, echo, failover, inflight_window, paho_client
from gateway.mqtt.outbox import backlog
from gateway.mqtt.payloads import config as config_payload
from gateway.mqtt.payloads import document as document_payload
from gateway.mqtt.payloads import health as health_payload
from gateway.mqtt.topic_tree import LEVELS, TOPIC_SPECS
from gateway.remote_config.service import CALM_S
from gateway.runtime.trusted_time import SKEW_MS
from gateway.slates.service import KEYFRAME_EVERY
from gateway.viewing import token
from gateway.webrtc import (
    camera_absence,
    codec_selection,
    remote_candidates,
    retransmit_buffer,
    sdp_offer,
    session,
    session_stats,
    transport,
)
from tests.contract import kinds
from tests.contract.examples import text_of
from tests.contract.schemas import args_schema, file_of

HERE = Path(__file__).parent
_PLACE = re.compile(r"\{\{([^}]+)\}\}")
_DAMPING = Damping()

VALUES: Mapping[str, object] = {
    "keepalive": client.KEEPALIVE_S,
    "will_delay": client.WILL_DELAY_S,
    "session_expiry": paho_client.SESSION_EXPIRY_S,
    "receive_maximum": paho_client.RECEIVE_MAXIMUM,
    "in_flight": inflight_window.IN_FLIGHT,
    "kept_free": inflight_window.RESERVED,
    "echo_every": echo.EVERY_S,
    "echo_within": echo.WITHIN_S,
    "failover_tries": failover.TRIES,
    "failover_back": failover.BACK_S,
    "cert_look": certificates.CHECK_S,
    "document.piece": document_payload.PIECE_BYTES,
    "document.pieces": document_payload.MOST_PIECES,
    "document.bytes": DOCUMENT_BYTES,
    "document.waiting": document_service.IN_OUTBOX,
    "document.ack_s": document_service.ACK_S,
    "outbox.count": backlog.MAX_RECORDS,
    "outbox.mib": backlog.MAX_BYTES // 2**20,
    "journal_days": journal.RETENTION_MS // 86_400_000,
    "calm": CALM_S,
    "token.bytes": token.TOKEN_BYTES,
    "token.start_s": token.START_S,
    "token.max_s": token.MAX_VIEWING_S,
    "revoked.most": MOST_REVOKED,
    "offer.bytes": sdp_offer.LARGEST_BYTES,
    "offer.sections": sdp_offer.M_SECTIONS,
    "offer.payload_types": sdp_offer.PAYLOAD_TYPES,
    "candidates.lines": remote_candidates.LINES,
    **{f"candidates.{kind}": most for kind, most in remote_candidates.PLACES.items()},
    "repeats": retransmit_buffer.REPEATS,
    "stats_s": session_stats.STATS_TICKS,
    "burst": Limits().burst_mbps,
    "opening_s": codec_selection.OPENING_S,
    "servers_s": transport.SERVERS_S,
    "relay_s": transport.RELAY_S,
    "setup_s": session.SETUP_S,
    "slate_gop_s": KEYFRAME_EVERY,
    "slate_away_s": camera_absence.AWAY_S,
    "again_s": console_signalling.ANSWER_TIMEOUT_S,
    "sendings": console_signalling.MAX_SENDINGS,
    "longest_days": config_payload.LONGEST_S // 86_400,
    "undated_days": config_payload.UNDATED_S // 86_400,
    "skew_s": SKEW_MS // 1000,
    "rollback_min": config_payload.ROLLBACK_S[0],
    "rollback_max": config_payload.ROLLBACK_S[1],
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
    for channel in TOPIC_SPECS:
        expiry = "-" if channel.expiry_s is None else f"{channel.expiry_s} s"
        shown = f"`{channel.schema}`"
        if channel is not topic_tree.SCHEMA:
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
        f"| `{spec.name}` | [`{args_schema(spec)}`](schemas/{file_of(args_schema(spec))}) "
        f"| {'yes' if spec.signed else 'no'} | {spec.ttl_s:g} s "
        f"| {'yes' if spec.default_allowed else 'no'} |"
        for spec in COMMANDS
    )


def _alarms() -> str:
    """Return the rows of the table of alarms."""
    return "\n".join(
        f"| `{each.pattern}` | {_severity(each)} | {each.meaning} "
        f"| {', '.join(f'`{cause}`' for cause in each.causes)} |"
        for each in CATALOGUE
    )


def _severity(alarm_type: AlarmType) -> str:
    """Return the usual severity of an alarm, and which others it may have."""
    by_cause = [f"{severity} for `{cause}`" for cause, severity in alarm_type.by_cause.items()]
    by_days = [f"{severity} from {days:g} d before" for days, severity in alarm_type.by_days_left]
    return ", ".join([alarm_type.severity, *by_cause, *reversed(by_days)])


def _site_keys() -> str:
    places = [place for part in health_payload.SITE.values() for place in part]
    return "`, `".join(places)


_PARTS: Mapping[str, Callable[[], str]] = {
    "topics": _topics,
    "levels": _levels,
    "commands": _commands,
    "alarms": _alarms,
    "site_keys": _site_keys,
    "kinds": kinds.table,
    "chain.transport": lambda: ", ".join(f"`{name}`" for name in sorted(TRANSPORT)),
    "token.type": lambda: token.TYPE,
    "consumer": lambda: (HERE / "consumer.py").read_text(encoding="utf-8").strip(),
    "sizing": lambda: (HERE / "sizing.md").read_text(encoding="utf-8").strip(),
}
