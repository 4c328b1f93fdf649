"""Consent of both sides, over ICE that is connected for real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
from aiortc import RTCIceGatherer, RTCIceTransport

from gateway.webrtc import aiortc_compat, stun
from gateway.webrtc.consent import OPEN_REQUESTS, REQUEST_TICKS, Consent
from gateway.webrtc.datagram_filter import DatagramFilter
from gateway.webrtc.inbound_drops import InboundDrops
from gateway.webrtc.udp_path import UdpPath
from tests.fixtures.clock import HANG_S, FakeClock


class Recorded:
    """A path that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, packet: bytes) -> bool:
        self.sent.append(packet)
        return True


class Pair:
    """Two ends of one connection: *near* is ours, with a guard before it; *far* is aioice's."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.gatherers = RTCIceGatherer(iceServers=[]), RTCIceGatherer(iceServers=[])
        self.near, self.far = map(RTCIceTransport, self.gatherers)
        aiortc_compat.disable_consent_checks(self.near)
        self.taken: asyncio.Queue[bool] = asyncio.Queue(maxsize=100)
        self._consent: Consent | None = None

    async def connect(self) -> None:
        near_filter = DatagramFilter(
            self.gatherers[0],
            lambda _datagram: None,
            self._took,
            drops=InboundDrops(clock=FakeClock()),
            clock=FakeClock(),
        )
        with aiortc_compat.filtered_by(near_filter):
            await self.gatherers[0].gather()
        await self.gatherers[1].gather()
        self.near._connection.ice_controlling = False
        self.far._connection.ice_controlling = True
        near, far = self.gatherers
        for this, other in ((self.near, far), (self.far, near)):
            for candidate in other.getLocalCandidates():
                candidate.sdpMid = "0"
                await this.addRemoteCandidate(candidate)
            await this.addRemoteCandidate(None)
        await asyncio.gather(
            self.near.start(far.getLocalParameters()), self.far.start(near.getLocalParameters())
        )
        transport, address = aiortc_compat.nominated_pair(self.near) or (None, ("", 0))
        self.transport, self.address = transport, address
        self.path = UdpPath(transport, address)
        self._consent = self.consent()

    def consent(self) -> Consent:
        return Consent(self.near, self.clock)

    def _took(self, message: bytes, address: tuple[str, int], transport: Any) -> bool:
        if self._consent is None:
            return False
        taken = self._consent.handle_stun(message, address, transport)
        self.taken.put_nowait(taken)
        return taken

    def answered_by(self, consent: Consent) -> None:
        self._consent = consent

    def check(self, **more: object) -> bytes:
        """What the far end sends to check the pair, with *more* attributes."""
        connection = self.far._connection
        request = connection.build_request(connection._nominated[1], nominate=True)
        request.attributes.update({name.replace("_", "-"): value for name, value in more.items()})
        assert connection.remote_password is not None
        request.add_message_integrity(connection.remote_password.encode())
        return bytes(request)

    async def close(self) -> None:
        self.path.close()
        await self.near.stop()
        await self.far.stop()


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    """A connection."""
    made = Pair()
    async with asyncio.timeout(HANG_S):
        await made.connect()
    yield made
    await made.close()


def asked(consent: Consent, path: Any) -> None:
    """Let ticks go by until a question is due."""
    for _ in range(max(REQUEST_TICKS)):
        consent.tick(path)


def passed(consent: Consent, pair: Pair, seconds: int) -> bool:
    """Whether there still is consent after so many *seconds* with a tick in each."""
    there = False
    for _ in range(seconds):
        pair.clock.time_s += 1.0
        there = consent.tick(Recorded())  # type: ignore[arg-type]
    return there


def question(recorded: Recorded) -> bytes:
    """The transaction of the newest question."""
    return recorded.sent[-1][8:20]


async def test_a_question_is_asked_every_four_to_six_ticks(pair: Pair) -> None:
    """And not always after as many (RFC 7675 §5.1)."""
    consent, path = pair.consent(), Recorded()
    ticks: list[int] = []

    for tick in range(500):
        before = len(path.sent)
        consent.tick(path)  # type: ignore[arg-type]
        if len(path.sent) > before:
            ticks.append(tick)

    between = {after - before for before, after in pairwise(ticks)}
    assert between == {4, 5, 6}


async def test_the_far_end_gives_its_consent(pair: Pair) -> None:
    """A real question over a real socket, answered by aioice."""
    consent = pair.consent()
    pair.answered_by(consent)
    assert passed(consent, pair, 29)
    asked(consent, pair.path)

    async with asyncio.timeout(HANG_S):
        while not await pair.taken.get():
            pass

    assert passed(consent, pair, 29)


async def test_without_an_answer_it_ends_after_thirty_seconds(pair: Pair) -> None:
    """However often was asked."""
    consent = pair.consent()

    assert passed(consent, pair, 29)
    assert not passed(consent, pair, 1)


async def test_while_our_loop_is_late_consent_does_not_end(pair: Pair) -> None:
    """What the viewer has answered lies in the kernel still."""
    consent = pair.consent()
    pair.clock.time_s += 40.0

    assert consent.tick(Recorded())  # type: ignore[arg-type]
    assert passed(consent, pair, 10)


async def test_nobody_is_sent_to_for_a_minute_without_an_answer(pair: Pair) -> None:
    """However late our loop is: the viewer may never have wanted it."""
    consent = pair.consent()
    pair.clock.time_s += 60.0

    assert not consent.tick(Recorded())  # type: ignore[arg-type]


async def test_a_late_answer_counts(pair: Pair) -> None:
    """The line may take longer than the pause between two questions."""
    consent, path = pair.consent(), Recorded()
    asked(consent, path)
    first = question(path)
    asked(consent, path)

    answer = stun.build_signed(stun.SUCCESS, first, b"", consent._remote_key)

    assert consent.handle_stun(answer, pair.address, pair.transport)


async def test_too_late_an_answer_does_not(pair: Pair) -> None:
    """Only so many questions are remembered."""
    consent, path = pair.consent(), Recorded()
    asked(consent, path)
    first = question(path)
    for _ in range(OPEN_REQUESTS):
        asked(consent, path)

    answer = stun.build_signed(stun.SUCCESS, first, b"", consent._remote_key)

    assert not consent.handle_stun(answer, pair.address, pair.transport)


async def test_a_strangers_answer_is_none(pair: Pair) -> None:
    """The transaction may have been overheard; the password was not."""
    consent, path = pair.consent(), Recorded()
    asked(consent, path)
    forged = stun.build_signed(stun.SUCCESS, question(path), b"", stun.IntegrityKey(b"guessed"))
    before_s = consent._confirmed_s

    assert not consent.handle_stun(forged, pair.address, pair.transport)
    assert consent._confirmed_s == before_s


async def test_the_far_ends_check_is_answered(pair: Pair) -> None:
    """Aioice there has its answer, aioice here has not been asked."""
    connection = pair.far._connection
    far = connection._nominated[1]
    assert connection.remote_password is not None

    async with asyncio.timeout(HANG_S):
        answer, _ = await far.protocol.request(
            connection.build_request(far, nominate=False),
            far.remote_addr,
            integrity_key=connection.remote_password.encode(),
        )
        taken = await pair.taken.get()

    assert taken
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == far.local_addr


async def test_a_nominating_check_of_the_pair_in_use_is_answered(pair: Pair) -> None:
    """Chromium nominates in each of its checks; this pair has been."""
    assert pair.consent().handle_stun(pair.check(), pair.address, pair.transport)


async def test_what_may_change_something_is_left_to_aioice(pair: Pair) -> None:
    """Another pair, another role, an attribute that must be understood, another's name."""
    consent = pair.consent()
    host, port = pair.address

    assert not consent.handle_stun(pair.check(), (host, port + 1), pair.transport)
    assert not consent.handle_stun(pair.check(), pair.address, object())
    assert not consent.handle_stun(pair.check(ICE_CONTROLLED=1), pair.address, pair.transport)
    assert not consent.handle_stun(pair.check(REALM="r"), pair.address, pair.transport)
    assert not consent.handle_stun(pair.check(USERNAME="a:b"), pair.address, pair.transport)


async def test_what_is_not_signed_is_left_to_aioice(pair: Pair) -> None:
    """Which answers with an error, or drops it."""
    consent = pair.consent()
    check = pair.check()
    changed = check[:-9] + bytes([check[-9] ^ 1]) + check[-8:]

    for message in (check[:20], changed, b"\1\1" + check[2:], b"\1\x11" + check[2:]):
        assert not consent.handle_stun(message, pair.address, pair.transport)


async def test_a_changed_role_is_in_the_next_question(pair: Pair) -> None:
    """A conflict of roles may be found after the connection stands."""
    consent, path = pair.consent(), Recorded()
    pair.near._connection.switch_role(ice_controlling=True)

    asked(consent, path)

    said = stun.parse_verified(path.sent[-1], consent._remote_key)
    assert said is not None
    assert stun.CONTROLLING in said
