"""The tables of the centre's database, and how it is opened and migrated.

SQLAlchemy's portable types only, so that PostgreSQL can take SQLite's place by its URL.
"""

from __future__ import annotations

import os
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from gateway.model.errors import ConfigRejected, Fault, TransientError
from gateway.model.reasons import Reason
from gateway.runtime.plain_text import printable

MIGRATIONS = Path(__file__).with_name("migrations")
BUSY_S = 10.0
"""How long one who writes waits for another."""


class Table(DeclarativeBase):
    """Base of all tables."""


class SiteRow(Table):
    """A site. All times are UTC in ms since 1970.

    Attributes:
        id: Of its gateway.
        province: Two digits.
        province_scheme: The list that it is from.
        name: For people.
        commune: Where it is.
        created_ms: When it was made.
        revoked_ms: When it was shut out; None: it is not.
    """

    __tablename__ = "sites"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    province: Mapped[str] = mapped_column(sa.String(2))
    province_scheme: Mapped[str] = mapped_column(sa.String(8))
    name: Mapped[str] = mapped_column(sa.String(200))
    commune: Mapped[str] = mapped_column(sa.String(200))
    created_ms: Mapped[int] = mapped_column(sa.BigInteger)
    revoked_ms: Mapped[int | None] = mapped_column(sa.BigInteger)


class CodeRow(Table):
    """A one-time code.

    Attributes:
        digest: HMAC of it under the key of this centre; the code itself is nowhere.
        site_id: Whom it is for.
        created_ms: When it was made.
        expires_ms: From then on it is worth nothing.
        attempts: How often it was shown to us.
        used_ms: When it was first used.
        key_digest: SHA-256 of the key that has used it.
    """

    __tablename__ = "codes"
    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    site_id: Mapped[str] = mapped_column(sa.ForeignKey("sites.id"), index=True)
    created_ms: Mapped[int] = mapped_column(sa.BigInteger)
    expires_ms: Mapped[int] = mapped_column(sa.BigInteger)
    attempts: Mapped[int] = mapped_column(sa.Integer, default=0)
    used_ms: Mapped[int | None] = mapped_column(sa.BigInteger)
    key_digest: Mapped[str | None] = mapped_column(sa.String(64))


class CertificateRow(Table):
    """A certificate that a site has got.

    Attributes:
        serial: Hexadecimal.
        site_id: Whose.
        key_digest: SHA-256 of its public key.
        chain: PEM, as the machine gets it.
        begins_ms: Its first moment.
        ends_ms: Its last.
        revoked_ms: When it was revoked; None: it is not.
    """

    __tablename__ = "certificates"
    serial: Mapped[str] = mapped_column(sa.String(48), primary_key=True)
    site_id: Mapped[str] = mapped_column(sa.ForeignKey("sites.id"), index=True)
    key_digest: Mapped[str] = mapped_column(sa.String(64), index=True)
    chain: Mapped[str] = mapped_column(sa.Text)
    begins_ms: Mapped[int] = mapped_column(sa.BigInteger)
    ends_ms: Mapped[int] = mapped_column(sa.BigInteger)
    revoked_ms: Mapped[int | None] = mapped_column(sa.BigInteger)


class AdminLinkRow(Table):
    """A link that lets one browser in, once."""

    __tablename__ = "admin_links"
    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    expires_ms: Mapped[int] = mapped_column(sa.BigInteger)
    used_ms: Mapped[int | None] = mapped_column(sa.BigInteger)


class AdminSessionRow(Table):
    """A browser that a link has let in."""

    __tablename__ = "admin_sessions"
    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    expires_ms: Mapped[int] = mapped_column(sa.BigInteger)


class EventRow(Table):
    """What has happened, for people who look into it later.

    Attributes:
        number: In order.
        time_ms: When.
        kind: As ``code.reused``.
        site_id: Which site it is about, if any.
        client: Who did it: an address, or ``cli``.
        detail: For people.
    """

    __tablename__ = "events"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    time_ms: Mapped[int] = mapped_column(sa.BigInteger)
    kind: Mapped[str] = mapped_column(sa.String(40))
    site_id: Mapped[str | None] = mapped_column(sa.String(40))
    client: Mapped[str] = mapped_column(sa.String(64))
    detail: Mapped[str] = mapped_column(sa.String(400))


class DocumentRow(Table):
    """A monthly document that a site has begun to deliver.

    Attributes:
        site_id: Whose.
        id: As the site calls it.
        province: Two digits.
        kind: Of its template.
        month: That it tells of, as ``2026-05``.
        name: Of its file.
        size: Of its file, in bytes.
        sha256: Of its file.
        pieces: How many there are.
        piece_bytes: Of each but the last.
        state: ``receiving``, ``kept`` or ``refused``.
        begun_ms: When its head came.
        settled_ms: When it was kept or refused.
        head: What was signed, with its signature, as JSON.
        faults: Why it was refused, as JSON.
        content: The file, once it is kept.
    """

    __tablename__ = "documents"
    site_id: Mapped[str] = mapped_column(sa.ForeignKey("sites.id"), primary_key=True)
    id: Mapped[str] = mapped_column(sa.String(26), primary_key=True)
    province: Mapped[str] = mapped_column(sa.String(2))
    kind: Mapped[str] = mapped_column(sa.String(32))
    month: Mapped[str] = mapped_column(sa.String(7), index=True)
    name: Mapped[str] = mapped_column(sa.String(150))
    size: Mapped[int] = mapped_column(sa.Integer)
    sha256: Mapped[str] = mapped_column(sa.String(64))
    pieces: Mapped[int] = mapped_column(sa.Integer)
    piece_bytes: Mapped[int] = mapped_column(sa.Integer)
    state: Mapped[str] = mapped_column(sa.String(10))
    begun_ms: Mapped[int] = mapped_column(sa.BigInteger)
    settled_ms: Mapped[int | None] = mapped_column(sa.BigInteger)
    head: Mapped[str] = mapped_column(sa.Text)
    faults: Mapped[str] = mapped_column(sa.Text)
    content: Mapped[bytes | None] = mapped_column(sa.LargeBinary, deferred=True)


class DocumentPieceRow(Table):
    """A piece of a document that is being received."""

    __tablename__ = "document_pieces"
    site_id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    document_id: Mapped[str] = mapped_column(sa.String(26), primary_key=True)
    number: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    content: Mapped[bytes] = mapped_column(sa.LargeBinary)


def open_database(url: str) -> sa.Engine:
    """Open the database at *url*, SQLAlchemy's, and bring its tables up to date. Blocks.

    Raises:
        ConfigRejected: It cannot be opened, or is newer than this program.

    What the engine is asked later raises `TransientError` where the database does not answer.
    """
    address = sa.make_url(url)
    try:
        if address.get_backend_name() == "sqlite":
            path = Path(address.database or "")
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        engine = sa.create_engine(address, hide_parameters=True)
        sa.event.listen(engine, "handle_error", _translate)
        if engine.dialect.name == "sqlite":
            sa.event.listen(engine, "connect", _survive_power_cuts)
        with engine.begin() as connection:
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
            config.attributes.update(connection=connection, metadata=Table.metadata)
            command.upgrade(config, "head")
    except (OSError, sa.exc.SQLAlchemyError, CommandError, TransientError) as error:
        text = f"the centre's database cannot be opened: {error}"
        raise ConfigRejected((Fault("/enrolment/database", "file", text[:300]),)) from None
    return engine


def _translate(context: sa.engine.ExceptionContext) -> None:
    """Have what the database cannot do raise our error: a file that is gone, locked or damaged."""
    error = context.sqlalchemy_exception
    if isinstance(error, sa.exc.DBAPIError) and not isinstance(error, sa.exc.IntegrityError):
        said = printable(str(error.orig))[:200]
        raise TransientError(
            Reason.DISK_READONLY, f"the centre's database does not answer: {said}"
        ) from None


def _survive_power_cuts(connection: sa.engine.interfaces.DBAPIConnection, _record: object) -> None:
    """Set up a connection to SQLite: a commit that has returned is on the disk."""
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={round(BUSY_S * 1000)}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
