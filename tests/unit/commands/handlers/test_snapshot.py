"""Snapshots: a picture is made as small as a reply needs it."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from gateway.commands.command import Outcome
from gateway.commands.handlers.snapshot import JPEG_BYTES, SnapshotArgs, create
from gateway.commands.replies import ReplySender
from gateway.model.errors import MessageRejected, NoPicture
from gateway.model.reasons import Reason
from gateway.model.site_document import CameraConfig, SiteConfig, StreamConfig
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.codec import PAYLOAD_BYTES
from gateway.mqtt.payloads.command import decode_reply, encode_reply
from tests.fixtures.clock import FakeClock
from tests.fixtures.commands import FakeBus, command_context, fake_dependencies

CAMERA = CameraConfig(id="c07", name="Quầy 7", streams=(StreamConfig(url="rtsp://10.0.0.7/1"),))


async def take_picture(largest: Mapping[int, int], width: int = 640) -> Outcome:
    """Return the outcome of a snapshot where a picture so wide has so many bytes."""

    async def take_snapshot(_: str, width: int) -> bytes:
        return random.Random(width).randbytes(largest[width])

    handler = create(fake_dependencies(take_snapshot=take_snapshot))
    return await handler.run(SnapshotArgs(camera="c07", width=width), command_context())


async def test_a_picture_that_just_fits_fits_the_message() -> None:
    """48 KiB in base64, packed, is below the largest payload."""
    outcome = await take_picture({640: JPEG_BYTES})
    replies = ReplySender(FakeBus(), stamp=lambda: Stamp(0, 0, 0), redact=str, clock=FakeClock())
    built = replies.build("dig-0001", outcome.state, result=dict(outcome.result))
    content_type, payload = encode_reply(Stamp(2**42, 2**42, 2**40), built)

    assert built.state == "succeeded"
    assert len(payload) < PAYLOAD_BYTES
    assert decode_reply(payload, content_type).result == outcome.result


async def test_a_larger_picture_is_made_smaller() -> None:
    """And the answer says how wide it is."""
    outcome = await take_picture({640: 99_000, 320: 60_000, 160: 9_000})

    assert (outcome.state, outcome.result["width"], outcome.result["bytes"]) == (
        "succeeded", 160, 9_000,
    )  # fmt: skip


async def test_a_picture_that_never_fits_is_told_so() -> None:
    """By a code, with its size."""
    outcome = await take_picture({640: 99_000, 320: 99_000, 160: 99_000})

    assert (outcome.state, outcome.code) == ("failed", "too_large")


async def test_no_picture_is_a_failure_with_its_reason() -> None:
    """The dispatcher turns it into the reason's code."""

    async def take_snapshot(_: str, __: int) -> bytes:
        raise NoPicture(Reason.STALLED, "no keyframe")

    handler = create(fake_dependencies(take_snapshot=take_snapshot))
    with pytest.raises(NoPicture):
        await handler.run(SnapshotArgs(camera="c07"), command_context())


@pytest.mark.parametrize(
    ("camera", "code"), [("c77", "not_found"), ("c08", "paused"), ("c07", None)]
)
def test_only_a_camera_in_use_is_planned(camera: str, code: str | None) -> None:
    """Absent or paused it is refused at once, with the place."""
    paused = CAMERA.model_copy(update={"id": "c08", "enabled": False})
    site = SiteConfig(cameras=(CAMERA, paused))
    handler = create(fake_dependencies(site=lambda: site))

    if code is None:
        assert handler.plan(SnapshotArgs(camera=camera)) == {"cam": camera, "width": 640}
        return
    with pytest.raises(MessageRejected) as refused:
        handler.plan(SnapshotArgs(camera=camera))
    assert [(each.at, each.code) for each in refused.value.faults] == [("/args/cam", code)]
