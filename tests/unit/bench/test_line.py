"""The line of the narrow benchmark does to datagrams what it says."""

from __future__ import annotations

import asyncio
import random
import socket

import pytest

from tests.bench.line import HEADERS_BYTES, Bottleneck, Line, LineQuality, without_candidates
from tests.fixtures.clock import HANG_S

ANSWER = (
    "v=0\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n"
    "a=candidate:1 1 udp 2130706431 {host} {port} typ host\r\n"
    "a=candidate:2 1 tcp 2130706431 192.0.2.1 9 typ host tcptype active\r\n"
    "a=end-of-candidates\r\n"
)


def arrivals(quality: LineQuality, count: int, *, every_s: float) -> list[float | None]:
    bottleneck = Bottleneck(quality, random.Random(1))
    return [bottleneck.arrival_s(1_250 - HEADERS_BYTES, every_s * n) for n in range(count)]


def test_the_rate_is_what_gets_through() -> None:
    """4 Mb/s into 2.5: five eighths arrive, after the queue's time."""
    arrived = [at for at in arrivals(LineQuality(mbps=2.5), 4_000, every_s=0.0025) if at]

    assert len(arrived) == pytest.approx(2_500, rel=0.05)
    assert arrived[-1] - 10.0 == pytest.approx(0.3, abs=0.02)
    assert arrived == sorted(arrived)


def test_a_line_that_is_wide_enough_only_delays() -> None:
    """Nothing is lost."""
    assert arrivals(LineQuality(delay_ms=20), 3, every_s=1.0) == [0.02, 1.02, 2.02]


def test_chance_loses_its_share() -> None:
    """From a seed, so that each relay meets the same."""
    arrived = arrivals(LineQuality(loss=0.05), 10_000, every_s=0.01)

    assert arrived.count(None) == pytest.approx(500, rel=0.15)


async def test_the_two_ends_meet_through_the_line_only() -> None:
    """The relay's own address is in no candidate, and what is sent comes through both ways."""
    loop = asyncio.get_running_loop()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as relay,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as viewer,
    ):
        for each in (relay, viewer):
            each.bind(("127.0.0.1", 0))
            each.setblocking(False)
        host, port = relay.getsockname()
        async with Line(LineQuality(delay_ms=1)) as line, asyncio.timeout(HANG_S):
            answer = line.through(ANSWER.format(host=host, port=port))
            assert answer.count("a=candidate") == 1
            assert f" {line.address[1]} typ host" in answer
            got = asyncio.ensure_future(loop.sock_recvfrom(relay, 100))
            while not got.done():  # the first may be lost, while the far socket is opened
                viewer.sendto(b"check", line.address)
                await asyncio.wait([got], timeout=0.05)
            _, seen_from = got.result()
            relay.sendto(b"answer", seen_from)
            assert await loop.sock_recv(viewer, 100) == b"answer"


def test_a_description_without_candidates() -> None:
    """Whoever reads it waits for the other's checks."""
    assert "candidate" not in without_candidates(ANSWER)
