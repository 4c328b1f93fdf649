"""Viewers' messages, answered by a real session manager that has no camera."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.app.signalling import QUEUED, Signalling
from gateway.model.reasons import Reason
from gateway.model.signalling import Bye, Offer, Refusal, SessionKey
from gateway.model.site_document import Limits
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.signalling import (
    ViewerMessage,
    decode_gateway_message,
    encode_viewer_message,
)
from gateway.mqtt.topics import Topics, parse_topic
from gateway.ports import InboundMessage, OutboundMessage
from gateway.runtime.bugs import BugCounts
from gateway.webrtc.session_manager import SessionManager
from tests.fixtures.clock import HANG_S, FakeClock

OWN = Topics("79", "hcm-q1-01")
KEY = SessionKey("v-one", "session-1")
STAMP = Stamp(0, 1, 1)


class Bus:
    """Keeps what is posted."""

    def __init__(self) -> None:
        self.connected = True
        self.posted: asyncio.Queue[OutboundMessage] = asyncio.Queue(maxsize=1000)

    def publish(self, message: OutboundMessage) -> None:
        self.posted.put_nowait(message)

    def acknowledge(self, message: InboundMessage) -> None:
        """Nothing here is journalled."""

    async def said(self) -> object:
        """Return the next thing said to the viewer, with its topic checked."""
        async with asyncio.timeout(HANG_S):
            publication = await self.posted.get()
        assert publication.topic == OWN.gateway_signalling(KEY)
        assert not publication.retain
        return decode_gateway_message(KEY, publication.payload, publication.content_type)


@asynccontextmanager
async def answering(
    find_camera: Callable[[str], None] = lambda _camera: None,
) -> AsyncIterator[tuple[Signalling, Bus]]:
    """Signalling at work, over a session manager that knows no camera."""
    bus = Bus()
    session_manager = SessionManager(
        find_camera=find_camera,
        limits=Limits,
        on_ended=lambda bye: made.tell(bye),
    )
    made = Signalling(OWN, bus, session_manager, stamp=lambda: STAMP, clock=FakeClock())
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(session_manager.run()), group.create_task(made.run())]
        yield made, bus
        for task in tasks:
            task.cancel()


def message(
    body: ViewerMessage | bytes, *, topic: str = "", retain: bool = False
) -> InboundMessage:
    if isinstance(body, bytes):
        return InboundMessage(topic or OWN.viewer_signalling(KEY), body, retain=retain)
    content_type, payload = encode_viewer_message(STAMP, body)
    topic = topic or OWN.viewer_signalling(body.key)
    return InboundMessage(topic, payload, retain=retain, content_type=content_type)


def deliver(signalling: Signalling, message: InboundMessage) -> None:
    """Hand *message* over as the router does."""
    place = parse_topic(message.topic)
    assert place is not None
    signalling.deliver(place, message)


async def test_an_offer_for_an_unknown_camera_is_refused() -> None:
    """404 with the reason and the detail, on the session's own topic."""
    async with answering() as (signalling, bus):
        deliver(signalling, message(Offer(KEY, "c99", "v=0")))

        said = await bus.said()

        assert isinstance(said, Refusal)
        assert (said.code, said.reason) == (404, Reason.NOT_FOUND)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"{",
        b"[]",
        b'{"k":"offer"}',
        b'{"k":"x"}',
        b"[" * 10_000,
    ],
)
async def test_a_malformed_message_is_answered_with_what_is_wrong(payload: bytes) -> None:
    """400, and the next message is read as if nothing had been."""
    async with answering() as (signalling, bus):
        deliver(signalling, message(payload))
        deliver(signalling, message(Offer(KEY, "c99", "v=0")))

        first, second = await bus.said(), await bus.said()

        assert isinstance(first, Refusal)
        assert first.code == 400
        assert isinstance(second, Refusal)
        assert second.code == 404


@given(payload=st.binary(max_size=300))
def test_no_payload_ends_it(payload: bytes) -> None:
    """Whatever somebody publishes, the gateway goes on."""

    async def check() -> None:
        async with answering() as (signalling, bus):
            deliver(signalling, message(payload))
            deliver(signalling, message(Offer(KEY, "c99", "v=0")))
            while True:
                said = await bus.said()
                if isinstance(said, Refusal) and said.code == 404:
                    return

    asyncio.run(check())


async def test_a_retained_message_is_ignored() -> None:
    """A retained offer would open a session at every reconnect."""
    async with answering() as (signalling, bus):
        deliver(signalling, message(Offer(KEY, "c01", "v=0"), retain=True))
        deliver(signalling, message(Offer(KEY, "c99", "v=0")))

        said = await bus.said()

        assert isinstance(said, Refusal)
        assert bus.posted.empty()


async def test_a_message_on_a_foreign_topic_is_not_answered() -> None:
    """Only what is ours is ours."""
    async with answering() as (signalling, bus):
        deliver(signalling, message(b"{}", topic="cgw/v1/79/hcm-q1-01/up/presence"))
        deliver(signalling, message(Offer(KEY, "c99", "v=0")))

        await bus.said()

        assert bus.posted.empty()


async def test_the_end_of_a_session_is_told_to_its_viewer() -> None:
    """With why."""
    async with answering() as (signalling, bus):
        signalling.tell(Bye(KEY, "silence"))

        assert await bus.said() == Bye(KEY, "silence")


async def test_more_messages_than_can_wait_are_dropped() -> None:
    """A flood fills a bounded queue, nothing else."""
    signalling = Signalling(
        OWN,
        Bus(),
        SessionManager(find_camera=lambda _camera: None, limits=Limits, on_ended=lambda _bye: None),
        stamp=lambda: STAMP,
        clock=FakeClock(),
    )

    for _ in range(QUEUED.each + 10):
        deliver(signalling, message(b"{}"))

    assert signalling._dropped.total == 10


async def test_an_unexpected_error_ends_one_offer_and_nothing_else(
    contained_bugs: BugCounts,
) -> None:
    """500 for that viewer; the next message is handled."""

    def find_camera(camera: str) -> None:
        if camera == "c13":
            raise RuntimeError("a bug")

    async with answering(find_camera) as (signalling, bus):
        deliver(signalling, message(Offer(KEY, "c13", "v=0")))
        first = await bus.said()
        deliver(signalling, message(Offer(KEY, "c99", "v=0")))
        second = await bus.said()

    assert isinstance(first, Refusal)
    assert (first.code, first.reason) == (500, Reason.INTERNAL_ERROR)
    assert isinstance(second, Refusal)
    assert second.code == 404
    assert dict(contained_bugs.counts) == {"session": 1}
