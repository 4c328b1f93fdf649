"""What should be changed on a recorder."""

from __future__ import annotations

from dataclasses import replace

from gateway.setup.advice import advise, shown
from gateway.sources.stream_measure import StreamMeasure

GOOD = StreamMeasure("h264", 704, 576, 12.0, 700_000.0, 2.0, b_frames=False)


def test_a_sub_stream_as_it_should_be_needs_nothing() -> None:
    """H.264, small, a keyframe every two seconds."""
    assert advise("sub", GOOD) == ()


def test_every_value_that_hurts_viewers_is_named_with_what_to_choose() -> None:
    """As the recorder's menu has it, from what was measured."""
    bad = StreamMeasure("h265", 1920, 1080, 25.0, 4_000_000.0, 10.0, b_frames=True)

    said = {each.en: (each.now, each.to) for each in advise("sub", bad)}

    assert said == {
        "Video encoding": ("H.265", "H.264"),
        "Profile (B-frames)": ("B-frames", "Main/Baseline, 0 B"),
        "I-frame interval; Smart Codec / H.264+ / H.265+ off": ("10.0 s", "50 (2 s)"),
        "Resolution": ("1920×1080", "640×360"),
        "Frame rate": ("25 fps", "12 fps"),
        "Max. bitrate": ("4000 kb/s", "512–1024 kb/s (CBR)"),
    }


def test_of_a_main_stream_only_what_costs_viewers_is_named() -> None:
    """People record it: its size and rate are their own."""
    large = replace(GOOD, width=1920, height=1080, fps=25.0, bitrate_bps=6_000_000.0)

    assert advise("main", large) == ()
    assert [each.to for each in advise("main", replace(large, codec="h265"))] == ["H.264"]


def test_a_stream_without_a_second_keyframe_may_have_a_smart_codec() -> None:
    """Its GOP is not known, only that it is long."""
    (advice,) = advise("sub", replace(GOOD, gop_s=None))

    assert advice.now == "Smart Codec?"


def test_a_measure_reads_as_people_write_it() -> None:
    """On one line."""
    assert shown(GOOD) == "H.264 · 704×576 · 12 fps · GOP 2.0 s · 700 kb/s"
