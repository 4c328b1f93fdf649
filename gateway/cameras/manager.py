"""Supervises exactly one stream for each configured stream of each camera."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Protocol

from gateway.cameras.camera import Camera, is_oversized, last_video_info_of, obstacle_of
from gateway.cameras.stream_supervisor import StreamSupervisor
from gateway.model.health import CameraSnapshot
from gateway.model.inventory import StreamSnapshot
from gateway.model.media import Codec, VideoFormat
from gateway.model.reasons import Reason
from gateway.model.site_document import CameraConfig, Limits, SiteConfig, StreamConfig
from gateway.ports import Clock, Source, TranscodingSource
from gateway.rtp.video_info import VideoInfo
from gateway.streams.camera_streams import CameraStreams
from gateway.streams.gop_cache import GopCache
from gateway.streams.slate import Slate
from gateway.streams.stream import Stream

STAGGER_S = 0.25
"""Between the first looks at two cameras: recorders choke on all channels at once. Each has a
tick of the clock (`gateway.runtime.clock`) for itself."""


class CreateTranscode(Protocol):
    """Makes the source that transcodes *stream* of *site*; its *name* is for the log."""

    def __call__(
        self, site: SiteConfig, name: str, stream: Stream, *, reduced: bool = False
    ) -> TranscodingSource:
        """With *reduced* a small picture comes out, a few times a second."""
        ...


class CameraManager:
    """Runs the cameras of a site; none is affected by the failure of another.

    Args:
        site: Which cameras.
        source: Makes the source of one stream of a site.
        viewers: Returns how many watch a camera.
        transcode: Makes the source that transcodes a stream of a site; None: nothing is.
        slate: Returns what stands in for pictures of a codec that looked like that, to say a
            reason; None: there is nothing.
    """

    def __init__(
        self,
        site: SiteConfig,
        *,
        source: Callable[[SiteConfig, CameraConfig, StreamConfig], Source],
        viewers: Callable[[str], int],
        transcode: CreateTranscode | None = None,
        slate: Callable[[Codec, VideoInfo | None, Reason], Slate | None] = lambda *_: None,
        clock: Clock,
    ) -> None:
        self._source = source
        self._transcode = transcode
        self._slate = slate
        self._viewers = viewers
        self._clock = clock
        self._site = site
        self._cameras: dict[str, Camera] = {}
        self._tasks: dict[StreamSupervisor, asyncio.Task[None]] = {}
        self._ending: dict[str, list[asyncio.Task[None]]] = {}
        self._changed = asyncio.Event()
        self.apply(site)

    @property
    def site(self) -> SiteConfig:
        """The cameras in force, and their limits."""
        return self._site

    async def run(self) -> None:
        """Run every enabled camera until cancelled. All sessions have ended when this returns."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._changed.clear()
                self._reconcile(group)
                await self._changed.wait()

    def apply(self, site: SiteConfig) -> tuple[str, ...]:
        """Put *site* in force; return the ids of the cameras whose sessions end by that.

        A camera of which only name or location have changed keeps its session. One that is gone,
        paused or otherwise changed ends its session first, and is then started again if enabled.
        """
        before = self._cameras
        reusable = before if _same_stream_limits(site.limits, self._site.limits) else {}
        self._site = site
        self._cameras = self._build_cameras(site, reusable)
        self._changed.set()
        return tuple(
            name
            for name, camera in before.items()
            if name not in self._cameras
            or self._cameras[name].supervisors is not camera.supervisors
        )

    def restart(self, camera_id: str) -> bool:
        """End the session of a camera and start it again; False if it is unknown or paused."""
        camera = self._cameras.get(camera_id)
        if camera is None or not camera.config.enabled:
            return False
        for supervisor in camera.supervisors:
            supervisor.restart()
        return True

    def find(self, camera_id: str) -> CameraStreams | None:
        """Return the streams of a camera; None if it is unknown or paused."""
        camera = self._cameras.get(camera_id)
        if camera is None or not camera.config.enabled:
            return None
        streams = tuple(
            (config.profile, supervisor.stream)
            for config, supervisor in zip(camera.config.streams, camera.supervisors, strict=True)
        )
        refused = all(supervisor.parked for supervisor in camera.supervisors[:1])
        profiles = [config.profile for config in camera.config.streams]
        made = [supervisor.stream for supervisor in camera.transcoders]
        return CameraStreams(
            streams,
            camera.trouble,
            refused,
            transcodes=tuple(zip(profiles, made, strict=False)),
            reduced=tuple(zip(profiles, made[len(profiles) :], strict=False)),
            obstacle=obstacle_of,
            oversized=is_oversized,
            admit_transcode=camera.admit_transcode,
            slate=lambda stream, codec: self._slate(
                codec, last_video_info_of(stream), camera.absence_of(stream)
            ),
        )

    def snapshots(self) -> tuple[CameraSnapshot, ...]:
        """Return the state of every camera now, in the order of the configuration."""
        return tuple(camera.snapshot(self._viewers(name)) for name, camera in self._cameras.items())

    def change_key(self) -> tuple[object, ...]:
        """Return what changes when `snapshots` do, times and counters aside; it costs less."""
        return tuple(
            camera.change_key(self._viewers(name)) for name, camera in self._cameras.items()
        )

    def streams(self) -> Iterator[StreamSnapshot]:
        """Yield the state of every stream of every camera now."""
        for camera in self._cameras.values():
            yield from camera.streams()

    def _reconcile(self, group: asyncio.TaskGroup) -> None:
        """Start the supervisors that are wanted and not running; cancel those not wanted."""
        wanted = {
            supervisor: name
            for name, camera in self._cameras.items()
            if camera.config.enabled
            for supervisor in (*camera.supervisors, *camera.transcoders)
        }
        for supervisor in self._tasks.keys() - wanted.keys():
            task = self._tasks.pop(supervisor)
            task.cancel()
            self._ending.setdefault(task.get_name(), []).append(task)
        for name, tasks in list(self._ending.items()):
            tasks[:] = [task for task in tasks if not task.done()]
            if not tasks:
                del self._ending[name]
        for supervisor, camera in wanted.items():
            if supervisor not in self._tasks:
                name = f"camera:{camera}"
                before = tuple(self._ending.get(name, ()))
                self._tasks[supervisor] = group.create_task(
                    _run_after(supervisor, before), name=name
                )

    def _build_cameras(
        self, site: SiteConfig, unchanged: Mapping[str, Camera]
    ) -> dict[str, Camera]:
        made: dict[str, Camera] = {}
        begun = 0
        for config in site.cameras:
            old = unchanged.get(config.id)
            if old is not None and _same_source(config, old.config):
                made[config.id] = Camera(config, old.supervisors, old.transcodes)
            else:
                supervisors = tuple(self._supervisors(config, begun))
                transcodes = tuple(self._transcodes(config, supervisors))
                made[config.id] = Camera(config, supervisors, transcodes)
                begun += 1
        return made

    def _supervisors(self, config: CameraConfig, number: int) -> Iterator[StreamSupervisor]:
        limits = self._site.limits
        for index, stream_config in enumerate(config.streams):
            stream = Stream(
                self._source(self._site, config, stream_config),
                warm=stream_config.keep == "warm",
                linger_s=stream_config.linger_s,
                gop=GopCache(limit_bytes=limits.gop_bytes, limit_s=limits.gop_s),
                clock=self._clock,
            )
            yield StreamSupervisor(
                f"{config.id}/{stream_config.profile}",
                stream_config,
                stream,
                probe_when_idle=index == 0,
                delay_s=number * STAGGER_S,
                clock=self._clock,
            )

    def _transcodes(
        self, config: CameraConfig, supervisors: tuple[StreamSupervisor, ...]
    ) -> Iterator[tuple[TranscodingSource, StreamSupervisor]]:
        """Yield what transcodes each of the streams of *supervisors*, when it is wanted.

        First as large as the configuration says, then reduced.
        """
        if self._transcode is None:
            return
        limits = self._site.limits
        listed = list(zip(config.streams, supervisors, strict=True))
        for reduced, (stream_config, supervisor) in product((False, True), listed):
            kind = "reduced" if reduced else "transcoded"
            name = f"{config.id}/{stream_config.profile}/{kind}"
            source = self._transcode(self._site, name, supervisor.stream, reduced=reduced)
            stream = Stream(
                source,
                warm=False,
                linger_s=stream_config.linger_s,
                gop=GopCache(limit_bytes=limits.gop_bytes, limit_s=limits.gop_s),
                clock=self._clock,
            )
            stream.video = VideoFormat("h264")  # known before it is opened
            supervisor = StreamSupervisor(
                name, stream_config, stream, probe_when_idle=False, delay_s=0.0, clock=self._clock
            )
            yield source, supervisor


async def _run_after(supervisor: StreamSupervisor, before: tuple[asyncio.Task[None], ...]) -> None:
    """Run *supervisor* once its predecessors are gone: recorders have few sessions."""
    if before:
        await asyncio.wait(before)
    await supervisor.run()


def _same_source(one: CameraConfig, other: CameraConfig) -> bool:
    """Return whether at most name and location differ."""
    names = {"name": "", "location": ""}
    return one.model_copy(update=names) == other.model_copy(update=names)


def _same_stream_limits(one: Limits, other: Limits) -> bool:
    """Return whether streams made under *one* are right under *other*."""
    return all(
        getattr(one, name) == getattr(other, name)
        for name in ("payload_bytes", "gop_bytes", "gop_s")
    )
