"""One strictly growing 90 kHz timeline out of a camera's RTP timestamps.

Recorders send single pictures hours off, restart their time at reconnect and repeat timestamps;
browsers stop playing for less. Nothing here reads a clock: the caller says when now is.

B-frames: pictures come in decoding order, so their timestamps step back, which WebRTC cannot show.
They get the time one tick after their predecessor and are counted in `SourceCounters.backward`.
Reference pictures keep their time.
"""

from __future__ import annotations

from gateway.model.media import VIDEO_CLOCK_HZ, SourceCounters
from gateway.rtp.packet import signed32

JUMP_S = 5.0
"""A stamp further than this from its neighbour, the time passed allowed for, is displaced."""

AGREEING = 3
"""So many displaced stamps in a row that agree with each other are a new timeline."""

HELD_BACK = 17
"""So many pictures in a row not later than one before them: more than any B-frame pyramid
(16 reference frames), so the camera's clock was set back."""

FAR_BACK_S = 0.4
"""No B-frame of a camera is further before its predecessors than this (three pictures, as a
rule): `AGREEING` such pictures in a row are a clock set back already."""

_FAR_BACK_90K = int(FAR_BACK_S * VIDEO_CLOCK_HZ)
_JUMP_90K = int(JUMP_S * VIDEO_CLOCK_HZ)


class Timeline:
    """Gives the pictures of one stream their times, across jumps and sessions."""

    def __init__(self, counters: SourceCounters) -> None:
        self._counters = counters
        self._out_90k = -1
        self._top_rtp = 0  # stamp of the latest picture that kept its time, ...
        self._top_90k = 0  # ... where that is on our timeline, ...
        self._top_s = 0.0  # ... and when it came
        self._previous_rtp = 0
        self._held_back = 0
        self._far_back = 0
        self._displaced_rtp = 0
        self._displaced = 0
        self._unbased = True
        self.early_90k = 0
        """How much earlier than it was given the last picture is shown: B-frames."""

    def begin_session(self) -> None:
        """Forget the camera's time: the next picture is as much later as time has passed."""
        self._unbased = True

    def to_time_90k(self, rtp_time: int, now_s: float) -> int:
        """Return when a picture is shown, in ticks of 90 kHz since the first picture.

        Always more than what was returned before.

        Args:
            rtp_time: Its RTP timestamp, modulo 2**32.
            now_s: When it came, on the monotonic clock.
        """
        self.early_90k = 0
        if self._unbased:
            return self._rebase(rtp_time, now_s)
        ahead = signed32(rtp_time - self._top_rtp)
        passed = max(0, int((now_s - self._top_s) * VIDEO_CLOCK_HZ))
        if not -_JUMP_90K <= ahead <= _JUMP_90K + passed:
            return self._place_displaced(rtp_time, now_s)
        self._displaced = 0
        if signed32(rtp_time - self._previous_rtp) < 0:
            self._counters.backward += 1
        self._previous_rtp = rtp_time
        if ahead <= 0:
            self._held_back += 1
            self._far_back = self._far_back + 1 if ahead < -_FAR_BACK_90K else 0
            if self._held_back >= HELD_BACK or self._far_back >= AGREEING:
                self._counters.jumps += 1
                return self._rebase(rtp_time, now_s)
            time_90k = self._advance_to(self._out_90k + 1)
            self.early_90k = time_90k - (self._top_90k + ahead) if ahead else 0
            return time_90k
        self._held_back = self._far_back = 0
        self._top_rtp, self._top_s = rtp_time, now_s
        self._top_90k += ahead
        return self._advance_to(self._top_90k)

    def handover_point(self) -> tuple[int, int] | None:
        """Return RTP timestamp and time of the last picture, from which the fast path can go on.

        None if that picture has not kept its time: behind a jump or a B-frame.
        """
        if (
            self._unbased
            or self._displaced
            or self._held_back
            or self._previous_rtp != self._top_rtp
        ):
            return None
        return (self._top_rtp, self._out_90k) if self._out_90k == self._top_90k else None

    def continue_from(self, rtp_time: int, time_90k: int, now_s: float) -> None:
        """Go on behind the picture of *rtp_time*, up to which the fast path has relayed."""
        self._top_rtp = self._previous_rtp = rtp_time
        self._top_90k = self._out_90k = time_90k
        self._top_s = now_s

    def _place_displaced(self, rtp_time: int, now_s: float) -> int:
        if self._displaced and abs(signed32(rtp_time - self._displaced_rtp)) <= _JUMP_90K:
            self._displaced += 1
        else:
            self._displaced = 1
            self._counters.jumps += 1
        self._displaced_rtp = rtp_time
        if self._displaced >= AGREEING:
            return self._rebase(rtp_time, now_s)
        return self._advance_to(self._out_90k + 1)

    def _rebase(self, rtp_time: int, now_s: float) -> int:
        """Begin a new relation of RTP timestamps to times: as much later as time has passed."""
        if self._out_90k >= 0:
            passed = max(0, int((now_s - self._top_s) * VIDEO_CLOCK_HZ))
            self._top_90k = max(self._top_90k + passed, self._out_90k + 1)
        self._top_rtp = self._previous_rtp = rtp_time
        self._top_s = now_s
        self._held_back = self._far_back = self._displaced = 0
        self._unbased = False
        return self._advance_to(self._top_90k)

    def _advance_to(self, time_90k: int) -> int:
        self._out_90k = max(time_90k, self._out_90k + 1)
        return self._out_90k
