"""Documents in the centre's database: their pieces while they come, then the file. All calls block.

Bounded for each site, and for all together: whoever holds a box's key can fill neither the disk nor
another site's place.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from gateway.centre.enrolment.tables import (
    CertificateRow,
    DocumentPieceRow,
    DocumentRow,
    SiteRow,
)
from gateway.mqtt.payloads.document import DocumentHead, ToldFault
from gateway.runtime.clock import now_ms

RECEIVING = 8
"""Documents of one site that may be incomplete; one more takes the place of the oldest."""

SETTLED = 5
"""Of one site, kind and month; the newest stay. Others are corrections, or what was refused."""

MONTHS = 36
"""Months of which a site may hold documents; of more the oldest go."""

SITE_BYTES = 134_217_728
"""Of one site, all its months together."""

_FAULTS = TypeAdapter(tuple[ToldFault, ...])


class StoreFull(Exception):
    """All documents, or those of a site, take as much as they may."""


@dataclass(frozen=True, slots=True)
class Held:
    """What the centre has of a document.

    Attributes:
        state: ``receiving``, ``kept`` or ``refused``.
        sha256: As its head said.
        kind: Of its template.
        missing: Pieces that are not there.
        faults: Why it was refused.
    """

    state: str
    sha256: str
    kind: str
    missing: tuple[int, ...] = ()
    faults: tuple[ToldFault, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivered:
    """One document as people see it.

    Attributes:
        province: Two digits.
        site: Id of its gateway.
        site_name: For people.
        document: Its id.
        kind: Of its template.
        month: That it tells of.
        name: Of its file.
        bytes: Of its file.
        sha256: Of its file.
        state: ``receiving``, ``kept`` or ``refused``.
        settled_ms: When it was kept or refused.
        faults: Why it was refused.
    """

    province: str
    site: str
    site_name: str
    document: str
    kind: str
    month: str
    name: str
    bytes: int
    sha256: str
    state: str
    settled_ms: int | None
    faults: tuple[ToldFault, ...]


class DocumentStore:
    """The documents.

    Args:
        engine: The centre's database.
        max_bytes: So much all of them may take.
    """

    def __init__(self, engine: sa.Engine, *, max_bytes: int) -> None:
        self._engine = engine
        self._max_bytes = max_bytes

    def chain_of(self, province: str, site: str, key_digest: str) -> str | None:
        """Return the certificate (PEM) of that key of *site*; None: it has none that is good."""
        with Session(self._engine) as session:
            return session.scalars(
                sa.select(CertificateRow.chain)
                .join(SiteRow, SiteRow.id == CertificateRow.site_id)
                .where(
                    CertificateRow.key_digest == key_digest,
                    CertificateRow.revoked_ms.is_(None),
                    CertificateRow.ends_ms > now_ms(),
                    SiteRow.id == site,
                    SiteRow.province == province,
                    SiteRow.revoked_ms.is_(None),
                )
                .order_by(CertificateRow.ends_ms.desc())
                .limit(1)
            ).first()

    def held(self, site: str, document: str) -> Held | None:
        """Return what is there of a document; None: nothing."""
        with Session(self._engine) as session:
            row = session.get(DocumentRow, (site, document))
            return None if row is None else _held(session, row)

    def has_content(self, head: DocumentHead) -> bool:
        """Return whether that site's document of that kind and month is kept with that content."""
        with Session(self._engine) as session:
            same = sa.select(DocumentRow.id).where(
                DocumentRow.site_id == head.gateway,
                DocumentRow.kind == head.kind,
                DocumentRow.month == head.month,
                DocumentRow.sha256 == head.sha256,
                DocumentRow.state == "kept",
            )
            return session.scalars(same.limit(1)).first() is not None

    def begin(self, head: DocumentHead) -> None:
        """Make place for a document whose head is good.

        Raises:
            StoreFull: There is none.
        """
        with Session(self._engine) as session, session.begin():
            size = sa.select(sa.func.coalesce(sa.func.sum(DocumentRow.size), 0))
            taken = session.scalar(size) or 0
            own = session.scalar(size.where(DocumentRow.site_id == head.gateway)) or 0
            if taken + head.bytes > self._max_bytes or own + head.bytes > SITE_BYTES:
                raise StoreFull
            session.add(
                DocumentRow(
                    site_id=head.gateway,
                    id=head.document,
                    province=head.province,
                    kind=head.kind,
                    month=head.month,
                    name=head.name,
                    size=head.bytes,
                    sha256=head.sha256,
                    pieces=head.pieces,
                    piece_bytes=head.piece_bytes,
                    state="receiving",
                    begun_ms=now_ms(),
                    head=head.model_dump_json(by_alias=True, exclude_none=True),
                    faults="[]",
                )
            )
            session.flush()
            _forget_oldest(session, head.gateway)

    def add_piece(self, site: str, document: str, number: int, content: bytes) -> bytes | None:
        """Store a piece of a document that is being received; return the whole once it is there.

        A piece that is there already, is of another size than it must be, or belongs to nothing
        changes nothing.
        """
        with Session(self._engine) as session, session.begin():
            row = session.get(DocumentRow, (site, document))
            if row is None or row.state != "receiving" or number >= row.pieces:
                return None
            if len(content) != min(row.piece_bytes, row.size - number * row.piece_bytes):
                return None
            if session.get(DocumentPieceRow, (site, document, number)) is None:
                session.add(
                    DocumentPieceRow(
                        site_id=site, document_id=document, number=number, content=content
                    )
                )
                session.flush()
            return _whole(session, row)

    def whole(self, site: str, document: str) -> bytes | None:
        """Return the whole of a document that is being received, if all pieces are there."""
        with Session(self._engine) as session:
            row = session.get(DocumentRow, (site, document))
            return None if row is None or row.state != "receiving" else _whole(session, row)

    def settle(
        self, site: str, document: str, content: bytes | None, faults: tuple[ToldFault, ...]
    ) -> None:
        """Keep *content*, or refuse the document for *faults*; its pieces go."""
        with Session(self._engine) as session, session.begin():
            row = session.get(DocumentRow, (site, document))
            if row is None:
                return
            row.state = "refused" if content is None else "kept"
            row.content, row.settled_ms = content, now_ms()
            row.faults = _FAULTS.dump_json(faults).decode()
            _forget_pieces(session, site, document)
            session.flush()
            _forget_corrected(session, row)

    def delivered(self, month: str) -> tuple[Delivered, ...]:
        """Return what has come for *month*, by province and kind, the newest of each first."""
        with Session(self._engine) as session:
            rows = session.execute(
                sa.select(DocumentRow, SiteRow.name)
                .join(SiteRow, SiteRow.id == DocumentRow.site_id)
                .where(DocumentRow.month == month)
                .order_by(
                    DocumentRow.province,
                    DocumentRow.kind,
                    DocumentRow.begun_ms.desc(),
                    DocumentRow.id.desc(),
                )
            )
            return tuple(_delivered(row, name) for row, name in rows)

    def content(self, site: str, document: str) -> bytes | None:
        """Return the file of a document that is kept."""
        with Session(self._engine) as session:
            row = session.get(DocumentRow, (site, document))
            return None if row is None else row.content


def _held(session: Session, row: DocumentRow) -> Held:
    missing: tuple[int, ...] = ()
    if row.state == "receiving":
        there = session.scalars(
            sa.select(DocumentPieceRow.number).where(
                DocumentPieceRow.site_id == row.site_id, DocumentPieceRow.document_id == row.id
            )
        )
        missing = tuple(sorted(set(range(row.pieces)) - set(there)))
    return Held(row.state, row.sha256, row.kind, missing, _FAULTS.validate_json(row.faults))


def _whole(session: Session, row: DocumentRow) -> bytes | None:
    of_it = (DocumentPieceRow.site_id == row.site_id, DocumentPieceRow.document_id == row.id)
    count = session.scalar(sa.select(sa.func.count()).select_from(DocumentPieceRow).where(*of_it))
    if count != row.pieces:
        return None
    pieces = session.scalars(
        sa.select(DocumentPieceRow.content).where(*of_it).order_by(DocumentPieceRow.number)
    )
    return b"".join(pieces)


def _forget_oldest(session: Session, site: str) -> None:
    """Delete what a site has begun too much of, and its oldest months."""
    begun = session.scalars(
        sa.select(DocumentRow)
        .where(DocumentRow.site_id == site, DocumentRow.state == "receiving")
        .order_by(DocumentRow.begun_ms.desc(), DocumentRow.id.desc())
        .offset(RECEIVING)
    ).all()
    months = session.scalars(
        sa.select(DocumentRow.month)
        .where(DocumentRow.site_id == site)
        .distinct()
        .order_by(DocumentRow.month.desc())
        .offset(MONTHS)
    ).all()
    old = session.scalars(
        sa.select(DocumentRow).where(DocumentRow.site_id == site, DocumentRow.month.in_(months))
    ).all()
    _forget(session, {*begun, *old})


def _forget_corrected(session: Session, row: DocumentRow) -> None:
    """Delete all but the newest documents of that site, kind and month."""
    settled = session.scalars(
        sa.select(DocumentRow)
        .where(
            DocumentRow.site_id == row.site_id,
            DocumentRow.kind == row.kind,
            DocumentRow.month == row.month,
            DocumentRow.state != "receiving",
        )
        .order_by(DocumentRow.settled_ms.desc(), DocumentRow.id.desc())
    ).all()
    kept = next((each for each in settled if each.state == "kept"), None)
    _forget(session, {each for each in settled[SETTLED:] if each is not kept})


def _forget(session: Session, rows: set[DocumentRow]) -> None:
    for row in rows:
        _forget_pieces(session, row.site_id, row.id)
        session.delete(row)


def _forget_pieces(session: Session, site: str, document: str) -> None:
    session.execute(
        sa.delete(DocumentPieceRow).where(
            DocumentPieceRow.site_id == site, DocumentPieceRow.document_id == document
        )
    )


def _delivered(row: DocumentRow, site_name: str) -> Delivered:
    return Delivered(
        province=row.province,
        site=row.site_id,
        site_name=site_name,
        document=row.id,
        kind=row.kind,
        month=row.month,
        name=row.name,
        bytes=row.size,
        sha256=row.sha256,
        state=row.state,
        settled_ms=row.settled_ms,
        faults=_FAULTS.validate_json(row.faults),
    )
