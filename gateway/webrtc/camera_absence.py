"""When a viewer is shown a slate: its camera is silent, or known to be gone.

It ends at the camera's next keyframe (`gateway.webrtc.level_switch`). Nothing here is called for a
packet: it is looked at once a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from gateway.model.media import VIDEO_CLOCK_HZ
from gateway.model.reasons import Reason
from gateway.streams.slate import Slate
from gateway.streams.stream import Stream
from gateway.webrtc.level_switch import LevelSwitch

AWAY_S = 3.0
"""Nothing has been sent for so long, and there is nothing to send. With a second until that is
noticed, and the child's start, it is on the screen within 5 s. A shorter pause is a camera's."""

RARE_PICTURES = 3
"""A camera that sends a picture every few seconds is away after so many times that."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SlateOffer:
    """What there is to show one viewer instead of its camera.

    Attributes:
        find: Returns what stands in for a stream; None: there is nothing.
        troubled: Whether the camera is known not to work now.
    """

    find: Callable[[Stream], Slate | None]
    troubled: Callable[[], bool]


NO_SLATE = SlateOffer(lambda _stream: None, lambda: False)
"""For a viewer who handles the absence of its camera."""


class CameraAbsence:
    """Looks after one viewer.

    Args:
        switch: Sends what is to be sent.
        offer: What there is to be shown.
        sent_s: Returns when a unit was sent last, on the monotonic clock; None: none ever was.
        on_shown: Called when there is a slate, or another one.
        now: The monotonic clock.
    """

    def __init__(
        self,
        switch: LevelSwitch,
        offer: SlateOffer,
        *,
        sent_s: Callable[[], float | None],
        on_shown: Callable[[], None],
        now: Callable[[], float],
    ) -> None:
        self._switch = switch
        self._offer = offer
        self._sent_s = sent_s
        self._on_shown = on_shown
        self._now = now
        self._begun_s = now()
        self._reason: Reason | None = None

    @property
    def reason(self) -> Reason | None:
        """What the slate says; None: none is shown."""
        return None if self._switch.slate is None else self._reason

    def on_tick(self) -> None:
        """Do what is due every second."""
        if self._switch.slate is None and not self._is_due():
            return
        self._switch.stream.want_keyframe()  # the camera may be back, in the middle of a GOP
        slate = self._offer.find(self._switch.stream)
        if slate is None or slate.stream is self._switch.slate:
            return
        self._reason = slate.reason
        self._switch.show(slate.stream)
        log.info("slate_shown", reason=slate.reason.value)
        self._on_shown()

    def _is_due(self) -> bool:
        now_s, sent_s = self._now(), self._sent_s()
        stream = self._switch.stream
        if sent_s is None and not stream.playing and self._offer.troubled():
            return True
        if now_s - (self._begun_s if sent_s is None else sent_s) < AWAY_S:
            return False
        return is_away(stream, now_s)


def is_away(stream: Stream, now_s: float) -> bool:
    """Return whether *stream* has nothing to send at *now_s*, on the monotonic clock."""
    if not stream.playing or stream.last_unit_s is None:
        return True
    silent_s = now_s - stream.last_unit_s
    return silent_s >= AWAY_S and silent_s >= RARE_PICTURES * _distance_s(stream)


def _distance_s(stream: Stream) -> float:
    """Return how far the stream's pictures are apart, in seconds; 0: not known."""
    units = stream.gop.units
    if len(units) < 2:
        counters = stream.counters
        only_keyframes = 2 * counters.keyframes > counters.units
        return (stream.gop_s or 0.0) if only_keyframes else 0.0
    return (units[-1].time_90k - units[0].time_90k) / VIDEO_CLOCK_HZ / (len(units) - 1)
