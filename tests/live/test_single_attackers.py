"""Hostile viewers, cameras and strangers against a whole gateway, by its sockets and topics only.

Each attacks in one way; all of them at once are in `tests.live.test_attack`.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import psutil
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.model.signalling import Offer, Refusal, SessionKey
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.codec import decode_tree
from gateway.mqtt.payloads.signalling import encode_viewer_message
from gateway.mqtt.topic_tree import COMMAND, PLAIN, VIEWER_SIGNALLING
from gateway.mqtt.topics import build_message
from gateway.rtp.rtcp import nack
from tests.attack.cameras import ATTACKS, hostile_camera
from tests.attack.strangers import udp_ports
from tests.fixtures.broker import Broker
from tests.fixtures.clock import HANG_S
from tests.fixtures.site import OWN, Site, cameras, site, tree
from tests.fixtures.turn import own_address
from tests.fixtures.viewer import Viewer

pytestmark = pytest.mark.live

HOSTILE = "v-hostile"


async def offered(running: Site) -> str:
    """Return the offer of a new viewer."""
    running.peers.append(RTCPeerConnection(RTCConfiguration(iceServers=[])))
    return await Viewer(running.peers[-1]).offer()


def say_offer(running: Site, session: str, sdp: str, /, **more: object) -> str:
    """Send an offer of `HOSTILE` for the first camera, with *more* keys in its payload.

    Returns the topic of the answer.
    """
    key = SessionKey(HOSTILE, session)
    offer = Offer(key, "c00", sdp, token=running.token(0, viewer=HOSTILE))
    content_type, payload = encode_viewer_message(Stamp(0, 1, 1), offer)
    said = json.dumps({**decode_tree(payload, content_type), **more}).encode()
    running.centre.client.publish(
        build_message(VIEWER_SIGNALLING, OWN.viewer_signalling(key), (PLAIN, said))
    )
    return OWN.gateway_signalling(key)


def processor_s(running: Site) -> float:
    """Return the processor time that the gateway has taken so far."""
    taken = psutil.Process(running.process.pid).cpu_times()
    return taken.user + taken.system


@contextmanager
def connected(broker: Broker) -> Iterator[paho.Client]:
    """A client of that broker with no limit of its own on what it sends."""
    client = paho.Client(CallbackAPIVersion.VERSION2, HOSTILE, protocol=paho.MQTTv5)
    client.connect(broker.address.host, broker.port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def plain() -> Properties:
    """The properties of a message whose payload is JSON."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.ContentType = PLAIN
    return properties


async def until_answered(running: Site) -> None:
    """Return once an offer is refused that comes after all that was sent before."""
    assert isinstance(await running.ask(7, "v=0\r\n"), Refusal)


async def test_an_offer_that_names_broken_servers_ends_nothing(
    tmp_path: Path, broker: Broker
) -> None:
    """A library's parser raises for each of them; whoever watches goes on to."""
    async with site(tmp_path, broker, cameras(1)) as running:
        watching = await running.watch(0)
        sdp = watching.peer.localDescription.sdp
        for number, url in enumerate(("stun:a:b:c", "turn:[::1]:1", "turn:a?transport=x")):
            say_offer(running, f"broken-{number}", sdp, ice=[{"urls": [url]}])
        await until_answered(running)
        await watching.until(len(watching.packets) + 20)

        assert running.process.returncode is None


async def test_a_server_that_an_offer_names_hears_nothing(tmp_path: Path, broker: Broker) -> None:
    """Else a viewer could scan the site's network with it."""
    async with site(tmp_path, broker, cameras(1)) as running:
        sdp = await offered(running)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inside:
            inside.bind((own_address(), 0))
            inside.setblocking(False)
            url = f"turn:{own_address()}:{inside.getsockname()[1]}?transport=udp"
            ice = [{"urls": [url], "username": "u", "credential": "c"}]
            topic = say_offer(running, "scan-of-the-site", sdp, ice=ice)
            await running.until(lambda message: message.topic == topic)

            with pytest.raises(BlockingIOError):
                inside.recv(2048)


async def test_offers_that_never_connect_keep_nobody_out(tmp_path: Path, broker: Broker) -> None:
    """Twenty of one viewer, none with an address; another viewer watches."""
    async with site(tmp_path, broker, cameras(1)) as running:
        sdp = re.sub(r"a=candidate:.*\r\n", "", await offered(running))
        for number in range(20):
            say_offer(running, f"silent-{number}", sdp)

        watching = await running.watch(0)

        assert len(watching.packets) > 0


async def test_refused_offers_are_a_few_events(tmp_path: Path, broker: Broker) -> None:
    """Of 60 in a row, each with another session; the card is not written full."""
    async with site(tmp_path, broker, cameras(1)) as running:
        for number in range(60):
            say_offer(running, f"refused-{number}", "v=0\r\n")
        await running.watch(0)
        await running.until(
            lambda each: each.topic == OWN.event and tree(each).get("sid") == "session-1"
        )
        events = [tree(each) for each in running.heard if each.topic == OWN.event]

    assert len(events) < 20, events


async def test_malformed_stun_of_a_stranger_is_no_traceback(tmp_path: Path, broker: Broker) -> None:
    """A thousand datagrams at a viewer's port: less than a line of the log for each ten."""
    # A check whose PRIORITY has no value.
    datagram = b"\x00\x01\x00\x04\x21\x12\xa4\x42" + bytes(12) + b"\x00\x24\x00\x00"
    async with site(tmp_path, broker, cameras(1)) as running:
        watching = await running.watch(0)
        before = len(running.output)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for _ in range(50):
                for address in udp_ports(running.process.pid):
                    for _ in range(20):
                        stranger.sendto(datagram, address)
                await watching.until(len(watching.packets) + 1)
        await until_answered(running)
        logged = running.output[before:]

        assert not [line for line in logged if "Traceback" in line]
        assert len(logged) < 100


async def test_a_flood_of_small_messages_is_answered_in_part(
    tmp_path: Path, broker: Broker
) -> None:
    """Of 4,000 with 111 bytes each most are dropped before they are read; others are answered."""
    async with site(tmp_path, broker, cameras(1)) as running:
        watching = await running.watch(0)
        with connected(broker) as client:
            for number in range(4_000):
                topic = OWN.viewer_signalling(SessionKey(HOSTILE, f"small-{number}"))
                sent = client.publish(topic, b"\xff" * 111, qos=1, properties=plain())
                if number % 20 == 0:
                    await asyncio.to_thread(sent.wait_for_publish, HANG_S)
            await watching.until(len(watching.packets) + 1)
        await until_answered(running)
        answers = OWN.gateway_signalling(SessionKey(HOSTILE, ""))
        answered = [each for each in running.heard if each.topic.startswith(answers)]

    assert len(answered) < 2_000


async def test_a_nack_of_unknown_packets_costs_little_more_than_any_other(
    tmp_path: Path, broker: Broker
) -> None:
    """Each asks for 2,040 packets that never were; beside as many bytes that ask for nothing."""
    taken: list[float] = []
    async with site(tmp_path, broker, cameras(1)) as running:
        hostile, honest = await running.watch(0), await running.watch(0)
        first = hostile.packets[0]
        lost = tuple((first.seq + 20_000 + number) & 0xFFFF for number in range(2_040))
        unknown = nack(5, first.ssrc, lost)
        nothing = struct.pack("!BB", 0x80, 204) + unknown[2:]  # APP (RFC 3550 §6.7)
        for datagram in (nothing, unknown):
            before_s = processor_s(running)
            for _ in range(100):
                for _ in range(16):
                    await hostile.send_rtcp(datagram)
                await honest.until(len(honest.packets) + 1)
            await until_answered(running)
            taken.append(processor_s(running) - before_s)

    assert taken[1] < 3.0 * taken[0] + 0.25, taken


async def test_a_long_topic_costs_no_square_of_its_length(tmp_path: Path, broker: Broker) -> None:
    """Nothing super-linear looks at it: twice as long is not four times as dear."""
    taken: list[float] = []
    async with site(tmp_path, broker, ()) as running:
        for length in (30_000, 60_000):
            before_s = processor_s(running)
            for _ in range(3):
                topic = OWN.command("a." * (length // 2))
                message = build_message(COMMAND, topic, (PLAIN, b"{}"))
                running.centre.client.publish(message)
            await until_answered(running)
            taken.append(processor_s(running) - before_s)

    assert taken[1] < 2.5 * taken[0] + 2.0, taken


@pytest.mark.parametrize("name", ["server requests", "tiny pictures", "new parameter sets"])
async def test_a_hostile_camera_is_cut_off_and_told(
    tmp_path: Path, broker: Broker, name: str
) -> None:
    """As ABUSIVE, while an honest camera of the same gateway is watched."""
    async with (
        hostile_camera(ATTACKS[name]) as hostile,
        site(tmp_path, broker, cameras(1), urls=(hostile.url,), keep="warm") as running,
    ):
        await running.until_state(1, "ABUSIVE")
        watching = await running.watch(0)
        await watching.until(20)

        assert running.process.returncode is None
