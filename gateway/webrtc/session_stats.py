"""How a session fares, told to its viewer now and then."""

from __future__ import annotations

from gateway.model.reasons import Reason
from gateway.model.signalling import SessionKey, SessionStats
from gateway.ports import Clock
from gateway.webrtc.level_control import LevelControl
from gateway.webrtc.rtcp_feedback import RtcpFeedback
from gateway.webrtc.rtp_sender import RtpSender

STATS_TICKS = 10
"""Ticks (seconds) between two messages."""


class SessionMeter:
    """Measures one session from one message to the next.

    Args:
        key: Whose session.
        sender: Counts what is sent.
        levels: Measures the loss, and counts what is left out.
        feedback: Has what the viewer reports.
        why: Why the best that it is sent is not what was asked for; None: it is.
        clock: Monotonic, for the rate.
    """

    def __init__(
        self,
        key: SessionKey,
        *,
        sender: RtpSender,
        levels: LevelControl,
        feedback: RtcpFeedback,
        why: Reason | None = None,
        clock: Clock,
    ) -> None:
        self._key = key
        self._sender, self._levels, self._feedback = sender, levels, feedback
        self._why = why
        self._clock = clock
        self._before = clock.now(), 0
        self._ticks = 0

    def tick(self) -> SessionStats | None:
        """Return what is to be told, on every `STATS_TICKS`-th call."""
        self._ticks += 1
        if self._ticks % STATS_TICKS:
            return None
        return self.read()

    def read(self) -> SessionStats:
        """Return what is to be told now; the rate is that since it was told last."""
        (before_s, before_bytes), now_s = self._before, self._clock.now()
        sent_bytes = self._sender.octets
        self._before = now_s, sent_bytes
        trip_s = self._feedback.round_trip_s
        return SessionStats(
            self._key,
            kbps=(sent_bytes - before_bytes) * 8 / 1000 / max(now_s - before_s, 1e-3),
            loss_percent=self._levels.loss * 100,
            round_trip_ms=None if trip_s is None else round(trip_s * 1000, 1),
            dropped_units=self._levels.dropped,
            level=self._levels.level,
            why=Reason.LINE_NARROW if self._levels.narrow else self._why,
            slate=self._levels.slate,
        )
