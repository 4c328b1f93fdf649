"""What was once wrong between the fast path and those around it."""

from __future__ import annotations

import gc
import select
from collections.abc import AsyncIterator

import pytest

from gateway.fastpath import Forwarder, RtpDestination
from gateway.rtp.codecs import CODEC_SYNTAX
from tests.fixtures.camera_stream import PAYLOAD_TYPE, FakeCameraStream
from tests.fixtures.clock import HANG_S
from tests.fixtures.fastpath_scenarios import Pipeline


@pytest.fixture
async def pipeline() -> AsyncIterator[Pipeline]:
    """Yield a stream with one viewer that the polling thread relays."""
    opened = Pipeline(fast_path=True, polling=True, viewers=1)
    yield opened
    opened.close()


def forwarder(limit: int = 1180, budgets: int = 5) -> Forwarder:
    return Forwarder(
        -1,
        rtp_channel=0,
        rtcp_channel=1,
        payload_type=PAYLOAD_TYPE,
        payload_format=CODEC_SYNTAX["h264"].payload_format,
        max_payload_bytes=limit,
        max_buffered=1,
        retain_s=2.0,
        budget=((1e9, 1e9),) * budgets,
        on_buffer_full=lambda: None,
        on_fallback=lambda: None,
        on_superseded=lambda: None,
        on_rtcp=lambda: None,
    )


def test_a_budget_of_the_wrong_length_is_refused() -> None:
    """Nothing behind its end is read."""
    with pytest.raises(ValueError, match="budgets"):
        forwarder(budgets=4)


def take_sent(camera: FakeCameraStream) -> bytes:
    """Return what *camera* has sent since."""
    sent = bytes(camera.sent)
    camera.sent.clear()
    return sent


def test_a_feed_may_be_collected_while_the_mutex_is_held() -> None:
    """Python's collector comes whenever something is allocated, also while we hold the mutex."""
    ring = [forwarder()]
    ring.append(ring)  # type: ignore[arg-type]
    destination = RtpDestination(payload_type=96, ssrc=1, offset_90k=0, seq=0)

    with destination:
        del ring
        gc.collect()


@pytest.mark.parametrize("limit", [0, 1, 2, 8193])
def test_a_limit_without_room_for_a_fragment_is_refused(limit: int) -> None:
    """Else the fast path would divide by zero when it cuts."""
    with pytest.raises(ValueError, match="payloads of"):
        forwarder(limit)


async def test_who_joins_before_the_callbacks_ran_is_sent_all_once(
    pipeline: Pipeline,
) -> None:
    """Reclaiming the stream for a newcomer must not start the fast path before it is in."""
    camera = FakeCameraStream("h264")
    camera.keyframe()
    pipeline.camera_sends(take_sent(camera))
    camera.p()
    camera.send_event("message")  # and behind it a picture, so that it could start again
    camera.p()
    pipeline._far.send(take_sent(camera))
    assert pipeline.handover is not None
    assert select.select([pipeline.handover._wakeup_fd], [], [], HANG_S)[0]

    newcomer = pipeline.join()
    left_alone = pipeline.stream.fast_path is None
    camera.p()
    pipeline.camera_sends(take_sent(camera))
    pipeline.stream.sync()

    assert left_alone
    assert [stamp for second, _, stamp, _ in newcomer.media if second & 0x80] == [
        7_200 - 180,
        7_200 - 90,
        7_200,
        10_800,
    ]


async def test_who_left_before_the_callbacks_ran_is_sent_nothing_more(
    pipeline: Pipeline,
) -> None:
    """Not even when the fast path could go on at once behind what it gives back."""
    camera = FakeCameraStream("h264")
    leaver = pipeline.join()
    camera.keyframe()
    pipeline.camera_sends(take_sent(camera))
    camera.p()
    camera.send_event("message")
    camera.p()
    pipeline._far.send(take_sent(camera))
    assert pipeline.handover is not None
    assert select.select([pipeline.handover._wakeup_fd], [], [], HANG_S)[0]

    leaver.leave()
    before = len(leaver.received)
    camera.p()
    pipeline.camera_sends(take_sent(camera))

    assert len(leaver.received) == before


async def test_what_a_sink_raises_ends_the_connection(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the ordinary path: a bug comes out of `stay`, it is not logged and lived with."""
    camera = FakeCameraStream("h264")
    camera.keyframe()
    pipeline.camera_sends(take_sent(camera))

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(pipeline.stream, "on_relayed", fail)
    camera.p()
    camera.send_event("message")
    with pytest.raises(ZeroDivisionError):
        pipeline.camera_sends(take_sent(camera))
    monkeypatch.undo()

    assert isinstance(pipeline.connection._broken, ZeroDivisionError)
    assert pipeline.transport.aborted


async def test_what_the_assembler_raises_on_the_rest_ends_the_connection(
    pipeline: Pipeline,
) -> None:
    """Bytes that the fast path gives back are taken as if the transport had read them."""
    camera = FakeCameraStream("h264")
    camera.keyframe()
    pipeline.camera_sends(take_sent(camera))

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    pipeline.connection.on_rtp = fail
    camera.send_event("message")
    camera.p()
    with pytest.raises(ZeroDivisionError):
        pipeline.camera_sends(take_sent(camera))

    assert isinstance(pipeline.connection._broken, ZeroDivisionError)
