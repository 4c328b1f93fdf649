"""What comes of a child's reports: delivered, counted, and its cost told."""

from __future__ import annotations

import pytest

from gateway.transcoding.capacity import Capacity, Load
from gateway.transcoding.encoder_output import (
    KEYFRAME_INTERVAL_S,
    MEASURE_EVERY,
    MOST_FPS,
    EncoderOutput,
)
from gateway.transcoding.messages import OutputHeader, Report
from gateway.vision.pipe import MalformedMessage
from tests.fixtures.clock import FakeClock
from tests.fixtures.sinks import RecordingSink

SPS, PPS, IDR, P = b"\x67\x42\xc0\x1e", b"\x68\xce", b"\x65keyframe", b"\x41picture"


class CountingEncoder:
    """Counts how often it is asked for a keyframe."""

    def __init__(self) -> None:
        self.asked = 0

    def request_keyframe(self) -> None:
        self.asked += 1


class Encoding:
    """An output that has begun, and all around it."""

    def __init__(self) -> None:
        self.clock, self.sink, self.child = FakeClock(), RecordingSink(), CountingEncoder()
        self.capacity, self.load = Capacity(4.0), Load(20.0, 25.0)
        self.output = EncoderOutput("c01/main", 1180, self.capacity, self.clock)
        self.output.begin(self.sink, self.child, self.load)

    def take(self, nals: list[bytes], time_90k: int = 0, *, keyframe: bool = False) -> None:
        head = OutputHeader(Report.UNIT, keyframe, len(nals))
        self.output.take(head, nals, time_90k)

    def measure(self, decoded: int, cpu_s: float) -> None:
        self.output.take(OutputHeader(Report.PROGRESS, decoded=decoded, cpu_s=cpu_s), [], 0)


def test_a_picture_is_delivered_and_counted() -> None:
    """By its payloads."""
    encoding = Encoding()

    encoding.take([SPS, PPS, IDR], 3600, keyframe=True)

    (unit,) = encoding.sink.units
    counters = encoding.output.counters
    assert (unit.time_90k, unit.keyframe) == (3600, True)
    assert (counters.units, counters.keyframes, counters.packets) == (1, 1, len(unit.payloads))
    assert counters.received_bytes == unit.size_bytes == sum(map(len, unit.payloads))


def test_times_grow_whatever_the_child_says() -> None:
    """A viewer's player stops at one that does not."""
    encoding = Encoding()

    for time_90k in (3600, 3600, 0, 7200):
        encoding.take([P], time_90k)

    assert [each.time_90k for each in encoding.sink.units] == [3600, 3601, 3602, 7200]


@pytest.mark.parametrize(
    ("nals", "keyframe"),
    [([SPS, PPS, IDR], False), ([P], True), ([IDR], True), ([SPS, IDR], True), ([], False)],
)
def test_a_picture_that_is_not_what_the_child_says_is_refused(
    nals: list[bytes], keyframe: bool
) -> None:
    """Viewers would be started where they cannot, or be sent nothing."""
    with pytest.raises(MalformedMessage):
        Encoding().take(nals, keyframe=keyframe)


def test_however_many_ask_one_keyframe_is_made() -> None:
    """In half a second."""
    encoding = Encoding()

    assert all(encoding.output.request_keyframe() for _ in range(10))
    assert encoding.child.asked == 1
    encoding.clock.time_s += KEYFRAME_INTERVAL_S
    encoding.output.request_keyframe()

    assert encoding.child.asked == 2


def test_without_a_child_there_is_no_keyframe() -> None:
    """Whoever asked knows."""
    encoding = Encoding()
    encoding.output.end()

    assert not encoding.output.request_keyframe()


def test_the_cost_is_told_every_hundred_pictures() -> None:
    """By all the pictures of the child, and the rate since the last time."""
    encoding = Encoding()
    encoding.clock.time_s += 5.0
    encoding.measure(MEASURE_EVERY - 1, 9.9)
    assert encoding.load.measured_ms is None

    encoding.measure(MEASURE_EVERY, 1.0)

    assert encoding.load.measured_ms == pytest.approx(10.0)
    assert encoding.load.fps == MEASURE_EVERY / 5


def test_a_burst_of_pictures_is_not_their_rate() -> None:
    """The cached GOP is decoded as fast as it goes."""
    encoding = Encoding()
    encoding.measure(500, 5.0)

    assert encoding.load.fps == MOST_FPS
