"""Checks that the broker delivers: a message that we publish must come back to us.

Pings only prove that somebody answers. A broker that answers them and has lost our subscriptions,
or no longer passes messages on, is found by the echo.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.model.errors import BrokerUnavailable
from gateway.model.reasons import Reason
from gateway.ports import Clock, InboundMessage, OutboundMessage

EVERY_S = 90.0
WITHIN_S = 20.0
"""From the PUBACK of an echo until it must be received."""

UNACKNOWLEDGED_S = 60.0
"""From publishing an echo to its PUBACK; a slow line may have much to carry before."""


class EchoMonitor:
    """Publishes an echo now and then, and waits for it.

    An echo that is missing ends the connection, if one was received on it before. If none was, the
    connection is held: the access list does not let us read it, and a new one would not help.

    Args:
        make: Returns a new echo; no two are alike. None: no echo is published.
        clock: Monotonic.
        on_missing: Called once if nothing is heard and the connection is left alone.
        timing_s: `EVERY_S` and `WITHIN_S`; shorter in tests.

    Attributes:
        rtt_ms: Round trip of the newest echo in ms; None: none was received.
    """

    def __init__(
        self,
        make: Callable[[], OutboundMessage] | None,
        *,
        clock: Clock,
        on_missing: Callable[[], None],
        timing_s: tuple[float, float] = (EVERY_S, WITHIN_S),
    ) -> None:
        self._make = make
        self._clock = clock
        self._on_missing = on_missing
        self._every_s, self._within_s = timing_s
        self._sent: OutboundMessage | None = None
        self._topic = ""
        self._sent_s = 0.0
        self.rtt_ms: float | None = None
        self._due_s = self._late_s = 0.0
        self._proven = self._reported = False

    def start(self) -> None:
        """A connection has been accepted: the first echo is due at once."""
        self._sent, self._due_s = None, self._clock.now()

    def forgive(self, late_s: float) -> None:
        """Wait for *late_s* seconds more: for so long our own loop has read nothing."""
        self._late_s += late_s

    def next_echo(self) -> OutboundMessage | None:
        """Return the echo that is to be published now, or None.

        Raises:
            BrokerUnavailable: The one before is missing.
        """
        now_s = self._clock.now()
        if self._sent is not None and now_s > self._late_s:
            self._on_timeout()
        if self._make is None or self._sent is not None or now_s < self._due_s:
            return None
        self._sent = self._make()
        self._topic = self._sent.topic
        self._sent_s = now_s
        self._due_s, self._late_s = now_s + self._every_s, now_s + UNACKNOWLEDGED_S
        return self._sent

    def on_acknowledged(self, message: OutboundMessage) -> None:
        """The broker has acknowledged *message*, which may be an echo."""
        if message is self._sent:
            self._late_s = self._clock.now() + self._within_s

    def receive(self, message: InboundMessage) -> bool:
        """Return whether *message* is an echo, which is for nobody else.

        One that is late, or of the connection before, proves nothing of this one.
        """
        if message.topic != self._topic:
            return False
        if self._sent is not None and message.payload == self._sent.payload:
            self._sent, self.rtt_ms = None, (self._clock.now() - self._sent_s) * 1000
            self._proven, self._reported = True, False
        return True

    def _on_timeout(self) -> None:
        self._sent = None
        if self._proven:
            self._proven = False
            detail = f"what we say to ourselves is not heard for {self._within_s:.0f} s"
            raise BrokerUnavailable(Reason.STALLED, detail)
        if not self._reported:
            self._reported = True
            self._on_missing()
