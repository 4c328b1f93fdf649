"""Every kind of signalling message that is promised is sent, or taken; and no other."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from gateway.app.signalling import Signalling
from gateway.model.signalling import SessionKey
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.signalling import GATEWAY_MESSAGES, VIEWER_MESSAGES
from gateway.mqtt.topic_tree import GATEWAY_SIGNALLING, VIEWER_SIGNALLING
from gateway.mqtt.topics import Topics, parse_topic
from gateway.ports import InboundMessage, OutboundMessage
from gateway.runtime.clock import SystemClock
from tests.contract.examples import EXAMPLES, text_of
from tests.fixtures.access_units import access_unit
from tests.fixtures.clock import HANG_S
from tests.fixtures.viewer import Viewer
from tests.live.test_webrtc_viewer import KEY, running

pytestmark = pytest.mark.live

OWN = Topics("79", "hcm-q1-01")


class Said:
    """A bus that keeps what the gateway has said, by kind."""

    def __init__(self) -> None:
        self.connected = True
        self.by_kind: dict[str, dict[str, Any]] = {}
        self.came = asyncio.Event()

    def publish(self, message: OutboundMessage) -> None:
        """Keep it."""
        if message.content_type.endswith("json"):
            body = json.loads(message.payload)
            self.by_kind[body["k"]] = body
        else:
            self.by_kind["answer"] = {}  # the only one that is long enough to be compressed
        self.came.set()

    def acknowledge(self, message: InboundMessage) -> None:
        """Nothing here is journalled."""

    async def until(self, kind: str) -> dict[str, Any]:
        """Return the newest of *kind*, once there is one."""
        async with asyncio.timeout(HANG_S):
            while kind not in self.by_kind:
                self.came.clear()
                await self.came.wait()
        return self.by_kind[kind]


def kinds_of(reader: Any) -> set[str]:
    """Return the kinds that the schema has."""
    return set(reader.json_schema()["discriminator"]["mapping"])


def listed(when: str) -> set[str]:
    """Return the kinds that the table of topics and AsyncAPI list."""
    return set(when.split(", "))


async def test_a_gateway_says_what_is_promised_and_nothing_else(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`stats` was promised and never sent, and so were candidates."""
    monkeypatch.setattr("gateway.webrtc.ticker.TICK_S", 0.01)
    said = Said()
    async with running() as bench:
        signalling = Signalling(
            OWN, said, bench.sessions, stamp=lambda: Stamp(0, 1, 1), clock=SystemClock()
        )
        bench.sessions._on_ended = bench.sessions._on_stats = signalling.tell
        serving = asyncio.create_task(signalling.run())
        bench.stream.deliver(access_unit(0, keyframe=True))

        def send(key: SessionKey, body: dict[str, Any]) -> None:
            topic = OWN.viewer_signalling(key)
            payload = json.dumps(body).encode()
            place = parse_topic(topic)
            assert place is not None
            signalling.deliver(
                place, InboundMessage(topic, payload, content_type="application/json")
            )

        offer = await viewer.offer()
        send(KEY, {"k": "offer", "sdp": offer, "cam": "c01"})
        await said.until("answer")
        await viewer.accept(bench.sessions._sessions[KEY].answer.sdp)
        stats = await said.until("stats")
        send(SessionKey("v-two", "session-2"), {"k": "offer", "sdp": "v=0", "cam": "c01"})
        await said.until("error")
        bench.sessions.end_sessions("c01", "camera")
        await said.until("bye")
        serving.cancel()

    assert set(said.by_kind) == kinds_of(GATEWAY_MESSAGES) == listed(GATEWAY_SIGNALLING.when)
    assert stats["kbps"] >= 0
    GATEWAY_MESSAGES.validate_json(json.dumps(stats), strict=True)


async def test_a_gateway_takes_from_a_viewer_what_is_promised() -> None:
    """Each kind of the schema has an example; none of them is malformed."""
    said = Said()
    taken = set()
    async with running() as bench:
        signalling = Signalling(
            OWN, said, bench.sessions, stamp=lambda: Stamp(0, 1, 1), clock=SystemClock()
        )
        for name, (schema, _) in EXAMPLES.items():
            if schema == "rtc.viewer/1":
                topic = OWN.viewer_signalling(KEY)
                message = InboundMessage(
                    topic, text_of(name).encode(), content_type="application/json"
                )
                assert signalling._decode(KEY, message) is not None
                taken.add(json.loads(text_of(name))["k"])

    assert taken == kinds_of(VIEWER_MESSAGES) == listed(VIEWER_SIGNALLING.when)
