"""Refused offers: each is answered, few are written to the card, all are counted."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.model.errors import ViewerRejected
from gateway.model.event import Event
from gateway.model.media import SourceCounters
from gateway.model.reasons import Reason
from gateway.model.signalling import Offer, SessionKey
from gateway.model.site_document import Limits
from gateway.mqtt.epoch import Epochs
from gateway.mqtt.outbox.outbox import Outbox
from gateway.mqtt.outbox.store import OutboxStore
from gateway.mqtt.outbox.writer import OutboxWriter
from gateway.mqtt.payloads.event import decode_event
from gateway.mqtt.topics import Topics
from gateway.ports import Sink
from gateway.runtime.clock import SystemClock
from gateway.runtime.repeated_events import SUBJECTS, RepeatedEvents
from gateway.streams.camera_streams import CameraStreams
from gateway.streams.gop_cache import GopCache
from gateway.streams.stream import Stream
from gateway.webrtc.session_manager import SessionManager
from tests.fixtures.clock import HANG_S, FakeClock

OFFERS = 10_000
CHROMIUM = (Path(__file__).parents[2] / "data/sdp/chromium.sdp").read_bytes().decode()


class SilentSource:
    """A camera that does not answer."""

    def __init__(self) -> None:
        self.counters = SourceCounters()

    async def run(self, _sink: Sink) -> None:
        await asyncio.Event().wait()

    async def check(self) -> None:
        return None


class WrittenEvents:
    """The outbox on a disk, and how many bytes it was given."""

    def __init__(self, folder: Path) -> None:
        writer = OutboxWriter(OutboxStore(folder / "outbox.db"), clock=SystemClock())
        self.outbox = Outbox(
            writer,
            topics=Topics("79", "hcm-q1-01"),
            epochs=Epochs(None),
            boot="b1",
            clock=FakeClock(),
        )

    def record(self, event: Event) -> None:
        self.outbox.record(event)

    async def read(self) -> tuple[list[int], int]:
        """Write; return the count of each event that was written, and their bytes together."""
        counts, size = [], 0
        async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
            running = group.create_task(self.outbox.run())
            await self.outbox.flush()
            running.cancel()
        self.outbox.on_connected()
        while (message := self.outbox.next_message()) is not None:
            facts = decode_event(message.payload, message.content_type).facts
            counts.append(int(str(facts.get("count", 1))))
            size += len(message.payload)
        return counts, size


@pytest.mark.parametrize("cameras", [1, OFFERS])
@pytest.mark.parametrize("viewers", [1, OFFERS])
async def test_10_000_refused_offers_write_little_and_all_are_counted(
    viewers: int, cameras: int, tmp_path: Path
) -> None:
    """Whether it is one viewer or ever new ones, one camera or invented ones: all is bounded."""
    events = WrittenEvents(tmp_path)
    refusals = RepeatedEvents(events, clock=FakeClock())
    session_manager = SessionManager(
        find_camera=lambda _camera: None,
        limits=Limits,
        on_ended=lambda _bye: None,
        events=events,
        refusals=refusals,
    )

    for number in range(OFFERS):
        key = SessionKey(f"v-{number % viewers}", "session-1")
        with pytest.raises(ViewerRejected):
            await session_manager.handle_offer(Offer(key, f"c{number % cameras}", "v=0"))
    refusals.flush()

    counts, size = await events.read()
    assert sum(counts) == OFFERS
    assert len(counts) <= (2 if viewers == 1 else SUBJECTS + 1)
    assert size < (SUBJECTS + 1) * 1024


async def test_the_same_offer_again_is_refused_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the first waits for a camera that is down: the second was told 410, "has ended"."""
    monkeypatch.setattr("gateway.webrtc.codec_selection.OPENING_S", 0.0)
    gop, clock = GopCache(limit_bytes=1, limit_s=1), SystemClock()
    stream = Stream(SilentSource(), warm=False, linger_s=0.0, gop=gop, clock=clock)
    session_manager = SessionManager(
        find_camera=lambda _camera: CameraStreams((("main", stream),)),
        limits=Limits,
        on_ended=lambda _bye: None,
    )
    offer = Offer(SessionKey("v-one", "session-1"), "c01", CHROMIUM)

    two = [session_manager.handle_offer(offer) for _ in range(2)]
    both = await asyncio.gather(*two, return_exceptions=True)

    first, second = (each for each in both if isinstance(each, ViewerRejected))
    assert (first.code, first.reason) == (480, Reason.TIMEOUT)
    assert str(second) == str(first)
    assert session_manager.session_count == 0
