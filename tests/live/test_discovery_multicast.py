"""Cameras found by multicast, over cables between network namespaces, by the command."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from tests.fixtures.camera_lan import CAMERA, PASSWORD, USER
from tests.fixtures.clock import HANG_S

pytestmark = pytest.mark.live


async def discover(heard: Path, network: str) -> list[dict[str, object]]:
    """Return the devices that the command finds in *network*, between the two camera networks."""
    words = ["--settings", "/nowhere", "--network", network, "--account", USER, "--json"]
    words += ["--wait", "1"]
    process = await asyncio.create_subprocess_exec(
        *("unshare", "--map-root-user", "--net", sys.executable, "-m", "tests.fixtures.camera_lan"),
        *(str(heard), *words),
        env=os.environ | {"CAMERA_PASSWORD": PASSWORD},
        stdout=PIPE,
    )
    async with asyncio.timeout(HANG_S):
        out, _ = await process.communicate()
    lines = [json.loads(line) for line in out.splitlines()]
    return [line["device"] for line in lines if "device" in line]


async def test_a_camera_answers_a_multicast_and_tells_its_channel(tmp_path: Path) -> None:
    """Its network is too large to be gone through; that of the default route hears nothing."""
    heard = tmp_path / "heard"
    (found,) = await discover(heard, "10.77.0.0/16")

    assert (found["address"], found["origin"], found["reason"]) == (CAMERA, "onvif", None)
    assert len(found["channels"]) == 1  # type: ignore[arg-type]
    assert heard.read_bytes() == b""
