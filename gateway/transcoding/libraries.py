"""Which FFmpeg we decode and encode with: PyAV's, and the machine's own program."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import av

from gateway.transcoding.program_command import PROGRAM

ANSWERS_S = 5.0
_VERSION = re.compile(rb"ffmpeg version ([!-~]{1,60})")


def pyav_version() -> tuple[str, str]:
    """Return the versions of PyAV and of the FFmpeg that it brings."""
    return av.__version__, str(av.ffmpeg_version_info)


def program_version(program: str = PROGRAM) -> str | None:
    """Return the version of the machine's own ``ffmpeg``; None: there is none that answers."""
    if not Path(program).exists():
        return None
    try:
        done = subprocess.run(
            [program, "-version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ANSWERS_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.match(done.stdout)
    return None if found is None else found[1].decode()
