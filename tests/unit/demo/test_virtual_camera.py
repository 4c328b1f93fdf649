"""The virtual camera as a camera: logins, sessions, what it counts."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from gateway.demo.auth import Account
from gateway.demo.rtsp_server import Recorder
from gateway.demo.virtual_camera import Behaviour
from tests.fixtures.camera import ACCOUNT, virtual_camera
from tests.fixtures.clock import HANG_S
from tests.unit.demo.player import TCP, player


async def until(happened: object) -> None:
    """Let the loop turn until *happened* is true: the other end of a socket has no event here."""
    assert callable(happened)
    async with asyncio.timeout(HANG_S):
        while not happened():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_a_session_begins_with_a_keyframe_and_ends_with_teardown(camera: Recorder) -> None:
    """The first packet is the parameter sets; after TEARDOWN no session counts."""
    counts = camera.cameras[0].counts
    async with player(camera) as viewer:
        assert (await viewer.play()).status == 200
        (first,) = await viewer.packets(1)
        assert first.payload[0] & 0x1F in (7, 24)
        assert counts.sessions == 1

        assert (await viewer.ask("TEARDOWN")).status == 200

    assert (counts.sessions, counts.sessions_ever, counts.requests["TEARDOWN"]) == (0, 1, 1)


async def test_pictures_are_numbered_without_a_gap_and_stamped_at_their_pace(
    camera: Recorder,
) -> None:
    """25 pictures a second are 3,600 ticks apart, unless a busy machine has left some out."""
    async with player(camera) as viewer:
        await viewer.play()
        pictures = await viewer.pictures(6)

    packets = [packet for picture in pictures for packet in picture]
    assert [packet.seq for packet in packets] == list(
        range(packets[0].seq, packets[0].seq + len(packets))
    )
    steps = {b[0].time - a[0].time for a, b in pairwise(pictures)}
    assert all(step > 0 and step % 3600 == 0 for step in steps)
    assert all(picture[-1].marker for picture in pictures)


async def test_no_password_no_description(camera: Recorder) -> None:
    """Without the right login there is 401, and a wrong one is counted."""
    async with player(camera) as viewer:
        assert (await viewer.ask("DESCRIBE")).status == 401
        viewer.challenge = 'Digest realm="other", nonce="x"'
        assert (await viewer.ask("DESCRIBE")).status == 401

    assert camera.cameras[0].counts.authorizations == 1


async def test_a_used_up_nonce_is_stale() -> None:
    """After so many requests the camera wants a fresh nonce, and says that it is only that."""
    account = Account(ACCOUNT.username, ACCOUNT.password, nonce_uses=1)
    async with virtual_camera(account=account) as recorder, player(recorder) as viewer:
        assert (await viewer.login()).status == 200

        reply = await viewer.ask("DESCRIBE")

    assert reply.status == 401
    assert "stale=true" in reply.headers["www-authenticate"]


async def test_one_session_more_than_the_limit_is_453() -> None:
    """A recorder with one session tells the second viewer that it is full."""
    async with (
        virtual_camera(behaviour=Behaviour(session_limit=1)) as recorder,
        player(recorder) as first,
        player(recorder) as second,
    ):
        await first.play()
        await second.login()

        reply = await second.ask("SETUP", f"{second.url}/trackID=1", transport=TCP)

    assert reply.status == 453


async def test_a_session_that_was_not_torn_down_is_held() -> None:
    """The connection goes, the session stays for as long as the recorder holds it."""
    async with virtual_camera(behaviour=Behaviour(held_s=60)) as recorder:
        counts = recorder.cameras[0].counts
        async with player(recorder) as viewer:
            await viewer.play()
        await until(lambda: not recorder.connections)

        assert counts.sessions == 1


async def test_a_silent_viewer_is_let_go() -> None:
    """Nothing heard for the session's timeout: the session ends and the connection is closed."""
    async with virtual_camera(behaviour=Behaviour(session_timeout_s=1.0)) as recorder:
        async with player(recorder) as viewer:
            await viewer.play()
            while await viewer.rest(65_536):
                pass

        assert recorder.cameras[0].counts.expired == 1
        assert recorder.cameras[0].counts.sessions == 0


async def test_a_killed_camera_is_back_on_its_port(camera: Recorder) -> None:
    """Killed, it refuses connections; restarted, it plays on the same port."""
    port = camera.port
    camera.kill()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(camera.host, port)

    await camera.open_port()

    assert camera.port == port
    async with player(camera) as viewer:
        assert (await viewer.play()).status == 200


async def test_several_cameras_share_a_port() -> None:
    """Each path of a recorder is its own camera, an unknown one is 404."""
    first, second = virtual_camera().cameras[0], virtual_camera(path="/cam?channel=2").cameras[0]
    async with Recorder([first, second]) as recorder, player(recorder) as viewer:
        viewer.url = recorder.url(second)
        assert (await viewer.login()).status == 200
        viewer.url = recorder.url() + "x"
        assert (await viewer.ask("DESCRIBE")).status == 404

    assert (first.counts.requests["DESCRIBE"], second.counts.requests["DESCRIBE"]) == (1, 2)


async def test_a_dropped_viewer_is_hung_up_on(camera: Recorder) -> None:
    """Drop closes the connection in good order: the viewer reads the end."""
    async with player(camera) as viewer:
        await viewer.play()

        camera.drop(camera.cameras[0])

        while await viewer.rest(65_536):
            pass
