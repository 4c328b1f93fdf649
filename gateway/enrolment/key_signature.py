"""Signatures by the key that a box has made when it was enrolled: ECDSA over P-256.

What is signed begins unlike anything that TLS or a certificate request signs by the same key.

Sources: RFC 7518 section 3.4 (ES256), RFC 8785, FIPS 186-5.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from gateway.config.signing import canonical_json
from gateway.model.errors import TransientError, unreadable
from gateway.model.reasons import Reason

PREFIX = b"camera-gateway document v1\n"
KEY_BYTES = 16_384
_HALF = 32


class BoxKey:
    """The private key of this box.

    Args:
        path: PEM. It is read for each signature: documents are few, and a new enrolment replaces
            it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def sign(self, tree: Mapping[str, object]) -> tuple[str, str]:
        """Return the key's digest and the signature of *tree*. Blocks.

        Raises:
            TransientError: The key cannot be read, or is none on P-256.
        """
        try:
            with self._path.open("rb") as file:
                key = serialization.load_pem_private_key(file.read(KEY_BYTES), password=None)
        except OSError as error:
            detail = unreadable(self._path, error)
            raise TransientError(Reason.NOT_AUTHORISED, detail) from None
        except (TypeError, ValueError, UnsupportedAlgorithm):
            detail = f"{self._path} holds no key without a passphrase"
            raise TransientError(Reason.NOT_AUTHORISED, detail) from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not _is_p256(key.curve):
            detail = f"{self._path} is no key on P-256: enrol this box"
            raise TransientError(Reason.NOT_AUTHORISED, detail)
        made = key.sign(PREFIX + canonical_json(tree), ec.ECDSA(hashes.SHA256()))
        raw = b"".join(each.to_bytes(_HALF, "big") for each in decode_dss_signature(made))
        return digest_of(key.public_key()), base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def is_signed_by(chain_pem: str, tree: Mapping[str, object], value: str) -> bool:
    """Return whether the key of the first certificate in *chain_pem* has signed *tree*.

    Args:
        chain_pem: Of the centre's own issuing.
        tree: As it came.
        value: The signature, 86 characters of base64url.
    """
    key = x509.load_pem_x509_certificate(chain_pem.encode()).public_key()
    raw = base64.urlsafe_b64decode(f"{value}==")
    if not isinstance(key, ec.EllipticCurvePublicKey) or len(raw) != 2 * _HALF:
        return False
    halves = (int.from_bytes(raw[:_HALF], "big"), int.from_bytes(raw[_HALF:], "big"))
    try:
        key.verify(
            encode_dss_signature(*halves),
            PREFIX + canonical_json(tree),
            ec.ECDSA(hashes.SHA256()),
        )
    except InvalidSignature:
        return False
    return True


def digest_of(key: ec.EllipticCurvePublicKey) -> str:
    """Return the SHA-256 of *key* (DER), in hexadecimal."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(key.public_bytes(serialization.Encoding.DER, form)).hexdigest()


def _is_p256(curve: ec.EllipticCurve) -> bool:
    return isinstance(curve, ec.SECP256R1)
