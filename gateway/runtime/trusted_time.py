"""The wall clock as far as it can be trusted: it is never before what this machine has seen.

Dates of certificates, tokens, configurations and commands are judged by it, so that what has ended
is not good again because somebody has set the clock back, or because its battery is empty. The
minimum is when this version was released, and the newest time that was seen while the kernel held
the clock to be synchronised; the latter is on the disk.

A clock that nothing disciplines is mostly slow (no battery) and seldom fast, so how far it may be
wrong is asked of the kernel: `TrustedTime.earliest_ms` and `TrustedTime.latest_ms` say between
which moments now must be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from gateway.model.errors import Fault, TransientError
from gateway.model.version import RELEASED_MS
from gateway.ports import Clock
from gateway.runtime import atomic_file
from gateway.runtime.clock import now_ms

SKEW_MS = 300_000
"""By how much a synchronised clock may differ from that of the centre."""

FAST_MS = 86_400_000
"""By how much a clock that is not may be fast."""

SLOW_MS = 366 * 86_400_000
"""By how much it may be slow: a box without a battery that was switched off for long."""

SAVE_S = 6 * 3600.0
FIRST_SAVE_S = 600.0
"""The time seen is written this long after the start, and then so often: five writes a day."""

_LATEST_MS = 2**53

log = structlog.get_logger(__name__)


class TrustedTime:
    """The wall clock and its minimum.

    Args:
        path: Holds the newest time that was seen. None: nothing is stored (a test).
        synced: Returns whether the kernel holds the clock to be synchronised; None: it cannot say.
        clock: Monotonic.
        wall_ms: The wall clock.
        released_ms: When this version was released.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        synced: Callable[[], bool | None],
        clock: Clock,
        wall_ms: Callable[[], int] = now_ms,
        released_ms: int = RELEASED_MS,
    ) -> None:
        self._path = path
        self._synced = synced
        self._clock = clock
        self._wall_ms = wall_ms
        self._started_s = clock.now()
        self._minimum_ms = max(released_ms, _stored(path))

    @property
    def minimum_ms(self) -> int:
        """Now is not before this: the minimum of the start, and the time that has passed since."""
        return self._minimum_ms + round((self._clock.now() - self._started_s) * 1000)

    @property
    def behind_s(self) -> float:
        """By how much the wall clock is below the minimum; 0: it is not."""
        return max(0, self.minimum_ms - self._wall_ms()) / 1000

    def now_ms(self) -> int:
        """Return the wall clock, or the minimum if that is later; ms since 1970."""
        return max(self._wall_ms(), self.minimum_ms)

    def earliest_ms(self) -> int:
        """Return when it is now at the earliest: what ended before has ended."""
        wrong_ms = SKEW_MS if self._synced() else FAST_MS
        return max(self._wall_ms() - wrong_ms, self.minimum_ms - SKEW_MS)

    def latest_ms(self) -> int:
        """Return when it is now at the latest: what begins later has not begun."""
        return self.now_ms() + (SKEW_MS if self._synced() else SLOW_MS)

    def period_faults(
        self, begins_ms: int, ends_ms: int, *, longest_ms: int, at: tuple[str, str]
    ) -> Iterator[Fault]:
        """Yield why something that is good from *begins_ms* to *ends_ms* is not good now.

        Args:
            begins_ms: From then on, ms since 1970.
            ends_ms: Until then.
            longest_ms: Between the two.
            at: Pointers to the two, for the faults.
        """
        if not 0 < ends_ms - begins_ms <= longest_ms:
            message = f"it may be good for {longest_ms // 1000} s at most, and not for less than 0"
            yield Fault(at[1], "time.period", message, {"max_s": longest_ms // 1000})
        elif begins_ms > self.latest_ms():
            message = f"it begins at {begins_ms}, and it is {self.now_ms()} here"
            yield Fault(at[0], "time.early", message, {"now": self.now_ms()})
        elif ends_ms < self.earliest_ms():
            message = f"it ended at {ends_ms}, and it is {self.now_ms()} here"
            yield Fault(at[1], "time.late", message, {"now": self.now_ms()})

    async def run(self) -> None:
        """Write the newest time that was seen now and then, until cancelled."""
        if behind_s := self.behind_s:
            log.error("clock_behind", seconds=round(behind_s))
        await self._clock.sleep(FIRST_SAVE_S)
        while True:
            await asyncio.to_thread(self.save)
            await self._clock.sleep(SAVE_S)

    def save(self) -> None:
        """Write the wall clock, if it is synchronised and later than what was seen; waits for it.

        A disk that fails is logged: the minimum of the next start is then an older one.
        """
        seen_ms = self._wall_ms()
        if self._path is None or not self._synced() or seen_ms <= self.minimum_ms - SKEW_MS:
            return
        try:
            atomic_file.replace(self._path, b"%d\n" % seen_ms)
        except TransientError as error:
            log.warning("seen_time_unsaved", path=str(self._path), detail=error.detail)


def _stored(path: Path | None) -> int:
    if path is None:
        return 0
    try:
        with path.open("rb") as file:
            seen_ms = int(file.read(32))
    except FileNotFoundError:
        return 0
    except (OSError, ValueError) as error:
        log.warning("seen_time_unreadable", path=str(path), detail=type(error).__name__)
        return 0
    return seen_ms if 0 < seen_ms < _LATEST_MS else 0
