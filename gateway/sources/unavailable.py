"""A source that cannot be made as configured: all that it does is raise why."""

from __future__ import annotations

from gateway.model.errors import ConfigRejected, SourceRefused
from gateway.model.media import SourceCounters
from gateway.ports import Sink


class RefusedSource:
    """`gateway.ports.Source` of a camera whose configuration lacks something, e.g. its secret.

    That camera alone is parked; the others go on.

    Args:
        error: What is wrong.
    """

    def __init__(self, error: ConfigRejected) -> None:
        self._error = error
        self._counters = SourceCounters()

    @property
    def counters(self) -> SourceCounters:
        """All zero, for ever."""
        return self._counters

    async def run(self, sink: Sink) -> None:  # noqa: ARG002  (the port's)
        """Raise SourceRefused."""
        await self.check()

    async def check(self) -> None:
        """Raise SourceRefused."""
        raise SourceRefused(self._error.reason, self._error.detail)
