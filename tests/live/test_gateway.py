"""The whole gateway as a process: cameras that authenticate and fail, a broker, viewers."""

from __future__ import annotations

import asyncio
import socket
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from gateway.demo.faults import Stall, Status
from gateway.model.signalling import Refusal
from tests.fixtures.broker import Broker
from tests.fixtures.clock import HANG_S
from tests.fixtures.site import OWN, PASSWORD, Site, bye, cameras, site, tree
from tests.fixtures.viewer import Viewer

pytestmark = pytest.mark.live


def gaps(viewer: Viewer) -> int:
    """Numbers missing from what a viewer got, retransmissions aside."""
    media = [p.seq for p in viewer.packets if p.ssrc == viewer.packets[0].ssrc]
    return sum((b - a - 1) & 0xFFFF for a, b in pairwise(media))


async def test_ten_viewers_hold_one_rtsp_session(tmp_path: Path, broker: Broker) -> None:
    """However many watch, the camera sees one; after the last has gone it is torn down."""
    async with site(tmp_path, broker, cameras(1), linger_s=0.0) as running:
        for _ in range(10):
            await running.watch(0)
        counts = running.camera(0).counts

        assert (counts.sessions, counts.sessions_ever) == (1, 1)

        for number in range(1, 11):
            running.say(bye(number))
        async with asyncio.timeout(HANG_S):
            while counts.sessions:  # noqa: ASYNC110 (the camera has no event for it)
                await asyncio.sleep(0.05)
        assert counts.requests["TEARDOWN"] == 1


async def test_a_camera_that_comes_back_is_seen_without_a_click(
    tmp_path: Path, broker: Broker
) -> None:
    """Killed for 3 s and started again: its viewer goes on, the other camera's misses nothing."""
    async with site(tmp_path, broker, cameras(2)) as running:
        broken = await running.watch(0)
        await running.until_state(0, "OK")
        sound = await running.watch(1)

        running.recorders[0].kill()
        await running.until_state(0, "REFUSED")
        await asyncio.sleep(3.0)  # the outage itself
        await running.recorders[0].open_port()
        await broken.until(len(broken.packets) + 10)
        await sound.until(len(sound.packets) + 10)

        assert broken.peer.connectionState == "connected"
        assert gaps(broken) == 0
        assert gaps(sound) == 0
        assert running.camera(1).counts.sessions_ever == 1
        times = [p.time for p in broken.packets]
        steps = [(b - a) & 0xFFFFFFFF for a, b in pairwise(times)]
        assert max(steps) < HANG_S * 90_000


async def test_a_stalled_camera_is_told_and_pulled_again(tmp_path: Path, broker: Broker) -> None:
    """RTSP lives, RTP stops: STALLED once the camera's time is over, and back by itself."""
    async with site(tmp_path, broker, cameras(1), stall_s=2.0) as running:
        viewer = await running.watch(0)
        await running.until_state(0, "OK")

        running.camera(0).fault = Stall()
        state = await running.until_state(0, "STALLED")
        running.camera(0).fault = None
        await viewer.until(len(viewer.packets) + 10)

        assert state["st"] == "off"
        assert state["detail"].endswith("for 2 s")
        assert state["tries"] >= 1
        assert (await running.until_state(0, "OK"))["st"] == "on"


async def test_a_wrong_password_is_tried_thrice_at_most_and_alone(
    tmp_path: Path, broker: Broker
) -> None:
    """AUTH_FAILED on that camera, nothing on the other; its viewers are refused with the reason."""
    shown = cameras(2)
    shown[0].fault = Status(401)
    async with site(tmp_path, broker, shown) as running:
        state = await running.until_state(0, "AUTH_FAILED")
        viewer = await running.watch(1)

        assert state["st"] == "off"
        assert shown[0].counts.authorizations <= 3
        said = await running.ask(0, viewer.peer.localDescription.sdp)
        assert isinstance(said, Refusal)
        assert (said.code, said.reason) == (480, "AUTH_FAILED")


async def test_a_camera_without_its_secret_is_alone_in_its_trouble(
    tmp_path: Path, broker: Broker
) -> None:
    """It is parked with what is missing; the other camera plays."""
    shown = cameras(2)
    async with site(tmp_path, broker, shown, missing_secret_of=0) as running:
        state = await running.until_state(0, "CONFIG_REJECTED")
        await running.watch(1)

        assert "/cameras/0/password" in state["detail"]
        assert shown[0].counts.requests.total() == 0


async def test_it_leaves_in_good_order_on_sigterm(tmp_path: Path, broker: Broker) -> None:
    """TEARDOWN to every camera, bye to every viewer, offline said, exit 0."""
    async with site(tmp_path, broker, cameras(3)) as running:
        for number in range(3):
            await running.watch(number)

        assert await running.terminate() == 0

        await running.until(
            lambda message: message.topic == OWN.presence and tree(message)["st"] == "offline"
        )
        byes = [tree(message) for message in running.heard if "/up/rtc/" in message.topic]
        assert [said["why"] for said in byes if said["k"] == "bye"] == ["stopping"] * 3
        assert [running.camera(n).counts.requests["TEARDOWN"] for n in range(3)] == [1, 1, 1]


async def test_a_gateway_that_nobody_watches_has_no_open_port(
    tmp_path: Path, broker: Broker
) -> None:
    """Nothing listens and no UDP port is bound, before a viewing and after it."""
    async with site(tmp_path, broker, cameras(1), linger_s=0.0) as running:
        before = open_ports(running.process.pid)
        await running.watch(0)
        watched = open_ports(running.process.pid)
        running.say(bye(1))
        async with asyncio.timeout(HANG_S):
            while after := open_ports(running.process.pid):  # noqa: ASYNC110 (it cannot tell)
                await asyncio.sleep(0.05)

    assert before == after == []
    assert {kind for kind, _ in watched} == {socket.SOCK_DGRAM}


def open_ports(pid: int) -> list[tuple[socket.SocketKind, int]]:
    """Where others can reach a process: TCP ports that listen, and every UDP port."""
    return [
        (each.type, each.laddr.port)
        for each in psutil.Process(pid).net_connections("inet")
        if each.status in (psutil.CONN_LISTEN, psutil.CONN_NONE) and each.laddr
    ]


async def test_a_canary_password_is_nowhere(tmp_path: Path, broker: Broker) -> None:
    """Not in logs, MQTT, errors, the process list or the state folder, whatever fails."""
    shown = cameras(2)
    shown[1].fault = Status(401)
    async with site(tmp_path, broker, shown) as running:
        await running.until_state(1, "AUTH_FAILED")
        await running.watch(0)
        running.recorders[0].kill()
        await running.until_state(0, "REFUSED")
        shown_to_others = process_list_entry(running.process.pid)
        assert await running.terminate() == 0

        assert_absent(running, shown_to_others)


def process_list_entry(pid: int) -> bytes:
    """What other users of the machine can read of a process, and its environment."""
    folder = Path(f"/proc/{pid}")
    return (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()


def assert_absent(running: Site, process: bytes) -> None:
    """The password, as it is and as a URL would carry it, is in none of the outputs."""
    said = b"".join(message.topic.encode() + message.payload for message in running.heard)
    written = "".join(running.output).encode()
    kept = b"".join(
        path.read_bytes()
        for path in running.folder.rglob("*")
        if path.is_file() and not {"secrets", "broker0"} & {*path.parts}
    )
    assert len(running.output) > 3
    for secret in (PASSWORD, PASSWORD.encode("unicode_escape").decode(), "canary-"):
        for place in (said, written, kept, process, running.broker.log.encode()):
            assert secret.encode() not in place
