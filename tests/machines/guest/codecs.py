"""Decodes and transcodes the footage of every codec, each in its real child. Runs in the guest.

Prints one JSON line per codec; what failed is told in it. Run as the service's user.
"""

from __future__ import annotations

import asyncio
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from gateway.demo.encoder import CodedPicture
from gateway.model.media import AccessUnit, Codec
from gateway.rtp.codecs import packetise
from gateway.runtime.clock import SystemClock
from gateway.transcoding.messages import OutputHeader
from gateway.transcoding.output_format import OutputFormat
from gateway.transcoding.process import TranscodingProcess
from gateway.vision.decoder import Decoder
from gateway.vision.worker_process import WorkerProcess
from tests.machines.guest.footage import FOOTAGE, read_footage

WITHIN_S = 150.0
"""The emulated processor is some thirty times slower than a small board's."""

TRIES = 4
"""The program's patience with a child that starts slowly grows with each."""


def seccomp_of(pid: int) -> str:
    """Return the seccomp mode of process *pid*: 2 is a filter."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith("Seccomp:"))


def annex_b(picture: CodedPicture, codec: Codec) -> bytes:
    """Return *picture* as the decoder takes it."""
    if codec == "mjpeg":
        return picture.nal_units[0]
    return b"".join(b"\0\0\0\1" + unit for unit in picture.nal_units)


async def decoded(codec: Codec, pictures: tuple[CodedPicture, ...]) -> dict[str, Any]:
    """Return what the decoder makes of the first picture, a keyframe."""
    start = partial(WorkerProcess.start, answers_within_s=WITHIN_S)
    decoder = Decoder(clock=SystemClock(), start=start)
    running = asyncio.create_task(decoder.run(), name="decoder")
    try:
        jpeg = await decoder.encode_jpeg(
            "camera", codec, annex_b(pictures[0], codec), width=160, at_most_bytes=50_000
        )
        assert decoder.pid is not None
        return {"jpeg_bytes": len(jpeg), "seccomp": seccomp_of(decoder.pid)}
    finally:
        running.cancel()


async def transcoded(codec: Codec, pictures: tuple[CodedPicture, ...]) -> dict[str, Any]:
    """Return what the transcoder makes of all pictures."""
    made: list[OutputHeader] = []
    enough, writable = asyncio.Event(), asyncio.Event()

    def on_report(head: OutputHeader, nals: list[bytes]) -> None:
        if nals:
            made.append(head)
        if head.decoded >= len(pictures) - 1:
            enough.set()

    child = await TranscodingProcess.start(
        codec, OutputFormat(height=144), "libx264", on_report=on_report, on_ready=writable.set
    )
    try:
        seccomp = seccomp_of(child.pid)
        now = asyncio.get_running_loop().time
        for index, picture in enumerate(pictures):
            payloads = tuple(picture.nal_units)
            if codec != "mjpeg":
                payloads = tuple(packetise(picture.nal_units, codec, 1180))
            size = sum(map(len, payloads))
            unit = AccessUnit(payloads, 18_000 * index, picture.keyframe, now(), size)
            while not child.send(unit, unit.time_90k, cached=False):
                writable.clear()
                await writable.wait()
        await enough.wait()
        return {"decoded": child.last.decoded, "encoded": len(made), "seccomp": seccomp}
    finally:
        await child.stop()


async def main() -> None:
    """Print what becomes of each codec."""
    for path in sorted(FOOTAGE.iterdir()):
        footage = read_footage(path)
        codec, pictures = footage.settings.codec, footage.pictures
        for name, act in (("decode", decoded), ("transcode", transcoded)):
            line: dict[str, Any] = {"codec": codec, "act": name}
            for attempt in range(1, TRIES + 1):
                try:
                    async with asyncio.timeout(WITHIN_S):
                        done = await act(codec, pictures)
                    line = {"codec": codec, "act": name, "tries": attempt, **done}
                    break
                except Exception as error:
                    line["error"] = f"{type(error).__name__}: {error}"
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
