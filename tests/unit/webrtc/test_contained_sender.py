"""A bug in one viewer's sender ends that viewer's session: the camera that calls it goes on."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gateway.fastpath import FrameRun, RtpDestination
from gateway.model.media import AccessUnit
from gateway.streams.reader import Reader
from gateway.webrtc.contained_sender import ContainedSender
from tests.fixtures.access_units import access_unit


class Broken:
    """A sender with a bug in everything."""

    def send_unit(self, unit: AccessUnit) -> bool:
        raise RuntimeError(f"send_unit {unit.time_90k}")

    def destination(self) -> RtpDestination | None:
        raise RuntimeError("destination")

    def on_relayed(self, runs: Sequence[FrameRun], evicted_packets: int) -> None:
        raise RuntimeError(f"on_relayed {len(runs)} {evicted_packets}")

    def on_superseded(self) -> None:
        raise RuntimeError("on_superseded")

    def on_reclaimed(self) -> None:
        raise RuntimeError("on_reclaimed")


@pytest.fixture
def ended() -> list[str]:
    """What has ended the session."""
    return []


@pytest.fixture
def reader(ended: list[str]) -> Reader:
    """The end of a stream whose viewer's sender is broken."""
    contained = ContainedSender(Broken(), lambda error: ended.append(str(error)))
    return Reader(contained.send_unit, contained)


def test_a_unit_that_cannot_be_sent_ends_the_session(reader: Reader, ended: list[str]) -> None:
    """And does not wait in the queue."""
    reader.offer(access_unit(0, keyframe=True))

    assert ended == ["send_unit 0"]
    assert reader.queued == 0


def test_whatever_the_fast_path_tells_or_asks_ends_the_session(
    reader: Reader, ended: list[str]
) -> None:
    """It relays to nobody then; the stream is reclaimed when the reader is detached."""
    reader.offer(access_unit(0, keyframe=True))

    assert reader.destination(0) is None
    reader.on_relayed((), 7)
    reader.on_superseded()
    reader.on_reclaimed()

    assert ended == [
        "send_unit 0",
        "destination",
        "on_relayed 0 7",
        "on_superseded",
        "on_reclaimed",
    ]
