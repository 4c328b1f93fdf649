"""Decides which commands are executed, by all that can be checked before anything is done.

The rest of the MQTT message expiry bounds a command's age. Without an expiry it could be of any
age, and last week's reboot must not happen now. Whoever is between us and the centre can give an
old message a new expiry; a signed command says itself from when to when it is good, as far as our
clock can judge that (`gateway.runtime.trusted_time`).

Source: MQTT 5 section 3.3.2.3.3 (message expiry interval).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.commands.command import Command, CommandSpec, Facts
from gateway.config.signing import digest
from gateway.model.errors import Fault, MessageRejected, TransientError
from gateway.model.names import ulid_ms
from gateway.mqtt.payloads.command import (
    Args,
    CommandRequest,
    Rejected,
    decode_command_tree,
    parse_args,
    parse_request,
    request_id,
)
from gateway.ports import InboundMessage
from gateway.runtime.trusted_time import TrustedTime

Verify = Callable[[Mapping[str, object]], str]
"""Returns the id of the key that signed a document. Raises MessageRejected, or TransientError,
when that cannot be told now."""

_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


class CommandRefused(Exception):
    """A command is not executed.

    Attributes:
        command_id: Its id, where that could be read.
        code: Why.
        faults: What is wrong, and where.
    """

    def __init__(
        self, command_id: str | None, code: Rejected, faults: tuple[Fault, ...] = ()
    ) -> None:
        super().__init__(code)
        self.command_id = command_id
        self.code = code
        self.faults = faults


@dataclass(frozen=True, slots=True)
class AdmittedCommand:
    """A command that may be executed.

    Attributes:
        command: Which.
        request: As it came.
        args: Its arguments, parsed.
        plan: What it would do.
        key_id: Of the key that signed it; empty: it is not signed.
        digest: Of name and arguments; the same id with another digest is another command.
        expires_s: When it expires, on the monotonic clock.
    """

    command: Command
    request: CommandRequest
    args: Args
    plan: Facts
    key_id: str
    digest: bytes
    expires_s: float

    @property
    def spec(self) -> CommandSpec:
        """Its row of the registry."""
        return self.command.spec


@dataclass(frozen=True, slots=True)
class CommandAdmission:
    """Checks commands.

    Attributes:
        gateway: Our id.
        registry: Every command there is, by its name.
        enabled: Names that may be asked for here.
        verify: Checks signatures.
        time: The wall clock as far as it can be trusted.
    """

    gateway: str
    registry: Mapping[str, Command]
    enabled: frozenset[str]
    verify: Verify
    time: TrustedTime

    def admit(self, name: str, message: InboundMessage, arrived_s: float) -> AdmittedCommand:
        """Return the command in *message*.

        Args:
            name: The command, as the topic says.
            message: As it came.
            arrived_s: When it came, on the monotonic clock.

        Raises:
            CommandRefused: With the reason.
        """
        command_id = None
        try:
            tree = decode_command_tree(message.payload, message.content_type)
            command_id = request_id(tree)
            if message.retain:
                raise _refusal(command_id, "expired", "", "retained", "commands are never retained")
            request = parse_request(tree)
            command = self._find(name, request)
            expires_s = arrived_s + _remaining_s(command.spec, request, message)
            key_id = self._key_of(command.spec, request, tree)
            args = parse_args(command.spec.args, request)
            plan = command.handler.plan(args)
            known_by = digest({"name": name, "args": request.args, "dry_run": request.dry_run})
        except MessageRejected as error:
            raise CommandRefused(command_id, "bad_args", error.faults) from None
        return AdmittedCommand(
            command, request, args, plan, key_id, bytes.fromhex(known_by), expires_s
        )

    def _find(self, name: str, request: CommandRequest) -> Command:
        command = self.registry.get(name)
        if command is None:
            raise _refusal(request.id, "unknown", "/name", "unknown", "there is no such command")
        if request.name not in (None, name):
            raise _refusal(request.id, "bad_args", "/name", "topic", f"the topic says {name}")
        if request.gateway not in (None, self.gateway):
            raise _refusal(request.id, "forbidden", "/gw", "gateway", "it is for another gateway")
        if name not in self.enabled:
            detail = "it is not among those that this machine allows"
            raise _refusal(request.id, "forbidden", "/name", "allowed", detail)
        return command

    def _key_of(
        self, spec: CommandSpec, request: CommandRequest, tree: Mapping[str, object]
    ) -> str:
        """Return the id of the key that signed *request*; empty if it need not be signed.

        What must be signed must also name the command and the gateway, and have a ULID as id.
        """
        if not spec.signed and request.signature is None:
            return ""
        try:
            key_id = self.verify(tree)
        except MessageRejected as error:
            raise CommandRefused(request.id, "bad_sig", error.faults) from None
        except TransientError as error:
            raise _refusal(request.id, "busy", "/sig", error.reason, error.detail) from None
        if spec.signed:
            for at, value in (("/name", request.name), ("/gw", request.gateway)):
                if value is None:
                    detail = "it must be signed as well"
                    raise _refusal(request.id, "bad_sig", at, "sig.scope", detail)
            if not _ULID.fullmatch(request.id):
                raise _refusal(request.id, "bad_args", "/id", "ulid", "a signed id must be a ULID")
            self._check_period(spec, request)
        return key_id

    def _check_period(self, spec: CommandSpec, request: CommandRequest) -> None:
        """Refuse a signed command that is not good now. Raises CommandRefused.

        Its id may not be of the future either: all later ones would count as older.
        """
        made_ms = ulid_ms(request.id)
        begins_ms = made_ms if request.not_before_ms is None else request.not_before_ms
        ends_ms = request.expires_ms
        if ends_ms is None:
            ends_ms = begins_ms + round(request.ttl_s * 1000)
        faults = self.time.period_faults(
            begins_ms, ends_ms, longest_ms=round(spec.ttl_s * 1000), at=("/nbf_ms", "/exp_ms")
        )
        for fault in faults:
            raise CommandRefused(request.id, "expired", (fault,))
        if made_ms > self.time.latest_ms():
            raise _refusal(request.id, "expired", "/id", "time.early", "its id is of the future")


def _remaining_s(spec: CommandSpec, request: CommandRequest, message: InboundMessage) -> float:
    """Return for how long *request* is still valid. Raises CommandRefused."""
    if request.ttl_s > spec.ttl_s:
        detail = f"{spec.name} is good for {spec.ttl_s:g} s at most"
        raise _refusal(request.id, "bad_args", "/ttl_s", "range", detail)
    if message.expiry_s is None:
        detail = "send it with a message expiry, or its age cannot be known"
        raise _refusal(request.id, "bad_args", "", "expiry.missing", detail)
    if message.expiry_s > request.ttl_s:
        detail = "the message expiry is longer than ttl_s"
        raise _refusal(request.id, "bad_args", "/ttl_s", "expiry.longer", detail)
    return message.expiry_s


def _refusal(
    command_id: str | None, code: Rejected, at: str, kind: str, detail: str
) -> CommandRefused:
    return CommandRefused(command_id, code, (Fault(at, kind, detail),))
