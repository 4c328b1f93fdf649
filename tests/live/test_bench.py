"""The benchmark measures: a short run prints the object that others read."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.encoder import EncoderSettings
from tests.bench.transcode import transcode
from tests.bench.transcode_relays import viewers_of_one
from tests.fixtures.clock import HANG_S


async def measured(*asked: str) -> Any:
    """Return what `scripts/bench` prints for *asked*."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench", *asked, "--rounds", "1", "--json"),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    async with asyncio.timeout(HANG_S):
        printed, _ = await process.communicate()
    return json.loads(printed)


async def test_relay_prints_one_object_with_every_figure() -> None:
    """Ours and another, both from the outside, in one run."""
    relays = ("--relays", "camera-gateway,aiortc")
    found = await measured("relay", "--streams", "1", "--seconds", "1", *relays)
    assert (found["scenario"], found["streams"], found["mbps"]) == ("relay", 1, 4.0)
    assert [each["relay"] for each in found["results"]] == ["camera-gateway", "aiortc"]
    for each in found["results"]:
        assert each["us_per_packet"] > 0
        assert each["rss_mb"] > each["pss_mb"] > each["uss_mb"] > 1
        assert each["lost"] >= 0
        assert each["ratio_to_us"] > 0
    assert found["results"][0]["ratio_to_us"] == 1.0


async def test_the_floor_is_told_in_its_parts() -> None:
    """Which together are the whole."""
    found = await measured("floor", "--streams", "2", "--seconds", "1")
    parts = found["parts_us"]

    assert list(parts) == ["read", "protect", "send"]
    assert sum(parts.values()) == pytest.approx(found["us_per_packet"], abs=0.02)
    assert found["us_per_packet"] > 0


def test_a_transcode_is_measured_beside_ffmpeg() -> None:
    """On the same pictures, with what both have taken."""
    small = EncoderSettings("h265", 320, 180, 25, 2.0, 300_000)
    (found,) = transcode(1, 1, {"small": small})["results"]

    assert found["pictures"] == 100
    assert found["cpu_ms"] > 0 < found["ffmpeg_cpu_ms"]
    assert found["rss_mb"] > found["uss_mb"] > 1


def test_viewers_of_one_transcode_are_told_beside_one() -> None:
    """Of one gateway and one child; a round in which the child changes does not count."""
    found = viewers_of_one(1, 1.0, viewers=2, job="D1 interlaced", settle_s=0.1)

    assert (found["job"], found["viewers"]) == ("D1 interlaced", 2)
    assert len(found["child_ms"]) == len(found["fps"]) == 2
    assert {"child_ratio", "relay_ms_more_than_untouched"} <= found.keys()
