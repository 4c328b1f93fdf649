"""Monthly documents: looked for, checked, signed, sent through the outbox, acknowledged.

A document goes as one head and its pieces, of which few wait in the outbox at once: a line that is
slow or down keeps the rest here, and events keep their place. What was sent and is not acknowledged
is asked for; the centre then names the pieces that it lacks, and only these go again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from gateway.documents.deliveries import HEAD, Delivery, DeliveryStore
from gateway.documents.faults import DocumentFault
from gateway.documents.folder import FileMark
from gateway.documents.messages import told
from gateway.documents.months import due_ms, past_months
from gateway.model.document_standing import DocumentStanding, DocumentState
from gateway.model.document_template import DOCUMENT_BYTES, DocumentKind
from gateway.model.errors import MessageRejected, TransientError
from gateway.model.event import Event
from gateway.model.names import new_id
from gateway.mqtt.payloads.codec import decode_tree
from gateway.mqtt.payloads.document import (
    PIECE_BYTES,
    DocumentAck,
    DocumentFacts,
    KeySignature,
    head_facts,
    parse_ack,
    piece_facts,
)
from gateway.mqtt.payloads.event import DOCUMENT_HEAD, DOCUMENT_PIECE
from gateway.mqtt.topics import ParsedTopic
from gateway.ports import Clock, InboundMessage
from gateway.runtime.log_limit import RateLimitedLog
from gateway.runtime.rate_limit import TokenBucket

IN_OUTBOX = 4
"""Records that may wait in the outbox while another piece is added."""

POLL_S = 1.0
"""Between two looks whether the outbox has room."""

ACK_S, LONGEST_ACK_S = 10.0, 3600.0
"""So long after the last piece has left the box the centre is asked what it has; then doubling."""

ACKS_PER_MIN, ACKS = 60, 60
ACK_VALUES = 4096

Key = tuple[str, str]

log = structlog.get_logger(__name__)


class DocumentSource(Protocol):
    """Where the files are. Raises TransientError: it cannot be read."""

    async def find(self, names: frozenset[str]) -> Mapping[str, FileMark]:
        """Return those of *names* that are there."""
        ...

    async def read(self, mark: FileMark) -> bytes:
        """Return the content of one, at most a byte more than is taken."""
        ...


class DocumentOutbox(Protocol):
    """What carries documents: `gateway.mqtt.outbox.outbox.Outbox`."""

    @property
    def pending(self) -> int:
        """How many records wait for the broker."""
        ...

    def record(self, event: Event) -> None:
        """Record *event*."""
        ...

    async def flush(self) -> None:
        """Return once what was recorded is on the disk, or the disk refuses."""
        ...


@dataclass(frozen=True, slots=True)
class DocumentTrust:
    """Who says so.

    Attributes:
        province: Ours.
        gateway: Our id.
        sign: Returns our key's digest and its signature of a tree. Blocks; raises TransientError.
        verify: Checks that the centre has signed a tree. Raises MessageRejected, TransientError.
    """

    province: str
    gateway: str
    sign: Callable[[Mapping[str, object]], tuple[str, str]]
    verify: Callable[[Mapping[str, object]], str]


class DocumentService:
    """Carries the documents of one box.

    Args:
        kinds: What there is to carry.
        source: Where files are put.
        store: What has become of them.
        trust: Signs heads, checks acknowledgements.
        inspect: Says what is wrong with a content.
        outbox: Carries.
        wall_ms: The wall clock, as far as it can be trusted.
        clock: Monotonic.
        scan_s: Between two looks at the source.
        ack_s: See `ACK_S`; shorter in tests.
    """

    def __init__(
        self,
        kinds: tuple[DocumentKind, ...],
        *,
        source: DocumentSource,
        store: DeliveryStore,
        trust: DocumentTrust,
        inspect: Callable[[bytes, DocumentKind], Awaitable[tuple[DocumentFault, ...]]],
        outbox: DocumentOutbox,
        wall_ms: Callable[[], int],
        clock: Clock,
        scan_s: float,
        ack_s: float = ACK_S,
    ) -> None:
        self._kinds = {each.id: each for each in kinds}
        self._source, self._store, self._trust = source, store, trust
        self._inspect, self._outbox = inspect, outbox
        self._wall_ms, self._clock = wall_ms, clock
        self._scan_s, self._ack_s = scan_s, ack_s
        self._deliveries: dict[Key, Delivery] = {}
        self._seen: dict[Key, FileMark] = {}
        self._asked_s: dict[str, float] = {}
        self._scanned = self._source_fails = self._unsaved = False
        self._work = asyncio.Event()
        self._acks = TokenBucket(ACKS_PER_MIN, ACKS, clock=clock)
        self._rejected = RateLimitedLog("documents", "document_ack_rejected", clock=clock)

    async def run(self) -> None:
        """Look, check and send until cancelled."""
        if not self._kinds:
            return
        self._deliveries = await asyncio.to_thread(self._store.load)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._scan_on(), name="document scan")
            group.create_task(self._send_on(), name="document sending")

    def standings(self) -> tuple[DocumentStanding, ...]:
        """Return how the document of the last month stands, of each kind; before a look nothing."""
        if not self._scanned:
            return ()
        (month,) = past_months(self._wall_ms(), 1)
        return tuple(self._standing(kind, month) for kind in self._kinds.values())

    def on_ack(self, _: ParsedTopic, message: InboundMessage) -> None:
        """Take what the centre says of a document."""
        if not self._kinds or not self._acks.try_acquire():
            return
        try:
            tree = decode_tree(message.payload, message.content_type, values=ACK_VALUES)
            self._trust.verify(tree)
            ack = parse_ack(tree)
        except (MessageRejected, TransientError) as error:
            self._rejected.count(str(error))
            return
        found = next((d for d in self._deliveries.values() if d.document == ack.document), None)
        known = found is not None and found.state == "sending" and found.sha256 == ack.sha256
        if found is None or not known or ack.gateway != self._trust.gateway:
            return
        self._deliveries[found.kind, found.month] = self._answered(found, ack)
        self._unsaved = True
        self._work.set()

    def _answered(self, delivery: Delivery, ack: DocumentAck) -> Delivery:
        """Return *delivery* as it stands after *ack*."""
        if ack.state == "missing":
            if ack.ask != delivery.ask or delivery.todo:
                return delivery  # of an earlier question
            missing = tuple(each for each in ack.missing if each < delivery.pieces)
            self._asked_s.pop(delivery.document, None)
            return delivery.model_copy(update={"todo": missing})
        state = "kept" if ack.state == "kept" else "refused"
        update = {
            "state": state,
            "todo": (),
            "faults": ack.errors,
            "settled_ms": self._wall_ms(),
        }
        settled = delivery.model_copy(update=update)
        self._record(settled)
        return settled

    async def _scan_on(self) -> None:
        while True:
            try:
                await self._scan()
            except TransientError as error:
                self._source_fails = True
                log.warning("documents_not_read", reason=error.reason, detail=error.detail)
            self._scanned = True
            await self._clock.sleep(self._scan_s)

    async def _scan(self) -> None:
        """Look for each kind and past month. Raises TransientError."""
        months = past_months(self._wall_ms())
        wanted = {
            kind.file_of(month): (kind, month) for kind in self._kinds.values() for month in months
        }
        for key in set(self._deliveries) - {(kind.id, month) for kind, month in wanted.values()}:
            del self._deliveries[key]
        found = await self._source.find(frozenset(wanted))
        for name, mark in found.items():
            kind, month = wanted[name]
            await self._look_at(kind, month, mark)
        self._source_fails = False
        await asyncio.to_thread(self._store.forget_contents, dict(self._deliveries))

    async def _look_at(self, kind: DocumentKind, month: str, mark: FileMark) -> None:
        """Take the file of *kind* and *month* if it is new, and as it was at the last look."""
        key, before = (kind.id, month), self._deliveries.get((kind.id, month))
        is_calm = self._seen.get(key) == mark
        self._seen[key] = mark
        if not is_calm or (before is not None and before.mark == _text_of(mark)):
            return  # somebody may be writing it; or it is known
        content = await self._source.read(mark)
        sha256 = hashlib.sha256(content).hexdigest()
        if before is not None and before.sha256 == sha256:
            self._deliveries[key] = before.model_copy(update={"mark": _text_of(mark)})
            self._unsaved = True
            return
        faults = await self._inspect(content, kind)
        delivery = Delivery(
            document=new_id(),
            kind=kind.id,
            month=month,
            name=kind.file_of(month),
            mark=_text_of(mark),
            bytes=min(len(content), DOCUMENT_BYTES + 1),
            sha256=sha256,
            state="invalid" if faults else "sending",
            made_ms=self._wall_ms(),
            faults=told(faults),
        )
        if not faults:
            todo = (HEAD, *range(delivery.pieces))
            delivery = delivery.model_copy(update={"todo": todo})
            await asyncio.to_thread(self._store.save_content, delivery, content)
        self._deliveries[key] = delivery
        await self._save()
        self._record(delivery)
        self._work.set()

    async def _send_on(self) -> None:
        while True:
            self._work.clear()
            try:
                if self._unsaved:
                    await self._save()
                busy = await self._send_next()
            except (TransientError, OSError) as error:
                log.warning("document_not_sent", detail=str(error))
                busy = False
            if not busy and not self._work.is_set():
                await self._clock.sleep(POLL_S)

    async def _send_next(self) -> bool:
        """Send one record; return whether there was one that could go.

        Raises:
            TransientError: The disk or the key fails.
            OSError: The copy cannot be read.
        """
        for delivery in tuple(self._deliveries.values()):
            if delivery.state != "sending":
                continue
            if self._outbox.pending >= IN_OUTBOX:
                return False
            if not delivery.todo:
                self._ask_if_due(delivery)
                continue
            facts = await self._facts_of(delivery, delivery.todo[0])
            if self._deliveries.get((delivery.kind, delivery.month)) != delivery:
                return True  # it was answered, or replaced, meanwhile
            kind = DOCUMENT_HEAD if delivery.todo[0] == HEAD else DOCUMENT_PIECE
            self._outbox.record(Event(kind, facts))
            rest = delivery.model_copy(update={"todo": delivery.todo[1:]})
            self._deliveries[delivery.kind, delivery.month] = rest
            await self._outbox.flush()
            await self._save()
            return True
        return False

    def _ask_if_due(self, delivery: Delivery) -> None:
        """Ask the centre what it has of *delivery*, if all has left the box for so long."""
        if self._outbox.pending:
            self._asked_s.pop(delivery.document, None)
            return
        now_s = self._clock.now()
        wait_s = min(self._ack_s * 2 ** min(delivery.ask, 16), LONGEST_ACK_S)
        if now_s - self._asked_s.setdefault(delivery.document, now_s) >= wait_s:
            del self._asked_s[delivery.document]
            update = {"todo": (HEAD,), "ask": delivery.ask + 1}
            key = (delivery.kind, delivery.month)
            self._deliveries[key] = delivery.model_copy(update=update)
            self._work.set()

    async def _facts_of(self, delivery: Delivery, index: int) -> dict[str, object]:
        if index != HEAD:
            content = await asyncio.to_thread(self._store.piece, delivery, index)
            return piece_facts(delivery.document, index, content)
        facts = DocumentFacts(
            document=delivery.document,
            gateway=self._trust.gateway,
            province=self._trust.province,
            kind=delivery.kind,
            month=delivery.month,
            name=delivery.name,
            bytes=delivery.bytes,
            sha256=delivery.sha256,
            pieces=delivery.pieces,
            piece_bytes=PIECE_BYTES,
            made_ms=delivery.made_ms,
        )
        digest, value = await asyncio.to_thread(self._trust.sign, facts.signed_tree())
        return head_facts(facts, KeySignature(key_digest=digest, value=value), ask=delivery.ask)

    async def _save(self) -> None:
        """Store all deliveries. Raises TransientError: the disk refuses; it is tried again."""
        self._unsaved = False
        try:
            await asyncio.to_thread(self._store.save, dict(self._deliveries))
        except TransientError:
            self._unsaved = True
            raise

    def _record(self, delivery: Delivery) -> None:
        """Tell the centre, and the log, how *delivery* stands."""
        facts: dict[str, object] = {
            "kind": delivery.kind,
            "month": delivery.month,
            "doc": delivery.document,
            "act": delivery.state,
        }
        if delivery.faults:
            facts["errors"] = [f"{each.at} {each.code}".strip() for each in delivery.faults]
        log.info("document", **facts)
        self._outbox.record(Event("document.state", facts, "audit"))

    def _standing(self, kind: DocumentKind, month: str) -> DocumentStanding:
        delivery = self._deliveries.get((kind.id, month))
        state: DocumentState = "unreadable" if self._source_fails else "missing"
        if delivery is not None:
            state = delivery.state
        return DocumentStanding(
            kind=kind.id,
            month=month,
            state=state,
            due_ms=due_ms(month, kind.due_day),
            at="" if delivery is None or not delivery.faults else delivery.faults[0].at,
            faults=0 if delivery is None else len(delivery.faults),
        )


def _text_of(mark: FileMark) -> str:
    return f"{mark.size} {mark.changed_ns} {mark.name}"[:400]
