"""What makes a virtual camera's pictures run: encoded once, at their pace, for every viewer.

Live footage is encoded on one thread per camera; nobody watching, nothing is encoded. The queue
between the two is one picture long.
"""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from gateway.demo.encoder import Coded, kind
from gateway.demo.faults import Frozen, MarkerOnSets, NoMarker, SetsOnlyInSdp
from gateway.demo.virtual_camera import VirtualCamera
from gateway.model.media import VIDEO_CLOCK_HZ
from gateway.rtp.codecs import packetise

Marked = list[tuple[bytes, bool]]
"""RTP payloads of one picture, each with its marker bit."""


class Viewing(Protocol):
    """One viewer's end of the reel."""

    def show(self, coded: Coded, payloads: Marked, time_90k: int) -> None:
        """Take one picture; never blocks, never raises."""
        ...


class VideoLoop:
    """Runs the pictures of one camera."""

    def __init__(self, camera: VirtualCamera) -> None:
        self._camera = camera
        self._viewings: set[Viewing] = set()
        self._watched = asyncio.Event()
        self._fresh = False

    def join(self, viewing: Viewing) -> None:
        """Show *viewing* every picture from now on."""
        self._viewings.add(viewing)
        self._fresh |= self._camera.habits.join == "at_once"
        self._watched.set()

    def leave(self, viewing: Viewing) -> None:
        """Show *viewing* no more."""
        self._viewings.discard(viewing)
        if not self._viewings:
            self._watched.clear()

    async def run(self) -> None:
        """Show pictures at their pace until cancelled."""
        with ThreadPoolExecutor(1, thread_name_prefix=f"reel {self._camera.name}") as pool:
            began_s = asyncio.get_running_loop().time()
            while await self._watched.wait():
                await self._showing(began_s, pool)

    async def _showing(self, began_s: float, pool: ThreadPoolExecutor) -> None:
        """Run while somebody watches."""
        loop, footage = asyncio.get_running_loop(), self._camera.footage
        fps = footage.shape.fps
        index = int((loop.time() - began_s) * fps) + 1
        gop = round(footage.shape.gop_s * fps)
        first = index if self._camera.habits.join == "at_once" else index - gop // 2
        while self._viewings:
            frozen = self._camera.active_fault(Frozen) is not None
            fresh, self._fresh = self._fresh, False
            shoot = functools.partial(footage.picture, index - first, fresh=fresh, frozen=frozen)
            coded = await loop.run_in_executor(pool, shoot) if footage.blocking else shoot()
            time_90k = (index + coded.order) * VIDEO_CLOCK_HZ // fps
            payloads = self._payloads(coded)
            for viewing in tuple(self._viewings):
                viewing.show(coded, payloads, time_90k)
            # A picture that came late is not made up for: the next is due when it is due.
            index = max(index + 1, int((loop.time() - began_s) * fps))
            await asyncio.sleep(began_s + index / fps - loop.time())

    def _payloads(self, coded: Coded) -> Marked:
        camera = self._camera
        codec, limit = camera.footage.shape.codec, camera.habits.payload_bytes
        units = coded.nal_units
        sets = {kind(unit, codec) for unit in camera.footage.parameter_sets}
        if camera.active_fault(SetsOnlyInSdp):
            units = tuple(unit for unit in units if kind(unit, codec) not in sets)
        marked: Marked = []
        if camera.active_fault(MarkerOnSets):
            marked = [(unit, True) for unit in units if kind(unit, codec) in sets]
            units = tuple(unit for unit in units if kind(unit, codec) not in sets)
        payloads = packetise(units, codec, limit)
        ends = not camera.active_fault(NoMarker)
        marked += [(payload, False) for payload in payloads[:-1]]
        marked += [(payload, ends) for payload in payloads[-1:]]
        return marked
