"""What other relays' `ffmpeg` is told is the job that ours does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.demo.encoder import EncoderSettings
from tests.bench.relays.conversion import Conversion
from tests.bench.relays.go2rtc import Go2rtc
from tests.bench.relays.mediamtx import MediaMtx
from tests.bench.throughput import OURS
from tests.bench.transcode import JOBS
from tests.bench.transcode_relays import REMOTE, Share, compare

URL = "rtsp://127.0.0.1:554/job0"
WIDE, PAL = JOBS["1080p H.265"], JOBS["D1 interlaced"]


def told(relay: Any, settings: EncoderSettings) -> str:
    """Return all that *relay* is configured with for a camera of *settings*."""
    return json.dumps(relay(Conversion(settings)).configuration(8554, 8555, [URL]))


def test_the_size_is_that_of_ours() -> None:
    """720 lines at most, and square pixels."""
    sizes = [Conversion(JOBS[each]).size for each in REMOTE]

    assert sizes == [(1280, 720), (768, 576), (1280, 720)]


@pytest.mark.parametrize("relay", [MediaMtx, Go2rtc])
def test_interlace_is_taken_out_with_the_same_filter(relay: Any) -> None:
    """Where the camera has it, and nowhere else."""
    assert "bwdif=mode=send_frame:deint=interlaced,scale=768:576" in told(relay, PAL)
    assert "bwdif" not in told(relay, WIDE)


@pytest.mark.parametrize("relay", [MediaMtx, Go2rtc])
def test_without_a_job_cameras_are_relayed_as_they_are(relay: Any) -> None:
    """As in all other scenarios."""
    untouched = json.dumps(relay().configuration(8554, 8555, [URL]))

    assert URL in untouched
    assert "ffmpeg" not in untouched


def test_only_rounds_without_lost_pictures_are_compared() -> None:
    """Who leaves pictures out has done less."""
    whole, late = Share(20.0, 15.0, 25.0, 1500.0), Share(90.0, 80.0, 3.0, 100.0)
    rounds = {0: {OURS: whole, "go2rtc": Share(40.0, 38.0, 24.9, 1500.0)}}
    rounds[1] = {OURS: late, "go2rtc": whole}

    assert compare("go2rtc", rounds)["rounds_compared"] == [0.5]
