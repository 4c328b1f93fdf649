"""Whether all places name one gateway: settings, certificate, broker's user name, site document."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from gateway.config.settings import Settings
from gateway.model.errors import Fault
from gateway.model.local_time import VIETNAM
from gateway.model.provinces import FORMER_PROVINCES, PROVINCES, ProvinceScheme
from gateway.model.site_document import SiteConfig
from gateway.runtime.certificates import is_issued_by, read_certificate, read_certificates
from gateway.runtime.clock import now_ms

LARGEST_BYTES = 65_536

_ENROL = "camera-gateway enrol sets all of them"


def province_mistake(code: str, scheme: ProvinceScheme) -> str | None:
    """Return what is wrong with the province *code* of the list *scheme*; None: it is there."""
    names = PROVINCES if scheme == "vn-2025" else FORMER_PROVINCES
    if code in names:
        return None
    number = len(names)
    if scheme == "vn-2025" and code in FORMER_PROVINCES:
        former = FORMER_PROVINCES[code]
        today = PROVINCES[former.today]
        return f"{code} was {former.name} until 2025; today it is {former.today}, {today}"
    return f"none of the {number} provinces of {scheme} has the code {code}"


def identity_faults(
    settings: Settings, sites: Iterable[tuple[Path, SiteConfig]]
) -> Iterator[tuple[Path | None, Fault]]:
    """Yield each contradiction with its file; None: that of the settings."""
    own = settings.gateway
    mistake = province_mistake(own.province, own.province_scheme)
    if mistake is not None:
        yield None, Fault("/gateway/province", "identity.province", mistake)
    name = f"{own.province}/{own.id}"
    user = settings.broker.username
    if user is not None and "/" in user and user != name:
        message = f"the user {user} at the broker is not {name} of [gateway]; {_ENROL}"
        yield None, Fault("/broker/username", "identity.user", message)
    for fault in certificate_faults(settings, name):
        yield None, fault
    for path, site in sites:
        yield from (
            (path, fault) for fault in _site_faults(own.province, own.province_scheme, site)
        )


def certificate_faults(settings: Settings, name: str) -> Iterator[Fault]:
    """Yield what is wrong with our certificate, which is to name *name*. Reads files.

    Files that cannot be read are told elsewhere (`gateway.config.check`).
    """
    tls = settings.broker.tls
    if tls is None or tls.cert is None or tls.key is None:
        return
    at = "/broker/tls/cert"
    raw = _content(settings.resolve_path(tls.cert))
    if raw is None:
        return
    try:
        certificate = read_certificate(raw)
    except ValueError:
        yield Fault(at, "identity.pem", f"{tls.cert} holds no certificate in PEM form")
        return
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    found = ", ".join(str(each.value) for each in names) or "nobody"
    if found != name:
        message = f"{tls.cert} is for {found}, and [gateway] says {name}; {_ENROL}"
        yield Fault(at, "identity.certificate", message)
    if not _belongs(certificate, _content(settings.resolve_path(tls.key))):
        message = f"{tls.key} is not the key of {tls.cert}; {_ENROL}"
        yield Fault("/broker/tls/key", "identity.key", message)
    yield from _date_faults(settings, certificate, at)
    if tls.ca is not None:
        yield from _chain_faults(raw, settings.resolve_path(tls.ca), at)


def _date_faults(settings: Settings, certificate: x509.Certificate, at: str) -> Iterator[Fault]:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    now = dt.datetime.fromtimestamp(now_ms() / 1000, dt.UTC)
    if now < begins:
        message = (
            f"the certificate is valid from {begins.astimezone(VIETNAM):%d/%m/%Y}, and here it is "
            f"{now.astimezone(VIETNAM):%d/%m/%Y}"
        )
        yield Fault(at, "identity.early", message)
    if ends < now and not _is_renewed(settings, certificate, now):
        message = f"the certificate ended {ends.astimezone(VIETNAM):%d/%m/%Y}; enrol again"
        yield Fault(at, "identity.ended", message)


def _chain_faults(raw: bytes, ca: Path, at: str) -> Iterator[Fault]:
    """Yield whether the certificates in *raw* do not lead to one of those in *ca*."""
    roots = _content(ca)
    if roots is None:
        return
    try:
        chain = read_certificates(raw)
        tops = read_certificates(roots)
    except ValueError:
        yield Fault("/broker/tls/ca", "identity.pem", f"{ca} holds no certificate in PEM form")
        return
    whole = all(is_issued_by(lower, upper) for lower, upper in pairwise(chain))
    if not whole or not any(is_issued_by(chain[-1], top) for top in tops):
        message = f"the certificate does not come from the authority in {ca}; {_ENROL}"
        yield Fault(at, "identity.authority", message)


def _site_faults(province: str, scheme: ProvinceScheme, site: SiteConfig) -> Iterator[Fault]:
    centre = None if site.inventory is None else site.inventory.centre
    former = None if centre is None else centre.former_province
    if former is None:
        return
    at = "/inventory/centre/former_province"
    known = FORMER_PROVINCES.get(former)
    if known is None:
        message = f"none of the 63 provinces before 2025 had the code {former}"
        yield Fault(at, "identity.province", message)
    elif scheme == "vn-2025" and known.today != province:
        message = (
            f"{former} ({known.name}) is in province {known.today} today,"
            f" and [gateway] says {province}"
        )
        yield Fault(at, "identity.province", message)


def _is_renewed(settings: Settings, first: x509.Certificate, now: dt.datetime) -> bool:
    """Return whether a later certificate for the same key is good in its place."""
    raw = _content(settings.state.dir / "tls" / "gateway.pem")
    try:
        renewed = read_certificate(raw or b"")
    except ValueError:
        return False
    return renewed.public_key() == first.public_key() and renewed.not_valid_after_utc > now


def _belongs(certificate: x509.Certificate, raw: bytes | None) -> bool:
    """Return whether the private key in *raw* is that of *certificate*; unreadable counts so."""
    if raw is None:
        return True
    try:
        key = serialization.load_pem_private_key(raw, password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False
    return key.public_key() == certificate.public_key()


def _content(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_BYTES)
    except OSError:
        return None
