"""When a connected session is over by time: the viewer is silent, unwanted, or has seen enough."""

from __future__ import annotations

from gateway.ports import Clock
from gateway.runtime.lateness import Silence

SILENCE_S = 10.0
"""A viewer sends RTCP about once a second; after this long without a datagram it is gone."""

LOOK_S = 1.0
"""`SessionTimeouts.check` is called this often."""


class SessionTimeouts:
    """The times of one session.

    Silence and expiry are of the time in which we could have heard the viewer, or its wish to go
    on: not that for which our loop was late. While the kernel drops what comes to the port, because
    somebody floods it, silence says nothing; then consent (`gateway.webrtc.consent`) decides.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._expires_s = self._viewing_ends_s = float("inf")
        self.begin()

    def begin(self) -> None:
        """The viewer is connected; `check` is called from now on."""
        self._silence = Silence(self._clock.now)

    def expire_in(self, seconds: float) -> None:
        """End the session *seconds* from now; replaces what was set before."""
        self._expires_s = self._clock.now() + seconds

    def limit_viewing(self, seconds: float | None) -> None:
        """End it *seconds* from now whatever else is wished, and whoever is late; None: never."""
        self._viewing_ends_s = self._clock.now() + (float("inf") if seconds is None else seconds)

    def check(self, received_s: float, *, dropped: bool) -> str:
        """Return why the session is over, as `gateway.webrtc.session.Session.run` does; else "".

        Args:
            received_s: When the viewer's last datagram came, on the monotonic clock.
            dropped: Whether the kernel has dropped datagrams at its port since the last call.
        """
        silent_s = self._silence.look(received_s, after_s=LOOK_S, unheard=dropped)
        self._expires_s += self._silence.late_s
        now_s = self._clock.now()
        if silent_s > SILENCE_S:
            return "silence"
        if now_s > self._expires_s:
            return "expired"
        return "viewing_time" if now_s > self._viewing_ends_s else ""
