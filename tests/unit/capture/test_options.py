"""The address of a capture device."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capture.options import CaptureOptions, WrongUrl, parse_capture_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("v4l2:///dev/video0", CaptureOptions("/dev/video0")),
        (
            "v4l2:///dev/v4l/by-id/usb-EM2860-video-index0?standard=NTSC&input=1",
            CaptureOptions(
                "/dev/v4l/by-id/usb-EM2860-video-index0", "NTSC", 1, width=720, height=480
            ),
        ),
        (
            "v4l2:///dev/video12?size=1280x720&format=mjpeg",
            CaptureOptions("/dev/video12", width=1280, height=720, format="mjpeg"),
        ),
    ],
)
def test_what_is_left_out_is_as_usual(url: str, expected: CaptureOptions) -> None:
    """The first input, 720 lines of 576, or 480 for NTSC."""
    assert parse_capture_url(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "v4l2:///dev/sda",
        "v4l2:///dev/../etc/passwd",
        "v4l2:///dev/video0/../../etc/passwd",
        "v4l2:///dev/v4l/by-id/../../video0",
        "v4l2://host/dev/video0",
        "v4l2:///dev/video0?standard=pal",
        "v4l2:///dev/video0?input=-1",
        "v4l2:///dev/video0?input=32",
        "v4l2:///dev/video0?size=3840x2160",
        "v4l2:///dev/video0?size=721x576",
        "v4l2:///dev/video0?size=0x0",
        "v4l2:///dev/video0?format=h264",
        "v4l2:///dev/video0?channel=1",
        "v4l2:///dev/video0?standard",
        "v4l2:///dev/video0?" + "&".join(f"input={each}" for each in range(9)),
    ],
)
def test_anything_else_is_refused(url: str) -> None:
    """Other files, other options, sizes that nobody captures."""
    with pytest.raises(WrongUrl):
        parse_capture_url(url)


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    """With no other error."""
    try:
        parse_capture_url(f"v4l2:///dev/video0?{text}")
    except WrongUrl:
        return


def test_the_child_is_told_the_same() -> None:
    """As arguments, and back."""
    options = parse_capture_url("v4l2:///dev/video3?standard=SECAM&input=2", stall_s=7.5)

    assert CaptureOptions.from_arguments(options.to_arguments()) == options
