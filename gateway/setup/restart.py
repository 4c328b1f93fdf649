"""Has systemd restart the service, so that it reads what was saved."""

from __future__ import annotations

import asyncio
import os
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

from gateway.runtime.plain_text import cut, printable
from gateway.setup.model import mistake

UNIT = "camera-gateway"
RESTART_S = 120.0
"""Stopping takes 8 s at most; on a slow board the start takes the longest."""


def can_restart() -> bool:
    """Return whether this process may ask systemd to do it."""
    return (
        os.geteuid() == 0
        and Path("/run/systemd/system").is_dir()
        and shutil.which("systemctl") is not None
    )


async def restart_service() -> None:
    """Return once the service runs anew. Raises SetupMistake: it does not."""
    process = await asyncio.create_subprocess_exec(
        "systemctl", "restart", UNIT, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE
    )
    try:
        async with asyncio.timeout(RESTART_S):
            _, said = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        said = b"no answer"
    if process.returncode != 0:
        why = cut(printable(said.decode("utf-8", "replace").strip()), 300)
        raise mistake(
            f"Dịch vụ không khởi động lại được: {why}",
            f"The service could not be restarted: {why}",
            "Chạy: sudo camera-gateway check; journalctl -u camera-gateway",
            "Run: sudo camera-gateway check; journalctl -u camera-gateway",
        )
