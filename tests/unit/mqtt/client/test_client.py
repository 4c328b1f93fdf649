"""The link against peers that no broker is: silent, garbage, full of dribble."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import islice
from typing import Any

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from gateway.model.errors import BrokerUnavailable
from gateway.model.reasons import Reason
from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.client.client import MqttClient
from gateway.mqtt.client.connection import MqttConnection
from gateway.mqtt.client.failover import reconnect_delays
from gateway.mqtt.client.paho_client import PACKET_BYTES, create_client
from gateway.mqtt.client.reason_codes import SUSPICIOUS_ENDS, DuplicateIdDetector, connection_lost
from gateway.ports import OutboundMessage
from gateway.runtime.clock import SystemClock
from tests.fixtures.clock import HANG_S, FakeClock
from tests.fixtures.tcp import tcp_server

CONNACK = bytes.fromhex("2003000000")
LOST = BrokerUnavailable(Reason.UPLINK_DOWN, "connection lost")


@asynccontextmanager
async def peer(answer: bytes, *, hang_up: bool = True) -> AsyncIterator[BrokerAddress]:
    """Somebody who answers with *answer*, byte by byte, and then hangs up or is silent."""
    served = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await reader.read(1000)
            for byte in answer:
                writer.write(bytes([byte]))
                await writer.drain()
            if not hang_up:
                await reader.read()
            writer.close()
            await writer.wait_closed()
        served.set()

    async with tcp_server(serve) as port:
        yield BrokerAddress(host="127.0.0.1", port=port)
        await served.wait()


def link(
    address: BrokerAddress, greet: Callable[[], tuple[OutboundMessage, ...]] = tuple, **more: Any
) -> MqttClient:
    return MqttClient(
        address,
        client_id="hcm-q1-01",
        subscriptions=(),
        on_message=lambda _: None,
        greet=greet,
        clock=SystemClock(),
        **more,
    )


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", Reason.UPLINK_DOWN),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Reason.UPLINK_DOWN),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Reason.UPLINK_DOWN),
        (b"\x20\x03\x00\x87\x00", Reason.NOT_AUTHORISED),
        (b"\x20\x03\x00\x88\x00", Reason.REFUSED),
        (b"\x20\x00", Reason.CORRUPT),
        (b"\x20\x03\x00\x05\x00", Reason.CORRUPT),
        (b"\x20\xff\xff\xff\xff\xff", Reason.CORRUPT),
        (b"\xff" * 64, Reason.CORRUPT),
        (CONNACK + b"\x30\x02\x00\x09", Reason.CORRUPT),
        (CONNACK + b"\x30\xff\xff\xff\x7f\x00\x01a\x00", Reason.CORRUPT),
        (b"\x20\xff\xff\xff\x7f\x00", Reason.CORRUPT),
        (CONNACK + b"\x30\x05\x00\x02\xff\xfe\x00", Reason.CORRUPT),
        (CONNACK + b"\xe0\x02\x8e\x00", Reason.DUPLICATE_IDENTITY),
        (CONNACK + b"\xe0\x02\x8b\x00", Reason.UPLINK_DOWN),
        (CONNACK + b"\xe0\x02\x87\x00", Reason.NOT_AUTHORISED),
    ],
)
async def test_whatever_answers_the_link_breaks_in_good_order(
    answer: bytes, reason: Reason
) -> None:
    """A reason of ours, never an error of paho's."""
    async with peer(answer) as address, asyncio.timeout(HANG_S):
        with pytest.raises(BrokerUnavailable) as caught:
            await link(address).run()

    assert caught.value.reason is reason


@pytest.mark.parametrize(("more_bytes", "reason"), [(0, Reason.UPLINK_DOWN), (1, Reason.CORRUPT)])
async def test_a_packet_larger_than_we_allow_is_not_read(more_bytes: int, reason: Reason) -> None:
    """The broker was told the limit; one that exceeds it would fill the memory."""
    size = PACKET_BYTES + more_bytes
    length = bytes([size & 127 | 128, size >> 7 & 127 | 128, size >> 14])
    async with peer(CONNACK + b"\x30" + length) as address, asyncio.timeout(HANG_S):
        with pytest.raises(BrokerUnavailable) as caught:
            await link(address).run()

    assert caught.value.reason is reason


async def test_a_mistake_in_what_the_link_calls_is_not_swallowed() -> None:
    """Bugs end the process; they do not look like a broken line."""

    def greet() -> tuple[OutboundMessage, ...]:
        raise ZeroDivisionError

    async with peer(CONNACK, hang_up=False) as address, asyncio.timeout(HANG_S):
        with pytest.raises(ZeroDivisionError):
            await link(address, greet).run()


async def test_a_message_that_comes_with_the_acceptance_is_delivered_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not at the next tick."""
    monkeypatch.setattr("gateway.mqtt.client.client.TICK_S", 10 * HANG_S)
    suback, message = bytes.fromhex("900400010001"), bytes.fromhex("30050001610078")
    delivered = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(CONNACK + suback + message)
        await delivered.wait()
        writer.close()

    async with tcp_server(serve) as port:
        subscriber = MqttClient(
            BrokerAddress(host="127.0.0.1", port=port),
            client_id="hcm-q1-01",
            subscriptions=("a",),
            on_message=lambda _: delivered.set(),
            clock=SystemClock(),
        )
        running = asyncio.create_task(subscriber.run(), name="link")
        async with asyncio.timeout(HANG_S):
            await delivered.wait()
        await asyncio.wait([running])

    assert isinstance(running.exception(), BrokerUnavailable)


async def test_a_name_that_does_not_exist_is_said_so() -> None:
    """Names under .invalid never do (RFC 2606)."""
    address = BrokerAddress.model_construct(
        host="broker.invalid", port=1883, tls=None, username=None, transport="tcp", path="/"
    )
    async with asyncio.timeout(HANG_S):
        with pytest.raises(BrokerUnavailable) as caught:
            await link(address).run()

    assert caught.value.reason is Reason.DNS_FAILED


def test_offline_direct_is_dropped_and_conflated_waits() -> None:
    """The next birth says the former anew."""
    offline = link(BrokerAddress(host="127.0.0.1", port=1))

    offline.publish(OutboundMessage("a", b""))
    offline.publish(OutboundMessage("b", b"", path="conflated"))

    assert (offline.sample.dropped, offline.sample.waiting) == (1, 1)


def test_pauses_double_with_half_of_them_at_random() -> None:
    """1, 2, 4 ... 120 seconds, each from half to one and a half."""
    for pause_s, base_s in zip(
        islice(reconnect_delays(), 9), (1, 2, 4, 8, 16, 32, 64, 120, 120), strict=True
    ):
        assert base_s * 0.5 <= pause_s <= base_s * 1.5


def test_hanging_up_soon_and_again_is_suspicious() -> None:
    """The third time in a row is another machine with our identity."""
    suspicion = DuplicateIdDetector()
    errors = [
        suspicion.explain(LOST, closed_silently=True, lasted_s=1.0) for _ in range(SUSPICIOUS_ENDS)
    ]

    assert [each.reason for each in errors] == [
        *[Reason.UPLINK_DOWN] * (SUSPICIOUS_ENDS - 1),
        Reason.DUPLICATE_IDENTITY,
    ]


@pytest.mark.parametrize(("hung_up", "lasted_s"), [(False, 1.0), (True, 3600.0)])
def test_a_cut_line_and_a_long_life_are_not_suspicious(hung_up: bool, lasted_s: float) -> None:
    """They begin the count anew."""
    suspicion = DuplicateIdDetector()
    for _ in range(SUSPICIOUS_ENDS - 1):
        suspicion.explain(LOST, closed_silently=True, lasted_s=1.0)

    assert suspicion.explain(LOST, closed_silently=hung_up, lasted_s=lasted_s) is LOST
    assert suspicion.explain(LOST, closed_silently=True, lasted_s=1.0) is LOST


@asynccontextmanager
async def broker_of(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[BrokerAddress]:
    """Somebody who takes one connection after the other as *serve* says."""
    async with tcp_server(serve) as port:
        yield BrokerAddress(host="127.0.0.1", port=port)


@pytest.mark.parametrize("asked_s", [0, 300])
async def test_a_broker_that_wants_few_pings_gets_ours_all_the_same(asked_s: int) -> None:
    """Or a dead line would not be noticed, and a live one be taken for dead."""
    pinged = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"\x20\x06\x00\x00\x03\x13" + asked_s.to_bytes(2))
        while packet := await reader.read(1000):
            if packet == b"\xc0\x00":
                writer.write(b"\xd0\x00")
                pinged.set()
        writer.close()

    async with broker_of(serve) as address:
        pinging = link(address, keepalive_s=3.0)
        running = asyncio.create_task(pinging.run(), name="link")
        async with asyncio.timeout(HANG_S):
            await pinged.wait()
        running.cancel()
        await asyncio.wait([running])

    assert running.cancelled()


async def test_the_farewell_waits_for_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that takes one at a time (receive maximum) may hang up on a second."""
    monkeypatch.setattr("gateway.mqtt.client.client.FAREWELL_S", HANG_S)
    order: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"\x20\x06\x00\x00\x03\x21\x00\x01")
        for number in (1, 2):
            order.append(await reader.read(1000))
            await asyncio.sleep(0.1)  # it is slow, and nothing else may come meanwhile
            writer.write(b"\x40\x02\x00" + bytes([number]))
        order.append(await reader.read(1000))
        writer.close()

    async with broker_of(serve) as address:
        said = (OutboundMessage("first", b""),)
        leaving = link(address, lambda: said, farewell=lambda: OutboundMessage("bye", b""))
        running = asyncio.create_task(leaving.run(), name="link")
        async with asyncio.timeout(HANG_S):
            while not order:  # noqa: ASYNC110 (a peer in this process; it has no event)
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait([running])

    first, last, disconnect = order
    assert b"first" in first
    assert b"bye" not in first
    assert b"bye" in last
    assert disconnect[:1] == b"\xe0"


def test_a_line_that_is_dead_is_not_another_machine() -> None:
    """That nobody answers our pings is no sign of a takeover."""
    timeout = connection_lost(
        "broker", None, ReasonCode(PacketTypes.DISCONNECT, "Keep alive timeout")
    )

    assert timeout.reason is Reason.STALLED


async def test_while_our_loop_is_late_the_broker_is_not_silent() -> None:
    """Nobody has read what it has sent; on time, silence ends the connection as ever."""
    clock = FakeClock()
    near, far = socket.socketpair()
    address = BrokerAddress(host="127.0.0.1", port=1)
    client = create_client(
        address, client_id="hcm-q1-01", will=None, keepalive_s=10.0, will_delay_s=0
    )
    connection = MqttConnection(address, client, keepalive_s=10.0, now=clock.now)
    far.sendall(CONNACK)
    async with asyncio.timeout(HANG_S):
        await connection.open(near, ())

    clock.time_s += 60.0
    connection.check_alive()
    assert connection.late_s == pytest.approx(59.0)
    for _ in range(14):
        clock.time_s += 1.0
        connection.check_alive()
    clock.time_s += 1.0
    with pytest.raises(BrokerUnavailable) as lost:
        connection.check_alive()

    assert lost.value.reason is Reason.STALLED
    connection.close()
    far.close()
