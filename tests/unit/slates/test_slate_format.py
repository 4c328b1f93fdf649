"""What stands in for which stream."""

from __future__ import annotations

import pytest

from gateway.model.media import Codec
from gateway.rtp.video_info import VideoInfo
from gateway.slates.slate_format import BASELINE, HIGH, MAIN, SlateFormat, slate_format


def picture(
    width: int = 1920,
    height: int = 1080,
    profile_idc: int = 100,
    level: str = "4.1",
    aspect: tuple[int, int] | None = None,
) -> VideoInfo:
    return VideoInfo(width, height, "", profile_idc, level, 0, False, aspect)


@pytest.mark.parametrize(
    ("codec", "seen", "expected"),
    [
        ("h264", picture(), SlateFormat("h264", 1920, 1080, HIGH, 41)),
        (
            "h264",
            picture(704, 576, 77, "3.0", (12, 11)),
            SlateFormat("h264", 704, 576, MAIN, 30, (12, 11)),
        ),
        ("h264", picture(352, 288, 66, "1b"), SlateFormat("h264", 352, 288, BASELINE, 0)),
        ("h264", picture(profile_idc=110), SlateFormat("h264", 1920, 1080, HIGH, 41)),
        ("h264", picture(1281, 721), SlateFormat("h264", 1280, 720, HIGH, 41)),
        ("h264", picture(9000, 9000), SlateFormat("h264", 4096, 2304, HIGH, 41)),
        ("h264", picture(2, 2), SlateFormat("h264", 64, 64, HIGH, 41)),
        ("h265", picture(2560, 1440, 2, "5.0"), SlateFormat("h265", 2560, 1440, 0, 50)),
        ("h264", None, SlateFormat("h264", 1280, 720, HIGH, 0)),
        ("h265", None, SlateFormat("h265", 1280, 720, 0, 0)),
    ],
)
def test_a_slate_is_like_its_camera(
    codec: Codec, seen: VideoInfo | None, expected: SlateFormat
) -> None:
    """As far as 4:2:0 and what we decode at all allow."""
    assert slate_format(codec, seen) == expected


def test_a_smaller_one_has_the_same_shape() -> None:
    """And even sides, and not too small."""
    sizes = [(each.width, each.height) for each in slate_format("h264", picture()).smaller()]

    assert sizes == [(1920, 1080), (960, 540), (480, 270)]
    tiny = slate_format("h264", picture(160, 120)).smaller()
    assert [(each.width, each.height) for each in tiny] == [(160, 120)]
