"""Hostile viewers: people with an account and good view tokens who send what no page sends.

    python -m tests.attack.viewers FOLDER BROKER_FOLDER BROKER_PORT BYTES_PER_S CAMERA

runs two of them from the first line on standard input to its end, with half the rate each:
``v-signalling`` floods its topics, ``v-feedback`` watches and floods the gateway with feedback.
Then it prints what they have sent. FOLDER is that of `tests.fixtures.site`, with the centre's key,
BROKER_FOLDER that of `tests.fixtures.access`, with a certificate for each of them.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import struct
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import paho.mqtt.client as paho
from aiortc import RTCConfiguration, RTCPeerConnection
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from pydantic import SecretStr

from gateway.centre.viewing import TokenIssuer, load_viewing_key
from gateway.model.signalling import Answer, Offer, SessionKey
from gateway.mqtt.client.broker import BrokerAddress, Tls
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.signalling import decode_gateway_message, encode_viewer_message
from gateway.mqtt.topic_tree import COMPRESSED, PLAIN, VIEWER_SIGNALLING
from gateway.mqtt.topics import build_message
from gateway.ports import InboundMessage
from gateway.rtp.rtcp import nack, pli, receiver_report
from tests.attack.pace import Pace, attack_until_told
from tests.fixtures.broker import Observer, observing
from tests.fixtures.site import OWN
from tests.fixtures.viewer import Viewer
from tests.fuzz.viewer import mutated_text

ANSWER_S = 5.0
AGAIN_S = 0.5
CANDIDATE = "candidate:1 1 udp 2113 203.0.113.7 {} typ host"


class Tokens:
    """Makes fresh view tokens, as a page that is open gets them.

    Args:
        folder: Of the site.
        camera: That may be watched.
    """

    def __init__(self, folder: Path, camera: str) -> None:
        key = load_viewing_key(folder / "centre" / "view-test.key")
        self._issuer = TokenIssuer(key, issuer="tests", max_s=3600)
        self.camera = camera

    def fresh(self, viewer: str) -> SecretStr:
        """Return a token for *viewer*."""
        return self._issuer.issue(
            actor=viewer,
            actor_source="settings",
            purpose="thử nghiệm",
            province=OWN.province,
            gateway=OWN.gateway,
            camera=self.camera,
            viewer=viewer,
        )


def certificate(broker: Path, viewer: str) -> Tls:
    """Return the certificate of *viewer*, by the authority of the broker in that folder."""
    files = broker / "viewers"
    return Tls(
        ca_file=broker / "staff" / "ca.pem",
        cert_file=files / f"{viewer}.pem",
        key_file=files / f"{viewer}.key",
    )


Message = tuple[str, bytes, str]
"""Session id, payload, content type."""


class Signalling:
    """What ``v-signalling`` says: each kind without end.

    Args:
        tokens: Of the viewer.
        sdp: A good offer.
    """

    viewer = "v-signalling"

    def __init__(self, tokens: Tokens, sdp: str) -> None:
        self._tokens, self._random = tokens, Random(1)
        self._silent = re.sub(r"a=candidate:.*\r\n", "", sdp)
        self._sessions = (f"session-{number}" for number in itertools.count())
        self.kinds: dict[str, Callable[[], Iterator[Message]]] = {
            "offers that never connect": self.silent_offers,
            "malformed offers": self.malformed_offers,
            "offers with a bad token": self.forged_offers,
            "candidates": self.candidates,
            "early candidates": self.early_candidates,
            "small messages": self.small,
            "large messages": self.large,
            "packed messages": self.packed,
            "extensions": self.extensions,
        }

    def _offer(self, sdp: str, token: SecretStr) -> Message:
        session = next(self._sessions)
        said = Offer(SessionKey(self.viewer, session), self._tokens.camera, sdp, token=token)
        content_type, payload = encode_viewer_message(Stamp(0, 1, 1), said)
        return session, payload, content_type

    def silent_offers(self) -> Iterator[Message]:
        """Good in all, but nobody is there."""
        while True:
            yield self._offer(self._silent, self._tokens.fresh(self.viewer))

    def malformed_offers(self) -> Iterator[Message]:
        """Pieces are changed, cut, doubled."""
        while True:
            sdp = mutated_text(self._silent, self._random)[:32_000] or "v=0"
            yield self._offer(sdp, self._tokens.fresh(self.viewer))

    def forged_offers(self) -> Iterator[Message]:
        """With tokens that nobody has signed."""
        token = self._tokens.fresh(self.viewer).get_secret_value()
        while True:
            yield self._offer(self._silent, SecretStr(mutated_text(token, self._random)[:3000]))

    def candidates(self) -> Iterator[Message]:
        """Of one session, 32 in each message."""
        while True:
            yield "session-1", self._candidates(), PLAIN

    def early_candidates(self) -> Iterator[Message]:
        """Of sessions that there will never be."""
        for number in itertools.count():
            yield f"early-session-{number}", self._candidates(), PLAIN

    def _candidates(self) -> bytes:
        ports = self._random.sample(range(1024, 65_536), 32)
        listed = [{"candidate": CANDIDATE.format(port), "sdpMid": "0"} for port in ports]
        return json.dumps({"k": "cand", "c": listed}).encode()

    def small(self) -> Iterator[Message]:
        """Nothing of meaning, in 111 bytes."""
        while True:
            yield next(self._sessions), self._random.randbytes(111), PLAIN

    def large(self) -> Iterator[Message]:
        """Lists in lists, 60 kB."""
        while True:
            yield next(self._sessions), b"[" * 60_000, PLAIN

    def packed(self) -> Iterator[Message]:
        """A megabyte of blanks, packed."""
        packed = zlib.compress(b" " * 1_000_000)
        while True:
            yield next(self._sessions), packed, COMPRESSED

    def extensions(self) -> Iterator[Message]:
        """Of a session that has ended long ago."""
        while True:
            yield "session-1", b'{"k": "extend", "exp_s": 60, "token": "x"}', PLAIN


async def flood_signalling(
    words: Signalling, address: BrokerAddress, pace: Pace, counts: Counter[str]
) -> None:
    """Publish every kind in turn, by bytes, at the broker at *address*, until cancelled."""
    client = paho.Client(CallbackAPIVersion.VERSION2, words.viewer, protocol=paho.MQTTv5)
    client.max_queued_messages_set(1000)
    assert address.tls is not None
    files = address.tls.ca_file, address.tls.cert_file, address.tls.key_file
    authority, own, key = map(str, files)
    client.tls_set(authority, own, key)
    client.connect(address.host, address.port or 8883)
    client.loop_start()
    sent: Counter[str] = Counter()
    running = {name: kind() for name, kind in words.kinds.items()}
    try:
        while True:
            name = min(running, key=lambda each: sent[each])
            session, payload, content_type = next(running[name])
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.ContentType = content_type
            topic = OWN.viewer_signalling(SessionKey(words.viewer, session))
            client.publish(topic, payload, qos=0, properties=properties)
            sent[name] += len(payload)
            counts[name] += 1
            counts["bytes"] += len(payload)
            await pace.passed(len(payload))
    finally:
        client.disconnect()
        client.loop_stop()


class Feedback:
    """``v-feedback``: connects, floods until it is thrown out, and comes again.

    Args:
        tokens: Of the viewer.
        observer: Its connection to the broker.
        pace: Of what it sends to the gateway's port.
        counts: Of what it has sent.
    """

    viewer = "v-feedback"

    def __init__(
        self, tokens: Tokens, observer: Observer, pace: Pace, counts: Counter[str]
    ) -> None:
        self._tokens, self._observer = tokens, observer
        self._pace, self._counts, self._number = pace, counts, 0

    async def flood(self) -> None:
        """Go on until cancelled."""
        while True:
            peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
            try:
                async with asyncio.timeout(ANSWER_S):
                    viewer = await self._watch(Viewer(peer))
                if viewer is not None:
                    self._counts["sessions"] += 1
                    await self._flood(viewer)
            except TimeoutError:
                self._counts["unanswered"] += 1
            except ConnectionError:  # the gateway has closed it while something was being sent
                self._counts["thrown out"] += 1
            finally:
                await peer.close()
            await asyncio.sleep(AGAIN_S)

    async def _watch(self, viewer: Viewer) -> Viewer | None:
        """Return *viewer* once it is sent pictures; None if it is refused."""
        self._number += 1
        key = SessionKey(self.viewer, f"session-{self._number}")
        token = self._tokens.fresh(self.viewer)
        said = Offer(key, self._tokens.camera, await viewer.offer(), token=token)
        sealed = encode_viewer_message(Stamp(0, 1, 1), said)
        topic = OWN.viewer_signalling(key)
        self._observer.client.publish(build_message(VIEWER_SIGNALLING, topic, sealed))
        heard = await self._observer.until(self._is_for(key))
        answer = decode_gateway_message(key, heard.payload, heard.content_type)
        if not isinstance(answer, Answer):
            self._counts["refused"] += 1
            return None
        await viewer.accept(answer.sdp)
        await viewer.until(1)
        return viewer

    def _is_for(self, key: SessionKey) -> Callable[[InboundMessage], bool]:
        return lambda message: message.topic == OWN.gateway_signalling(key)

    async def _flood(self, viewer: Viewer) -> None:
        """Send every kind in turn while there are pictures."""
        ssrc, random = viewer.packets[0].ssrc, Random(1)
        unknown = struct.pack("!BBHII", 0x81, 205, 122, 5, ssrc) + b"\x12\x34\xff\xff" * 120
        kinds = {
            "NACK of 2,040 unknown": unknown,
            "NACK of all it has": nack(5, ssrc, tuple(p.seq for p in viewer.packets[-200:])),
            "PLI": pli(5, ssrc) * 40,
            "reports": receiver_report(5, "c") * 30,
            "PLI, one at a time": pli(5, ssrc),
        }
        transport, silence = viewer.transport.transport, Silence(viewer)
        for name, datagram in itertools.cycle(kinds.items()):
            if viewer.peer.connectionState != "connected" or silence.lasts_s > ANSWER_S:
                return
            await viewer.send_rtcp(datagram)
            await transport._send(b"\x80\xc8" + random.randbytes(60))  # as if it were SRTCP
            await transport._send(b"\x16\xfe\xfd" + random.randbytes(60))  # and DTLS
            self._counts[name] += 1
            self._counts["bytes"] += len(datagram) + 124
            await self._pace.passed(len(datagram) + 124)


class Silence:
    """Notes for how long a viewer has been sent nothing."""

    def __init__(self, viewer: Viewer) -> None:
        self._packets, self._since_s = viewer.packets, time.monotonic()

    @property
    def lasts_s(self) -> float:
        """For how long; what has been sent is forgotten."""
        if self._packets:
            self._since_s = time.monotonic()
            self._packets.clear()
        return time.monotonic() - self._since_s


HOSTILE_VIEWERS = (Signalling.viewer, Feedback.viewer)
"""Their ids, which are the names in their certificates."""


async def flood(
    folder: Path, broker: Path, port: int, bytes_per_s: float, camera: str, counts: Counter[str]
) -> None:
    """Run both viewers until cancelled."""
    tokens = Tokens(folder, camera)
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    sdp = await Viewer(peer).offer()
    await peer.close()
    signalling, watching = (
        BrokerAddress(host="127.0.0.1", port=port, tls=certificate(broker, viewer))
        for viewer in HOSTILE_VIEWERS
    )
    answers = OWN.gateway_signalling(SessionKey(Feedback.viewer, "+"))
    async with (
        observing(watching, answers, client_id=Feedback.viewer) as observer,
        asyncio.TaskGroup() as group,
    ):
        words, half = Signalling(tokens, sdp), bytes_per_s / 2
        group.create_task(
            flood_signalling(words, signalling, Pace(half), counts), name="signalling"
        )
        feedback = Feedback(tokens, observer, Pace(half), counts)
        group.create_task(feedback.flood(), name="feedback")


if __name__ == "__main__":
    site_folder, broker_folder, broker_port, rate, shown = sys.argv[1:]
    attack_until_told(
        lambda counts: flood(
            Path(site_folder), Path(broker_folder), int(broker_port), float(rate), shown, counts
        )
    )
