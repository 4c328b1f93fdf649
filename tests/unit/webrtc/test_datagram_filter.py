"""What reaches aioice through an open port, and what never does. The ports and aioice are real."""

from __future__ import annotations

import logging
import os
import struct
from binascii import crc32
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aioice import stun as aioice_stun
from aiortc import RTCIceGatherer, RTCIceTransport
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.webrtc import aiortc_compat, stun
from gateway.webrtc.datagram_filter import (
    CHECKED_ADDRESSES,
    CHECKS_BURST,
    DTLS_BURST,
    LARGEST_BYTES,
    SRTCP_BURST,
    DatagramFilter,
)
from gateway.webrtc.inbound_drops import DropCause, InboundDrops
from tests.fixtures.clock import FakeClock

STRANGER = ("192.0.2.66", 40_000)
VIEWER = ("192.0.2.7", 50_000)


@dataclass
class Port:
    """An open port of a session, and what got through."""

    gatherer: RTCIceGatherer
    clock: FakeClock
    drops: InboundDrops
    srtcp: list[bytes] = field(default_factory=list)
    delivered: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.filter = DatagramFilter(
            self.gatherer, self.srtcp.append, lambda *_: False, drops=self.drops, clock=self.clock
        )

    @property
    def protocol(self) -> aiortc_compat.StunProtocol:
        """Of the first candidate."""
        return self.gatherer._connection._protocols[0]

    def receive(self, datagram: bytes, address: tuple[str, int] = STRANGER) -> None:
        """Receive *datagram* as asyncio would give it to aioice; note it if aioice gets it."""
        real = aiortc_compat.StunProtocol.datagram_received

        def deliver(data: bytes, source: tuple[str, int]) -> None:
            self.delivered.append(data)
            real(self.protocol, data, source)

        self.filter.on_datagram(self.protocol, datagram, address, deliver)

    def check(self, address: tuple[str, int] = VIEWER, **changed: Any) -> bytes:
        """Receive a viewer's check from *address*; return it."""
        request = check_of(self.gatherer, **changed)
        self.receive(request, address)
        return request

    @property
    def dropped(self) -> dict[str, int]:
        """The causes counted."""
        return {cause: number for cause, number in self.drops.counts.items() if number}


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    """Opened by aioice, filtered as a session does it."""
    clock = FakeClock()
    made = Port(RTCIceGatherer(iceServers=[]), clock, InboundDrops(clock=clock))
    with aiortc_compat.filtered_by(made.filter):
        await made.gatherer.gather()
    yield made
    await RTCIceTransport(made.gatherer).stop()


def check_of(gatherer: RTCIceGatherer, *, ufrag: str = "", pwd: str = "", **more: object) -> bytes:
    """A check as aioice itself makes it, with *more* attributes; None leaves one out."""
    ours, password = aiortc_compat.local_credentials(gatherer)
    request = aioice_stun.Message(aioice_stun.Method.BINDING, aioice_stun.Class.REQUEST)
    named = {"USERNAME": f"{ufrag or ours}:far", "PRIORITY": 1, "ICE-CONTROLLING": 2**63}
    for name, value in {**named, **more}.items():
        if value is not None:
            request.attributes[name.replace("_", "-")] = value
    request.add_message_integrity((pwd or password).encode())
    return bytes(request)


def message(kind: int, body: bytes, transaction: bytes | None = None) -> bytes:
    """A STUN message of attributes that nobody has looked at."""
    head = struct.pack("!HHI", kind, len(body), 0x2112A442)
    return head + (transaction or os.urandom(12)) + body


def fingerprinted(raw: bytes) -> bytes:
    """The message *raw* with a right FINGERPRINT at its end."""
    length = len(raw) - 20 + 8
    raw = raw[:2] + struct.pack("!H", length) + raw[4:]
    return raw + struct.pack("!HHI", 0x8028, 4, crc32(raw) ^ 0x5354554E)


MALFORMED = [
    b"",
    b"\x00",
    b"\x00\x01",
    message(1, b"")[:19],
    message(1, b"") + b"\x00",
    message(1, b"\x00\x24\x00\x00"),  # PRIORITY without a value: struct.error in aioice
    message(1, b"\x00\x24\x00\x05" + bytes(8)),
    message(1, b"\x80\x29\x00\x04" + bytes(4)),  # ICE-CONTROLLED of four bytes
    message(1, b"\x00\x0c\x00\x00"),  # CHANNEL-NUMBER
    message(1, b"\x00\x06\x00\x02\xff\xfe\x00\x00"),  # USERNAME that is not UTF-8
    message(1, b"\x00\x20\x00\x02\x00\x01\x00\x00"),  # XOR-MAPPED-ADDRESS of two bytes
    message(1, b"\x00\x06\xff\xff" + bytes(40)),  # longer than the message
    message(1, b"\x80\x28\x00\x04" + bytes(4)),  # a wrong FINGERPRINT
    message(1, b"\x00\x24\x00\x04" + bytes(4) + b"\x00"),
    message(0x0101, b""),  # an answer to nothing
    message(0x0111, b"\x00\x09\x00\x02\x00\x00\x00\x00"),
    message(0x0003, b""),  # Allocate
    message(0x0016, b"\x00\x12\x00\x08" + bytes(8)),  # Send indication
    message(0x0017, b"\x00\x13\x00\x04" + bytes(4)),  # Data indication
    message(0x3EEF, b""),
    b"\x40\x00\x00\x04" + bytes(4),  # ChannelData
    bytes([22]) + bytes(20),  # DTLS, truncated
    bytes([0x80, 96]) + bytes(30),  # RTP before DTLS
    bytes([0x80, 200]) + bytes(30),
    b"\xff" * 200,
    bytes(LARGEST_BYTES + 1),
    bytes(LARGEST_BYTES),
]


@pytest.mark.parametrize("datagram", MALFORMED, ids=lambda datagram: datagram[:6].hex())
async def test_a_strangers_datagram_ends_at_the_filter(port: Port, datagram: bytes) -> None:
    """Counted by its cause; aioice neither raises, nor answers, nor queues it for DTLS."""
    port.receive(datagram)

    assert port.delivered == port.srtcp == []
    assert sum(port.dropped.values()) == 1
    assert port.gatherer._connection._queue.empty()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from([0x0001, 0x0101, 0x0111, 0x0011, 0x0017, 0x0003, 0x0103, 0x3EEF]),
    attributes=st.lists(
        st.tuples(
            st.sampled_from([each[0] for each in aioice_stun.ATTRIBUTES] + [0x7777, 0x8888]),
            st.binary(max_size=40),
            st.integers(-3, 3),
        ),
        max_size=6,
    ),
    signed=st.booleans(),
)
async def test_aioices_parser_takes_all_that_is_well_formed(
    port: Port, kind: int, attributes: list[tuple[int, bytes, int]], signed: bool
) -> None:
    """What passes the shape check never raises in aioice; what does not, reaches it never."""
    body = b"".join(
        struct.pack("!HH", number, max(0, len(value) + lie)) + value + bytes(-len(value) & 3)
        for number, value, lie in attributes
    )
    raw = message(kind, body)
    datagram = fingerprinted(raw) if signed else raw
    before = len(port.delivered)

    if stun.parse_attributes(datagram) is not None and kind != 0x3EEF:
        aioice_stun.parse_message(datagram)
    port.receive(datagram)

    assert len(port.delivered) == before


async def test_a_flood_of_strangers_is_one_line_a_minute(
    port: Port, caplog: pytest.LogCaptureFixture
) -> None:
    """Ten thousand malformed messages in three minutes: a line each before, three now."""
    caplog.set_level(logging.DEBUG)
    with capture_logs() as lines:
        for _ in range(10_000):
            port.receive(message(1, b"\x00\x24\x00\x00"))
            port.clock.time_s += 0.018

    assert port.dropped == {"stun_shape": 10_000}
    assert len(lines) == 3
    assert {line["event"] for line in lines} == {"inbound_dropped"}
    assert sum(line["count"] for line in lines) > 6_000
    assert not caplog.records


async def test_a_viewers_check_reaches_aioice(port: Port) -> None:
    """Signed with our password, for our ufrag."""
    request = port.check()

    assert port.delivered == [request]
    assert not port.dropped


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"ufrag": "abcd"}, DropCause.STUN_UNKNOWN),
        ({"pwd": "0" * 24}, DropCause.STUN_UNKNOWN),
        ({"USERNAME": None}, DropCause.STUN_UNKNOWN),
        ({"PRIORITY": None}, DropCause.STUN_SHAPE),
    ],
    ids=["another session", "guessed password", "nobody", "without priority"],
)
async def test_a_check_that_is_not_for_us_gets_no_answer(
    port: Port, changed: dict[str, Any], cause: DropCause
) -> None:
    """Aioice would answer with an error, to whatever address stands in the datagram."""
    port.check(**changed)

    assert not port.delivered
    assert port.dropped == {cause: 1}


async def test_a_check_without_fingerprint_is_malformed(port: Port) -> None:
    """RFC 8445 §7.1: it tells STUN from everything else."""
    whole = check_of(port.gatherer)
    short = whole[:2] + struct.pack("!H", len(whole) - 28) + whole[4:-8]

    port.receive(short, VIEWER)

    assert port.dropped == {DropCause.STUN_SHAPE: 1}


async def test_checks_have_a_budget(port: Port) -> None:
    """Of one viewer, whatever it signs; it fills again with time."""
    for _ in range(CHECKS_BURST + 50):
        port.check()
    port.clock.time_s += 1.0
    port.check()

    assert port.dropped == {DropCause.STUN_BUDGET: 50}
    assert len(port.delivered) == CHECKS_BURST + 1


async def test_a_viewer_checks_from_so_many_addresses(port: Port) -> None:
    """Aioice remembers each and checks back: one viewer could make it send to thousands."""
    for number in range(CHECKED_ADDRESSES + 20):
        port.check(("192.0.2.7", 1_000 + number))

    assert port.dropped == {DropCause.STUN_BUDGET: 20}
    assert len(port.gatherer._connection._early_checks) == CHECKED_ADDRESSES


async def test_a_keepalive_is_no_trouble(port: Port) -> None:
    """A Binding indication (RFC 8445 §11) is neither answered nor counted."""
    port.receive(message(0x0011, b""), VIEWER)

    assert not port.delivered
    assert not port.dropped


@dataclass
class Transaction:
    """One of aioice's that waits for its answer."""

    answers: int = 0

    def response_received(self, *_: object) -> None:
        """Count it."""
        self.answers += 1


async def test_an_answer_to_what_was_asked_reaches_aioice(port: Port) -> None:
    """A STUN server's has no fingerprint, and it comes from an address that nobody checks."""
    asked, waiting = os.urandom(12), Transaction()
    port.protocol.transactions[asked] = waiting  # type: ignore[assignment]

    port.receive(message(0x0101, b"\x00\x20\x00\x08\x00\x01" + bytes(6), asked), ("192.0.2.9", 1))

    del port.protocol.transactions[asked]
    assert waiting.answers == 1


@pytest.fixture
def checked(port: Port, monkeypatch: pytest.MonkeyPatch) -> Port:
    """The port, with a check of `VIEWER`'s address under way."""
    monkeypatch.setattr(aiortc_compat, "is_checked", lambda _, address: address == VIEWER)
    return port


async def test_srtcp_has_a_budget(checked: Port) -> None:
    """Before anything is decrypted."""
    for _ in range(SRTCP_BURST + 100):
        checked.receive(bytes([0x80, 201]) + bytes(30), VIEWER)

    assert checked.dropped == {DropCause.SRTCP_BUDGET: 100}
    assert len(checked.srtcp) == SRTCP_BURST


async def test_dtls_has_a_budget(checked: Port) -> None:
    """Each record costs OpenSSL, and waits in a queue of aioice's that has no bound."""
    for _ in range(DTLS_BURST + 100):
        checked.receive(bytes([22]) + bytes(30), VIEWER)

    assert checked.dropped == {DropCause.DTLS_BUDGET: 100}
    assert checked.gatherer._connection._queue.qsize() == DTLS_BURST


async def test_a_strangers_flood_does_not_take_the_viewers_budget(checked: Port) -> None:
    """It comes from another address."""
    for _ in range(2 * SRTCP_BURST):
        checked.receive(bytes([0x80, 201]) + bytes(30), STRANGER)
    checked.receive(bytes([0x80, 201]) + bytes(30), VIEWER)

    assert checked.dropped == {DropCause.UNCHECKED: 2 * SRTCP_BURST}
    assert len(checked.srtcp) == 1


@dataclass
class Allocation:
    """What the filter asks of aioice's TURN protocol."""

    server: tuple[str, int] = ("192.0.2.3", 3478)
    transactions: dict[bytes, object] = field(default_factory=dict)
    channel_to_peer: dict[int, tuple[str, int]] = field(default_factory=dict)


ASKED = bytes(12)


@pytest.mark.parametrize(
    ("sent", "passes"),
    [
        (message(0x0103, b"\x00\x0d\x00\x04" + bytes(4), ASKED), True),
        (message(0x0113, b"\x00\x09\x00\x04" + bytes(4), ASKED), True),
        (message(0x0017, b"\x00\x13\x00\x04" + bytes(4)), True),
        (b"\x40\x00\x00\x04" + bytes(4), True),
        (message(0x0103, b"\x00\x0d\x00\x04" + bytes(4)), False),
        (message(0x0103, b"\x00\x0d\x00\x02" + bytes(4), ASKED), False),
        (message(0x0103, b"\x00\x16\x00\x02" + bytes(4), ASKED), False),
        (message(0x0001, b""), False),
        (b"\x40\x01\x00\x04" + bytes(4), False),
        (b"\x40\x00\x00\x40" + bytes(4), False),
        (b"", False),
        (b"\x40", False),
        (b"\xff" * 30, False),
    ],
    ids=[
        "answer", "error", "data", "channel", "not asked", "bad lifetime", "bad address",
        "request", "unknown channel", "short channel", "empty", "one byte", "noise",
    ],
)  # fmt: skip
async def test_of_a_turn_server_passes_what_was_asked(
    port: Port, sent: bytes, passes: bool
) -> None:
    """The rest is counted; aioice would raise on some of it."""
    allocation = Allocation(transactions={ASKED: 1}, channel_to_peer={0x4000: VIEWER})
    passed: list[bytes] = []

    port.filter.on_turn_message(allocation, sent, passed.append)  # type: ignore[arg-type]

    assert passed == ([sent] if passes else [])
    assert port.dropped == ({} if passes else {DropCause.TURN: 1})
