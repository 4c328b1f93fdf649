"""Takes documents that sites send over the broker, checks them, and acknowledges them.

What comes is bounded before it is read: messages of each site, and how many wait for the disk. What
is dropped comes again, since the site asks what is missing.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm.exc import StaleDataError

from gateway.centre.delivery.settings import DeliverySettings
from gateway.centre.delivery.store import DocumentStore, Held, StoreFull
from gateway.config.signing import SigningKey, load_key, sign
from gateway.documents.faults import DocumentFault, fault
from gateway.documents.inspection import inspect_document
from gateway.documents.messages import told
from gateway.documents.months import past_months
from gateway.enrolment.key_signature import is_signed_by
from gateway.model.document_template import DocumentKind
from gateway.model.errors import Fault, MessageRejected, TransientError
from gateway.mqtt.payloads.codec import encode
from gateway.mqtt.payloads.document import (
    AckState,
    DocumentAck,
    DocumentHead,
    DocumentPiece,
    ToldFault,
    ack_tree,
    decode_document,
)
from gateway.mqtt.topic_tree import DOCUMENT_ACK
from gateway.mqtt.topics import ParsedTopic, Topics, build_message
from gateway.ports import Clock, InboundMessage, OutboundMessage
from gateway.runtime.bugs import report_bug
from gateway.runtime.clock import now_ms
from gateway.runtime.log_limit import RateLimitedLog
from gateway.runtime.rate_limit import RateLimiter

MESSAGES_PER_MIN, MESSAGES = 120, 160
"""Of one site: two documents of the largest size at once, then two a minute."""

SITES_AT_ONCE = 64
"""So many sites' worth of messages all together may send."""

WAITING = 256
"""Messages that wait for the disk; 16 MiB at most."""

ACCEPTED_MONTHS = 12
"""Documents of so many past months are taken."""

_DATABASE = (OperationalError, IntegrityError, StaleDataError)
"""The disk refuses, or another console on the same database was faster; it is asked for again."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Waiting:
    province: str
    gateway: str
    message: InboundMessage


class DocumentReceiver:
    """Takes the documents of all sites.

    Args:
        settings: ``[documents]``.
        store: Where they are kept.
        publish: Publishes acknowledgements.
        clock: Monotonic.
        wall_ms: The wall clock.
        inspect: Says what is wrong with a content.

    Attributes:
        unfinished: How many messages were taken and are not handled yet.

    Raises:
        ConfigRejected: The key cannot be used.
    """

    def __init__(
        self,
        settings: DeliverySettings,
        store: DocumentStore,
        *,
        publish: Callable[[OutboundMessage], None],
        clock: Clock,
        wall_ms: Callable[[], int] = now_ms,
        inspect: Callable[
            [bytes, DocumentKind], Awaitable[tuple[DocumentFault, ...]]
        ] = inspect_document,
    ) -> None:
        self._key: SigningKey = load_key(settings.key, "doc")
        self._kinds = {each.id: each for each in settings.kinds}
        self._store, self._publish = store, publish
        self._wall_ms, self._inspect = wall_ms, inspect
        self.unfinished = 0
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(WAITING)
        self._limiter = RateLimiter(
            MESSAGES_PER_MIN, MESSAGES, clock=clock, total_factor=SITES_AT_ONCE, requesters=4096
        )
        self._dropped = RateLimitedLog("documents", "document_message_dropped", clock=clock)
        self._rejected = RateLimitedLog("documents", "document_message_rejected", clock=clock)

    def deliver(self, topic: ParsedTopic, message: InboundMessage) -> None:
        """Take a message of a site; returns at once."""
        site = f"{topic.province}/{topic.gateway}"
        if not self._limiter.try_acquire(site) or self._queue.full():
            self._dropped.count(site)
            return
        self._queue.put_nowait(_Waiting(topic.province, topic.gateway, message))
        self.unfinished += 1

    async def run(self) -> None:
        """Handle messages until cancelled."""
        while True:
            waiting = await self._queue.get()
            site = f"{waiting.province}/{waiting.gateway}"
            try:
                await self._handle(waiting)
            except (MessageRejected, TransientError, *_DATABASE) as error:
                self._rejected.count(f"{site}: {str(error)[:300]}")
            except StoreFull:
                self._rejected.count(f"{site}: [documents] max_mib is reached")
            except Exception as error:  # ends this message only
                report_bug("message", error, site)
            finally:
                self.unfinished -= 1

    async def _handle(self, waiting: _Waiting) -> None:
        said = decode_document(waiting.message.payload, waiting.message.content_type)
        if isinstance(said, DocumentHead):
            await self._on_head(waiting, said)
        else:
            await self._on_piece(waiting, said)

    async def _on_head(self, waiting: _Waiting, head: DocumentHead) -> None:
        if (head.province, head.gateway) != (waiting.province, waiting.gateway):
            raise _rejection("identity", "the head is of another gateway than its topic")
        chain = await asyncio.to_thread(
            self._store.chain_of, head.province, head.gateway, head.signature.key_digest
        )
        signed = chain is not None and await asyncio.to_thread(
            is_signed_by, chain, head.signed_tree(), head.signature.value
        )
        if not signed:
            raise _rejection("signature", "no certificate of this gateway has signed it")
        held = await asyncio.to_thread(self._store.held, head.gateway, head.document)
        if held is None:
            wrong = self._wrong_head(head)
            if wrong:
                self._acknowledge(head, "refused", errors=wrong)
                return
            if await asyncio.to_thread(self._store.has_content, head):
                self._acknowledge(head, "kept")  # a box that has forgotten what it sent
                return
            await asyncio.to_thread(self._store.begin, head)
            held = await asyncio.to_thread(self._store.held, head.gateway, head.document)
        if held is None or held.sha256 != head.sha256:
            raise _rejection("sha256", "another content under the same id")
        await self._answer(head, held)

    async def _answer(self, head: DocumentHead, held: Held) -> None:
        if held.state == "kept":
            self._acknowledge(head, "kept")
        elif held.state == "refused":
            self._acknowledge(head, "refused", errors=held.faults)
        elif not held.missing:  # the centre ended between the last piece and its answer
            content = await asyncio.to_thread(self._store.whole, head.gateway, head.document)
            if content is not None:
                topics = Topics(head.province, head.gateway)
                await self._settle(topics, head.document, held, content)
        elif head.ask:
            self._acknowledge(head, "missing", missing=held.missing)

    async def _on_piece(self, waiting: _Waiting, piece: DocumentPiece) -> None:
        content = piece.content()
        whole = await asyncio.to_thread(
            self._store.add_piece, waiting.gateway, piece.document, piece.index, content
        )
        if whole is None:
            return
        held = await asyncio.to_thread(self._store.held, waiting.gateway, piece.document)
        if held is not None and held.state == "receiving":
            topics = Topics(waiting.province, waiting.gateway)
            await self._settle(topics, piece.document, held, whole)

    async def _settle(self, topics: Topics, document: str, held: Held, content: bytes) -> None:
        """Keep or refuse *document*, of which all of *content* is there, and say so."""
        site = topics.gateway
        kind = self._kinds.get(held.kind)
        if hashlib.sha256(content).hexdigest() != held.sha256:
            faults = told((fault("", "hash"),))
        elif kind is None:  # the settings were changed meanwhile
            faults = told((fault("", "kind", key=held.kind),))
        else:
            faults = told(await self._inspect(content, kind))
        kept = None if faults else content
        await asyncio.to_thread(self._store.settle, site, document, kept, faults)
        state: AckState = "refused" if faults else "kept"
        log.info("document_received", site=site, document=document, kind=held.kind, state=state)
        self._send(topics, document, held.sha256, state, errors=faults)

    def _wrong_head(self, head: DocumentHead) -> tuple[ToldFault, ...]:
        """Return why a document is not even begun with."""
        kind = self._kinds.get(head.kind)
        if kind is None:
            return told((fault("", "kind", key=head.kind),))
        if head.month not in past_months(self._wall_ms(), ACCEPTED_MONTHS):
            return told((fault("", "month", got=head.month),))
        if head.pieces != -(-head.bytes // head.piece_bytes):
            return told((fault("", "hash"),))
        return ()

    def _acknowledge(
        self,
        head: DocumentHead,
        state: AckState,
        *,
        missing: tuple[int, ...] = (),
        errors: tuple[ToldFault, ...] = (),
    ) -> None:
        topics = Topics(head.province, head.gateway)
        self._send(
            topics,
            head.document,
            head.sha256,
            state,
            ask=head.ask,
            missing=missing,
            errors=errors,
        )

    def _send(
        self,
        topics: Topics,
        document: str,
        sha256: str,
        state: AckState,
        *,
        ask: int = 0,
        missing: tuple[int, ...] = (),
        errors: tuple[ToldFault, ...] = (),
    ) -> None:
        ack = DocumentAck(
            document=document,
            gateway=topics.gateway,
            sha256=sha256,
            state=state,
            ask=ask,
            missing=missing,
            errors=errors,
            issued_ms=self._wall_ms(),
        )
        content = encode(sign(ack_tree(ack), self._key))
        self._publish(build_message(DOCUMENT_ACK, topics.document_ack, content))


def _rejection(code: str, message: str) -> MessageRejected:
    return MessageRejected((Fault("", code, message),))
