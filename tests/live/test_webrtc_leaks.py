"""Viewers who come and go leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import os

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from gateway.model.errors import ViewerRejected
from gateway.model.signalling import Bye, SessionKey
from tests.fixtures.access_units import access_unit
from tests.fixtures.viewer import Viewer
from tests.live.test_webrtc_viewer import Bench, running

pytestmark = pytest.mark.live

CYCLES = 200


def held() -> tuple[int, int]:
    """How many descriptors and tasks there are."""
    return len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())


async def come_and_go(bench: Bench, number: int) -> None:
    """One viewer, who leaves in one of four ways."""
    viewer = Viewer(RTCPeerConnection(RTCConfiguration(iceServers=[])))
    key = SessionKey("v-cycle", f"session-{number}")
    offer = await viewer.offer()
    match number % 4:
        case 0:  # watches, and hangs up
            await viewer.accept(await bench.answer(offer, key))
            await viewer.until(1)
        case 1:  # watches, and says so when it leaves
            await viewer.accept(await bench.answer(offer, key))
            await viewer.until(1)
            bench.sessions.handle_bye(Bye(key, "viewer"))
        case 2:  # never connects
            await bench.answer(offer, key)
            bench.sessions.handle_bye(Bye(key, "viewer"))
        case _:  # wants what there is not
            with pytest.raises(ViewerRejected):
                await bench.answer(offer, key, camera="c99")
    await viewer.peer.close()
    await bench.until(lambda: bench.sessions.session_count == 0)


async def test_200_visits_leave_no_task_socket_or_descriptor() -> None:
    """After the last one there is what there was after the first few."""
    async with running() as bench:
        bench.stream.deliver(access_unit(0, keyframe=True))
        for number in range(4):
            await come_and_go(bench, number)
        gc.collect()
        before = held()

        for number in range(4, CYCLES):
            await come_and_go(bench, number)
        gc.collect()

        await bench.until(lambda: held() == before)
        assert bench.stream.readers == 0
