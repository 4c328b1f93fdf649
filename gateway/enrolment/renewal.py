"""Renews this machine's certificate by itself at two thirds of its life, over HTTPS.

The request is made by the key that the certificate is for, which proves who asks. It stays, and so
does the MQTT client id, which follows from it. The new certificate goes into the state folder: the
service may not write where the first one lies. There it is used in place of the other
while it is for the same key and ends later (`gateway.mqtt.client.broker`).
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.enrolment.certificate import check_certificate, request_of
from gateway.enrolment.errors import EnrolmentError, EnrolmentReason
from gateway.enrolment.messages import RENEW_PATH, CertificateAnswer, RenewRequest
from gateway.model.errors import TransientError
from gateway.ports import Clock
from gateway.runtime import atomic_file
from gateway.runtime.bugs import report_bug
from gateway.runtime.certificates import read_certificate

CHECK_S = 3600.0
"""Between two looks at the date, and between two attempts."""

SPREAD_MS = 86_400_000
"""Certificates that were issued together are renewed within so long, not together."""

FAILURES = 3
"""So many attempts in a row must fail before somebody has to see to it."""

RENEWED = "tls/gateway.pem"
"""In the state folder."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RenewalFiles:
    """Where things are.

    Attributes:
        certificate: The one of the enrolment.
        key: Its key.
        ca: The centre's root.
        renewed: Where the new one goes.
    """

    certificate: Path
    key: Path
    ca: Path
    renewed: Path


class Renewal:
    """Watches the date and renews.

    Args:
        url: Of the centre.
        files: See there.
        wall_ms: The wall clock, as far as it can be trusted.
        clock: Monotonic.
        check_s: Shorter in tests.

    Attributes:
        failures: Attempts in a row that have failed.
    """

    def __init__(
        self,
        url: str,
        files: RenewalFiles,
        *,
        wall_ms: Callable[[], int],
        clock: Clock,
        check_s: float = CHECK_S,
    ) -> None:
        self._url = url
        self._files = files
        self._wall_ms = wall_ms
        self._clock = clock
        self._check_s = check_s
        self.failures = 0

    @property
    def is_failing(self) -> bool:
        """Whether it has failed so often that somebody has to see to it."""
        return self.failures >= FAILURES

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            await self.renew_if_due()
            await self._clock.sleep(self._check_s)

    async def renew_if_due(self) -> bool:
        """Renew if it is time to; return whether there is a new certificate."""
        try:
            current = await asyncio.to_thread(self._current)
            if not is_due(current, self._wall_ms()):
                return False
            await self._renew(current)
        except (EnrolmentError, TransientError) as error:
            self.failures += 1
            log.warning("certificate_not_renewed", detail=str(error), failures=self.failures)
            return False
        except Exception as error:  # the gateway runs on, and somebody is told in the end
            self.failures += 1
            report_bug("report", error, "renewal")
            return False
        self.failures = 0
        return True

    async def _renew(self, current: x509.Certificate) -> None:
        client = await asyncio.to_thread(importlib.import_module, "gateway.enrolment.client")
        key, root = await asyncio.to_thread(self._key_and_root)
        request = RenewRequest(csr=request_of(key))
        answer = await client.ask(self._url + RENEW_PATH, root, request, CertificateAnswer)
        names = current.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        name = str(names[0].value) if names else ""
        check_certificate(answer, key, name, root, self._wall_ms())
        renewed = read_certificate(answer.certificate.encode())
        if renewed.not_valid_after_utc <= current.not_valid_after_utc:
            detail = "the centre gave the same certificate again"
            raise EnrolmentError(EnrolmentReason.CENTRE_FAULT, detail)
        content = answer.certificate.encode()
        await asyncio.to_thread(atomic_file.replace, self._files.renewed, content)
        log.info("certificate_renewed", ends=f"{renewed.not_valid_after_utc:%Y-%m-%d}")

    def _current(self) -> x509.Certificate:
        """Return the one that is used: of those there are, the last to end."""
        found = []
        for path in (self._files.certificate, self._files.renewed):
            try:
                found.append(read_certificate(path.read_bytes()))
            except (OSError, ValueError):
                continue
        if not found:
            detail = f"{self._files.certificate} cannot be read"
            raise EnrolmentError(EnrolmentReason.SETTINGS, detail)
        same = [each for each in found if each.public_key() == found[0].public_key()]
        return max(same, key=lambda each: each.not_valid_after_utc)

    def _key_and_root(self) -> tuple[ec.EllipticCurvePrivateKey, str]:
        try:
            raw = self._files.key.read_bytes()
            root = self._files.ca.read_text()
            key = serialization.load_pem_private_key(raw, password=None)
        except (OSError, TypeError, UnsupportedAlgorithm, ValueError) as error:
            raise EnrolmentError(EnrolmentReason.SETTINGS, str(error)) from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise EnrolmentError(EnrolmentReason.SETTINGS, f"{self._files.key} is of another kind")
        return key, root


def is_due(certificate: x509.Certificate, now_ms: int) -> bool:
    """Return whether two thirds of the life of *certificate* are over, and its part of a day."""
    begins = certificate.not_valid_before_utc.timestamp() * 1000
    life = certificate.not_valid_after_utc.timestamp() * 1000 - begins
    return now_ms >= begins + life * 2 / 3 + certificate.serial_number % SPREAD_MS
