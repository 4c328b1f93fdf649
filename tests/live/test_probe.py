"""The probe against GStreamer's RTSP server."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from fractions import Fraction
from ipaddress import ip_network
from typing import Literal
from urllib.parse import urlsplit

import av
import pytest
from pydantic import SecretStr

from gateway.cameras.probe import Step, probe
from gateway.cameras.probe_picture import look_at
from gateway.demo.faults import Fault, Frozen
from gateway.model.reasons import Reason
from gateway.runtime.clock import SystemClock
from gateway.sources.registry import url_policy
from gateway.sources.stream_measure import StreamMeasure
from tests.fixtures.camera import ACCOUNT, SMALL, virtual_camera
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
    user, secret = (USER, SecretStr(password)) if password else (None, None)
    return await steps_at(server.url(mount), user, secret, transport=transport)


async def steps_at(
    url: str,
    username: str | None,
    password: SecretStr | None,
    *,
    transport: Literal["auto", "tcp", "udp"] = "auto",
    looks: bool = False,
) -> dict[str, Step]:
    """Likewise of the camera at *url*."""
    walk = probe(
        url,
        username=username,
        password=password,
        allow_basic=False,
        policy=url_policy((ip_network("127.0.0.0/8"),), (urlsplit(url).port or 554,)),
        transport=transport,
        watch_s=HANG_S,
        looks=looks,
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


@pytest.mark.parametrize("fault", [None, Frozen()])
async def test_a_picture_that_stands_still_is_a_warning(fault: Fault | None) -> None:
    """Every layer is fine, and yet nobody sees what happens."""
    async with virtual_camera(shape=replace(SMALL, gop_s=0.6)) as recorder:
        recorder.cameras[0].fault = fault
        steps = await steps_at(recorder.url(), ACCOUNT.username, ACCOUNT.password, looks=True)

    found = Reason.OK if fault is None else Reason.PICTURE_FROZEN
    assert (steps["picture"].reason, steps["picture"].ok) == (found, True)


async def test_a_black_picture_is_a_warning() -> None:
    """As a camera behind its lens cap sends it."""
    frame = av.VideoFrame(320, 240, "yuv420p")
    for plane, level in zip(frame.planes, (16, 128, 128), strict=True):
        plane.update(bytes([level]) * plane.buffer_size)
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 320, 240, "yuv420p"
    encoder.time_base = Fraction(1, 25)
    coded = b"".join(map(bytes, [*encoder.encode(frame), *encoder.encode(None)]))
    measure = StreamMeasure("h264", 320, 240, 25.0, 1e5, 1.0, False, keyframes=(coded,))

    assert (await look_at(measure, SystemClock())).reason is Reason.PICTURE_BLACK


async def test_jpeg_is_named(gst: GstServer) -> None:
    """What only a transcode can show is no obstacle, and is told by its name."""
    steps = await steps_of(gst, "jpeg")

    assert steps["describe"].reason is Reason.OK
    assert "JPEG" in steps["describe"].fact
