"""Which encoder this machine has: chosen by trying, in a process of its own each. Loads no FFmpeg.

A box that says it has an encoder may have none that works: a driver without a device, one that
hangs, one whose pictures cannot be decoded. So each is tried before it is used, best first; and one
that fails later, while somebody watches, is given up for `FALLBACK`.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass, field

import structlog

from gateway.vision.worker_process import ENVIRONMENT

COMMAND = (sys.executable, "-I", "-B", "-m", "gateway.transcoding.encoder_trial")
FALLBACK = "libx264"
CANDIDATES = ("h264_v4l2m2m", FALLBACK)
"""FFmpeg's names, best first: the encoder of a Raspberry Pi up to 4, and of other boards with a
V4L2 one; software."""
WITHIN_S = 10.0
MOST_DETAIL = 160

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class EncoderChoice:
    """The encoder in use, and why the better ones are not.

    Attributes:
        name: FFmpeg's name of it.
        rejected: What is wrong with each that was tried before it.
        tried: Whether the choice has been made; before that it is `FALLBACK`.
    """

    name: str = FALLBACK
    rejected: dict[str, str] = field(default_factory=dict)
    tried: bool = False

    @property
    def why(self) -> str:
        """Why it was chosen, in one line."""
        if not self.tried:
            return "nothing else has been tried yet"
        lost = [f"{name}: {what}" for name, what in self.rejected.items()]
        return "; ".join(lost) or "the first that was tried works"

    async def choose(self) -> None:
        """Try the candidates, best first, and take the first that works."""
        for name in CANDIDATES:
            wrong = await try_in_process(name)
            if not wrong:
                self.name = name
                break
            self.rejected[name] = wrong
        self.tried = True
        log.info("encoder_chosen", encoder=self.name, why=self.why)

    def reject(self, name: str, why: str) -> None:
        """Give up *name*, which has failed in use, for `FALLBACK`."""
        if name == self.name != FALLBACK:
            self.rejected[name] = f"failed in use: {why}"[:MOST_DETAIL]
            self.name = FALLBACK
            log.warning("encoder_rejected", encoder=name, why=why, instead=FALLBACK)


async def try_in_process(name: str) -> str:
    """Return what is wrong with the encoder *name*; empty: it works."""
    try:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            name,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=DEVNULL,
            env=ENVIRONMENT,
            cwd="/",
            process_group=0,
        )
    except OSError as error:
        return f"cannot be tried: {error.strerror}"
    try:
        async with asyncio.timeout(WITHIN_S):
            said, _ = await process.communicate()
    except TimeoutError:
        return f"does not answer within {WITHIN_S:g} s"
    finally:
        if process.returncode is None:
            process.kill()
            await asyncio.shield(process.wait())
    if process.returncode == 0:
        return ""
    text = " ".join(said.decode("utf-8", "replace").split())
    return text[:MOST_DETAIL] or f"its trial ends with {process.returncode}"
