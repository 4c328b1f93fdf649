"""Watches certificates: replaced files are used without a restart, and ends are announced.

A warning is recorded 30, 14, 7 and 1 days before a certificate ends, ours or the broker's, once
each in the life of the process.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

import structlog

from gateway.model.errors import BrokerUnavailable
from gateway.model.event import Event
from gateway.model.reasons import Reason
from gateway.mqtt.client.broker import (
    CertificateInfo,
    Tls,
    certificate_fault,
    certificate_info,
    own_certificate_info,
    ssl_context,
)
from gateway.mqtt.payloads.presence import BirthCertificate
from gateway.ports import Clock, Events
from gateway.runtime.clock import now_ms

CHECK_S = 30.0
"""How often the files are checked for a change."""

WARN_DAYS = (1, 7, 14, 30)

_DAY_MS = 86_400_000

log = structlog.get_logger(__name__)


async def _no_preflight() -> None:
    """Accept new files without a try."""


class CertificateWatcher:
    """Watches the files of *tls* and the dates.

    Args:
        tls: Our files; None: there are none, and nothing is watched.
        events: Where the warnings are recorded.
        reconnect: Called, with the reason, when the files have been replaced and can be used.
        preflight: Tries new files on a second connection; raises BrokerUnavailable. The one in use
            is held until they are accepted.
        clock: Monotonic.
        wall_ms: The wall clock, as far as it can be trusted.
        check_s: Shorter in tests.
    """

    def __init__(
        self,
        tls: Tls | None,
        *,
        events: Events,
        reconnect: Callable[[str], None],
        preflight: Callable[[], Awaitable[None]] = _no_preflight,
        clock: Clock,
        wall_ms: Callable[[], int] = now_ms,
        check_s: float = CHECK_S,
    ) -> None:
        self._tls = tls
        self._events = events
        self._reconnect = reconnect
        self._preflight = preflight
        self._clock = clock
        self._wall_ms = wall_ms
        self._check_s = check_s
        self._digest_in_use = _digest(tls)
        self._rejected_digest = ""
        self._own = own_certificate_info(tls)
        self._broker: CertificateInfo | None = None
        self._warned_days: dict[tuple[str, str], int] = {}

    @property
    def ends_ms(self) -> int | None:
        """When ours ends, wall clock; None: we have none."""
        return None if self._own is None else self._own.ends_ms

    def birth_certificate(self) -> BirthCertificate | None:
        """Return ours, for the birth; None: we have none."""
        if self._own is None:
            return None
        return BirthCertificate(serial=self._own.serial, not_after=self._own.ends)

    def on_peer_certificate(self, der: bytes) -> None:
        """The broker has presented this certificate, in DER.

        Raises:
            BrokerUnavailable: It has ended by the clock that is given; TLS judges by the machine's,
                which may have been set back.
        """
        self._broker = certificate_info(der)
        self._warn()
        if self._broker is not None and self._broker.ends_ms < self._wall_ms():
            detail = f"the broker's certificate ended {self._broker.ends}, and the clock is behind"
            raise certificate_fault(Reason.TLS_EXPIRED, detail)

    async def run(self) -> None:
        """Watch until cancelled; returns if there is nothing to watch."""
        if self._tls is None:
            return
        while True:
            self._warn()
            await self._clock.sleep(self._check_s)
            await self._check_files(self._tls)

    async def _check_files(self, tls: Tls) -> None:
        digest = await asyncio.to_thread(_digest, tls)
        if digest == self._digest_in_use:
            return
        try:
            await asyncio.to_thread(ssl_context, tls)
        except BrokerUnavailable as error:  # half replaced, perhaps: checked again
            self._note_rejected(digest, error)
            return
        try:
            await self._preflight()
        except BrokerUnavailable as error:
            if self._note_rejected(digest, error):
                facts = {"why": str(error.reason), "detail": error.detail}
                self._events.record(Event("cert.refused", facts, "audit"))
            return
        self._digest_in_use = digest
        self._own = await asyncio.to_thread(own_certificate_info, tls)
        facts = {} if self._own is None else {"serial": self._own.serial, "ends": self._own.ends}
        self._events.record(Event("cert.renewed", facts, "audit"))
        self._reconnect("certificate files have been replaced")

    def _note_rejected(self, digest: str, error: BrokerUnavailable) -> bool:
        """Log that the files cannot be used; return whether that is new."""
        new, self._rejected_digest = digest != self._rejected_digest, digest
        if new:
            log.warning("certificate_files_rejected", detail=error.detail)
        return new

    def _warn(self) -> None:
        for owner, info in (("gateway", self._own), ("broker", self._broker)):
            if info is None:
                continue
            left_ms = info.ends_ms - self._wall_ms()
            near = [days for days in WARN_DAYS if left_ms <= days * _DAY_MS]
            key = (owner, info.serial)
            if near and self._warned_days.get(key) != near[0]:
                self._warned_days[key] = near[0]
                facts = {
                    "whose": owner,
                    "serial": info.serial,
                    "ends": info.ends,
                    "days": max(0, left_ms // _DAY_MS),
                }
                log.warning("certificate_ends", **facts)
                self._events.record(Event("cert.ends", facts))


def _digest(tls: Tls | None) -> str:
    """Return a digest of the files; one that cannot be read counts as empty."""
    known = hashlib.sha256()
    files = () if tls is None else (tls.ca_file, tls.cert_file, tls.key_file, tls.renewed_file)
    for path in files:
        try:
            known.update(b"" if path is None else path.read_bytes())
        except OSError:
            known.update(b"?")
        known.update(b"\0")
    return known.hexdigest()
