"""The hash chain of audit events: each entry holds the hash of the one before.

An entry is a JSON object: ``seq`` (1, 2, 3 …), ``prev`` (hash of the entry before; `GENESIS` for
the first), ``at`` (ms since 1970), ``type`` and the facts of the event, and ``hash``: SHA-256, in
hexadecimal, of all of it but ``hash`` and `TRANSPORT`, as canonical JSON. Published, it is an event
like any other: what the outbox adds is not covered by the hash.

Whoever can write the file can write another chain; what was published tells: the last hash that
the centre has must be in the chain.

Sources: RFC 8785 (canonical JSON), RFC 6962 §2 (why the newest hash must be known elsewhere).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.config.signing import canonical_json
from gateway.model.errors import MessageRejected
from gateway.model.event import Event

GENESIS = "0" * 64
"""``prev`` of the first entry of a chain."""

TRANSPORT = frozenset({"id", "n", "ep", "t", "t0", "mono", "late", "alias_of"})
"""Keys that the outbox adds to a published entry."""

_RESERVED = TRANSPORT | {"seq", "prev", "at", "type", "hash"}
"""A fact of such a name gets an underscore behind it, so that the hash covers it."""

_Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry of a chain, by which all before it is known.

    Attributes:
        seq: Its number; 0: there is none yet.
        hash: Its hash.
    """

    seq: int = 0
    hash: str = GENESIS

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry.

    Attributes:
        head: Its number and hash.
        prev: Hash of the one before.
        tree: All of it, without what the outbox adds.
    """

    head: Head
    prev: str
    tree: Mapping[str, object]

    @property
    def facts(self) -> dict[str, object]:
        """What it says as an event: the facts, and its place in the chain."""
        return {name: value for name, value in self.tree.items() if name != "type"}


@dataclass(frozen=True, slots=True)
class ChainFault:
    """One thing that is wrong with a chain.

    Attributes:
        seq: At which entry; 0: nobody knows.
        code: ``form``, ``changed``, ``link``, ``missing``, ``order``, ``restarted``, ``truncated``
            or ``differs``.
        message: For people.
    """

    seq: int
    code: str
    message: str


class _Links(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    seq: Annotated[int, Field(ge=1, lt=2**53)]
    prev: _Hash
    hash: _Hash
    at: Annotated[int, Field(ge=0, lt=2**53)]
    type: Annotated[str, Field(max_length=64)]


def append(head: Head, event: Event, at_ms: int) -> AuditEntry:
    """Return the entry that puts *event*, which happened at *at_ms*, behind *head*.

    Raises:
        MessageRejected: Its facts are not canonical JSON.
    """
    tree: dict[str, object] = {
        f"{name}_" if name in _RESERVED else name: fact for name, fact in event.facts.items()
    }
    tree |= {"type": event.kind, "seq": head.seq + 1, "prev": head.hash, "at": at_ms}
    digest = hash_of(tree)
    return AuditEntry(Head(head.seq + 1, digest), head.hash, {**tree, "hash": digest})


def hash_of(tree: Mapping[str, object]) -> str:
    """Return the hash that the entry *tree* ought to have. Raises MessageRejected: not JSON."""
    covered = {
        name: value for name, value in tree.items() if name not in TRANSPORT and name != "hash"
    }
    return hashlib.sha256(canonical_json(covered)).hexdigest()


def parse_entry(tree: Mapping[str, object]) -> AuditEntry | None:
    """Return the entry in *tree*, of a file or published; None: it has no place in a chain.

    Whether its hash is right is not looked at.
    """
    try:
        links = _Links.model_validate(dict(tree))
    except ValidationError:
        return None
    kept = {name: value for name, value in tree.items() if name not in TRANSPORT}
    return AuditEntry(Head(links.seq, links.hash), links.prev, kept)


def verify_chain(
    entries: Iterable[AuditEntry], *, anchor: Head | None = None
) -> tuple[Head, list[ChainFault]]:
    """Return the head of *entries*, and all that is wrong with them.

    Args:
        entries: In the order in which they were kept or have arrived. One that comes again just as
            it was has been delivered twice, and is nothing wrong.
        anchor: What was before the first; None: that is not known, e.g. of an export.
    """
    faults: list[ChainFault] = []
    known: dict[int, str] = {}
    head = anchor
    for entry in entries:
        seq = entry.head.seq
        if known.get(seq) == entry.head.hash and _is_right(entry):
            continue
        faults += _faults_of(entry, head)
        if head is None or seq > head.seq:
            head = entry.head
        known.setdefault(seq, entry.head.hash)
    return head or Head(), faults


def compare_chains(
    ours: Sequence[AuditEntry], published: Iterable[Head], anchor: Head | None
) -> list[ChainFault]:
    """Return where the chain of a gateway is not what it has published.

    Args:
        ours: What the gateway holds.
        published: What the centre has received.
        anchor: The last entry that the gateway no longer holds; None: that is not known.
    """
    known = {each.head.seq: each.head.hash for each in ours}
    if anchor is not None:
        known.setdefault(anchor.seq, anchor.hash)
    newest = max(known, default=0)
    faults = []
    for head in published:
        if head.seq > newest:
            message = f"it was published, and the chain ends at {newest}"
            faults.append(ChainFault(head.seq, "truncated", message))
        elif known.get(head.seq, head.hash) != head.hash:
            faults.append(ChainFault(head.seq, "differs", "another entry was published"))
    return faults


def _is_right(entry: AuditEntry) -> bool:
    try:
        return hash_of(entry.tree) == entry.head.hash
    except MessageRejected:
        return False


def _faults_of(entry: AuditEntry, head: Head | None) -> list[ChainFault]:
    seq, faults = entry.head.seq, []
    if not _is_right(entry):
        faults.append(ChainFault(seq, "changed", "its hash does not fit what it says"))
    if head is None:
        return faults
    if entry.prev == GENESIS and (head.seq or seq > 1):
        faults.append(ChainFault(seq, "restarted", f"a new chain begins here, after {head.seq}"))
    elif seq <= head.seq:
        faults.append(ChainFault(seq, "order", f"it comes after {head.seq}"))
    elif seq > head.seq + 1:
        missing = f"{head.seq + 1} to {seq - 1}" if seq > head.seq + 2 else f"{seq - 1}"
        faults.append(ChainFault(seq, "missing", f"before it there is no entry {missing}"))
    elif entry.prev != head.hash:
        faults.append(ChainFault(seq, "link", f"it does not follow the entry {head.seq}"))
    return faults
