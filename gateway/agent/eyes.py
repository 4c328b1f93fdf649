"""Looks at what open cameras show, now and then, and makes single pictures when asked.

A look opens no camera: it takes the newest keyframe of a stream that is open anyway. Pictures and
thumbnails stay in memory, are never written and never logged; what leaves is a verdict, or the
JPEG that somebody asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn

import structlog

from gateway.agent.settings_eyes import Eyes as EyesSettings
from gateway.codec.decoder import Decoder
from gateway.codec.verdict import Verdict
from gateway.media.reader import Reader
from gateway.media.stream import Stream
from gateway.model.errors import NoPicture
from gateway.model.media import AccessUnit, Codec
from gateway.model.reasons import Reason
from gateway.ports import Clock
from gateway.relay.agree import Watchable
from gateway.rtp.codecs import GRAMMARS
from gateway.rtp.packet import Malformed
from gateway.rtp.payload import nal_units

JPEG_BYTES = 48 * 1024
NARROWEST, WIDEST = 64, 1920
SUB_WIDTH = 704
"""Up to this width the smallest stream will do."""
WAIT_S = 10.0
"""For a camera to be opened and send a keyframe; an older keyframe is not the present either."""
AT_ONCE = 4
"""Photographs in the making: each may open a camera."""
FORGOTTEN_S = 900.0
"""A camera that nobody has opened for so long may have been mended meanwhile."""
PAUSE_S = 1.0
"""Between two rounds when there is no camera."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Seen:
    verdict: Verdict = field(default_factory=Verdict)
    stream: Stream | None = None
    keyframe_s: float | None = None
    looked_s: float = 0.0


class Eyes:
    """Knows what is wrong with the pictures of open cameras.

    Args:
        cameras: Names all cameras of now.
        find: Returns what may be watched of a camera, as a viewer would.
        settings: Whether and how often.
        decoder: Whose `run` this runs.
    """

    def __init__(
        self,
        *,
        cameras: Callable[[], Iterable[str]],
        find: Callable[[str], Watchable | None],
        settings: EyesSettings,
        clock: Clock,
        decoder: Decoder | None = None,
    ) -> None:
        self._cameras = cameras
        self._find = find
        self._settings = settings
        self._clock = clock
        self._decoder = decoder or Decoder(clock=clock)
        self._seen: dict[str, _Seen] = {}
        self._photographs = 0

    async def run(self) -> None:
        """Look until cancelled. The decoder's process is gone when this returns."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._decoder.run(), name="decoder")
            if self._settings.enabled:
                group.create_task(self._keep_looking(), name="looks")

    def doubts(self) -> Mapping[str, frozenset[Reason]]:
        """Return what is wrong with the picture of each camera of which something is."""
        since_s = self._clock.now() - max(FORGOTTEN_S, 3 * self._settings.every_s)
        return {
            camera: seen.verdict.doubts
            for camera, seen in self._seen.items()
            if seen.verdict.doubts and seen.looked_s >= since_s
        }

    async def photograph(self, camera: str, width: int) -> bytes:
        """Return a JPEG of *camera* as it is now, at most *width* wide and `JPEG_BYTES` long.

        A camera that is not open is opened as for a viewer, and let go.

        Raises:
            NoPicture: There is none now, or none may be made; the reason says why.
        """
        if not self._settings.snapshots:
            raise NoPicture(Reason.PAUSED_BY_CONFIG, "snapshots are switched off on this gateway")
        if not NARROWEST <= width <= WIDEST:
            raise NoPicture(Reason.OFFER_INVALID, f"a width is {NARROWEST} to {WIDEST} pixels")
        watchable = self._find(camera)
        if watchable is None:
            raise NoPicture(Reason.NOT_FOUND, "no such camera, or it is paused")
        if self._photographs >= AT_ONCE:
            raise NoPicture(Reason.OVERLOADED, f"{AT_ONCE} pictures are being made already")
        self._photographs += 1
        try:
            stream = _chosen(watchable, width)
            coded, codec = await self._keyframe(watchable, stream)
            return await self._decoder.jpeg(
                camera, codec, coded, width=width, at_most_bytes=JPEG_BYTES
            )
        finally:
            self._photographs -= 1

    async def _keep_looking(self) -> NoReturn:
        while True:
            cameras = tuple(self._cameras())
            for camera in self._seen.keys() - set(cameras):
                del self._seen[camera]
            for camera in cameras:
                with suppress(NoPicture):  # damaged pictures are counted where they come in
                    await self._look(camera)
                await self._clock.sleep(self._settings.every_s / len(cameras))
            if not cameras:
                await self._clock.sleep(PAUSE_S)

    async def _look(self, camera: str) -> None:
        """Take one look, if *camera* is open and has sent a keyframe since the last one."""
        watchable = self._find(camera)
        if watchable is None:
            self._seen.pop(camera, None)  # paused: it may be another view when it comes back
            return
        seen = self._seen.setdefault(camera, _Seen())
        streams = [stream for _, stream in watchable.streams if stream.gop.units]
        if not streams:
            return
        # The same stream as before if it is open: two of them differ in sharpness. Else the last,
        # which is the smallest.
        stream = seen.stream if seen.stream in streams else streams[-1]
        assert stream is not None
        unit = stream.gop.units[0]
        if stream is seen.stream and unit.arrived_s == seen.keyframe_s:
            return
        seen.stream, seen.keyframe_s = stream, unit.arrived_s
        coded, codec = _annex_b(stream, unit)
        verdict = seen.verdict
        look = await self._decoder.look(camera, codec, coded, verdict.reference)
        before = verdict.doubts
        verdict.take(look)
        seen.looked_s = self._clock.now()
        if verdict.doubts != before:
            log.info("picture", camera=camera, doubts=sorted(verdict.doubts), before=sorted(before))

    async def _keyframe(self, watchable: Watchable, stream: Stream) -> tuple[bytes, Codec]:
        """Return a keyframe of now, and its codec, reading *stream* as a viewer would."""
        if watchable.refused:
            raise NoPicture(*_why(watchable))
        arrived: asyncio.Future[AccessUnit] = asyncio.get_running_loop().create_future()

        def take(unit: AccessUnit) -> bool:
            fresh = self._clock.now() - unit.arrived_s <= WAIT_S
            if unit.keyframe and fresh and not arrived.done():
                arrived.set_result(unit)
            return True

        reader = Reader(take)
        stream.attach(reader)
        try:
            async with asyncio.timeout(WAIT_S):
                unit = await arrived
        except TimeoutError:
            raise NoPicture(*_why(watchable)) from None
        finally:
            stream.detach(reader)
        return _annex_b(stream, unit)


def _chosen(watchable: Watchable, width: int) -> Stream:
    """Return the stream to photograph: the one that fits *width*, unless only another is open."""
    streams = [stream for _, stream in watchable.streams]
    if width <= SUB_WIDTH:
        streams.reverse()
    return next((stream for stream in streams if stream.gop.units), streams[0])


def _annex_b(stream: Stream, unit: AccessUnit) -> tuple[bytes, Codec]:
    """Return *unit* as a decoder takes it, and its codec."""
    video = stream.video
    assert video is not None, "a stream that delivers has said what"
    try:
        nals = list(nal_units(GRAMMARS[video.codec].shape, unit.payloads))
    except Malformed as error:
        raise NoPicture(Reason.CORRUPT, str(error)) from error
    return b"".join(b"\0\0\0\1" + nal for nal in nals), video.codec


def _why(watchable: Watchable) -> tuple[Reason, str]:
    """Return why *watchable* sends no keyframe."""
    return watchable.trouble() or (Reason.TIMEOUT, f"no keyframe within {WAIT_S:g} s")
