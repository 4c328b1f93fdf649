"""Offers that never connect take no place from anybody; sockets and sessions are real."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterator

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from gateway.model.errors import ViewerRejected
from gateway.model.reasons import Reason
from gateway.model.signalling import Bye, Extend, IceServer, Offer, SessionKey
from gateway.model.site_document import Limits
from gateway.model.viewing import ViewingPermit
from gateway.ports import Admit
from tests.fixtures.access_units import access_unit
from tests.fixtures.clock import HANG_S
from tests.fixtures.turn import own_address
from tests.fixtures.viewer import Viewer
from tests.live.test_webrtc_viewer import KEY, Bench, running

pytestmark = pytest.mark.live


def of_hostile(number: int, viewer: str = "v-hostile") -> SessionKey:
    return SessionKey(viewer, f"session-{number}")


async def hold(bench: Bench, offer: str, count: int) -> None:
    """Have *count* offers answered whose viewer never connects."""
    for number in range(count):
        await bench.answer(offer, of_hostile(number))


async def test_offers_that_never_connect_hold_no_place(viewer: Viewer) -> None:
    """Sixteen wait on a camera for sixteen viewers; the honest one is let in and served."""
    async with running() as bench:
        bench.stream.deliver(access_unit(0, keyframe=True))
        offer = await viewer.offer()
        silent = re.sub(r"a=candidate:.*\r\n", "", offer).replace("a=ice-ufrag:", "a=ice-ufrag:no")
        await hold(bench, silent, 16)

        await viewer.accept(await bench.answer(offer))
        await viewer.until(1)

        assert bench.sessions.sample().sessions == 1


async def test_one_viewer_renews_no_more_than_its_share(viewer: Viewer) -> None:
    """However often it offers, sixteen of it wait; the oldest are told that they are displaced."""
    async with running() as bench:
        offer = await viewer.offer()

        await hold(bench, offer, 40)
        await bench.until(lambda: len(bench.byes) == 24)

        assert bench.sessions.session_count == 16
        assert bench.byes == [Bye(of_hostile(number), "displaced") for number in range(24)]


async def test_a_viewer_who_connects_too_late_finds_no_place(viewer: Viewer) -> None:
    """Two are answered for the last place: who is connected first has it, the other is told."""
    async with running() as bench:
        bench.limits = Limits(viewers=1)
        bench.stream.deliver(access_unit(0, keyframe=True))
        late = Viewer(RTCPeerConnection(RTCConfiguration(iceServers=[])))
        first = await bench.answer(await viewer.offer())
        second = await bench.answer(await late.offer(), of_hostile(0))

        await viewer.accept(first)
        await viewer.until(1)
        await late.accept(second)
        await bench.until(lambda: bench.sessions.session_count == 1)

        assert bench.byes == [Bye(of_hostile(0), "full")]
        await late.peer.close()


@pytest.fixture
def dead_turn() -> Iterator[socket.socket]:
    """A TURN server that takes what it is sent and says nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as dead:
        dead.bind((own_address(), 0))
        yield dead


def received(dead: socket.socket) -> int:
    """Return how many datagrams it has got since."""
    dead.setblocking(False)
    count = 0
    while True:
        try:
            dead.recv(2048)
        except BlockingIOError:
            return count
        count += 1


def told_of(dead: socket.socket) -> tuple[IceServer, ...]:
    host, port = dead.getsockname()
    return (IceServer((f"turn:{host}:{port}",), "u", None),)


async def test_a_dead_turn_server_does_not_hold_up_host_candidates(
    viewer: Viewer, dead_turn: socket.socket
) -> None:
    """It is asked three times at most (the fourth is due after 3.5 s), then we answer."""
    async with running(*told_of(dead_turn)) as bench:
        offer = Offer(KEY, "c01", await viewer.offer())

        answer = await bench.sessions.handle_offer(offer)

        assert " typ host" in answer.sdp
        assert 1 <= received(dead_turn) <= 3


async def test_offers_that_gather_from_a_dead_server_shut_nobody_out(
    viewer: Viewer, dead_turn: socket.socket
) -> None:
    """Forty of one viewer are being answered; another is answered at once, before any of them."""
    servers = told_of(dead_turn)
    async with running(*servers) as bench, asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
        sdp = await viewer.offer()
        refused: list[int] = []

        async def ask(number: int) -> None:
            offer = Offer(of_hostile(number), "c01", sdp, relay_only=True)
            try:
                await bench.sessions.handle_offer(offer)
            except ViewerRejected as error:
                refused.append(error.code)

        tasks = [group.create_task(ask(number)) for number in range(40)]
        await bench.until(lambda: len(refused) == 24)
        await bench.answer(sdp)

        assert refused == [503] * 24
        for task in tasks:
            task.cancel()


async def test_an_offer_is_answered_before_those_that_a_flood_has_made_before_it(
    viewer: Viewer,
) -> None:
    """Sessions are made one in a turn of the loop, for each viewer in turn."""
    async with running() as bench, asyncio.TaskGroup() as group:
        bench.stream.deliver(access_unit(0, keyframe=True))
        sdp = await viewer.offer()
        answered: list[str] = []

        async def ask(key: SessionKey) -> None:
            await bench.answer(sdp, key)
            answered.append(key.viewer)

        for number in range(30):
            hostile = of_hostile(number, f"v-hostile-{number % 2}")
            group.create_task(ask(hostile))
        await group.create_task(ask(KEY))

        assert len(answered) <= 7  # of those that had begun before, and of each one more


class NobodyMayWatch:
    """Refuses everybody, as without a token."""

    def check(self, offer: Offer) -> Admit:
        raise ViewerRejected(403, Reason.VIEW_NOT_ALLOWED, f"{offer.key}: token.missing")

    async def renew(self, extend: Extend, camera: str, permit: ViewingPermit) -> ViewingPermit:
        del extend, camera
        return permit


async def test_who_may_not_watch_displaces_nobody(viewer: Viewer) -> None:
    """Not even under forty names, though all places for those who wait are taken."""
    async with running() as bench:
        offer = await viewer.offer()
        for number in range(32):
            await bench.answer(offer, of_hostile(number, f"v-honest{number % 2}"))
        bench.sessions._authority = NobodyMayWatch()

        for number in range(40):
            with pytest.raises(ViewerRejected, match="VIEW_NOT_ALLOWED"):
                await bench.answer(offer, of_hostile(number, f"v-stranger{number}"))
        await asyncio.sleep(0.1)  # whoever is displaced ends soon

        assert (bench.sessions.session_count, bench.byes) == (32, [])
