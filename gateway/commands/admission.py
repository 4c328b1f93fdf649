"""Which commands are taken: everything that can be said of one before anything is done.

Nothing here asks what time it is. What was left of the message's expiry when it came says how old
it is at most; a command that does not say how long it is good for could be of any age, and a
reboot of last week must not happen now.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.commands.command import Command, Facts
from gateway.config.signing import digest
from gateway.model.errors import Fault, MessageRejected
from gateway.mqtt.payloads.command import (
    Args,
    CommandRequest,
    Rejected,
    args_of,
    asked,
    id_of,
    read_tree,
)
from gateway.ports import InboundMessage

Verify = Callable[[Mapping[str, object]], str]
"""Returns the id of the key that has signed a tree; raises MessageRejected."""

_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


class Refused(Exception):
    """A command is not taken.

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
class Admitted:
    """A command that may be done.

    Attributes:
        command: Which.
        asked: As it came.
        args: Its args, read.
        plan: What it would do.
        key_id: Of the key it is signed with; empty: it is not.
        digest: Of what it says, to know it again.
        until_s: When it has expired, on the monotonic clock.
    """

    command: Command
    asked: CommandRequest
    args: Args
    plan: Facts
    key_id: str
    digest: bytes
    until_s: float


@dataclass(frozen=True, slots=True)
class CommandAdmission:
    """Looks commands over.

    Attributes:
        gateway: Our id.
        catalogue: Every command there is.
        allowed: Those that may be asked for here.
        verify: Knows whose signature is good.
    """

    gateway: str
    catalogue: Mapping[str, Command]
    allowed: frozenset[str]
    verify: Verify

    def admit(self, name: str, inbound: InboundMessage, arrived_s: float) -> Admitted:
        """Return what *message* asks for, *name* in its topic. Raises Refused."""
        command_id = None
        try:
            tree = read_tree(inbound.payload, inbound.content_type)
            command_id = id_of(tree)
            if inbound.retain:
                raise _refused(command_id, "expired", "", "retained", "a command is never retained")
            said = asked(tree)
            command = self._command(name, said)
            until_s = arrived_s + _left_s(command, said, inbound)
            key_id = self._key(command, said, tree)
            args = args_of(command.args, said)
            plan = command.plan(args)
            known_by = digest({"name": name, "args": said.args, "dry_run": said.dry_run})
        except MessageRejected as error:
            raise Refused(command_id, "bad_args", error.faults) from None
        return Admitted(command, said, args, plan, key_id, bytes.fromhex(known_by), until_s)

    def _command(self, name: str, said: CommandRequest) -> Command:
        command = self.catalogue.get(name)
        if command is None:
            raise _refused(said.id, "unknown", "/name", "unknown", "there is no such command")
        if said.name not in (None, name):
            raise _refused(said.id, "bad_args", "/name", "topic", f"the topic says {name}")
        if said.gateway not in (None, self.gateway):
            raise _refused(said.id, "forbidden", "/gw", "gateway", "it is for another gateway")
        if name not in self.allowed:
            message = "it is not among those that this machine allows"
            raise _refused(said.id, "forbidden", "/name", "allowed", message)
        return command

    def _key(self, command: Command, said: CommandRequest, tree: Mapping[str, object]) -> str:
        """Return the key *said* is signed with; what is signed must say what it is and for whom."""
        if not command.signed and said.signature is None:
            return ""
        try:
            key_id = self.verify(tree)
        except MessageRejected as error:
            raise Refused(said.id, "bad_sig", error.faults) from None
        if command.signed:
            for at, value in (("/name", said.name), ("/gw", said.gateway)):
                if value is None:
                    raise _refused(said.id, "bad_sig", at, "sig.scope", "it must be signed as well")
            if not _ULID.fullmatch(said.id):
                raise _refused(said.id, "bad_args", "/id", "ulid", "a signed id must be a ULID")
        return key_id


def _left_s(command: Command, said: CommandRequest, inbound: InboundMessage) -> float:
    if said.ttl_s > command.ttl_s:
        message = f"{command.name} is good for {command.ttl_s:g} s at most"
        raise _refused(said.id, "bad_args", "/ttl_s", "range", message)
    if inbound.expiry_s is None:
        message = "send it with a message expiry, or its age cannot be known"
        raise _refused(said.id, "bad_args", "", "expiry.missing", message)
    if inbound.expiry_s > said.ttl_s:
        message = "the message expiry is longer than ttl_s"
        raise _refused(said.id, "bad_args", "/ttl_s", "expiry.longer", message)
    return inbound.expiry_s


def _refused(command_id: str | None, code: Rejected, at: str, kind: str, message: str) -> Refused:
    return Refused(command_id, code, (Fault(at, kind, message),))
