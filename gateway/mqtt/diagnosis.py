"""Why a broker has let us down, where it does not say so itself. No I/O but our own certificate."""

from __future__ import annotations

from gateway.model.errors import BrokerUnavailable
from gateway.model.reasons import Reason
from gateway.mqtt.broker import Tls, own_certificate_fault
from gateway.mqtt.epoch import now_ms
from gateway.mqtt.link_words import taken_over

SOON_S, SUSPICIOUS = 60.0, 3
"""So many connections in a row that ended by hanging up so soon are no accident."""

_UNEXPLAINED = {Reason.TLS_FAILED, Reason.TLS_EXPIRED, Reason.UPLINK_DOWN}
"""What a broker that does not like our certificate may look like."""


def not_accepted(error: BrokerUnavailable, tls: Tls | None) -> BrokerUnavailable:
    """Return the better explanation, if the dates of our own certificate are one."""
    if error.reason not in _UNEXPLAINED:
        return error
    return own_certificate_fault(tls, now_ms()) or error


class Suspicion:
    """Whether somebody else has our identity.

    Newer brokers say so; Mosquitto 2.0 hangs up without a word, soon and again and again.
    """

    def __init__(self) -> None:
        self._times = 0

    def judge(
        self, error: BrokerUnavailable, *, hung_up: bool, lasted_s: float
    ) -> BrokerUnavailable:
        """Return *error*, or the suspicion when it is due.

        Args:
            error: What ended an accepted connection.
            hung_up: Whether the broker closed it without a word.
            lasted_s: For how long it was accepted.
        """
        self._times = self._times + 1 if hung_up and lasted_s < SOON_S else 0
        if self._times < SUSPICIOUS:
            return error
        return taken_over(f"accepted and hung up on {self._times} times within a minute each")
