"""Whether what we publish comes back to us: the whole way through the broker, both ways.

Pings only prove that somebody holds the other end of the line. A broker that answers them and
has lost our subscriptions, or no longer passes messages on, is found out here.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.model.errors import BrokerUnavailable
from gateway.model.reasons import Reason
from gateway.ports import Clock, InboundMessage, OutboundMessage

EVERY_S = 90.0
WITHIN_S = 20.0
"""From the acknowledgement of what we have said until we hear it."""

UNACKNOWLEDGED_S = 60.0
"""From saying it to its acknowledgement; a slow line may have much to carry before."""


class EchoMonitor:
    """Says something to ourselves now and then, and waits for it.

    A broker that never lets us hear anything, or no longer does on the connection after, is left
    alone: its access list does not let us, and cutting connections would help nobody.

    Args:
        make: Makes what is said; no two are alike. None: nothing is said.
        clock: Monotonic.
        on_echo_missing: Called once if nothing is heard and the connection is left alone.
        paces_s: `EVERY_S` and `WITHIN_S`; shorter in tests.

    Attributes:
        rtt_ms: How long the newest echo took, through us and the broker; None: none was heard.
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
        """A connection has been accepted: the first is due at once."""
        self._sent, self._due_s = None, self._clock.now()

    def next_echo(self) -> OutboundMessage | None:
        """Return what is to be said now, if anything.

        Raises:
            BrokerUnavailable: What was said before is not heard.
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
        """The broker has taken *publication*, whatever that is."""
        if message is self._sent:
            self._late_s = self._clock.now() + self._within_s

    def receive(self, message: InboundMessage) -> bool:
        """Whether *message* is one of ours, and nobody else's business.

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
