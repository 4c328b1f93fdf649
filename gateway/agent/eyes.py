"""Looking at pictures: whether they show anything, and a still one for whoever may ask.

Decoding happens in the child of `gateway.codec`, one keyframe at a time. Pictures are kept in
memory only, as a thumbnail per camera, and are never logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

import structlog

from gateway.agent.settings_eyes import EyesSettings
from gateway.codec.decoder import Decoder
from gateway.codec.judge import Judge
from gateway.media.reader import Reader
from gateway.media.stream import Stream
from gateway.model.errors import NoPicture
from gateway.model.media import AccessUnit
from gateway.model.reasons import Reason
from gateway.ports import Clock
from gateway.relay.agree import Watchable
from gateway.rtp.codecs import GRAMMARS
from gateway.rtp.packet import Malformed
from gateway.rtp.payload import annex_b, nal_units

OPENING_S = 10.0
"""How long a camera that nobody watches may take to show its first picture."""

SMALL_WIDTH, SMALL_BYTES, LARGE_BYTES = 1280, 49_152, 1_000_000
"""A picture up to this width fits into one message; a larger one is sent elsewhere."""

REST_S = 0.5
"""Between two looks at least, however many cameras there are."""

log = structlog.get_logger(__name__)


class Eyes:
    """Looks at every open camera in turn, and takes photographs.

    Args:
        settings: Whether and how often.
        cameras: Returns the ids of all cameras.
        find: Returns what may be watched of a camera.
        decoder: Runs the child; `run` runs it.
        clock: Monotonic.
    """

    def __init__(
        self,
        settings: EyesSettings,
        *,
        cameras: Callable[[], Iterable[str]],
        find: Callable[[str], Watchable | None],
        decoder: Decoder,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._cameras = cameras
        self._find = find
        self._decoder = decoder
        self._clock = clock
        self._judges: dict[str, tuple[Stream, Judge]] = {}
        self._seen: dict[str, int] = {}

    async def run(self) -> None:
        """Look until cancelled. The child is gone when this returns."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._decoder.run(), name="decoder")
            if self._settings.enabled:
                await self._look_around()

    def doubts(self) -> Mapping[str, frozenset[Reason]]:
        """Return what is wrong with which camera's picture, as far as it has been looked at."""
        return {camera: judge.doubts for camera, (_, judge) in self._judges.items() if judge.doubts}

    async def photograph(self, camera: str, width: int) -> bytes:
        """Return a still picture of *camera* as JPEG, at most *width* pixels wide.

        A camera that nobody watches is opened for it, as for a viewer.

        Raises:
            NoPicture: There is no such camera, it does not work, its picture cannot be decoded,
                or none may be taken; the reason says which.
        """
        if not self._settings.snapshots:
            raise NoPicture(Reason.POLICY_DENIED, "[eyes] snapshots is off on this machine")
        watchable = self._find(camera)
        if watchable is None:
            raise NoPicture(Reason.NOT_FOUND, "no such camera here")
        streams = [stream for _, stream in watchable.streams]
        stream = next((each for each in streams if each.gop.units), streams[0])
        unit = stream.gop.units[0] if stream.gop.units else await _opened(stream, watchable)
        assert stream.video is not None
        return await self._decoder.jpeg(
            camera,
            stream.video.codec,
            _coded(stream, unit),
            width=width,
            at_most_bytes=SMALL_BYTES if width <= SMALL_WIDTH else LARGE_BYTES,
        )

    async def _look_around(self) -> None:
        while True:
            cameras = tuple(self._cameras())
            for gone in self._judges.keys() - set(cameras):
                del self._judges[gone]
            for camera in cameras:
                await self._clock.sleep(max(REST_S, self._settings.every_s / len(cameras)))
                await self._look(camera)
            if not cameras:
                await self._clock.sleep(self._settings.every_s)

    async def _look(self, camera: str) -> None:
        """Look at *camera* if it is open and has shown something new since the last time."""
        stream = self._open_stream(camera)
        if stream is None or stream.video is None:
            return
        unit = stream.gop.units[0]
        known, judge = self._judges.get(camera, (None, Judge()))
        if known is not stream:  # another profile, or the camera was configured anew
            judge = Judge()
        elif self._seen.get(camera) == unit.time_90k:
            return
        self._seen[camera] = unit.time_90k
        try:
            look = await self._decoder.look(
                camera, stream.video.codec, _coded(stream, unit), judge.reference
            )
        except NoPicture as error:
            log.debug("not looked at", camera=camera, detail=str(error))
            return
        before = judge.doubts
        self._judges[camera] = stream, judge
        if judge.take(look) != before:
            log.warning("picture", camera=camera, doubts=sorted(judge.doubts))

    def _open_stream(self, camera: str) -> Stream | None:
        """Return the smallest stream of *camera* that is open and has a picture."""
        watchable = self._find(camera)
        if watchable is None:
            return None
        found = [stream for _, stream in watchable.streams if stream.gop.units]
        return found[-1] if found else None


async def _opened(stream: Stream, watchable: Watchable) -> AccessUnit:
    """Open *stream* as a viewer does, and return its first keyframe. Raises NoPicture."""
    first: asyncio.Future[AccessUnit] = asyncio.get_running_loop().create_future()

    def take(unit: AccessUnit) -> bool:
        if not first.done():
            first.set_result(unit)
        return True

    reader = Reader(take)
    stream.attach(reader)
    try:
        async with asyncio.timeout(OPENING_S):
            return await first
    except TimeoutError:
        reason, detail = watchable.trouble() or (Reason.TIMEOUT, "no picture in time")
        raise NoPicture(reason, detail) from None
    finally:
        stream.detach(reader)


def _coded(stream: Stream, unit: AccessUnit) -> bytes:
    """Return *unit* in Annex B form. Raises NoPicture: its payloads make no whole picture."""
    assert stream.video is not None
    try:
        return annex_b(nal_units(GRAMMARS[stream.video.codec].shape, unit.payloads))
    except Malformed as error:
        raise NoPicture(Reason.CORRUPT, str(error)) from None
