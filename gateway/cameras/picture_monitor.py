"""Analyses the cameras' pictures, and makes still pictures on request.

Decoding happens in the worker process of `gateway.vision`, one keyframe at a time. Pictures are
held in memory only, as a thumbnail per camera, and are never logged.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from weakref import WeakKeyDictionary

import structlog

from gateway.config.settings import PictureChecks
from gateway.model.errors import NoPicture
from gateway.model.media import AccessUnit
from gateway.model.reasons import Reason
from gateway.ports import Clock
from gateway.rtp.codecs import coded_picture
from gateway.rtp.packet import Malformed
from gateway.runtime.bugs import report_bug
from gateway.streams.camera_streams import CameraStreams
from gateway.streams.reader import Reader
from gateway.streams.stream import Stream
from gateway.vision.decoder import Decoder
from gateway.vision.metrics import PictureAnalysis
from gateway.vision.quality import PictureQuality

OPENING_S = 10.0
"""How long a camera may take to show a keyframe; an older one is not the present either."""

MAX_SNAPSHOTS = 4
"""Still pictures in the making at once: each may open a camera."""

FORGET_AFTER_S = 900.0
"""A camera that has not been open for so long may have been mended meanwhile."""

SMALL_WIDTH, SMALL_BYTES, LARGE_BYTES = 1280, 49_152, 1_000_000
"""A picture up to this width fits into one message; a larger one is sent elsewhere."""

MIN_PAUSE_S = 0.5
"""Between two analyses at least, however many cameras there are."""

UNEVEN = 0.3
"""By so much of itself a pause is longer or shorter by chance. A recording that is played in a loop
as long as a pause would else be looked at in the same place each time, and seem frozen."""

log = structlog.get_logger(__name__)


class PictureMonitor:
    """Analyses a picture of every open camera in turn, and makes still pictures.

    Args:
        settings: Whether and how often.
        cameras: Returns the ids of all cameras.
        find: Returns the streams of a camera; None: unknown or paused.
        decoder: Decodes; `run` runs it.
        clock: Monotonic.
    """

    def __init__(
        self,
        settings: PictureChecks,
        *,
        cameras: Callable[[], Iterable[str]],
        find: Callable[[str], CameraStreams | None],
        decoder: Decoder,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._cameras = cameras
        self._find = find
        self._decoder = decoder
        self._clock = clock
        self._random = random.Random()
        self._qualities: dict[str, tuple[Stream, PictureQuality]] = {}
        self._by_stream: WeakKeyDictionary[Stream, PictureQuality] = WeakKeyDictionary()
        self._analyzed: dict[str, tuple[int, float]] = {}
        self._snapshots_running = 0

    async def run(self) -> None:
        """Analyse until cancelled. The worker process has ended when this returns."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._decoder.run(), name="decoder")
            if self._settings.enabled:
                await self._analyze_in_turn()

    def suspected_faults(self) -> Mapping[str, frozenset[Reason]]:
        """Return what seems wrong with the picture of which camera, by its last analysis."""
        since_s = self._clock.now() - max(FORGET_AFTER_S, 3 * self._settings.every_s)
        return {
            camera: quality.suspected_faults
            for camera, (_, quality) in self._qualities.items()
            if quality.suspected_faults and self._analyzed[camera][1] >= since_s
        }

    async def snapshot(self, camera: str, width: int) -> bytes:
        """Return a still picture of *camera* as JPEG, at most *width* pixels wide.

        A camera that nobody watches is opened for it, as for a viewer.

        Raises:
            NoPicture: There is no such camera, it does not work, its picture cannot be decoded,
                or none may be taken; the reason says which.
        """
        if not self._settings.snapshots:
            raise NoPicture(
                Reason.PAUSED_BY_CONFIG, "[picture_checks] snapshots is off on this machine"
            )
        camera_streams = self._find(camera)
        if camera_streams is None:
            raise NoPicture(Reason.NOT_FOUND, "no such camera here")
        if self._snapshots_running >= MAX_SNAPSHOTS:
            raise NoPicture(Reason.OVERLOADED, f"{MAX_SNAPSHOTS} pictures are being made already")
        self._snapshots_running += 1
        try:
            streams = [stream for _, stream in camera_streams.streams]
            stream = next((each for each in streams if each.gop.keyframe), streams[0])
            unit = await self._next_keyframe(stream, camera_streams)
            assert stream.video is not None
            return await self._decoder.encode_jpeg(
                camera,
                stream.video.codec,
                _coded(stream, unit),
                width=width,
                at_most_bytes=SMALL_BYTES if width <= SMALL_WIDTH else LARGE_BYTES,
            )
        finally:
            self._snapshots_running -= 1

    async def _next_keyframe(self, stream: Stream, camera_streams: CameraStreams) -> AccessUnit:
        """Return a keyframe of now, reading *stream* as a viewer does. Raises NoPicture."""
        if camera_streams.refused:
            raise NoPicture(*_reason_and_detail(camera_streams))
        newest: asyncio.Future[AccessUnit] = asyncio.get_running_loop().create_future()

        def accept(unit: AccessUnit) -> bool:
            young = self._clock.now() - unit.arrived_s <= OPENING_S
            if unit.keyframe and young and not newest.done():
                newest.set_result(unit)
            return True

        reader = Reader(accept)
        stream.attach(reader)
        try:
            async with asyncio.timeout(OPENING_S):
                return await newest
        except TimeoutError:
            raise NoPicture(*_reason_and_detail(camera_streams)) from None
        finally:
            stream.detach(reader)

    async def _analyze_in_turn(self) -> None:
        while True:
            cameras = tuple(self._cameras())
            for gone in self._qualities.keys() - set(cameras):
                del self._qualities[gone], self._analyzed[gone]
            for camera in cameras:
                pause_s = max(MIN_PAUSE_S, self._settings.every_s / len(cameras))
                await self._clock.sleep(pause_s * self._random.uniform(1 - UNEVEN, 1 + UNEVEN))
                try:
                    await self._analyze(camera)
                except Exception as error:  # ends this analysis only
                    report_bug("camera", error, camera)
            if not cameras:
                await self._clock.sleep(self._settings.every_s)

    async def _analyze(self, camera: str) -> None:
        """Analyse the picture of *camera* if it is open and has a new keyframe."""
        stream = self._open_stream(camera)
        unit = None if stream is None else stream.gop.keyframe
        if stream is None or stream.video is None or unit is None:
            return
        known, quality = self._qualities.get(camera, (None, PictureQuality()))
        if known is not stream:  # another profile, or the camera was configured anew
            quality = self._by_stream.setdefault(stream, PictureQuality())
        elif self._analyzed[camera][0] == unit.time_90k:
            return
        self._analyzed[camera] = unit.time_90k, self._clock.now()
        try:
            analysis: PictureAnalysis | None = await self._decoder.analyze(
                camera, stream.video.codec, _coded(stream, unit), quality.reference
            )
        except NoPicture as error:
            log.debug("picture_not_analyzed", camera=camera, detail=str(error))
            if error.reason is not Reason.CORRUPT:  # the machine's fault, not the picture's
                return
            analysis = None
        before = quality.suspected_faults
        self._qualities[camera] = stream, quality
        faults = quality.update_undecodable() if analysis is None else quality.update(analysis)
        if quality.interlaced is not None:
            stream.combed = quality.interlaced
        if faults != before:
            log.warning("picture_faults_changed", camera=camera, faults=sorted(faults))

    def _open_stream(self, camera: str) -> Stream | None:
        """Return the smallest stream of *camera* that is open and has a picture."""
        camera_streams = self._find(camera)
        if camera_streams is None:
            return None
        found = [stream for _, stream in camera_streams.streams if stream.gop.keyframe]
        return found[-1] if found else None


def _reason_and_detail(camera_streams: CameraStreams) -> tuple[Reason, str]:
    """Return why *camera_streams* shows nothing."""
    return camera_streams.trouble() or (Reason.TIMEOUT, f"no keyframe within {OPENING_S:g} s")


def _coded(stream: Stream, unit: AccessUnit) -> bytes:
    """Return *unit* as a decoder takes it. Raises NoPicture: its payloads make no whole picture."""
    assert stream.video is not None
    try:
        return coded_picture(stream.video.codec, unit.payloads)
    except Malformed as error:
        raise NoPicture(Reason.CORRUPT, str(error)) from None
