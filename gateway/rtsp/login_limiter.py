"""Limits login attempts per device, so that none locks us out.

A recorder with sixteen channels and one wrong password sees at most three attempts in half an
hour, not sixteen: its cameras share one count, and no more of them try at once than may fail.
Another user or password is another login.

A login that has worked is not called wrong at once: recorders whose sessions are used up answer 401
as well, and hold a session that was not ended for about 70 s. It is tried again after that.

Source: Hikvision and Dahua lock a caller after five to seven bad logins.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.model.errors import PermanentError, SourceRefused, SourceUnavailable, TransientError
from gateway.model.reasons import Reason
from gateway.ports import Clock
from gateway.rtsp.auth import LOCKED_S, Login

MAX_ATTEMPTS = 3
RETRY_S = 30.0
"""Pause after the first refusal; a recorder that starts may err."""

LAST_RETRY_S = 75.0
"""Pause before the last attempt: by then a recorder has let go of sessions that were not ended."""

AT_ONCE = 2
"""So many channels of a device may try a login at once that has worked."""

MOST_ACCOUNTS = 2_048


@dataclass(slots=True)
class _Account:
    """One login at one device."""

    failures: int = 0
    worked: bool = False
    again_s: float = float("-inf")
    digest: bool = False
    failed_s: float = float("-inf")
    trying: int = 0
    attempts: int = 0
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
            SourceUnavailable: It has worked, and was refused just now; likewise.
        """
        account = self._account(device, login)
        while True:
            self._admit(device, account)
            most = AT_ONCE if account.worked else MAX_ATTEMPTS
            if account.trying < max(1, min(most, MAX_ATTEMPTS - account.failures)):
                break
            await account.left.wait()
        account.trying += 1
        account.attempts += 1
        try:
            yield
        finally:
            account.release()

    def may_try(self, device: str, login: Login) -> bool:
        """Return whether `attempt` would let *login* be tried now."""
        try:
            self._admit(device, self._account(device, login))
        except (SourceRefused, SourceUnavailable):
            return False
        return True

    def attempts(self, device: str, login: Login) -> int:
        """Return how often *login* has been tried at *device*, whatever became of it."""
        return self._account(device, login).attempts

    def is_right(self, device: str, login: Login) -> bool:
        """Return whether *device* has accepted *login*, and has not refused it since."""
        account = self._account(device, login)
        return account.worked and not account.failures

    def record_success(self, device: str, login: Login, *, digest: bool = False) -> None:
        """Count anew: *device* has accepted *login*, by Digest or not."""
        account = self._account(device, login)
        account.failures = 0
        account.worked = True
        account.again_s = float("-inf")
        account.digest = account.digest or digest

    def has_used_digest(self, device: str, login: Login) -> bool:
        """Return whether *device* has accepted *login* by Digest.

        It can do it, so a later answer that offers Basic alone is somebody else's.
        """
        return self._account(device, login).digest

    def record_failure(
        self, device: str, login: Login, said: str, *, forbidden: bool = False
    ) -> PermanentError | TransientError:
        """Count that *device* has refused *login* and *said* so; return the error to be raised.

        Args:
            device: As in `attempt`.
            login: Likewise.
            said: How it has refused.
            forbidden: It knows who that is (403): no right to watch, or locked.
        """
        account = self._account(device, login)
        account.failures += 1
        account.failed_s = self._clock.now()
        park_s = {1: RETRY_S, 2: LAST_RETRY_S}.get(account.failures, LOCKED_S)
        account.again_s = account.failed_s + park_s
        told = f"this was attempt {account.failures}, next in {park_s / 60:g} min"
        if not account.worked:
            why = "no right to watch, or locked" if forbidden else "wrong user or password"
            reason = Reason.LOGIN_FORBIDDEN if forbidden else Reason.AUTH_FAILED
            return SourceRefused(reason, f"{said}: {why}; {told}", park_s=park_s)
        if account.failures >= MAX_ATTEMPTS:
            detail = f"{said} to a login that has worked: was the password changed? {told}"
            return SourceRefused(Reason.AUTH_FAILED, detail, park_s=park_s)
        detail = f"{said} to a login that has worked: its sessions may be used up; {told}"
        return SourceUnavailable(Reason.BUSY_SESSIONS, detail, pause_s=park_s)

    def reset(self, device: str) -> None:
        """Count *device* anew: its configuration has been changed."""
        for (name, _), account in self._accounts.items():
            if name == device:
                account.failures = 0
                account.again_s = float("-inf")

    def _admit(self, device: str, account: _Account) -> None:
        since_s = self._clock.now() - account.failed_s
        if account.failures >= MAX_ATTEMPTS and since_s < LOCKED_S:
            raise SourceRefused(
                Reason.AUTH_FAILED,
                f"{device} has refused this login {account.failures} times; not trying, lest it "
                "locks us out",
                park_s=LOCKED_S - since_s,
            )
        again_in_s = account.again_s - self._clock.now()
        if account.worked and account.failures and again_in_s > 0:
            raise SourceUnavailable(
                Reason.BUSY_SESSIONS,
                f"{device} refuses a login that has worked: its sessions may be used up; tried "
                f"again in {again_in_s:.0f} s",
                pause_s=again_in_s,
            )

    def _account(self, device: str, login: Login) -> _Account:
        key = (device, login)
        if key not in self._accounts and len(self._accounts) >= MOST_ACCOUNTS:
            del self._accounts[next(iter(self._accounts))]
        return self._accounts.setdefault(key, _Account())
