"""What a camera may cost, and what happens when it costs more."""

from __future__ import annotations

import asyncio
import socket

import pytest

from gateway.model.errors import GatewayError, SourceUnavailable
from gateway.model.reasons import Reason
from gateway.rtsp.budget import (
    ABUSIVE_PAUSE_S,
    ALLOWANCES,
    BYTES,
    MAX_UNSENT_BYTES,
    MESSAGES,
    PACKETS,
    PICTURES,
    STRANGERS,
    Allowance,
    CameraBudget,
)
from gateway.rtsp.udp import open_pair
from tests.fixtures.clock import HANG_S, FakeClock
from tests.unit.rtsp.scripted import LOGIN, Request, camera, opened, packet, willing


@pytest.mark.parametrize("allowance", ALLOWANCES, ids=lambda each: each.name)
def test_a_burst_passes_and_the_rate_holds(allowance: Allowance) -> None:
    """At once the burst, then as many as time has brought; one more cuts off, with its name."""
    clock = FakeClock()
    budget = CameraBudget(clock)
    budget.charge(allowance, int(allowance.burst))
    clock.time_s += 1
    budget.charge(allowance, int(allowance.per_s) - 1)

    with pytest.raises(SourceUnavailable) as caught:
        budget.charge(allowance, 3)

    assert caught.value.reason is Reason.ABUSIVE
    assert allowance.name in caught.value.detail
    assert caught.value.pause_s == ABUSIVE_PAUSE_S


def test_the_fastest_honest_camera_never_exceeds() -> None:
    """20 Mb/s, 4,000 packets/s, 60 pictures/s, for a minute, behind two seconds that waited."""
    clock = FakeClock()
    budget = CameraBudget(clock)

    for tick in range(60):
        seconds = 3 if tick == 0 else 1
        budget.charge(BYTES, 2_500_000 * seconds)
        budget.charge(PACKETS, 4_000 * seconds)
        budget.charge(PICTURES, 60 * seconds)
        budget.charge(MESSAGES, 1)
        clock.time_s += 1


async def test_answers_that_are_not_read_do_not_pile_up() -> None:
    """A camera that asks within its rate and reads nothing of ours is cut off."""
    async with asyncio.timeout(HANG_S), camera() as made, made.client() as client:
        await opened(client)
        connection = client.connection
        assert connection is not None
        held = connection._transport
        assert held is not None
        made.writers[-1].transport.pause_reading()  # type: ignore[attr-defined]

        while connection.usable:
            connection.send(bytes(16_384))

        with pytest.raises(SourceUnavailable) as caught:
            await connection.wait_ended(timeout_s=HANG_S)
        assert held.get_write_buffer_size() <= MAX_UNSENT_BYTES + 16_384

    assert caught.value.reason is Reason.ABUSIVE


async def test_a_401_to_everything_is_two_tries() -> None:
    """A stale nonce, for ever: the request is answered twice and then given up."""

    def stale(request: Request) -> bytes:
        challenge = 'Digest realm="r", nonce="n", stale=true'
        return request.answer(401, WWW_Authenticate=challenge)

    async with asyncio.timeout(HANG_S), camera(stale) as made, made.client(LOGIN) as client:
        await client.connect()
        with pytest.raises(GatewayError) as caught:
            await client.options()

    assert caught.value.reason is Reason.AUTH_FAILED
    assert len(made.requests) == 3


async def test_a_redirect_is_followed_nowhere() -> None:
    """Nor is it asked again: parked."""

    def redirect(request: Request) -> bytes:
        if request.method == "DESCRIBE":
            return request.answer(302, Location=made.url)
        return willing(request)

    async with asyncio.timeout(HANG_S), camera(redirect) as made, made.client() as client:
        await client.connect()
        await client.options()
        with pytest.raises(GatewayError) as caught:
            await client.describe()

    assert caught.value.reason is Reason.REDIRECT_REFUSED
    assert made.methods == ["OPTIONS", "DESCRIBE"]


@pytest.mark.parametrize(
    ("count", "sender", "allowance"),
    [(int(STRANGERS.burst) + 300, "127.0.0.2", STRANGERS), (24_300, "127.0.0.1", PACKETS)],
)
async def test_a_flood_at_the_udp_ports_ends_the_session(
    count: int, sender: str, allowance: Allowance
) -> None:
    """Of strangers as of the camera; the ports are others in the next session."""
    clock = FakeClock()
    failed: list[BaseException] = []
    with (
        open_pair("127.0.0.1", "127.0.0.1", clock) as pair,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flooding,
    ):
        pair.on_failure = failed.append
        flooding.bind((sender, 0))
        for number in range(count):
            flooding.sendto(packet(number & 0xFFFF), ("127.0.0.1", pair.port))
            if number % 100 == 99:
                pair.on_rtp_readable()
            if failed:
                break

    assert failed
    assert allowance.name in str(failed[0])
