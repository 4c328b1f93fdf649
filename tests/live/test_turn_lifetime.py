"""A TURN server that grants next to no time: it is not asked without pause, and the reason said."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.model.errors import ViewerRejected
from gateway.model.reasons import Reason
from gateway.model.signalling import Bye, IceServer, Offer
from gateway.webrtc import aiortc_compat
from tests.fixtures.fake_turn import fake_turn
from tests.fixtures.turn import own_address, turn_server
from tests.fixtures.viewer import Viewer
from tests.live.test_webrtc_viewer import KEY, Bench, running

pytestmark = pytest.mark.live


async def refused(bench: Bench, viewer: Viewer) -> ViewerRejected:
    """Offer to *bench* with relayed candidates only; return why it is refused."""
    offer = Offer(KEY, "c01", await viewer.offer(), relay_only=True)
    with pytest.raises(ViewerRejected) as refusal:
        await bench.sessions.handle_offer(offer)
    return refusal.value


@pytest.mark.parametrize("granted", [0, 1, aiortc_compat.TURN_LIFETIME_S - 1])
async def test_an_allocation_of_next_to_no_time_is_not_used(viewer: Viewer, granted: int) -> None:
    """One request, no refresh, and 503 TURN_DOWN with what it granted."""
    async with fake_turn(lambda _: granted) as turn, running(turn.server) as bench:
        error = await refused(bench, viewer)

        assert (error.code, error.reason) == (503, Reason.TURN_DOWN)
        assert f"for {granted} s" in error.detail
        assert turn.requests == {"ALLOCATE": 1}
        assert bench.drops.counts["turn_lifetime"] == 1


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_coturn_that_grants_a_second_is_refused(
    viewer: Viewer, tmp_path: Path, transport: str
) -> None:
    """Behind its challenge for a password, and over TCP too."""
    lines = f"allowed-peer-ip={own_address()}", "max-allocate-lifetime=1"
    with turn_server(tmp_path, *lines) as turn:
        server: IceServer = turn.server(transport)
        async with running(server) as bench:
            error = await refused(bench, viewer)

    assert (error.code, error.reason) == (503, Reason.TURN_DOWN)
    assert "for 1 s" in error.detail


async def test_host_candidates_do_without_it(viewer: Viewer) -> None:
    """Who can be reached directly is served, and does not end for it; nothing is refreshed."""
    async with fake_turn(lambda _: 1) as turn, running(turn.server) as bench:
        answer = await bench.answer(await viewer.offer())
        await viewer.accept(answer)
        await bench.until(lambda: bench.sessions.sample().sessions == 1)

        assert " typ relay" not in answer
        assert turn.requests == {"ALLOCATE": 1}

        await viewer.peer.close()
        await bench.until(lambda: bool(bench.byes))

        assert bench.byes == [Bye(KEY, "closed")]


async def test_a_refresh_that_is_granted_no_time_is_the_last(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session over it ends with that as its reason."""
    monkeypatch.setattr(aiortc_compat, "TURN_LIFETIME_S", 1)
    async with (
        fake_turn(lambda granted: 0 if granted else 1) as turn,
        running(turn.server) as bench,
    ):
        offer = Offer(KEY, "c01", await viewer.offer(), relay_only=True)
        await viewer.accept((await bench.sessions.handle_offer(offer)).sdp)
        await bench.until(lambda: bool(bench.byes))

        assert bench.byes == [Bye(KEY, "turn_lifetime")]
        assert turn.requests["REFRESH"] == 1
