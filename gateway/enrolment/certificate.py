"""A machine's request for a certificate, and what it accepts as the answer.

Source: RFC 2986 (PKCS #10), RFC 5280.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.enrolment.errors import EnrolmentError, EnrolmentReason
from gateway.enrolment.messages import CertificateAnswer, SiteIdentity
from gateway.model.local_time import VIETNAM
from gateway.runtime.certificates import is_issued_by, read_certificate, read_certificates

CLOCK_TOLERANCE_MS = 86_400_000
"""By how much the centre's clock may differ from ours."""

Reason = EnrolmentReason


def request_of(key: ec.EllipticCurvePrivateKey) -> str:
    """Return a request (PKCS #10, PEM) by *key*; it names nothing: the centre knows the names."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "camera-gateway")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def name_of(site: SiteIdentity) -> str:
    """Return the name in the certificate of *site*, which pins its topics."""
    return f"{site.province}/{site.id}"


def check_certificate(
    answer: CertificateAnswer,
    key: ec.EllipticCurvePrivateKey,
    name: str,
    root: str,
    now: int,
) -> None:
    """Refuse an answer whose certificate is not ours, not the root's, or not valid at *now*, in ms.

    Raises:
        EnrolmentError: ``centre_fault`` or ``clock``.
    """
    try:
        chain = read_certificates(answer.certificate.encode())
        top = read_certificate(root.encode())
    except ValueError:
        raise EnrolmentError(Reason.CENTRE_FAULT, "the answer holds no certificate") from None
    names = chain[0].subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if [each.value for each in names] != [name] or chain[0].public_key() != key.public_key():
        raise EnrolmentError(Reason.CENTRE_FAULT, "the certificate is not for this machine")
    if not all(map(is_issued_by, chain, (*chain[1:], top))):
        raise EnrolmentError(Reason.CENTRE_FAULT, "the chain does not lead to the root")
    begins, ends = chain[0].not_valid_before_utc, chain[0].not_valid_after_utc
    valid = begins.timestamp() * 1000 <= now <= ends.timestamp() * 1000
    if not valid or abs(answer.now_ms - now) > CLOCK_TOLERANCE_MS:
        raise EnrolmentError(
            Reason.CLOCK,
            f"{begins.astimezone(VIETNAM):%d/%m/%Y} – {ends.astimezone(VIETNAM):%d/%m/%Y}",
        )
