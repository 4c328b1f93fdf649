"""Exactly one supervised stream for each configured stream of each camera."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, fields

from gateway.agent.keeper import Keeper
from gateway.agent.pictures import picture_of
from gateway.media.gop import Gop
from gateway.media.stream import Stream
from gateway.model.config import CameraConfig, Limits, SiteConfig, StreamConfig
from gateway.model.health import CameraSnapshot
from gateway.model.media import SourceCounters
from gateway.model.observation import StreamSnapshot
from gateway.model.reasons import Reason
from gateway.ports import Clock, Source
from gateway.relay.agree import Watchable

STAGGER_S = 0.2
"""Between the first looks at two cameras: recorders choke on all channels at once."""


class Fleet:
    """Runs the cameras of a site, each alone in its trouble.

    Args:
        site: Which cameras.
        source: Makes the source of one stream.
        viewers: Returns how many watch a camera.
    """

    def __init__(
        self,
        site: SiteConfig,
        *,
        source: Callable[[CameraConfig, StreamConfig], Source],
        viewers: Callable[[str], int],
        clock: Clock,
    ) -> None:
        self._viewers = viewers
        self._clock = clock
        self._cameras = {
            config.id: _Camera(config, tuple(self._keepers(config, number, site.limits, source)))
            for number, config in enumerate(site.cameras)
        }

    async def run(self) -> None:
        """Keep every enabled camera until cancelled. All sessions are left when this returns."""
        async with asyncio.TaskGroup() as group:
            for camera in self._cameras.values():
                if camera.config.enabled:
                    for keeper in camera.keepers:
                        group.create_task(keeper.run(), name=f"camera:{camera.config.id}")

    def restart(self, camera_id: str) -> bool:
        """Leave a camera and begin it anew; False if there is none or it is paused."""
        camera = self._cameras.get(camera_id)
        if camera is None or not camera.config.enabled:
            return False
        for keeper in camera.keepers:
            keeper.begin_anew()
        return True

    def find(self, camera_id: str) -> Watchable | None:
        """Return what may be watched of a camera; None if there is none or it is paused."""
        camera = self._cameras.get(camera_id)
        if camera is None or not camera.config.enabled:
            return None
        streams = tuple(
            (config.profile, keeper.stream)
            for config, keeper in zip(camera.config.streams, camera.keepers, strict=True)
        )
        refused = all(keeper.parked for keeper in camera.keepers[:1])
        return Watchable(streams, camera.trouble, refused)

    def snapshots(self) -> tuple[CameraSnapshot, ...]:
        """Return every camera as it is now, in the order of the configuration."""
        return tuple(self._snapshot(camera) for camera in self._cameras.values())

    def streams(self) -> Iterator[StreamSnapshot]:
        """Yield every stream of every camera as it is now."""
        for camera in self._cameras.values():
            for config, keeper in zip(camera.config.streams, camera.keepers, strict=True):
                stream, picture = keeper.stream, picture_of(keeper.stream)
                yield StreamSnapshot(
                    camera=camera.config.id,
                    profile=config.profile,
                    pulling=keeper.pulling,
                    codec=stream.video.codec if stream.video else None,
                    width=picture.width if picture else None,
                    height=picture.height if picture else None,
                    units=stream.counters.units,
                    received_bytes=stream.counters.received_bytes,
                )

    def _keepers(
        self,
        config: CameraConfig,
        number: int,
        limits: Limits,
        source: Callable[[CameraConfig, StreamConfig], Source],
    ) -> Iterator[Keeper]:
        for index, stream_config in enumerate(config.streams):
            stream = Stream(
                source(config, stream_config),
                warm=stream_config.keep == "warm",
                linger_s=stream_config.linger_s,
                gop=Gop(limit_bytes=limits.gop_bytes, limit_s=limits.gop_s),
                clock=self._clock,
            )
            yield Keeper(
                f"{config.id}/{stream_config.profile}",
                stream_config,
                stream,
                looked_at=index == 0,
                delay_s=number * STAGGER_S,
                clock=self._clock,
            )

    def _snapshot(self, camera: _Camera) -> CameraSnapshot:
        config, keeper = camera.config, camera.spokesman
        reason, since_s = keeper.state()
        stream = keeper.stream
        picture = picture_of(stream)
        return CameraSnapshot(
            id=config.id,
            name=config.name,
            location=config.location,
            profiles=tuple(stream_config.profile for stream_config in config.streams),
            enabled=config.enabled,
            reason=reason if config.enabled else Reason.PAUSED_BY_CONFIG,
            detail=keeper.detail,
            since_s=since_s,
            attempts=keeper.attempts,
            again_at_s=keeper.again_at_s,
            counters=camera.counters(),
            viewers=self._viewers(config.id),
            codec=stream.video.codec if stream.video else None,
            width=picture.width if picture else None,
            height=picture.height if picture else None,
            last_unit_s=stream.last_unit_s,
            last_keyframe_s=stream.gop.keyframe_s,
            gop_s=stream.gop.length_s,
        )


@dataclass(frozen=True, slots=True)
class _Camera:
    config: CameraConfig
    keepers: tuple[Keeper, ...]

    @property
    def spokesman(self) -> Keeper:
        """The stream that tells how the camera is: one that is open, or else the best."""
        return next((keeper for keeper in self.keepers if keeper.pulling), self.keepers[0])

    def trouble(self) -> tuple[Reason, str] | None:
        keeper = self.spokesman
        reason, _ = keeper.state()
        if reason in (Reason.OK, Reason.IDLE, Reason.CONNECTING):
            return None
        return reason, keeper.detail

    def counters(self) -> SourceCounters:
        total = copy(self.keepers[0].stream.counters)
        for keeper in self.keepers[1:]:
            for field in fields(total):
                added = getattr(keeper.stream.counters, field.name)
                setattr(total, field.name, getattr(total, field.name) + added)
        return total
