"""What a command is to the dispatcher: its limits, and the two things that can be done with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.mqtt.payloads.command import Args, CommandRequest

Facts = Mapping[str, Any]
"""What JSON knows."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command has ended.

    Attributes:
        state: ``succeeded`` or ``failed``.
        result: What has come of it.
        code: Why it failed.
    """

    state: Literal["succeeded", "failed"] = "succeeded"
    result: Facts = field(default_factory=dict)
    code: str | None = None


def failed(code: str, **result: object) -> Outcome:
    """Return the outcome of what did not work."""
    return Outcome("failed", result, code)


@dataclass(frozen=True, slots=True)
class CommandContext:
    """One command in work.

    Attributes:
        asked: As it came.
        tell: Says how far it is, in percent and with what is known so far; said to the asker at
            most once a second.
    """

    asked: CommandRequest
    tell: Callable[[int | None, Facts], None]


@dataclass(frozen=True, slots=True)
class Command:
    """One thing that can be asked for.

    Attributes:
        name: In the topic.
        args: What it is told.
        plan: Returns what would be done, at once and without doing it; raises MessageRejected if
            *args* make no sense here, with every place below ``/args``.
        run: Does it. Cancelled when it takes too long or when we leave. A GatewayError is its
            failure, with the reason as code.
        ttl_s: The longest time it may be good for.
        limit_s: The longest it may take.
        signed: Whether it must be signed.
        disruptive: Whether somebody's picture suffers; there is one such at a time.
        at_once: How many of this name may be in work.
        outlives: Whether the end of this process is no failure of it.
    """

    name: str
    args: type[Args]
    plan: Callable[[Any], Facts]
    run: Callable[[Any, CommandContext], Awaitable[Outcome]]
    ttl_s: float
    limit_s: float
    signed: bool = False
    disruptive: bool = False
    at_once: int = 2
    survives_restart: bool = False
