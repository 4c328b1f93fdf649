"""One camera as it is kept: its streams, and what is to be seen of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

from gateway.agent.keeper import Keeper
from gateway.agent.pictures import picture_of
from gateway.model.config import CameraConfig
from gateway.model.health import CameraSnapshot
from gateway.model.media import SourceCounters
from gateway.model.observation import StreamSnapshot
from gateway.model.reasons import Reason


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera of the site.

    Attributes:
        config: Of it.
        keepers: Of its streams, in the order of the configuration.
    """

    config: CameraConfig
    keepers: tuple[Keeper, ...]

    @property
    def spokesman(self) -> Keeper:
        """The stream that tells how the camera is: one that is open, or else the best."""
        return next((keeper for keeper in self.keepers if keeper.pulling), self.keepers[0])

    def trouble(self) -> tuple[Reason, str] | None:
        """Return why it cannot be watched now, and the detail; None if it can."""
        keeper = self.spokesman
        reason, _ = keeper.state()
        if reason in (Reason.OK, Reason.IDLE, Reason.CONNECTING):
            return None
        return reason, keeper.detail

    def snapshot(self, viewers: int) -> CameraSnapshot:
        """Return it as it is now; so many *viewers* watch it."""
        config, keeper = self.config, self.spokesman
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
            counters=self._counters(),
            viewers=viewers,
            codec=stream.video.codec if stream.video else None,
            width=picture.width if picture else None,
            height=picture.height if picture else None,
            last_unit_s=stream.last_unit_s,
            last_keyframe_s=stream.keyframe_s,
            gop_s=stream.gop_s,
        )

    def glance(self, viewers: int) -> tuple[object, ...]:
        """Return what stays equal while `snapshot` shows nothing new but times and counters."""
        keeper = self.spokesman
        stream, (reason, _) = keeper.stream, keeper.state()
        seen = (self.config, reason, keeper.detail, keeper.attempts)
        return (*seen, stream.video, stream.opening, viewers)

    def streams(self) -> Iterator[StreamSnapshot]:
        """Yield each of its streams as it is now."""
        for config, keeper in zip(self.config.streams, self.keepers, strict=True):
            stream, picture = keeper.stream, picture_of(keeper.stream)
            yield StreamSnapshot(
                camera=self.config.id,
                profile=config.profile,
                pulling=keeper.pulling,
                codec=stream.video.codec if stream.video else None,
                width=picture.width if picture else None,
                height=picture.height if picture else None,
                units=stream.counters.units,
                received_bytes=stream.counters.received_bytes,
            )

    def _counters(self) -> SourceCounters:
        total = replace(self.keepers[0].stream.counters)
        for keeper in self.keepers[1:]:
            for field in fields(total):
                added = getattr(keeper.stream.counters, field.name)
                setattr(total, field.name, getattr(total, field.name) + added)
        return total
