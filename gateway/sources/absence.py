"""Patience with a camera that says "no such path": while it starts, it is not there yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway.model.errors import GatewayError, SourceRefused, SourceUnavailable
from gateway.model.reasons import Reason

ABSENT_S = 60.0
"""So long a path that is not there is looked for as often as a camera that is away."""


class Absence:
    """Since when one camera has said so.

    Args:
        now: Returns the monotonic time, in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._since_s: float | None = None

    def end(self) -> None:
        """Note that the path is there."""
        self._since_s = None

    @contextmanager
    def patience(self) -> Iterator[None]:
        """Make "no such path" a failure that passes, for `ABSENT_S`.

        The servers of recorders are up before their channels are; sessions of a stream end, and
        with them their paths.
        """
        try:
            yield
        except SourceRefused as error:
            if error.reason is not Reason.NOT_FOUND:
                self._since_s = None
                raise
            now_s = self._now()
            if self._since_s is None:
                self._since_s = now_s
            if now_s - self._since_s >= ABSENT_S:
                raise
            raise SourceUnavailable(Reason.NOT_FOUND, error.detail) from error
        except GatewayError:
            self._since_s = None
            raise
