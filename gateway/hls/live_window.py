"""Which segments of a live playlist come next, and when to look again. No I/O, no clock.

Reference: RFC 8216 §6.3.3 and §6.3.4. We begin at the newest segment, not at the third but one:
somebody is waiting for the picture, and a window that falls behind only costs a new beginning.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.hls.playlist import MediaPlaylist, Segment

CHANGED_SHARE, UNCHANGED_SHARE = 1.0, 0.5
"""Of the target duration, until a playlist is loaded again: one that had news, and one without."""

MOST_BEHIND = 3
"""Segments to catch up with; more are left out, or the picture would stay that late."""


class LiveWindow:
    """What has been taken of one live playlist.

    Attributes:
        restarts: Times the camera's numbers went back, or we fell out of its window.
        ended: Whether all has been taken of a playlist that will not go on.
        reload_s: When to load the playlist again, counted from when it was asked for last.
    """

    def __init__(self) -> None:
        self._next: int | None = None
        self.restarts = 0
        self.ended = False
        self.reload_s = 0.0

    def take(self, playlist: MediaPlaylist) -> list[Segment]:
        """Return the segments of *playlist* that come next, in their order."""
        segments = [each for each in playlist.segments if not each.gap]
        fresh = self._fresh(segments)
        if fresh:
            self._next = fresh[-1].number + 1
        self.ended = playlist.ended
        self.reload_s = playlist.target_s * (CHANGED_SHARE if fresh else UNCHANGED_SHARE)
        return fresh

    def _fresh(self, segments: list[Segment]) -> list[Segment]:
        if not segments:
            return []
        newest = segments[-1].number
        if self._next is None:
            return segments[-1:]
        fresh = [each for each in segments if each.number >= self._next]
        lost = newest < self._next - 1 or segments[0].number > self._next
        if lost or len(fresh) > MOST_BEHIND:
            self.restarts += 1
            return [replace(segments[-1], discontinuity=True)]
        return fresh
