"""The benchmark measures: a short run prints the object that others read."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path


async def test_relay_prints_one_object_with_every_figure() -> None:
    """Ours and another, both from the outside, in one run."""
    asked = ("relay", "--streams", "1", "--rounds", "1", "--seconds", "1", "--json")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.bench", *asked, "--relays", "camera-gateway,aiortc"),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    async with asyncio.timeout(90):
        printed, _ = await process.communicate()
    found = json.loads(printed)
    assert (found["scenario"], found["streams"], found["mbps"]) == ("relay", 1, 4.0)
    assert [each["relay"] for each in found["results"]] == ["camera-gateway", "aiortc"]
    for each in found["results"]:
        assert each["us_per_packet"] > 0
        assert each["rss_mb"] > 1
        assert each["lost"] == 0
        assert each["ratio_to_us"] > 0
    assert found["results"][0]["ratio_to_us"] == 1.0
