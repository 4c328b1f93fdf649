"""Which segments are taken of a live playlist, and when it is asked for again."""

from __future__ import annotations

from dataclasses import replace

from gateway.hls.live_window import MOST_BEHIND, LiveWindow
from gateway.hls.playlist import MediaPlaylist, Segment


def playlist(first: int, last: int, *, ended: bool = False) -> MediaPlaylist:
    segments = tuple(
        Segment(number, f"http://h/{number}", 2.0) for number in range(first, last + 1)
    )
    return MediaPlaylist(segments, 2.0, ended)


def numbers(window: LiveWindow, found: MediaPlaylist) -> list[int]:
    return [each.number for each in window.take(found)]


def test_the_newest_segment_is_the_first() -> None:
    """Then each once, in order."""
    window = LiveWindow()

    assert numbers(window, playlist(1, 5)) == [5]
    assert numbers(window, playlist(1, 5)) == []
    assert numbers(window, playlist(3, 7)) == [6, 7]
    assert window.restarts == 0


def test_it_is_asked_again_as_the_rfc_says() -> None:
    """After a target duration, or half of one where nothing was new (§6.3.4)."""
    window = LiveWindow()
    window.take(playlist(1, 5))
    assert window.reload_s == 2.0
    window.take(playlist(1, 5))
    assert window.reload_s == 1.0


def test_a_camera_that_counts_anew_is_followed() -> None:
    """It has started again; what comes does not follow from what was."""
    window = LiveWindow()
    window.take(playlist(100, 105))
    (segment,) = window.take(playlist(0, 1))

    assert (segment.number, segment.discontinuity) == (1, True)
    assert window.restarts == 1
    assert numbers(window, playlist(0, 2)) == [2]


def test_whoever_falls_out_of_the_window_begins_anew() -> None:
    """Also where much is there still: it would be shown that late for ever."""
    window = LiveWindow()
    window.take(playlist(1, 5))
    assert numbers(window, playlist(8, 9)) == [9]
    assert numbers(window, playlist(8, 9 + MOST_BEHIND)) == [10, 11, 12]
    assert numbers(window, playlist(8, 13 + MOST_BEHIND)) == [16]
    assert window.restarts == 2


def test_missing_segments_are_passed_over() -> None:
    """EXT-X-GAP."""
    window = LiveWindow()
    window.take(playlist(1, 5))
    found = playlist(1, 7)
    segments = (*found.segments[:5], replace(found.segments[5], gap=True), found.segments[6])

    assert numbers(window, replace(found, segments=segments)) == [7]


def test_the_end_is_told() -> None:
    """Once all has been taken."""
    window = LiveWindow()

    assert numbers(window, playlist(1, 5, ended=True)) == [5]
    assert window.ended
    assert numbers(window, MediaPlaylist((), 2.0, ended=False)) == []
