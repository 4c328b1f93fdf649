"""What each kind of event says: facts that always stand there, and facts that may.

A kind that is not here may come from a newer gateway; a reader keeps it and understands the head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import get_args

from gateway.model.alarm import Severity
from gateway.model.event import Weight
from gateway.mqtt.payloads.command import State as CommandState
from gateway.mqtt.payloads.config import State as ConfigState
from gateway.mqtt.payloads.event import FORMER_KINDS, FORMER_LINK_STATES, GAP
from tests.contract.plain import Schema

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_SECONDS: Schema = {"type": "number", "minimum": 0}
_CHAINED: Schema = {"seq": _COUNT, "prev": _TEXT, "at": _COUNT, "hash": _TEXT}
_TEXTS: Schema = {"type": "array", "items": _TEXT}


def _one_of(*words: str) -> Schema:
    return {"enum": list(words)}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of event.

    Attributes:
        when: For people.
        always: Fact -> its schema.
        perhaps: Likewise, of facts that may be left out.
    """

    when: str
    always: Schema = field(default_factory=dict)
    perhaps: Schema = field(default_factory=dict)


KINDS: Mapping[str, Kind] = {
    "alarm": Kind(
        "an alarm is raised or cleared; `alarm` is its `id`",
        {
            "key": _TEXT,
            "act": _one_of("raise", "clear"),
            "alarm": _TEXT,
            "cause": _TEXT,
            "sev": _one_of(*get_args(Severity)),
            "since": _COUNT,
        },
        {"parent": _TEXT},
    ),
    "config": Kind(
        "a document is taken, and what becomes of it",
        {
            "act": _one_of("taken", *get_args(ConfigState)),
            "ver": _or_null(_COUNT),
            "sha256": _or_null(_TEXT),
        },
        {
            "kid": _TEXT,
            "issuer": _TEXT,
            "reason": _TEXT,
            "why": _TEXT,
            "errors": {"type": "array", "items": {"type": "object"}},
        },
    ),
    "update": Kind(
        "what has become of a release that was asked for",
        {"ver": _TEXT, "act": _one_of("applied", "rolled_back", "rejected"), "running": _TEXT},
        {"why": _TEXT, "reason": _TEXT, "cmd": _TEXT},
    ),
    "command": Kind(
        "who has asked for what, and what came of it; `cmd` is the command's `id`",
        {"name": _TEXT, "st": _one_of(*get_args(CommandState))},
        {
            "cmd": _TEXT,
            "actor": _TEXT,
            "requester": _TEXT,
            "why": _TEXT,
            "kid": _TEXT,
            "plan": {"type": "object"},
            "code": _TEXT,
            "count": _COUNT,
            "errors": _TEXTS,
        },
    ),
    "command.journal": Kind("the journal of commands cannot be read", {"why": _TEXT}),
    "session": Kind(
        "who watches which camera, from begin to end",
        {
            "act": _one_of("begin", "renew", "end", "refused"),
            "viewer": _TEXT,
            "sid": _TEXT,
            "cam": _TEXT,
        },
        {
            "actor": _TEXT,
            "actor_src": _one_of("proxy", "settings"),
            "purpose": _TEXT,
            "jti": _TEXT,
            **_CHAINED,
            "why": _TEXT,
            "code": _COUNT,
            "count": _COUNT,
            "lasted_s": _SECONDS,
            "received": {"type": "boolean"},
        },
    ),
    "viewing.revoked": Kind(
        "a new list of people who may no longer watch is in force; `ended` viewings are over",
        {"issued": _COUNT, "kid": _TEXT, "actors": _COUNT, "ended": _COUNT, **_CHAINED},
    ),
    "audit.restarted": Kind(
        "the audit could not be read; a new chain begins", {"why": _TEXT, **_CHAINED}
    ),
    "link": Kind(
        "the connection with the broker",
        {"st": _one_of("up", "lost", *FORMER_LINK_STATES, *FORMER_LINK_STATES.values())},
        {
            "broker": _TEXT,
            "connects": _COUNT,
            "why": _TEXT,
            "tries": _COUNT,
            "off_s": _SECONDS,
            "on_s": _SECONDS,
        },
    ),
    "cert.ends": Kind(
        "a certificate ends in 30, 14, 7 or 1 days",
        {
            "whose": _one_of("gateway", "broker"),
            "serial": _TEXT,
            "ends": _TEXT,
            "days": _COUNT,
        },
    ),
    "cert.renewed": Kind("ours was replaced", {}, {"serial": _TEXT, "ends": _TEXT}),
    "cert.refused": Kind(
        "replaced files with which the broker does not let us in", {"why": _TEXT, "detail": _TEXT}
    ),
    "publication.refused": Kind("the broker does not take it", {"topic": _TEXT, "why": _TEXT}),
    "message.misrouted": Kind(
        "a message for another gateway, or on a topic that there is not",
        {"topic": _TEXT, "count": _COUNT},
    ),
    GAP: Kind(
        "records that are lost, as a range",
        {
            "from_n": _COUNT,
            "to_n": _COUNT,
            "count": _COUNT,
            "class": _one_of(*get_args(Weight)),
            "why": _TEXT,
        },
    ),
    "document.state": Kind(
        "a monthly document was found, and what became of it; `errors`: places and codes",
        {
            "kind": _TEXT,
            "month": _TEXT,
            "doc": _TEXT,
            "act": _one_of("invalid", "sending", "kept", "refused"),
        },
        {"errors": _TEXTS},
    ),
    "outbox.corrupt": Kind(
        "the outbox could not be read and was begun anew; `why`: a newer program has written it,"
        " which takes it back when it runs again",
        perhaps={"why": _one_of("newer")},
    ),
}
"""Kind -> what it says. Those of the inventory have a topic of their own."""


ALL_KINDS: Mapping[str, Kind] = {
    **KINDS,
    **{
        former: replace(
            KINDS[kind],
            when=f"`{kind}` by its name in contract 1.0, sent after it until 1.2",
            always={**KINDS[kind].always, "alias_of": {"const": kind}},
        )
        for kind, former in FORMER_KINDS.items()
    },
}
"""With those that have a former name."""


def by_kind() -> list[Schema]:
    """Return for each kind what its facts must be, as ``allOf`` of a schema."""
    return [
        {
            "if": {"properties": {"type": {"const": name}}},
            "then": {
                "properties": {**kind.always, **kind.perhaps},
                **({"required": list(kind.always)} if kind.always else {}),
            },
        }
        for name, kind in ALL_KINDS.items()
    ]


def table() -> str:
    """Return the kinds as a table of docs/mqtt.md."""
    lines = ["| `type` | facts | when |", "|---|---|---|"]
    for name, kind in ALL_KINDS.items():
        facts = [f"`{fact}`" for fact in kind.always] + [f"(`{fact}`)" for fact in kind.perhaps]
        lines.append(f"| `{name}` | {' '.join(facts) or '-'} | {kind.when} |")
    return "\n".join(lines)
