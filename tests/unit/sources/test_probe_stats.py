"""What the statistics of a probed stream say of captured streams."""

from __future__ import annotations

import pytest

from gateway.demo.encoder import EncoderSettings, record
from gateway.model.media import VideoFormat
from gateway.model.reasons import Reason
from gateway.rtsp.sdp import Description
from gateway.runtime.clock import SystemClock
from gateway.sources.probe_stats import ProbeStats
from tests.fixtures.camera_sender import PT, plainly, sent
from tests.fixtures.captures import codec_of, packets_of, sets_of


def stats_of(name: str) -> ProbeStats:
    """Return the statistics of a whole capture."""
    codec = codec_of(name)
    description = Description(VideoFormat(codec, sets_of(name)), 96, "", "", codec)
    stats = ProbeStats(description, SystemClock())
    stats.push_packets(packets_of(name))
    return stats


def test_the_gop_is_measured_in_time_and_pictures() -> None:
    """Ten pictures at 25 a second."""
    finding = stats_of("h264-plain").gop

    assert (finding.reason, finding.fact) == (Reason.OK, "0.40 s, 10 pictures")


def test_no_second_keyframe_is_starvation() -> None:
    """An intra-refresh stream has one keyframe; the advice is to set an interval."""
    stats = stats_of("h264-refresh")

    assert stats.keyframe.is_set()
    assert not stats.enough.is_set()
    assert stats.gop.reason is Reason.KEYFRAME_STARVED


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("h264-1080p", "H.264 High 4.0, 1920x1080"),
        ("h264-interlaced", "H.264 High 2.1, 320x192, interlaced"),
        ("h265-plain", "H.265 Main 2.0, 320x180"),
    ],
)
def test_the_codec_is_told_with_profile_and_size(name: str, fact: str) -> None:
    """By the SPS, cropping taken off."""
    assert stats_of(name).codec.fact == fact


@pytest.mark.parametrize("name", ["h264-bframes", "h265-bframes"])
def test_b_frames_are_found_by_their_times(name: str) -> None:
    """WebRTC cannot show them, so the step is not ok."""
    assert stats_of(name).b_frames.reason is Reason.UNSUPPORTED_CODEC


def test_a_stream_without_b_frames_is_fine() -> None:
    """The SPS says so and no picture steps back."""
    assert stats_of("h264-plain").b_frames.fact == "none"


def test_interlace_is_advice() -> None:
    """What a browser cannot show is told with what to set; a progressive stream is fine."""
    assert stats_of("h264-interlaced").interlace.reason is Reason.PICTURE_INTERLACED
    assert stats_of("h264-plain").interlace.reason is Reason.OK


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (EncoderSettings("h264", 704, 576), Reason.PICTURE_ASPECT),
        (EncoderSettings("h264", 704, 576, pixel_aspect=(12, 11)), Reason.OK),
        (EncoderSettings("h264", 1920, 1080, pixel_aspect=(12, 11)), Reason.PICTURE_ASPECT),
        (EncoderSettings("h265", 704, 576), Reason.PICTURE_ASPECT),
        (EncoderSettings("h265", 704, 576, pixel_aspect=(12, 11)), Reason.OK),
    ],
)
def test_pixels_of_the_wrong_shape_are_advice(settings: EncoderSettings, reason: Reason) -> None:
    """By the SPS of a real encoder."""
    sets = record("", settings, 0.1).parameter_sets
    video = VideoFormat(settings.codec, sets)
    stats = ProbeStats(Description(video, 96, "", "", settings.codec), SystemClock())

    assert stats.pixels.reason is reason


def test_a_codec_that_is_described_wrongly_is_told() -> None:
    """What comes is measured."""
    stats = ProbeStats(Description(VideoFormat("h265"), PT, "", "", "H265"), SystemClock())
    stats.push_packets(sent("h264", lambda sender, nals: sender.picture(plainly(sender, nals))))

    assert stats.codec.reason is Reason.OK
    assert stats.codec.fact.startswith("H.264 ")
    assert stats.codec.fact.endswith("; the camera describes H.265 and sends H.264")
    assert stats.enough.is_set()
