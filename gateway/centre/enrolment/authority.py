"""The centre's certificate authority: a root, which may stay offline, and an issuing one below it.

The root signs nothing but the issuing authority, whose key lies at the centre and signs gateways,
servers, the console and the list of revoked certificates. The root may be our own or an existing
one, which signs a request of ours.

A gateway's certificate names it ``{province}/{gateway}`` (as config/broker pins topics) and is good
for clients alone, so that no gateway can pass for a server of the centre.

Sources: RFC 5280 (certificates, revocation lists), RFC 2986 (PKCS #10).
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.enrolment.messages import SERVER_NAME
from gateway.model.errors import ConfigRejected, Fault, unreadable
from gateway.runtime import atomic_file
from gateway.runtime.certificates import is_issued_by, read_certificates
from gateway.runtime.clock import now_ms

ROOT, ROOT_KEY = "root.pem", "root.key"
ISSUING, ISSUING_KEY, ISSUING_REQUEST = "issuing.pem", "issuing.key", "issuing.csr"

ROOT_DAYS, ISSUING_DAYS = 7305, 3653
GATEWAY_DAYS = 397
SERVER_DAYS = 90
"""Of the enrolment server's own, which it renews by itself."""

BACKDATED = dt.timedelta(hours=1)
"""A certificate begins so long before it is made: clocks differ."""

LARGEST_BYTES = 65_536
"""Of a file of certificates."""

LARGEST_LISTS_BYTES = 16 * LARGEST_BYTES
"""Of a file of revocation lists."""

_CRL_END = "\n-----END X509 CRL-----\n"

Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate that was issued.

    Attributes:
        chain: PEM: the certificate, then the authorities between it and the root.
        serial: Hexadecimal.
        begins_ms: Its first moment, UTC.
        ends_ms: Its last.
    """

    chain: str
    serial: str
    begins_ms: int
    ends_ms: int


@dataclass(frozen=True, slots=True)
class Authority:
    """The issuing authority with what stands above it.

    Attributes:
        key: Of the issuing authority.
        chain: Issuing authority first, then those up to the root, without it.
        root: What everybody trusts.
    """

    key: Key
    chain: tuple[x509.Certificate, ...]
    root: x509.Certificate

    @property
    def root_der(self) -> bytes:
        """What the fingerprint in a code is of."""
        return self.root.public_bytes(serialization.Encoding.DER)

    @property
    def root_pem(self) -> str:
        return _pem(self.root)

    @property
    def bundle_pem(self) -> str:
        """Issuing authority and root: what a broker checks clients by."""
        return "".join(map(_pem, (*self.chain, self.root)))

    def issue_gateway(self, key: ec.EllipticCurvePublicKey, name: str) -> Issued:
        """Return a certificate of *key* for the gateway *name*, ``{province}/{gateway}``."""
        return self._issue(key, name, days=GATEWAY_DAYS)

    def issue_client(self, key: ec.EllipticCurvePublicKey, name: str) -> Issued:
        """Return a certificate for a client of the centre, e.g. ``console``."""
        return self._issue(key, name, days=GATEWAY_DAYS)

    def issue_server(
        self, key: ec.EllipticCurvePublicKey, hosts: Iterable[str], *, days: int = GATEWAY_DAYS
    ) -> Issued:
        """Return a certificate for a server with *hosts*, names and addresses, the first its CN."""
        names = tuple(hosts)
        return self._issue(key, names[0], days=days, hosts=names)

    def issue_enrolment_server(
        self, key: ec.EllipticCurvePublicKey, hosts: Iterable[str]
    ) -> Issued:
        """Return a certificate for the enrolment server, whose role is its first name."""
        return self.issue_server(key, (SERVER_NAME, *hosts), days=SERVER_DAYS)

    def revocation_list(self, revoked: Iterable[tuple[str, int]]) -> str:
        """Return the list of *revoked* certificates, serial and time in ms, as PEM.

        It does not end before the authority: a list that ends shuts every gateway out.
        """
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.chain[0].subject)
            .last_update(_now() - BACKDATED)
            .next_update(self.chain[0].not_valid_after_utc)
        )
        for serial, moment_ms in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(int(serial, 16))
            builder = builder.add_revoked_certificate(
                entry.revocation_date(_date(moment_ms)).build()
            )
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        signed = builder.add_extension(identifier, critical=False).sign(self.key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM).decode()

    def _issue(
        self, key: ec.EllipticCurvePublicKey, name: str, *, days: int, hosts: tuple[str, ...] = ()
    ) -> Issued:
        now = _now()
        ends = min(now + dt.timedelta(days=days), self.chain[0].not_valid_after_utc)
        if ends <= now:
            _refuse("ca.expired", f"the issuing authority ended {ends:%Y-%m-%d}: renew it")
        usage = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = (
            _builder(name, key, self.chain[0].subject, now - BACKDATED, ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
        )
        if hosts:
            names = x509.SubjectAlternativeName([_host(each) for each in hosts])
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        return Issued(
            "".join(map(_pem, (certificate, *self.chain))),
            f"{certificate.serial_number:x}",
            _ms(certificate.not_valid_before_utc),
            _ms(certificate.not_valid_after_utc),
        )


def init_authority(folder: Path, name: str, *, root_key: Path | None = None) -> None:
    """Make a root and an issuing authority in *folder*, both with *name*.

    Args:
        folder: Made if need be.
        name: For people, e.g. of the centre.
        root_key: Where the root's key is put; None: in *folder*, until somebody takes it away.

    Raises:
        ConfigRejected: There is an authority already: it is never overwritten.
        TransientError: The disk takes nothing.
    """
    key_file = root_key or folder / ROOT_KEY
    _refuse_existing(folder / ROOT, key_file, folder / ISSUING, folder / ISSUING_KEY)
    root_private, issuing_private = new_key(), new_key()
    root = _authority(f"{name} Root CA", root_private.public_key(), None, root_private, ROOT_DAYS)
    issuing = _authority(
        f"{name} Issuing CA", issuing_private.public_key(), root, root_private, ISSUING_DAYS
    )
    atomic_file.replace(key_file, private_pem(root_private))
    atomic_file.replace(folder / ISSUING_KEY, private_pem(issuing_private))
    atomic_file.replace(folder / ROOT, _pem(root).encode())
    atomic_file.replace(folder / ISSUING, _pem(issuing).encode())


def request_authority(folder: Path, name: str) -> Path:
    """Make the issuing authority's key in *folder*; return the request for another to sign.

    The same key is used if it is asked again: a request that is on its way stays good.

    Raises:
        ConfigRejected: The key that is there cannot be used.
        TransientError: The disk takes nothing.
    """
    key_file, request_file = folder / ISSUING_KEY, folder / ISSUING_REQUEST
    if not _is_there(key_file):
        atomic_file.replace(key_file, private_pem(new_key()))
    key = _load_key(key_file)
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(_name(f"{name} Issuing CA"))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    atomic_file.replace(request_file, request.public_bytes(serialization.Encoding.PEM))
    return request_file


def sign_authority(request: Path, root: Path, root_key: Path) -> str:
    """Return *request* signed by our own root, on the machine where its key is; then the root. PEM.

    Raises:
        ConfigRejected: One of the files cannot be used.
    """
    try:
        asked = x509.load_pem_x509_csr(_read(request))
        key, signed = asked.public_key(), asked.is_signature_valid
    except (UnsupportedAlgorithm, ValueError):
        _refuse("ca.file", f"{request} is no certificate request")
    certificate = load_chain(root)[0]
    if not signed or not isinstance(key, ec.EllipticCurvePublicKey):
        _refuse("ca.file", f"{request} is not signed by its own key on an elliptic curve")
    private = _load_key(root_key)
    if private.public_key() != certificate.public_key():
        _refuse("ca.key", f"{root_key} is not the key of {root}")
    names = asked.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    name = str(names[0].value) if names else "Issuing CA"
    issuing = _authority(name, key, certificate, private, ISSUING_DAYS)
    return _pem(issuing) + _pem(certificate)


def import_authority(folder: Path, chain_file: Path) -> Authority:
    """Take the certificate of the issuing authority, with all above it, from *chain_file*.

    Args:
        folder: Where `request_authority` has put the key.
        chain_file: PEM: the issuing authority, those above it, the root last.

    Raises:
        ConfigRejected: It is not for our key, no authority, incomplete, or not valid now.
        TransientError: The disk takes nothing.
    """
    certificates = load_chain(chain_file)
    key = _load_key(folder / ISSUING_KEY)
    authority = _checked(key, certificates, chain_file)
    atomic_file.replace(folder / ROOT, authority.root_pem.encode())
    atomic_file.replace(folder / ISSUING, "".join(map(_pem, authority.chain)).encode())
    return authority


def load_authority(folder: Path) -> Authority:
    """Return the authority in *folder*. Raises ConfigRejected: there is none, or it is broken."""
    if not _is_there(folder / ISSUING):
        _refuse("ca.missing", f"there is no authority in {folder}: camera-console centre ca init")
    certificates = (*load_chain(folder / ISSUING), *load_chain(folder / ROOT))
    return _checked(_load_key(folder / ISSUING_KEY), certificates, folder / ISSUING)


def former_lists(path: Path, authority: Authority) -> str:
    """Return the revocation lists in *path* that *authority* has not signed, as PEM.

    A broker refuses every certificate whose issuer has no list there: those of a former issuing
    authority are good as long as its last list stays.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_LISTS_BYTES)
    except OSError:
        return ""
    kept = []
    for each in raw.decode("ascii", "replace").split(_CRL_END)[:-1]:
        pem = each.strip() + _CRL_END
        try:
            found = x509.load_pem_x509_crl(pem.encode())
            ours = found.is_signature_valid(authority.key.public_key())
        except (TypeError, UnsupportedAlgorithm, ValueError):
            continue
        ended = found.next_update_utc is not None and found.next_update_utc < _now()
        if not ended and not ours:
            kept.append(pem)
    return "".join(kept)


def load_chain(path: Path) -> tuple[x509.Certificate, ...]:
    """Return the certificates in the PEM file *path*. Raises ConfigRejected: there are none."""
    try:
        return read_certificates(_read(path))
    except ValueError as error:
        _refuse("ca.file", f"{path} holds no certificate in PEM form that can be used: {error}")


def new_key() -> Key:
    """Return a new private key on P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def private_pem(key: Key) -> bytes:
    """Return *key* as PKCS #8 in PEM, without a passphrase."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _checked(key: Key, certificates: tuple[x509.Certificate, ...], at: Path) -> Authority:
    """Return the authority that *certificates*, issuing first and root last, make with *key*."""
    *chain, root = certificates
    if not chain:
        _refuse("ca.chain", f"{at} must hold the issuing authority and all up to the root")
    if chain[0].public_key() != key.public_key():
        _refuse("ca.key", f"the first certificate in {at} is not for our key {ISSUING_KEY}")
    for lower, upper in zip(certificates, (*certificates[1:], root), strict=True):
        _check_authority(lower, at)
        if not is_issued_by(lower, upper):
            _refuse("ca.chain", f"in {at} each certificate must be signed by the next, root last")
    return Authority(key, tuple(chain), root)


def _check_authority(certificate: x509.Certificate, at: Path) -> None:
    now = _now()
    subject = certificate.subject.rfc4514_string()
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        constraints = x509.BasicConstraints(ca=False, path_length=None)
    if not constraints.ca:
        _refuse("ca.constraints", f"{subject} in {at} may not sign certificates (CA:FALSE)")
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not begins <= now <= ends:
        _refuse("ca.expired", f"{subject} in {at} is valid {begins:%Y-%m-%d} to {ends:%Y-%m-%d}")


def _authority(
    name: str,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Certificate | None,
    issuer_key: Key,
    days: int,
) -> x509.Certificate:
    now = _now()
    ends = now + dt.timedelta(days=days)
    if issuer is not None:
        ends = min(ends, issuer.not_valid_after_utc)
    subject = _name(name) if issuer is None else issuer.subject
    return (
        _builder(name, key, subject, now - BACKDATED, ends)
        .add_extension(
            x509.BasicConstraints(ca=True, path_length=1 if issuer is None else 0), critical=True
        )
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )


def _builder(
    name: str,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    begins: dt.datetime,
    ends: dt.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _load_key(path: Path) -> Key:
    raw = _read(path)
    if path.stat().st_mode & 0o077:
        _refuse("ca.mode", f"others can read {path}: chmod 600 {path}")
    try:
        key = serialization.load_pem_private_key(raw, password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        _refuse("ca.file", f"{path} holds no private key without a passphrase")
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        _refuse("ca.file", f"{path} holds no key on an elliptic curve")
    return key


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_BYTES)
    except OSError as error:
        _refuse("ca.file", unreadable(path, error))


def _is_there(path: Path) -> bool:
    """Return whether there is *path*. Raises ConfigRejected: one may not look."""
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError as error:
        _refuse("ca.file", unreadable(path, error))
    return True


def _refuse_existing(*paths: Path) -> None:
    for path in paths:
        if os.path.lexists(path):
            _refuse("ca.exists", f"{path} is there already and is never overwritten")


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _now() -> dt.datetime:
    return _date(now_ms()).replace(microsecond=0)


def _date(moment_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(moment_ms / 1000, dt.UTC)


def _ms(moment: dt.datetime) -> int:
    return int(moment.timestamp() * 1000)


def _refuse(code: str, message: str) -> NoReturn:
    raise ConfigRejected((Fault("", code, message),))
