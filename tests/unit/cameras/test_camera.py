"""What is seen of a camera at a change key, and what costs a closer look."""

from __future__ import annotations

import pytest

from gateway.cameras.camera import Camera
from gateway.model.media import VideoFormat
from gateway.model.reasons import Reason
from gateway.model.site_document import CameraConfig
from tests.fixtures.access_units import access_unit
from tests.unit.cameras.test_stream_supervisor import REFUSED, Kept, keeping

CONFIG = CameraConfig.model_validate(
    {"id": "c01", "name": "Sảnh", "streams": [{"url": "rtsp://10.0.0.1/main"}]}
)


def camera(kept: Kept, config: CameraConfig = CONFIG) -> Camera:
    return Camera(config, (kept.supervisor,))


async def test_pictures_that_come_change_nothing_at_a_change_key() -> None:
    """Only counters and times, which a report takes once a minute."""
    async with keeping(Kept(warm=True)) as kept:
        await kept.until(lambda: kept.source.sink is not None)
        kept.clock.time_s += 1
        kept.stream.deliver(access_unit(0, keyframe=True, arrived_s=kept.clock.now()))
        before = camera(kept).change_key(0)

        kept.source.counters.units += 25
        kept.stream.deliver(access_unit(1, arrived_s=kept.clock.now()))

        assert camera(kept).change_key(0) == before


async def test_the_first_picture_is_seen_at_a_change_key() -> None:
    """The camera has come up."""
    async with keeping(Kept(warm=True)) as kept:
        await kept.until(lambda: kept.source.sink is not None)
        before = camera(kept).change_key(0)

        kept.clock.time_s += 1
        kept.stream.deliver(access_unit(0, keyframe=True, arrived_s=kept.clock.now()))

        assert camera(kept).change_key(0) != before


async def test_trouble_is_seen_at_a_change_key() -> None:
    """With its reason."""
    kept = Kept()
    kept.source.fails = [REFUSED]
    before = camera(kept).change_key(0)
    async with keeping(kept):
        await kept.until(lambda: kept.reason() is Reason.AUTH_FAILED)

        assert camera(kept).change_key(0) != before


@pytest.mark.parametrize(
    "change",
    [
        lambda kept: camera(kept).change_key(1),
        lambda kept: camera(kept, CONFIG.model_copy(update={"name": "Quầy"})).change_key(0),
        lambda kept: setattr(kept.stream, "video", VideoFormat("h265")),
        lambda kept: setattr(kept.stream, "opening", (b"\x67",)),
        lambda kept: setattr(kept.supervisor, "detail", "no route"),
        lambda kept: setattr(kept.supervisor, "attempts", 3),
    ],
)
async def test_whatever_a_person_would_see_is_seen_at_a_change_key(change: object) -> None:
    """Viewers, name, codec, size, detail, attempts."""
    kept = Kept()
    before = camera(kept).change_key(0)

    assert callable(change)
    after = change(kept) or camera(kept).change_key(0)

    assert after != before


async def test_a_snapshot_says_what_it_is_in_full() -> None:
    """The source's counters among it."""
    kept = Kept()
    kept.source.counters.packets = 7

    snapshot = camera(kept).snapshot(2)

    assert (snapshot.id, snapshot.name, snapshot.viewers) == ("c01", "Sảnh", 2)
    assert snapshot.counters.packets == 7
    assert snapshot.counters is not kept.source.counters
