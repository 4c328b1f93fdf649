"""Looks at the pictures that a probe has got: whether they are black, or stand still.

They are decoded in a sandboxed process.
"""

from __future__ import annotations

import asyncio

from gateway.model.errors import NoPicture
from gateway.model.reasons import Reason
from gateway.ports import Clock
from gateway.sources.probe_stats import Finding
from gateway.sources.stream_measure import StreamMeasure
from gateway.vision.decoder import Decoder
from gateway.vision.metrics import PictureAnalysis
from gateway.vision.quality import is_black

LEAST_S = 1.0
"""Pictures that are equal within less are no sign: cameras send one twice to keep their rate."""


async def look_at(measure: StreamMeasure, clock: Clock) -> Finding:
    """Return what the keyframes of *measure* show, by a decoder for this look alone."""
    decoder = Decoder(clock=clock)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(decoder.run(), name="decoder")
        finding = await look_by(decoder, "probe", measure)
        running.cancel()
    return finding


async def look_by(decoder: Decoder, camera: str, measure: StreamMeasure) -> Finding:
    """Return what the keyframes of *measure* show, by *decoder*, which runs and knows *camera*."""
    try:
        seen = [
            await decoder.analyze(camera, measure.codec, coded, b"") for coded in measure.keyframes
        ]
    except NoPicture as error:
        if error.reason is Reason.OVERLOADED:  # the decoder cannot be started here
            return Finding(Reason.OK, f"not looked at: {error.detail}")
        return Finding(Reason.CORRUPT, f"not decoded: {error.detail}")
    return _judge(seen, measure.keyframes_s)


def _judge(seen: list[PictureAnalysis], over_s: float) -> Finding:
    """Return what is wrong with pictures *seen* over *over_s* seconds."""
    fact = f"{len(seen)} keyframes over {over_s:.1f} s"
    if not seen:
        return Finding(Reason.OK, "no keyframe to look at")
    if all(is_black(each.metrics) for each in seen):
        return Finding(Reason.PICTURE_BLACK, f"{fact}: all black")
    same = len({each.metrics.digest for each in seen}) == 1
    if same and len(seen) > 1 and over_s >= LEAST_S:
        return Finding(Reason.PICTURE_FROZEN, f"{fact}: equal in every pixel")
    return Finding(Reason.OK, f"{fact}, bright and moving" if not same else fact)
