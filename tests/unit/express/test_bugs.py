"""What was once wrong between the lane and those around it."""

from __future__ import annotations

import gc
import select
from collections.abc import AsyncIterator

import pytest

from gateway.express.built import Feed, Viewer
from gateway.rtp.codecs import GRAMMARS
from tests.fixtures.ways import PAYLOAD_TYPE, Talker, Way


@pytest.fixture
async def way() -> AsyncIterator[Way]:
    """Yield a stream with one viewer that the lane's thread relays."""
    opened = Way(express=True, ride=True, watchers=1)
    yield opened
    opened.close()


def feed(limit: int = 1180) -> Feed:
    return Feed(
        -1,
        channel=0,
        reports_channel=1,
        payload_type=PAYLOAD_TYPE,
        shape=GRAMMARS["h264"].shape,
        limit=limit,
        most_kept=1,
        keep_s=2.0,
        full=lambda: None,
        odd=lambda: None,
        outlived=lambda: None,
        reported=lambda: None,
    )


def said(talker: Talker) -> bytes:
    """Return what *talker* has sent since."""
    words = bytes(talker.sent)
    talker.sent.clear()
    return words


def test_a_feed_may_be_collected_while_the_mutex_is_held() -> None:
    """Python's collector comes whenever something is allocated, also while we hold the mutex."""
    ring = [feed()]
    ring.append(ring)  # type: ignore[arg-type]
    viewer = Viewer(payload_type=96, ssrc=1, offset_90k=0, seq=0, burst_bytes=0)

    with viewer:
        del ring
        gc.collect()


@pytest.mark.parametrize("limit", [0, 1, 2, 8193])
def test_a_limit_without_room_for_a_fragment_is_refused(limit: int) -> None:
    """Else the lane would divide by zero when it cuts."""
    with pytest.raises(ValueError, match="payloads of"):
        feed(limit)


async def test_who_joins_before_the_lane_was_answered_is_sent_all_once(way: Way) -> None:
    """Taking the stream back for a newcomer must not let the lane start again before it is in."""
    talker = Talker("h264")
    talker.keyframe()
    way.give(said(talker))
    talker.p()
    talker.do("message")  # odd; and behind it a picture, so that the lane could start again
    talker.p()
    way._far.send(said(talker))
    assert way.lane is not None
    assert select.select([way.lane._told], [], [], 5)[0]

    newcomer = way.join()
    left_alone = way.stream.lane is None
    talker.p()
    way.give(said(talker))
    way.stream.settle()

    assert left_alone
    assert [stamp for second, _, stamp, _ in newcomer.media if second & 0x80] == [
        7_200 - 180,
        7_200 - 90,
        7_200,
        10_800,
    ]


async def test_who_left_before_the_lane_was_answered_is_sent_nothing_more(way: Way) -> None:
    """Not even when the lane could go on at once behind what it gives back."""
    talker = Talker("h264")
    leaver = way.join()
    talker.keyframe()
    way.give(said(talker))
    talker.p()
    talker.do("message")
    talker.p()
    way._far.send(said(talker))
    assert way.lane is not None
    assert select.select([way.lane._told], [], [], 5)[0]

    leaver.leave()
    before = len(leaver.got)
    talker.p()
    way.give(said(talker))

    assert len(leaver.got) == before


async def test_what_a_sink_raises_ends_the_connection(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the ordinary path: a bug comes out of `stay`, it is not logged and lived with."""
    talker = Talker("h264")
    talker.keyframe()
    way.give(said(talker))

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(way.stream, "relayed", fail)
    talker.p()
    talker.do("message")
    with pytest.raises(ZeroDivisionError):
        way.give(said(talker))
    monkeypatch.undo()

    assert isinstance(way.connection._broken, ZeroDivisionError)
    assert way.transport.aborted


async def test_what_the_assembler_raises_on_the_rest_ends_the_connection(way: Way) -> None:
    """Bytes that the lane gives back are taken as if the transport had read them."""
    talker = Talker("h264")
    talker.keyframe()
    way.give(said(talker))

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    way.connection.on_rtp = fail
    talker.do("message")
    talker.p()
    with pytest.raises(ZeroDivisionError):
        way.give(said(talker))

    assert isinstance(way.connection._broken, ZeroDivisionError)
