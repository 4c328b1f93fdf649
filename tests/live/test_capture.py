"""A whole gateway with an analogue camera at a USB grabber: a viewer sees it, health tells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fixtures.broker import Broker
from tests.fixtures.fake_v4l2 import DEVICE, environment
from tests.fixtures.site import OWN, site, tree

pytestmark = pytest.mark.live


def preloading(folder: Path, *faults: str) -> dict[str, str]:
    """Return what lets the children of a gateway have the device, and the gateway open it."""
    (folder / "sitecustomize.py").write_text(
        "from gateway.vision import child_process\n"
        f"child_process.ENVIRONMENT = {environment(*faults)!r}\n"
    )
    return {
        "PYTHONPATH": str(folder),
        "CAMERA_GATEWAY__CAMERAS__DEVICES": json.dumps([DEVICE]),
    }


async def test_an_analogue_camera_is_watched(tmp_path: Path, broker: Broker) -> None:
    """By aiortc, as H.264; its size and codec stand in the health."""
    url = f"v4l2://{DEVICE}?standard=PAL"
    async with site(tmp_path, broker, (), urls=(url,), env=preloading(tmp_path)) as running:
        viewer = await running.watch(0)
        await viewer.until(60)
        state = await running.until(
            lambda message: (
                message.topic == OWN.camera_state("c00") and tree(message).get("w") == 768
            )
        )

    assert (tree(state)["codec"], tree(state)["h"]) == ("h264", 576)
    assert tree(state)["why"] == "OK"


async def test_a_lost_signal_is_told(tmp_path: Path, broker: Broker) -> None:
    """As what it is, while the grabber goes on sending its own picture."""
    url = f"v4l2://{DEVICE}?standard=PAL"
    env = preloading(tmp_path, "no_signal")
    async with site(tmp_path, broker, (), urls=(url,), env=env, keep="warm") as running:
        await running.until(
            lambda message: (
                message.topic == OWN.camera_state("c00") and tree(message)["why"] == "NO_SIGNAL"
            )
        )
