"""The video of a virtual camera: each picture is encoded once, in time, and sent to every viewer.

Live footage is encoded in one thread per camera, one picture ahead, and only while somebody
watches.
"""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from gateway.demo.encoder import CodedPicture, nal_type
from gateway.demo.faults import Frozen, MarkerOnSets, NoMarker, SetsOnlyInSdp
from gateway.demo.jpeg_payloads import jpeg_payloads
from gateway.demo.virtual_camera import VirtualCamera
from gateway.model.media import VIDEO_CLOCK_HZ
from gateway.rtp.codecs import packetise

MarkedPayloads = list[tuple[bytes, bool]]
"""RTP payloads of one picture, each with its marker bit (RFC 3550 §5.1)."""


class VideoSink(Protocol):
    """Where the pictures for one viewer go."""

    def send_picture(self, coded: CodedPicture, payloads: MarkedPayloads, time_90k: int) -> None:
        """Send one picture. Must neither block nor raise."""
        ...


class VideoLoop:
    """Produces the pictures of one camera."""

    def __init__(self, camera: VirtualCamera) -> None:
        self._camera = camera
        self._sinks: set[VideoSink] = set()
        self._watched = asyncio.Event()
        self._keyframe_wanted = False

    def subscribe(self, sink: VideoSink) -> None:
        """Send every picture to *sink* from now on."""
        self._sinks.add(sink)
        self._keyframe_wanted |= self._camera.behaviour.join == "at_once"
        self._watched.set()

    def unsubscribe(self, sink: VideoSink) -> None:
        """Send no more pictures to *sink*."""
        self._sinks.discard(sink)
        if not self._sinks:
            self._watched.clear()

    def request_keyframe(self) -> None:
        """Encode the next picture as a keyframe; a recording has its own."""
        self._keyframe_wanted = True

    async def run(self) -> None:
        """Send pictures at the frame rate until cancelled."""
        with ThreadPoolExecutor(1, thread_name_prefix=f"video {self._camera.name}") as pool:
            began_s = asyncio.get_running_loop().time()
            while await self._watched.wait():
                await self._run_while_watched(began_s, pool)

    async def _run_while_watched(self, began_s: float, pool: ThreadPoolExecutor) -> None:
        """Send pictures while there is a sink."""
        loop, footage = asyncio.get_running_loop(), self._camera.footage
        fps = footage.settings.fps
        index = int((loop.time() - began_s) * fps) + 1
        gop = round(footage.settings.gop_s * fps)
        position = 0 if self._camera.behaviour.join == "at_once" else gop // 2
        while self._sinks:
            frozen = self._camera.active_fault(Frozen) is not None
            fresh, self._keyframe_wanted = self._keyframe_wanted, False
            position = 0 if frozen else position
            encode = functools.partial(footage.picture, position, fresh=fresh, frozen=frozen)
            coded = await loop.run_in_executor(pool, encode) if footage.blocking else encode()
            time_90k = (index + coded.reorder_offset) * VIDEO_CLOCK_HZ // fps
            payloads = self._payloads(coded)
            for sink in tuple(self._sinks):
                sink.send_picture(coded, payloads, time_90k)
            # After a late picture the next one still comes at its own time, or at once.
            behind = max(0, int((loop.time() - began_s) * fps) - index - 1)
            step = 1 + footage.skippable(position + 1, behind)
            index, position = index + step, position + step
            await asyncio.sleep(began_s + index / fps - loop.time())

    def _payloads(self, coded: CodedPicture) -> MarkedPayloads:
        camera = self._camera
        codec, limit = camera.footage.settings.codec, camera.behaviour.payload_bytes
        units = coded.nal_units
        ends = not camera.active_fault(NoMarker)
        if codec == "mjpeg":
            return _mark(jpeg_payloads(units[0], limit), ends)
        sets = {nal_type(unit, codec) for unit in camera.footage.parameter_sets}
        if camera.active_fault(SetsOnlyInSdp):
            units = tuple(unit for unit in units if nal_type(unit, codec) not in sets)
        marked: MarkedPayloads = []
        if camera.active_fault(MarkerOnSets):
            marked = [(unit, True) for unit in units if nal_type(unit, codec) in sets]
            units = tuple(unit for unit in units if nal_type(unit, codec) not in sets)
        return marked + _mark(packetise(units, codec, limit), ends)


def _mark(payloads: list[bytes], ends: bool) -> MarkedPayloads:
    """Return *payloads* of one picture; the last has the marker bit if it *ends* so."""
    last = len(payloads) - 1
    return [(payload, ends and index == last) for index, payload in enumerate(payloads)]
