"""The certificate of a set-up page: made for it, signed by itself, forgotten with it."""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
import os
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.runtime.clock import now_ms

_AROUND = dt.timedelta(days=2)
"""Before and after the box's clock, which may be wrong: the page lives an hour."""


@dataclass(frozen=True, slots=True)
class PageTls:
    """How the page is served.

    Attributes:
        context: For the server.
        fingerprint: SHA-256 of the certificate, as browsers show it: pairs with colons.
    """

    context: ssl.SSLContext
    fingerprint: str


def make_tls(addresses: Sequence[str]) -> PageTls:
    """Return TLS for a server at *addresses*, with a key that is nowhere else. Blocks for ms."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "camera-gateway setup")])
    now = dt.datetime.fromtimestamp(now_ms() / 1000, tz=dt.UTC)
    names = [x509.IPAddress(ipaddress.ip_address(each)) for each in addresses]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _AROUND)
        .not_valid_after(now + _AROUND)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    digest = hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest()
    return PageTls(_context(pem), digest.hex(":").upper())


def _context(pem: bytes) -> ssl.SSLContext:
    """Return a server's context with key and certificate of *pem*; Python takes them by file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with tempfile.TemporaryDirectory() as folder:  # of mode 0700, and gone at once
        path = Path(folder) / "page.pem"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
        context.load_cert_chain(path)
    return context
