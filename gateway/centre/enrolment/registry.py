"""The sites of the centre: their codes, their certificates, and what becomes of both.

A code is kept as an HMAC under a key that lies beside the database: a copy of the database alone
lets nobody try codes. It is bound to the first key that uses it; the same key gets the same
certificate again, since an answer may be lost on its way.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy.orm import Session

from gateway.centre.enrolment.authority import Authority, Issued
from gateway.centre.enrolment.tables import CertificateRow, CodeRow, EventRow, SiteRow
from gateway.config.identity import province_mistake
from gateway.enrolment.code import EnrolmentCode, make_code
from gateway.enrolment.errors import EnrolmentError, EnrolmentReason
from gateway.enrolment.key_signature import digest_of
from gateway.enrolment.messages import SiteIdentity
from gateway.model.errors import ConfigRejected, Fault
from gateway.runtime import atomic_file
from gateway.runtime.clock import now_ms

HOUR_MS = 3_600_000
VALID_MS = 72 * HOUR_MS
"""Of a code."""

MAX_ATTEMPTS = 20
"""How often one code may be shown: answers get lost, but not so many."""

EVENTS_KEPT = 10_000

GRACE_MS = 90 * 24 * HOUR_MS
"""So long after its end a certificate may still be renewed: a site was closed, or the centre."""

EARLY_PART = 2
"""A renewal before half (1 / 2) of a certificate's life gives the same one again."""

Reason = EnrolmentReason


@dataclass(frozen=True, slots=True)
class SiteView:
    """A site as people see it.

    Attributes:
        identity: Who it is.
        created_ms: When it was made.
        revoked_ms: When it was shut out; None: it is not.
        code_state: ``open``, ``used``, ``expired`` or ``none``: of its last code.
        code_expires_ms: Until when its last code is good; None: it has none.
        certificate_ends_ms: Of the one that ends last; None: it has none.
        reused: Whether another machine has shown its last code after it was used.
    """

    identity: SiteIdentity
    created_ms: int
    revoked_ms: int | None
    code_state: str
    code_expires_ms: int | None
    certificate_ends_ms: int | None
    reused: bool


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What an accepted request gives.

    Attributes:
        identity: Of the site.
        chain: PEM of its certificate and the authorities between it and the root.
    """

    identity: SiteIdentity
    chain: str


class SiteRegistry:
    """The sites in one database. All calls block.

    Args:
        engine: Of `gateway.centre.enrolment.tables.open_database`.
        code_key: Of the HMAC of codes; see `load_code_key`.

    Attributes:
        engine: The database.
    """

    def __init__(self, engine: sa.Engine, code_key: bytes) -> None:
        self.engine = engine
        self._code_key = code_key

    def add_site(
        self, identity: SiteIdentity, authority: Authority, *, client: str, again: bool = False
    ) -> tuple[EnrolmentCode, int]:
        """Make a site and return its code and until when it is good, in ms since 1970.

        Args:
            identity: Of the site.
            authority: The code holds the fingerprint of its root.
            client: Who does it, for the record.
            again: Whether a site of that id may be there: it gets a new code, in whose favour
                older ones end, and its name and place are replaced.

        Raises:
            ConfigRejected: There is such a site, or it is in another province (an id is never used
                again), or there is no such province.
        """
        mistake = province_mistake(identity.province, identity.province_scheme)
        if mistake is not None:
            raise _fault("identity.province", mistake)
        now = now_ms()
        code = make_code(authority.root_der)
        with Session(self.engine) as session, session.begin():
            row = session.get(SiteRow, identity.id)
            if row is None:
                row = SiteRow(id=identity.id, province=identity.province, created_ms=now)
                session.add(row)
            elif not again:
                raise _fault("id", f"there is a site {identity.id}: give --again for a new code")
            if row.province != identity.province:
                raise _fault("province", f"{identity.id} is in province {row.province}")
            row.province_scheme = identity.province_scheme
            row.name, row.commune = identity.name, identity.commune
            row.revoked_ms = None
            session.flush()
            session.execute(
                sa.update(CodeRow)
                .where(CodeRow.site_id == identity.id, CodeRow.expires_ms > now)
                .values(expires_ms=now)
            )
            session.add(
                CodeRow(
                    digest=self._digest(code),
                    site_id=identity.id,
                    created_ms=now,
                    expires_ms=now + VALID_MS,
                    attempts=0,
                )
            )
            _record(session, "code.made", identity.id, client)
        return code, now + VALID_MS

    def enrol(
        self, code: EnrolmentCode, csr: str, authority: Authority, *, client: str
    ) -> Enrolled:
        """Return a certificate for the key of *csr* if *code* is good for it.

        Raises:
            EnrolmentError: ``code.unknown``, ``code.expired``, ``code.used`` (by another key,
                which is recorded), ``code.exhausted``, ``revoked`` or ``request``.
        """
        key = key_of(csr)
        key_digest = digest_of(key)
        with self._committing() as session:
            row = session.get(CodeRow, self._digest(code))
            if row is None:
                raise EnrolmentError(Reason.CODE_UNKNOWN)
            now = now_ms()
            self._check_code(session, row, key_digest, now, client)
            site = session.get_one(SiteRow, row.site_id)
            known = self._certificate_of(session, site.id, key_digest, now)
            if known is None:
                issued = authority.issue_gateway(key, f"{site.province}/{site.id}")
                known = _add_certificate(session, site.id, key_digest, issued)
                _record(session, "enrolled", site.id, client, known.serial)
            return Enrolled(_identity(site), known.chain)

    def renew(self, csr: str, authority: Authority, *, client: str) -> Enrolled:
        """Return a new certificate for the key of *csr*, which has one; the same if it is young.

        Raises:
            EnrolmentError: ``key_unknown`` (also of one that ended more than `GRACE_MS` ago),
                ``revoked`` or ``request``.
        """
        key = key_of(csr)
        key_digest = digest_of(key)
        with self._committing() as session:
            newest = session.scalars(
                sa.select(CertificateRow)
                .where(CertificateRow.key_digest == key_digest)
                .order_by(CertificateRow.ends_ms.desc())
                .limit(1)
            ).first()
            if newest is None:
                raise EnrolmentError(Reason.KEY_UNKNOWN)
            site = session.get_one(SiteRow, newest.site_id)
            if newest.revoked_ms is not None or site.revoked_ms is not None:
                raise EnrolmentError(Reason.REVOKED)
            now = now_ms()
            if now > newest.ends_ms + GRACE_MS:
                raise EnrolmentError(Reason.KEY_UNKNOWN)
            if now < newest.begins_ms + (newest.ends_ms - newest.begins_ms) // EARLY_PART:
                return Enrolled(_identity(site), newest.chain)
            issued = authority.issue_gateway(key, f"{site.province}/{site.id}")
            _add_certificate(session, site.id, key_digest, issued)
            _record(session, "renewed", site.id, client, issued.serial)
            return Enrolled(_identity(site), issued.chain)

    def is_revoked(self, identity: SiteIdentity) -> bool:
        """Return whether a site of that id is shut out."""
        with Session(self.engine) as session:
            row = session.get(SiteRow, identity.id)
            return row is not None and row.revoked_ms is not None

    def revoke(self, site_id: str, *, client: str) -> SiteIdentity:
        """Shut the site out: its certificates and codes are worth nothing from now on.

        Raises:
            ConfigRejected: There is no such site.
        """
        now = now_ms()
        with Session(self.engine) as session, session.begin():
            site = session.get(SiteRow, site_id)
            if site is None:
                raise _fault("id", f"there is no site {site_id}: camera-console centre sites")
            if site.revoked_ms is None:
                site.revoked_ms = now
                _record(session, "revoked", site_id, client)
            session.execute(
                sa.update(CodeRow)
                .where(CodeRow.site_id == site_id, CodeRow.expires_ms > now)
                .values(expires_ms=now)
            )
            session.execute(
                sa.update(CertificateRow)
                .where(CertificateRow.site_id == site_id, CertificateRow.revoked_ms.is_(None))
                .values(revoked_ms=now)
            )
            return _identity(site)

    def revoked_certificates(self) -> list[tuple[str, int]]:
        """Return serial and time of each revoked certificate that has not ended."""
        with Session(self.engine) as session:
            rows = session.execute(
                sa.select(CertificateRow.serial, CertificateRow.revoked_ms).where(
                    CertificateRow.revoked_ms.is_not(None), CertificateRow.ends_ms > now_ms()
                )
            )
            return [(serial, revoked_ms or 0) for serial, revoked_ms in rows]

    def revoked_sites(self) -> list[str]:
        """Return ``{province}/{gateway}`` of each site that is shut out."""
        with Session(self.engine) as session:
            rows = session.execute(
                sa.select(SiteRow.province, SiteRow.id)
                .where(SiteRow.revoked_ms.is_not(None))
                .order_by(SiteRow.province, SiteRow.id)
            )
            return [f"{province}/{site}" for province, site in rows]

    def sites(self) -> list[SiteView]:
        """Return all sites, by province and id."""
        with Session(self.engine) as session:
            ends = _last(session, CertificateRow.site_id, CertificateRow.ends_ms)
            codes = {
                row.site_id: row
                for row in session.scalars(sa.select(CodeRow).order_by(CodeRow.created_ms))
            }
            reused = _last(session, EventRow.site_id, EventRow.time_ms, kind="code.reused")
            rows = session.scalars(sa.select(SiteRow).order_by(SiteRow.province, SiteRow.id))
            return [_view(row, codes.get(row.id), ends.get(row.id), reused) for row in rows]

    def record(self, kind: str, *, client: str, detail: str = "") -> None:
        """Record an event that is about no site."""
        with Session(self.engine) as session, session.begin():
            _record(session, kind, None, client, detail)

    @contextmanager
    def _committing(self) -> Iterator[Session]:
        """Give a session that is committed also when the request is refused: attempts count."""
        with Session(self.engine) as session:
            try:
                yield session
            finally:
                session.commit()

    def _check_code(
        self, session: Session, row: CodeRow, key_digest: str, now: int, client: str
    ) -> None:
        """Bind the code to the key. Raises EnrolmentError: it is not good for it."""
        row.attempts += 1
        if row.attempts > MAX_ATTEMPTS:
            raise EnrolmentError(Reason.CODE_EXHAUSTED)
        if row.key_digest is None and now < row.expires_ms:
            session.flush()
            session.execute(  # of two at once one wins
                sa.update(CodeRow)
                .where(CodeRow.digest == row.digest, CodeRow.key_digest.is_(None))
                .values(key_digest=key_digest, used_ms=now)
            )
            session.refresh(row)
        if row.key_digest is not None and not hmac.compare_digest(row.key_digest, key_digest):
            _record(session, "code.reused", row.site_id, client)
            raise EnrolmentError(Reason.CODE_USED)
        if now >= row.expires_ms:
            raise EnrolmentError(Reason.CODE_EXPIRED)

    def _certificate_of(
        self, session: Session, site_id: str, key_digest: str, now: int
    ) -> CertificateRow | None:
        return session.scalars(
            sa.select(CertificateRow)
            .where(
                CertificateRow.site_id == site_id,
                CertificateRow.key_digest == key_digest,
                CertificateRow.revoked_ms.is_(None),
                CertificateRow.ends_ms > now,
            )
            .order_by(CertificateRow.ends_ms.desc())
            .limit(1)
        ).first()

    def _digest(self, code: EnrolmentCode) -> str:
        return hmac.new(self._code_key, code.symbols.encode(), "sha256").hexdigest()


def load_code_key(folder: Path) -> bytes:
    """Return the key of the HMAC of codes in *folder*; it is made if need be.

    Raises:
        ConfigRejected: It cannot be read.
        TransientError: The disk takes nothing.
    """
    path = folder / "code.key"
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        key = secrets.token_bytes(32)
        atomic_file.replace(path, key)
    except OSError as error:
        raise _fault("file", f"{path}: {error.strerror}") from None
    if len(key) != 32:
        raise _fault("file", f"{path} does not hold 32 bytes")
    return key


def key_of(csr: str) -> ec.EllipticCurvePublicKey:
    """Return the key of the request *csr* (PEM), which it must be signed by.

    Raises:
        EnrolmentError: ``request``: it is none, or its key is not on P-256. What it says of names
            is not read: the centre knows them.
    """
    try:
        request = x509.load_pem_x509_csr(csr.encode("ascii"))
        key = request.public_key()
        good = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
        if not good or not request.is_signature_valid:
            raise EnrolmentError(Reason.REQUEST, "the request is not signed by a key on P-256")
    except (ValueError, UnsupportedAlgorithm):
        raise EnrolmentError(Reason.REQUEST, "this is no certificate request") from None
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


def _add_certificate(
    session: Session, site_id: str, key_digest: str, issued: Issued
) -> CertificateRow:
    row = CertificateRow(
        serial=issued.serial,
        site_id=site_id,
        key_digest=key_digest,
        chain=issued.chain,
        begins_ms=issued.begins_ms,
        ends_ms=issued.ends_ms,
    )
    session.add(row)
    return row


def _record(
    session: Session, kind: str, site_id: str | None, client: str, detail: str = ""
) -> None:
    """Record an event; the oldest of more than `EVENTS_KEPT` go."""
    event = EventRow(
        time_ms=now_ms(), kind=kind, site_id=site_id, client=client[:64], detail=detail[:400]
    )
    session.add(event)
    session.flush()
    session.execute(sa.delete(EventRow).where(EventRow.number <= event.number - EVENTS_KEPT))


def _last(
    session: Session,
    owner: sa.orm.InstrumentedAttribute[str] | sa.orm.InstrumentedAttribute[str | None],
    moment: sa.orm.InstrumentedAttribute[int],
    *,
    kind: str = "",
) -> dict[str, int]:
    """Return the greatest *moment* by *owner*; of events of *kind* alone, if given."""
    query = sa.select(owner, sa.func.max(moment)).group_by(owner)
    if kind:
        query = query.where(EventRow.kind == kind)
    return {str(name): last for name, last in session.execute(query)}


def _view(
    row: SiteRow, code: CodeRow | None, ends_ms: int | None, reused: dict[str, int]
) -> SiteView:
    state = "none"
    if code is not None:
        state = "open" if now_ms() < code.expires_ms else "expired"
        state = state if code.used_ms is None else "used"
    return SiteView(
        _identity(row),
        row.created_ms,
        row.revoked_ms,
        state,
        None if code is None else code.expires_ms,
        ends_ms,
        code is not None and reused.get(row.id, 0) > code.created_ms,
    )


def _identity(row: SiteRow) -> SiteIdentity:
    return SiteIdentity.model_validate(
        {
            "id": row.id,
            "province": row.province,
            "province_scheme": row.province_scheme,
            "name": row.name,
            "commune": row.commune,
        }
    )


def _fault(code: str, message: str) -> ConfigRejected:
    return ConfigRejected((Fault("", code, message),))
