"""The probe against GStreamer's RTSP server."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from ipaddress import ip_network
from typing import Literal

import pytest
from pydantic import SecretStr

from gateway.cameras.probe import Step, probe
from gateway.model.reasons import Reason
from gateway.sources.registry import url_policy
from tests.fixtures.clock import HANG_S
from tests.fixtures.gst import PASSWORD, USER, GstServer

pytestmark = pytest.mark.live


async def steps_of(
    server: GstServer,
    mount: str,
    *,
    password: str | None = None,
    transport: Literal["auto", "tcp", "udp"] = "auto",
) -> dict[str, Step]:
    """Return the steps of a probe by their names."""
    walk = probe(
        server.url(mount),
        username=USER if password else None,
        password=SecretStr(password) if password else None,
        allow_basic=False,
        policy=url_policy((ip_network("127.0.0.0/8"),), (server.port,)),
        transport=transport,
        watch_s=HANG_S,
    )
    async with asyncio.timeout(HANG_S), aclosing(walk) as steps:
        return {step.name: step async for step in steps}


@pytest.mark.parametrize("mount", ["h264", "h264udp", "mtu", "h265"])
async def test_every_layer_of_a_good_camera_is_ok(gst: GstServer, mount: str) -> None:
    """Fifteen layers, a GOP of one second, 320x240."""
    steps = await steps_of(gst, mount)

    assert [step for step in steps.values() if not step.ok] == []
    assert len(steps) == 15
    assert "25 pictures" in steps["gop"].fact
    assert "320x240" in steps["codec"].fact
    assert steps["clock"].reason is Reason.OK


async def test_a_login_is_a_layer(gst_digest: GstServer) -> None:
    """Digest, as GStreamer asks for it."""
    steps = await steps_of(gst_digest, "h264", password=PASSWORD)

    assert steps["authentication"].fact == "login accepted"
    assert steps["b_frames"].ok


async def test_a_wrong_password_ends_the_probe_there(gst_digest: GstServer) -> None:
    """After one attempt."""
    steps = await steps_of(gst_digest, "h264", password="sai")

    assert list(steps)[-1] == "authentication"
    assert steps["authentication"].reason is Reason.AUTH_FAILED


async def test_jpeg_is_named(gst: GstServer) -> None:
    """What only a transcode can show is no obstacle, and is told by its name."""
    steps = await steps_of(gst, "jpeg")

    assert steps["describe"].reason is Reason.OK
    assert "JPEG" in steps["describe"].fact
