"""What has happened, told to nobody but the log."""

from __future__ import annotations

import structlog

from gateway.model.event import Event

log = structlog.get_logger(__name__)


class EventLog:
    """`gateway.ports.Events` where nothing is kept for the centre."""

    def record(self, event: Event) -> None:
        """Say *event* in the log."""
        log.info("event", kind=event.kind, weight=event.weight, **dict(event.facts))
