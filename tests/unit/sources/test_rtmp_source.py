"""Cameras over RTMP, by a real demuxer: pictures, logins in the URL, probes."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network

import pytest
from pydantic import SecretStr

from gateway.cameras.probe import probe
from gateway.model.errors import GatewayError, SourceRefused
from gateway.model.reasons import Reason
from gateway.model.site_document import CameraConfig, StreamConfig
from gateway.ports import Source
from gateway.rtmp.chunks import MessageType
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.runtime.clock import SystemClock
from gateway.sources.probe_steps import ProbeOptions, Step, StepTimer
from gateway.sources.registry import source_type, url_policy
from gateway.transcoding.capacity import Capacity
from tests.fixtures.containers import container
from tests.fixtures.rtmp_camera import STARTED, RtmpCamera, chunks, rtmp_camera, status
from tests.fixtures.sinks import RecordingSink, watched

CLOCK = SystemClock()
PASSWORD = "xem & camera/7"
REOLINK = "/bcs/channel0_main.bcs?channel=0&stream=0&user={username}&password={password}"
OPENED = ("rtmp",)


def of_flv(data: bytes) -> bytes:
    """Return the tags of the FLV file *data* as messages."""
    found, at = [], 13
    while at + 11 < len(data):
        size = int.from_bytes(data[at + 1 : at + 4])
        time_ms = int.from_bytes(data[at + 4 : at + 7])
        kind, body = data[at], data[at + 11 : at + 11 + size]
        if kind == MessageType.VIDEO:
            found.append(chunks(kind, body, stream=1, time_ms=time_ms, number=6))
        at += 15 + size
    return b"".join(found)


H264 = STARTED + of_flv(container("flv"))


def source(
    port: int,
    path: str = "/live/cam",
    *,
    allow_basic: bool = True,
    limiter: LoginLimiter | None = None,
) -> Source:
    stream = StreamConfig(url=f"rtmp://127.0.0.1:{port}{path}", stall_s=2.0)
    camera = CameraConfig.model_construct(
        id="c1",
        name="rtmp",
        device=None,
        username="viewer",
        allow_basic=allow_basic,
        streams=(stream,),
    )
    return source_type(stream.url).create(
        camera,
        stream,
        password=SecretStr(PASSWORD),
        policy=url_policy((ip_network("127.0.0.0/8"),), (port,), opened=OPENED),
        login_limiter=limiter or LoginLimiter(CLOCK),
        payload_bytes=1_180,
        clock=CLOCK,
        capacity=Capacity(4.0),
    )


async def probed(port: int, path: str = "/live/cam") -> list[Step]:
    url = f"rtmp://127.0.0.1:{port}{path}"
    target = await url_policy((ip_network("127.0.0.0/8"),), (port,), opened=OPENED).resolve(url)
    options = ProbeOptions(None, None, False, "auto", 10.0, CLOCK)
    steps = source_type(url).probe(target, options, StepTimer(CLOCK))
    return [step async for step in steps]


async def test_a_stream_becomes_access_units() -> None:
    """Keyframes where they are, each at its time."""
    async with rtmp_camera({"play": H264}) as camera:
        pulled = source(camera.port)
        sink = await watched(pulled, 30)

    assert sink.video is not None
    assert sink.video.codec == "h264"
    assert [index for index, unit in enumerate(sink.units) if unit.keyframe] == [0, 10, 20]
    assert pulled.counters.units == 30


async def test_the_login_is_put_into_the_url_and_never_said() -> None:
    """As Reolink and others want it; percent-encoded, for it may hold anything."""
    refused = status("NetStream.Play.Failed", "error", f"bad login viewer {PASSWORD}")
    async with rtmp_camera({"play": refused}) as camera:
        with pytest.raises(SourceRefused) as caught:
            await source(camera.port, REOLINK).check()
        name = camera.commands[2][3]

    assert caught.value.reason is Reason.AUTH_FAILED
    assert PASSWORD not in caught.value.detail
    assert isinstance(name, str)
    assert name.endswith("&user=viewer&password=xem%20%26%20camera%2F7")
    assert name.startswith("channel0_main.bcs?channel=0")


async def test_a_password_goes_in_clear_only_where_it_may() -> None:
    """As Basic; nothing is connected to."""
    async with rtmp_camera() as camera:
        with pytest.raises(SourceRefused) as caught:
            await source(camera.port, REOLINK, allow_basic=False).check()

    assert caught.value.reason is Reason.UNSUPPORTED_LOGIN
    assert not camera.commands


async def test_a_url_without_a_place_for_the_login_is_told() -> None:
    """Who configures a user expects that it is sent."""
    refused = status("NetStream.Play.Failed", "error", "auth")
    async with rtmp_camera({"play": refused}) as camera:
        with pytest.raises(SourceRefused) as caught:
            await source(camera.port).check()

    assert "{password}" in caught.value.detail


async def test_the_scheme_is_closed_by_default() -> None:
    """Nothing is connected to."""
    policy = url_policy((ip_network("127.0.0.0/8"),))
    with pytest.raises(SourceRefused) as caught:
        await policy.resolve("rtmp://127.0.0.1/live/cam")

    assert caught.value.reason is Reason.POLICY_DENIED


def offers_of(camera: RtmpCamera) -> list[bool]:
    """Return for each `connect` whether H.265 was offered in it."""
    offers = []
    for each in camera.commands:
        if each[0] == "connect":
            assert isinstance(each[2], dict)
            offers.append("fourCcList" in each[2])
    return offers


async def test_h265_is_offered_to_a_camera_that_hangs_up() -> None:
    """MediaMTX does so without a word; the offer is dropped where it does not help."""
    async with rtmp_camera({"play": b""}, hangs_up=True) as camera:
        pulled = source(camera.port)
        for _ in range(3):
            with pytest.raises(GatewayError):
                await pulled.run(RecordingSink())
        offers = offers_of(camera)

    assert offers == [False, True, False]


async def test_a_probe_tells_what_comes() -> None:
    """Step by step."""
    async with rtmp_camera({"play": H264}) as camera:
        steps = await probed(camera.port)

    assert all(step.ok for step in steps), steps
    facts = {step.name: step.fact for step in steps}
    assert list(facts)[:5] == ["connect", "options", "setup", "first_packet", "first_keyframe"]
    assert facts["options"] == "FMS/4,0"
    assert "H.264" in facts["codec"]


@pytest.mark.parametrize(
    ("answers", "name", "reason"),
    [
        ({"handshake": b"\x48"}, "connect", Reason.CORRUPT),
        ({"play": status("NetStream.Play.StreamNotFound", "error")}, "setup", Reason.NOT_FOUND),
        ({"play": STARTED + status("NetStream.Play.Stop")}, "setup", Reason.SOURCE_ENDED),
    ],
)
async def test_a_probe_tells_what_is_wrong(
    answers: Mapping[str, bytes], name: str, reason: Reason
) -> None:
    """At the step where it is."""
    async with rtmp_camera(answers) as camera:
        steps = [
            step
            async for step in probe(
                f"rtmp://127.0.0.1:{camera.port}/live/cam",
                username=None,
                password=None,
                allow_basic=False,
                policy=url_policy((ip_network("127.0.0.0/8"),), (camera.port,), opened=OPENED),
            )
        ]

    assert (steps[-1].name, steps[-1].reason) == (name, reason)
