"""Starts child processes of this program, for work that may break or cost too much."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, PIPE, Process

ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}
"""A child's whole environment: nothing of the gateway's own."""


async def start_child(*arguments: str, stdin: int, stdout: int = PIPE) -> Process:
    """Start a child that has nothing of ours but its pipes, in a process group of its own.

    Args:
        arguments: Its program, and what that is told.
        stdin: As for `asyncio.create_subprocess_exec`.
        stdout: Likewise.

    Raises:
        OSError: It cannot be started.
    """
    return await asyncio.create_subprocess_exec(
        *arguments,
        stdin=stdin,
        stdout=stdout,
        stderr=DEVNULL,
        env=ENVIRONMENT,
        cwd="/",
        process_group=0,
    )
