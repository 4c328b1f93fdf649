"""Limits login attempts per device, so that none locks us out.

A recorder with sixteen channels and one wrong password sees at most three attempts in half an
hour, not sixteen: its cameras share one count, and no more of them try at once than may fail.
Another user or password is another login.

Source: Hikvision and Dahua lock a caller after five to seven bad logins.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.model.errors import SourceRefused
from gateway.model.reasons import Reason
from gateway.ports import Clock
from gateway.rtsp.auth import LOCKED_S, Login

MAX_ATTEMPTS = 3
RETRY_S = 30.0
"""Pause after a refusal that was not the last attempt; a recorder that starts may err."""

MOST_ACCOUNTS = 2_048


@dataclass(slots=True)
class _Account:
    """One login at one device."""

    failures: int = 0
    digest: bool = False
    failed_s: float = float("-inf")
    trying: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)

    def release(self) -> None:
        """One attempt is over: wake whoever waits for it."""
        self.trying -= 1
        self.left.set()
        self.left = asyncio.Event()


class LoginLimiter:
    """Counts failed logins per device. One for the whole program."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._accounts: dict[tuple[str, Login], _Account] = {}

    @asynccontextmanager
    async def attempt(self, device: str, login: Login) -> AsyncIterator[None]:
        """Hold the right to try *login* once.

        Its outcome is told by `record_success` or `record_failure`.

        Raises:
            SourceRefused: There have been too many failures; nothing must be sent now.
        """
        account = self._account(device, login)
        while True:
            self._admit(device, account)
            if account.trying < max(1, MAX_ATTEMPTS - account.failures):
                break
            await account.left.wait()
        account.trying += 1
        try:
            yield
        finally:
            account.release()

    def record_success(self, device: str, login: Login, *, digest: bool = False) -> None:
        """Count anew: *device* has accepted *login*, by Digest or not."""
        account = self._account(device, login)
        account.failures = 0
        account.digest = account.digest or digest

    def has_used_digest(self, device: str, login: Login) -> bool:
        """Return whether *device* has accepted *login* by Digest.

        It can do it, so a later answer that offers Basic alone is somebody else's.
        """
        return self._account(device, login).digest

    def record_failure(self, device: str, login: Login, detail: str) -> SourceRefused:
        """Count that *device* has refused *login*; return the error to be raised."""
        account = self._account(device, login)
        account.failures += 1
        account.failed_s = self._clock.now()
        park_s = RETRY_S if account.failures < MAX_ATTEMPTS else LOCKED_S
        return SourceRefused(
            Reason.AUTH_FAILED,
            f"{detail}; attempt {account.failures}, next in {park_s / 60:g} min",
            park_s=park_s,
        )

    def reset(self, device: str) -> None:
        """Count *device* anew: its configuration has been changed."""
        for (name, _), account in self._accounts.items():
            if name == device:
                account.failures = 0

    def _admit(self, device: str, account: _Account) -> None:
        since_s = self._clock.now() - account.failed_s
        if account.failures >= MAX_ATTEMPTS and since_s < LOCKED_S:
            raise SourceRefused(
                Reason.AUTH_FAILED,
                f"{device} has refused this login {account.failures} times; not trying, lest it "
                "locks us out",
                park_s=LOCKED_S - since_s,
            )

    def _account(self, device: str, login: Login) -> _Account:
        key = (device, login)
        if key not in self._accounts and len(self._accounts) >= MOST_ACCOUNTS:
            del self._accounts[next(iter(self._accounts))]
        return self._accounts.setdefault(key, _Account())
