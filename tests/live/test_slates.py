"""A whole gateway whose camera goes: what viewers see who are not our page, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from pydantic import SecretStr

from gateway.demo.auth import Account
from gateway.demo.encoder import EncoderSettings, record
from gateway.demo.faults import Status
from gateway.demo.virtual_camera import Behaviour, VirtualCamera
from gateway.model.media import Codec
from gateway.model.reasons import Reason
from gateway.model.signalling import Answer, SessionKey, SessionStats
from gateway.mqtt.payloads.signalling import decode_gateway_message
from gateway.ports import InboundMessage
from tests.fixtures.broker import Broker
from tests.fixtures.clock import HANG_S
from tests.fixtures.decoding import Luma, is_slate, media_of, seen
from tests.fixtures.site import OWN, PASSWORD, Site, bye, cameras, site
from tests.fixtures.viewer import Viewer

pytestmark = pytest.mark.live

FIRST = SessionKey("v-test", "session-1")


async def until_seen(
    viewer: Viewer, true: Callable[[list[Luma]], bool], codec: Codec = "h264"
) -> list[Luma]:
    """Return the pictures of *viewer* as soon as it is *true* of them."""
    async with asyncio.timeout(HANG_S):
        while not true(found := seen(viewer, codec)):  # noqa: ASYNC110 (decoding is dear)
            await asyncio.sleep(0.2)
    return found


def shown_after(pictures: list[Luma], count: int) -> list[Luma]:
    """Return the slates at the end of *pictures*, if there are *count* at least."""
    slates = [picture for picture in pictures if is_slate(picture)]
    return slates if len(slates) >= count and is_slate(pictures[-1]) else []


def tells(key: SessionKey, slate: Reason | None) -> Callable[[InboundMessage], bool]:
    """Return what finds the message that tells the viewer of *key* of a slate."""

    def wanted(message: InboundMessage) -> bool:
        if message.topic != OWN.gateway_signalling(key):
            return False
        said = decode_gateway_message(key, message.payload, message.content_type)
        return isinstance(said, SessionStats) and said.slate is slate

    return wanted


def one_camera(settings: EncoderSettings) -> tuple[VirtualCamera, ...]:
    return (
        VirtualCamera(
            "Quầy 1",
            record("Quầy 1", settings),
            account=Account("viewer", SecretStr(PASSWORD)),
            behaviour=Behaviour(join="next_keyframe"),
        ),
    )


async def watch(running: Site, codec: Codec = "h264", *, slate: bool = True) -> Viewer:
    """Return a viewer who takes *codec*: to aiortc, which records packets only, it is H.264."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    running.peers.append(peer)
    viewer = Viewer(peer)
    name = f" {codec.upper()}/90000"
    offer = (await viewer.offer()).replace(" H264/90000", name)
    said = await running.ask(0, offer, slate=slate)
    assert isinstance(said, Answer), said
    await viewer.accept(as_h264(said.sdp, name))
    return viewer


def as_h264(answer: str, name: str) -> str:
    """Return *answer* with the codec that aiortc has offered."""
    if name not in answer or name == " H264/90000":
        return answer
    payload_type = answer.partition(name)[0].rpartition("a=rtpmap:")[2]
    form = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"
    line = f" H264/90000\r\na=fmtp:{payload_type} {form}"
    return answer.replace(name, line)


async def test_a_viewer_sees_why_and_then_the_camera_again(tmp_path: Path, broker: Broker) -> None:
    """In one session and one stream of packets, whose numbers and times go on."""
    async with site(tmp_path, broker, cameras(1)) as running:
        viewer = await running.watch(0)
        running.recorders[0].kill()
        await running.until(tells(FIRST, Reason.REFUSED))
        slates = await until_seen(viewer, lambda pictures: bool(shown_after(pictures, 3)))
        await running.recorders[0].open_port()
        await running.until(tells(FIRST, None))
        pictures = await until_seen(viewer, lambda pictures: not is_slate(pictures[-1]))

    shown = [picture for picture in slates if is_slate(picture)]
    assert all(np.any(before != after) for before, after in pairwise(shown))  # the clock runs
    assert {picture.shape for picture in pictures} == {(180, 320)}
    media = media_of(viewer)
    assert len({packet.payload_type for packet in media}) == 1
    assert {(b.seq - a.seq) & 0xFFFF for a, b in pairwise(media)} == {1}
    assert all((b.time - a.time) & 0xFFFF_FFFF < 1 << 31 for a, b in pairwise(media))
    assert not any(b.time == a.time and a.marker for a, b in pairwise(media))


async def test_our_page_is_sent_nothing_instead(tmp_path: Path, broker: Broker) -> None:
    """It says so in its offer, and tells the reason itself."""
    async with site(tmp_path, broker, cameras(1)) as running:
        page, other = await watch(running, slate=False), await watch(running)
        await until_seen(page, bool)
        running.recorders[0].kill()
        await running.until_state(0, "REFUSED")
        await until_seen(other, lambda pictures: bool(shown_after(pictures, 2)))

        assert not any(map(is_slate, seen(page)))


async def test_who_comes_while_the_camera_is_away_sees_why(tmp_path: Path, broker: Broker) -> None:
    """And the camera as soon as it is back; what it sends is known from before."""
    async with site(tmp_path, broker, cameras(1), linger_s=0.0) as running:
        await running.watch(0)
        running.recorders[0].kill()
        await running.until_state(0, "REFUSED")
        running.say(bye(1))

        late = await watch(running)

        assert all(map(is_slate, await until_seen(late, bool)))
        await running.recorders[0].open_port()
        await until_seen(late, lambda pictures: not is_slate(pictures[-1]))


async def test_the_picture_follows_the_reason(tmp_path: Path, broker: Broker) -> None:
    """Cut off first, and then its password is another."""
    async with site(tmp_path, broker, cameras(1)) as running:
        viewer = await running.watch(0)
        running.recorders[0].kill()
        await running.until(tells(FIRST, Reason.REFUSED))
        running.camera(0).fault = Status(404, "DESCRIBE")
        await running.recorders[0].open_port()

        await running.until(tells(FIRST, Reason.NOT_FOUND))
        await until_seen(viewer, lambda pictures: bool(shown_after(pictures, 2)))


SHAPES = [
    ("h264", EncoderSettings("h264", 704, 576, 25, 1.0, 500_000)),
    ("h264", EncoderSettings("h264", 352, 288, 25, 1.0, 300_000)),
    ("h265", EncoderSettings("h265", 640, 360, 25, 1.0, 300_000)),
]


@pytest.mark.parametrize(("codec", "settings"), SHAPES, ids=lambda each: str(each)[:60])
async def test_a_slate_is_like_its_camera(
    tmp_path: Path, broker: Broker, codec: Codec, settings: EncoderSettings
) -> None:
    """Its codec and its size: one decoder shows both, and the camera again."""
    async with site(tmp_path, broker, one_camera(settings)) as running:
        viewer = await watch(running, codec)
        await until_seen(viewer, lambda pictures: len(pictures) > 5, codec)
        running.recorders[0].kill()
        await until_seen(viewer, lambda pictures: bool(shown_after(pictures, 2)), codec)
        await running.recorders[0].open_port()

        pictures = await until_seen(viewer, lambda each: not is_slate(each[-1]), codec)

    assert {picture.shape for picture in pictures} == {(settings.height, settings.width)}


async def test_a_viewer_of_a_transcode_sees_why(tmp_path: Path, broker: Broker) -> None:
    """In H.264, of the size of the transcode."""
    settings = EncoderSettings("h265", 640, 360, 25, 1.0, 300_000)
    async with site(tmp_path, broker, one_camera(settings)) as running:
        viewer = await watch(running)
        await until_seen(viewer, lambda pictures: len(pictures) > 5)
        running.recorders[0].kill()

        await until_seen(viewer, lambda pictures: bool(shown_after(pictures, 2)))
        await running.recorders[0].open_port()
        pictures = await until_seen(viewer, lambda each: not is_slate(each[-1]))

    assert {picture.shape for picture in pictures} == {(360, 640)}


async def test_a_killed_child_costs_a_moment(tmp_path: Path, broker: Broker) -> None:
    """No viewer and no gateway."""
    async with site(tmp_path, broker, cameras(1)) as running:
        viewer = await running.watch(0)
        running.recorders[0].kill()
        await until_seen(viewer, lambda pictures: bool(shown_after(pictures, 2)))
        before = len(seen(viewer))
        (child,) = children_of(running)
        child.kill()

        await until_seen(viewer, lambda pictures: len(pictures) > before + 2)

        assert children_of(running) != [child]


def children_of(running: Site) -> list[psutil.Process]:
    """Return the children of the gateway that make slates."""
    children = psutil.Process(running.process.pid).children()
    return [each for each in children if "gateway.slates.worker" in each.cmdline()]
