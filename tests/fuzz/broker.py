"""What a broker may answer, mutated, until the time is up: the connection ends in good order.

    python -m tests.fuzz.broker SECONDS SEED

A whole client (`gateway.mqtt.client`) connects to somebody who answers with packets of MQTT 5,
whole and damaged, by TCP and by websocket, and hangs up. Only `BrokerUnavailable` comes out of it,
nothing fails later, and no more is handed on than was sent.
Prints what came of it, and the seed of the first failure; that seed alone shows it again.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from random import Random

from gateway.model.errors import BrokerUnavailable
from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.client.client import MqttClient
from gateway.ports import InboundMessage, OutboundMessage
from gateway.runtime.clock import SystemClock
from tests.fixtures.clock import HANG_S
from tests.fixtures.tcp import tcp_server
from tests.fuzz.viewer import mutated

PACKETS = tuple(
    bytes.fromhex(each)
    for each in (
        "2003000000",  # CONNACK
        "2003010000",  # with a session
        "200a0000072100012700000400",  # receive maximum 1, packets of 1 kB
        "2006000003130000",  # no keep alive
        "2009000006240022000021",  # QoS 0 only, no aliases, and cut off
        "2003008700",  # not authorised
        "900400010001",  # SUBACK
        "9004000100" + "87",  # refused
        "b0040001" + "0000",  # UNSUBACK
        "40020001",  # PUBACK
        "4004000187" + "00",
        "4003000210",  # no matching subscribers
        "50020001",  # PUBREC
        "6202000170020001",  # PUBREL, PUBCOMP
        "d000",  # PINGRESP
        "c000",  # PINGREQ, which is ours to send
        "e0028e00",  # DISCONNECT: taken over
        "e000",
        "f0021800",  # AUTH
        "3005000161" + "0078",  # PUBLISH, QoS 0
        "3207000161" + "0009" + "0078",  # QoS 1
        "3407000161" + "000a" + "0078",  # QoS 2
        "3114000161" + "0e" + "0300016a" + "0800016b" + "0900016c" + "0101" + "78",  # properties
        "300d000161" + "08" + "260001610001620000"[:16] + "78",  # a user property
        "3008000161" + "03" + "230001" + "78",  # a topic alias
        "3006000161" + "020b01"[:4] + "78",  # a subscription identifier
        "30ffffff7f000161",  # 256 MB
    )
)
"""What a broker says, and what it must not say; the last ones of the properties do not add up."""

OWN = OutboundMessage("cgw/v1/79/hcm-q1-01/up/presence", b"{}", qos=1)


def publish(random: Random) -> bytes:
    """Return a PUBLISH whose length is right and whose rest need not be."""
    topic = random.choice(
        ("a", "cgw/v1/79/hcm-q1-01/dn/cmd/probe", "", "\ud7ff", "x" * 300)
    ).encode()
    qos = random.randrange(4)
    body = struct.pack("!H", len(topic)) + topic + (b"\x00\x07" if qos else b"")
    properties = mutated(b"\x03\x00\x01j\x08\x00\x01k\x09\x00\x01l\x26\x00\x01a\x00\x01b", random)
    body += bytes([min(len(properties), 127)]) + properties[:127] + random.randbytes(9)
    return bytes([0x30 | qos << 1 | random.randrange(2)]) + length(len(body)) + body


def length(number: int) -> bytes:
    """Return *number* as a variable byte integer."""
    out = bytearray()
    while True:
        number, digit = divmod(number, 128)
        out.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(out)


def answer(random: Random) -> bytes:
    """Return what the broker of this turn says."""
    said = [PACKETS[0], PACKETS[6]] if random.random() < 0.8 else []
    for _ in range(random.randrange(12)):
        packet = publish(random) if random.random() < 0.4 else random.choice(PACKETS)
        said.append(mutated(packet, random) if random.random() < 0.6 else packet)
    return b"".join(said)


def upgrade(request: bytes, random: Random) -> bytes:
    """Return the HTTP answer to a websocket's *request*, good or damaged."""
    key = re.search(rb"Sec-WebSocket-Key: *(\S+)", request, re.IGNORECASE)
    magic = (key[1] if key else b"") + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(magic).digest())
    head = (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    return mutated(head, random) if random.random() < 0.3 else head


def frames(data: bytes, random: Random) -> bytes:
    """Return *data* in websocket frames, some of them not ours to expect."""
    out = b""
    while data:
        size = random.randrange(1, 200)
        piece, data = data[:size], data[size:]
        kind = random.choice((0x82, 0x82, 0x82, 0x82, 0x81, 0x80, 0x89, 0x8A, 0x88, 0xFF))
        head = bytes([kind]) + (
            bytes([len(piece)]) if len(piece) < 126 else b"\x7e" + struct.pack("!H", len(piece))
        )
        out += mutated(head, random) if random.random() < 0.1 else head
        out += piece
    return out


class HostileBroker:
    """Answers each connection with what its seed says, and hangs up."""

    def __init__(self) -> None:
        self.random = Random(0)
        self.websocket = False
        self.sent = b""
        self.hung_up = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        random = self.random
        with suppress(OSError):
            request = await reader.read(4096)
            data = answer(random)
            if self.websocket:
                writer.write(upgrade(request, random))
                await reader.read(4096)
                data = frames(data, random)
            self.sent = data
            writer.write(data)
            await writer.drain()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        self.hung_up.set()


async def connect(port: int, transport: str) -> tuple[str, int]:
    """Hold one connection until it ends; return why, and how many messages were handed on."""
    heard: list[InboundMessage] = []
    client = MqttClient(
        BrokerAddress(host="127.0.0.1", port=port, transport=transport),
        client_id="hcm-q1-01",
        subscriptions=("cgw/v1/79/hcm-q1-01/dn/#",),
        on_message=heard.append,
        will=lambda: OWN,
        greet=lambda: (OWN, OWN),
        clock=SystemClock(),
        journalled=lambda topic: "/cmd/" in topic,
    )
    try:
        async with asyncio.timeout(HANG_S):
            await client.run()
    except BrokerUnavailable as error:
        assert not client.connected
        for each in heard:
            client.acknowledge(each)  # too late: nothing happens
        return error.reason.value, len(heard)
    raise AssertionError("it went on without a broker")


async def fuzz(seed: int, go_on: Callable[[int], bool]) -> int:
    """Try one seed after the other while `go_on(how many)`; return 1 if something failed later.

    What fails at once is raised, after its seed has been printed.
    """
    late: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: late.append(str(context)))
    broker, ends = HostileBroker(), Counter[str]()
    async with tcp_server(broker.serve) as port:
        try:
            while not late and go_on(ends.total()):
                broker.random = Random(seed)
                broker.websocket = broker.random.random() < 0.3
                why, heard = await connect(port, "websockets" if broker.websocket else "tcp")
                await broker.hung_up.wait()
                broker.hung_up.clear()
                assert heard <= len(broker.sent), "more was heard than was said"
                ends[why] += 1
                seed += 1
        finally:
            print(f"until seed {seed}: {dict(ends)}", *late)
    return int(bool(late))


if __name__ == "__main__":
    seconds, first = [*sys.argv[1:], *("60", "0")[len(sys.argv) - 1 :]]
    end_s = time.monotonic() + float(seconds)
    sys.exit(asyncio.run(fuzz(int(first), lambda _tried: time.monotonic() < end_s)))
