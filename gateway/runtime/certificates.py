"""Certificates of others, read once and strictly: whatever is wrong with one is one error.

A certificate may be well-formed and still have a key, an extension or a signature that nobody here
knows, which the library tells only when it is asked for that.

Source: RFC 5280.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm


def read_certificates(raw: bytes) -> tuple[x509.Certificate, ...]:
    """Return the certificates in *raw* (PEM), at least one, whose keys and extensions can be used.

    Raises:
        ValueError: There is none, or one of them cannot be used.
    """
    return tuple(map(_usable, x509.load_pem_x509_certificates(raw)))


def read_certificate(raw: bytes) -> x509.Certificate:
    """Return the first certificate in *raw* (PEM). Raises ValueError as `read_certificates`."""
    return _usable(x509.load_pem_x509_certificate(raw))


def _usable(certificate: x509.Certificate) -> x509.Certificate:
    try:
        certificate.public_key()
        _ = certificate.extensions
    except (
        TypeError,
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ) as error:
        raise ValueError(str(error)) from None
    return certificate


def is_issued_by(lower: x509.Certificate, upper: x509.Certificate) -> bool:
    """Return whether *upper* has signed *lower*, by an algorithm that is known here."""
    try:
        lower.verify_directly_issued_by(upper)
    except (InvalidSignature, TypeError, UnsupportedAlgorithm, ValueError):
        return False
    return True
