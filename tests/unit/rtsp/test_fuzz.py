"""The fuzzer of RTSP cameras, for some streams; `python -m tests.fuzz.rtsp` goes on for longer."""

from __future__ import annotations

import pytest

from tests.fuzz.rtsp import try_pictures, try_stream, try_words


@pytest.mark.parametrize("seed", range(0, 300, 50))
def test_any_bytes_of_a_camera_are_survived(seed: int) -> None:
    """In any cut: nothing but our errors, the same outcome, a bounded number of calls."""
    for each in range(seed, seed + 50):
        try_stream(each)


def test_any_words_before_play_are_survived() -> None:
    """Heads, challenges, transports, sessions, descriptions."""
    for seed in range(2_000):
        try_words(seed)


def test_any_packets_of_jpeg_and_mpeg4_are_survived() -> None:
    """In any cut: the same pictures, a bounded number of calls; some come through."""
    assert sum(try_pictures(seed) for seed in range(300)) > 300
