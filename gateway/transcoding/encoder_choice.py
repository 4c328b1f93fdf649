"""Which encoder this machine has: chosen by trying, in a process of its own each. Loads no FFmpeg.

A box that says it has an encoder may have none that works: a driver without a device, one that
hangs, one whose pictures cannot be decoded. So each is tried before it is used, best first; and one
that fails later, while somebody watches, is given up for `FALLBACK`.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from gateway.model.media import Codec
from gateway.runtime.lateness import time_limit
from gateway.transcoding.program_command import FORMATS, PREFIX, takes
from gateway.vision.child_process import start_child

COMMAND = (sys.executable, "-I", "-B", "-m", "gateway.transcoding.encoder_trial")
FALLBACK = "libx264"
AUTO = "auto"
CANDIDATES = (
    "h264_v4l2m2m",
    PREFIX + "h264_vaapi",
    PREFIX + "h264_vaapi_lp",
    PREFIX + "drm",
    FALLBACK,
)
"""Best first: the encoder of a Raspberry Pi up to 4, and of other boards with a V4L2 one; by the
machine's own program that of an Intel or AMD processor (some have the low-power one only), and the
H.265 decoder of a Raspberry Pi; software."""
WITHIN_S = (10.0, 60.0)
"""How long the first trial of an encoder may take, and the second, which follows only if the first
was late: a slow card takes as long to load the libraries, and has them in memory by then."""
MOST_DETAIL = 160

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class EncoderChoice:
    """The encoder in use, and why the better ones are not.

    Attributes:
        name: FFmpeg's name of it, behind `PREFIX` if the machine's own program has it.
        rejected: What is wrong with each that was tried before it.
        tried: Whether the choice has been made; before that it is `FALLBACK`.
        asked: The only one to be tried before `FALLBACK`, by the settings; ``auto``: all.
        special: Those that work and take some codecs only; used for these.
    """

    name: str = FALLBACK
    rejected: dict[str, str] = field(default_factory=dict)
    tried: bool = False
    asked: str = AUTO
    special: list[str] = field(default_factory=list)

    def name_for(self, codec: Codec) -> str:
        """Return what transcodes *codec*."""
        return next((name for name in self.special if takes(name, codec)), self.name)

    @property
    def why(self) -> str:
        """Why it was chosen, in one line."""
        return "; ".join(self.reasons)

    @property
    def reasons(self) -> list[str]:
        """Why it was chosen, a line for each that was tried."""
        if not self.tried:
            return ["nothing else has been tried yet"]
        lost = [f"{name}: {what}" for name, what in self.rejected.items()]
        lost[:0] = [f"{name} works" for name in self.special]
        return lost or ["the first that was tried works"]

    async def choose(self) -> None:
        """Try the candidates, best first, and take the first that works."""
        for name in CANDIDATES if self.asked == AUTO else (self.asked, FALLBACK):
            wrong = await try_in_process(name)
            if wrong:
                self.rejected[name] = wrong
            elif all(takes(name, codec) for codec in FORMATS):
                self.name = name
                break
            else:
                self.special.append(name)
        self.tried = True
        log.info("encoder_chosen", encoder=self.name, special=self.special, why=self.why)

    def reject(self, name: str, why: str) -> None:
        """Give up *name*, which has failed in use, for `FALLBACK`."""
        if name == FALLBACK or name not in (self.name, *self.special):
            return
        self.rejected[name] = f"failed in use: {why}"[:MOST_DETAIL]
        if name in self.special:
            self.special.remove(name)
        else:
            self.name = FALLBACK
        log.warning("encoder_rejected", encoder=name, why=why, instead=FALLBACK)


async def try_in_process(name: str) -> str:
    """Return what is wrong with the encoder *name*; empty: it works."""
    for within_s in WITHIN_S:
        with suppress(TimeoutError):
            return await _try_once(name, within_s)
    return f"does not answer within {WITHIN_S[-1]:g} s"


async def _try_once(name: str, within_s: float) -> str:
    """As `try_in_process`. Raises TimeoutError: it was killed, since it took longer."""
    try:
        process = await start_child(
            *COMMAND,
            name,
            stdin=DEVNULL,
        )
    except OSError as error:
        return f"cannot be tried: {error.strerror}"
    try:
        async with time_limit(within_s):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await asyncio.shield(process.wait())
    if process.returncode == 0:
        return ""
    text = " ".join(said.decode("utf-8", "replace").split())
    return text[:MOST_DETAIL] or f"its trial ends with {process.returncode}"
