"""What the camera's side calls of a viewer's sender, contained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from gateway.fastpath import FrameRun, RtpDestination
from gateway.model.media import AccessUnit
from gateway.streams.reader import FastPathSender


class UnitSender(FastPathSender, Protocol):
    """What a stream's reader needs of a sender."""

    def send_unit(self, unit: AccessUnit) -> bool:
        """Send *unit*; False if the line is busy."""
        ...


class ContainedSender:
    """What the camera's side calls of a sender: a bug in it ends the session, and no other.

    Args:
        sender: Sends.
        on_bug: Ends the session.
    """

    def __init__(self, sender: UnitSender, on_bug: Callable[[Exception], None]) -> None:
        self._sender = sender
        self._on_bug = on_bug

    def send_unit(self, unit: AccessUnit) -> bool:
        """Send *unit*, as `RtpSender.send_unit`."""
        try:
            return self._sender.send_unit(unit)
        except Exception as error:
            self._on_bug(error)
            return True

    def destination(self) -> RtpDestination | None:
        """Return the destination for the fast path; None if it cannot send here."""
        try:
            return self._sender.destination()
        except Exception as error:
            self._on_bug(error)
            return None

    def on_relayed(self, runs: Sequence[FrameRun], evicted_packets: int) -> None:
        """Record what the fast path has sent."""
        try:
            self._sender.on_relayed(runs, evicted_packets)
        except Exception as error:
            self._on_bug(error)

    def on_superseded(self) -> None:
        """Forget what has been sent."""
        try:
            self._sender.on_superseded()
        except Exception as error:
            self._on_bug(error)

    def on_reclaimed(self) -> None:
        """Send the rest of what the fast path has relayed."""
        try:
            self._sender.on_reclaimed()
        except Exception as error:
            self._on_bug(error)
