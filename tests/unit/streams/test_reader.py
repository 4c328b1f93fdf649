"""The bounded queue of one viewer."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.fastpath import FrameRun, RtpDestination
from gateway.model.media import AccessUnit
from gateway.streams.reader import QUEUE_BYTES, QUEUE_UNITS, Reader
from tests.fixtures.access_units import access_unit


class Viewer:
    """Takes units while it is open."""

    def __init__(self) -> None:
        self.open = True
        self.taken: list[AccessUnit] = []
        self.reader = Reader(self.take)

    def take(self, unit: AccessUnit) -> bool:
        if self.open:
            self.taken.append(unit)
        return self.open


def test_it_starts_at_a_keyframe() -> None:
    """What comes before is of no use to a decoder and is not counted as dropped."""
    viewer = Viewer()
    units = [access_unit(n, keyframe=n == 2) for n in range(4)]

    for unit in units:
        viewer.reader.offer(unit)

    assert viewer.taken == units[2:]
    assert viewer.reader.dropped == 0


def test_what_cannot_be_taken_now_waits_in_order() -> None:
    """Nothing overtakes what waits."""
    viewer = Viewer()
    units = [access_unit(n, keyframe=n == 0) for n in range(4)]
    viewer.reader.offer(units[0])
    viewer.open = False
    viewer.reader.offer(units[1])
    viewer.reader.offer(units[2])
    viewer.open = True

    viewer.reader.offer(units[3])
    assert viewer.taken == units[:1]
    viewer.reader.resume()

    assert viewer.taken == units


def test_a_slow_viewer_drops_to_the_next_keyframe() -> None:
    """Past the bound all that waits goes, and the drops are counted."""
    viewer = Viewer()
    viewer.reader.offer(access_unit(0, keyframe=True))
    viewer.open = False
    for number in range(1, QUEUE_UNITS + 2):
        viewer.reader.offer(access_unit(number))
    assert viewer.reader.queued == 0
    assert viewer.reader.dropped == QUEUE_UNITS + 1

    viewer.open = True
    viewer.reader.offer(access_unit(500))
    keyframe = access_unit(501, keyframe=True)
    viewer.reader.offer(keyframe)

    assert viewer.taken[1:] == [keyframe]


def test_the_bytes_that_wait_are_bounded_too() -> None:
    """One huge picture after another does not fill the memory."""
    viewer = Viewer()
    viewer.open = False
    huge = QUEUE_BYTES // 2 + 1

    for number in range(2):
        viewer.reader.offer(access_unit(number, keyframe=number == 0, sizes=(huge,)))

    assert viewer.reader.queued == 0
    assert viewer.reader.dropped == 2


def test_a_replayed_gop_comes_before_what_is_live() -> None:
    """Even if the viewer can take only a part of it at once."""
    viewer = Viewer()
    gop = [access_unit(n, keyframe=n == 0) for n in range(3)]
    viewer.open = False
    viewer.reader.replay(gop)
    live = access_unit(3)
    viewer.reader.offer(live)
    viewer.open = True

    viewer.reader.resume()

    assert viewer.taken == [*gop, live]


def test_after_an_interruption_it_waits_for_a_keyframe() -> None:
    """A camera that has come back may begin in the middle of a GOP."""
    viewer = Viewer()
    viewer.reader.offer(access_unit(0, keyframe=True))

    viewer.reader.wait_for_keyframe()
    viewer.reader.offer(access_unit(1))

    assert len(viewer.taken) == 1


def test_a_keyframe_that_overflows_the_queue_is_not_dropped() -> None:
    """A decoder can start there, so it is all that is left."""
    viewer = Viewer()
    viewer.reader.offer(access_unit(0, keyframe=True))
    viewer.open = False
    for number in range(1, QUEUE_UNITS + 1):
        viewer.reader.offer(access_unit(number))
    keyframe = access_unit(QUEUE_UNITS + 1, keyframe=True)
    viewer.reader.offer(keyframe)
    assert (viewer.reader.queued, viewer.reader.dropped) == (1, QUEUE_UNITS)

    viewer.open = True
    viewer.reader.resume()

    assert viewer.taken[1:] == [keyframe]


def test_bytes_that_were_sent_wait_no_longer() -> None:
    """A viewer who is behind now and then does not lose pictures after an hour."""
    viewer = Viewer()
    viewer.reader.offer(access_unit(0, keyframe=True))
    for number in range(1, 6):
        viewer.open = False
        viewer.reader.offer(access_unit(number, sizes=(QUEUE_BYTES // 2,)))
        viewer.open = True
        viewer.reader.resume()

    assert viewer.reader.dropped == 0
    assert len(viewer.taken) == 6


class FastPathViewer(Viewer):
    """The fast path may send to it; it has been sent all up to *last_90k*."""

    def __init__(self, last_90k: int) -> None:
        super().__init__()
        self.sent_to = RtpDestination(payload_type=96, ssrc=1, offset_90k=0, seq=0)
        self.sent_to.last_90k = last_90k
        self.reader = Reader(self.take, self)

    def destination(self) -> RtpDestination:
        return self.sent_to

    def on_relayed(self, runs: Sequence[FrameRun], evicted_packets: int) -> None:
        raise NotImplementedError

    def on_superseded(self) -> None:
        raise NotImplementedError

    def on_reclaimed(self) -> None:
        raise NotImplementedError


def test_the_fast_path_sends_nothing_that_is_older_than_what_was_sent() -> None:
    """A replayed GOP may end behind the live pictures; times must not go back."""
    viewer = FastPathViewer(3601)
    viewer.reader.offer(access_unit(1, keyframe=True))

    assert viewer.reader.destination(3600) is None
    assert viewer.reader.destination(3601) is viewer.sent_to


def test_the_fast_path_sends_nothing_before_the_first_keyframe_nor_past_what_waits() -> None:
    """Either would be of no use to a decoder."""
    viewer = FastPathViewer(0)
    before = viewer.reader.destination(3600)
    viewer.open = False
    viewer.reader.offer(access_unit(0, keyframe=True))
    behind = viewer.reader.destination(3600)
    viewer.open = True
    viewer.reader.resume()

    assert (before, behind) == (None, None)
    assert viewer.reader.destination(3600) is viewer.sent_to
