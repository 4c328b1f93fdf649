"""The gateway's end of the child: start it, ask it, end it. Loads neither FFmpeg nor OpenCV."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress

import structlog

from gateway.vision.pipe import REPLY_BYTES, MalformedMessage, Request, Status, parse_reply_header

COMMAND = (sys.executable, "-I", "-B", "-m", "gateway.vision.worker")
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}
"""All that it gets to know of ours."""
STARTS_WITHIN_S = 20.0
"""Loading the libraries takes 0.3 s on a desktop and ten times that from a slow card."""
LEAVES_WITHIN_S = 1.0

log = structlog.get_logger(__name__)


class WorkerLost(Exception):
    """The child has died, hangs, or says what it cannot mean. It is not there any more."""


class WorkerProcess:
    """One running child.

    Args:
        process: Its pipes are ours alone.
        answers_within_s: For one task; then it is killed.
    """

    def __init__(self, process: Process, *, answers_within_s: float) -> None:
        self._process = process
        self._answers_within_s = answers_within_s

    @classmethod
    async def start(
        cls, *, answers_within_s: float, starts_within_s: float = STARTS_WITHIN_S
    ) -> WorkerProcess:
        """Return a new child that is ready. Both may be longer in tests, on a busy machine.

        Raises:
            ChildLost: It could not be started, or died at once.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *COMMAND,
                str(os.getpid()),
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                env=ENVIRONMENT,
                cwd="/",
                process_group=0,
            )
        except OSError as error:
            raise WorkerLost(f"cannot be started: {error.strerror}") from error
        child = cls(process, answers_within_s=answers_within_s)
        try:
            status, missing = await child._read_reply(starts_within_s)
        except BaseException:
            await asyncio.shield(child.stop())
            raise
        log.debug("decoder_worker_started", pid=process.pid, status=status.name)
        if missing:
            log.warning("decoder_sandbox_incomplete", missing=missing.decode("ascii", "replace"))
        return child

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended yet, as far as is known."""
        return self._process.returncode is None

    async def request(self, request: Request) -> tuple[Status, bytes]:
        """Return status and body of the reply to *request*.

        Raises:
            ChildLost: There was none in time. The child is gone.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(request.pack())
            return await self._read_reply(self._answers_within_s)
        except BaseException:
            # Also when cancelled: the reply that comes later would be taken for the next one's.
            await asyncio.shield(self.stop(at_once=True))
            raise

    async def stop(self, *, at_once: bool = False) -> None:
        """Have it leave, or make it; it is gone and collected afterwards."""
        process = self._process
        assert process.stdin is not None
        process.stdin.close()
        try:
            if not at_once:
                async with asyncio.timeout(LEAVES_WITHIN_S):
                    await process.wait()
        except TimeoutError:
            log.debug("decoder_worker_killed", pid=process.pid)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            with suppress(OSError):  # what was not written is nobody's loss
                await process.stdin.wait_closed()

    async def _read_reply(self, within_s: float) -> tuple[Status, bytes]:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(within_s):
                await process.stdin.drain()
                status, length = parse_reply_header(await process.stdout.readexactly(REPLY_BYTES))
                return status, await process.stdout.readexactly(length)
        except TimeoutError:
            raise WorkerLost(f"no answer within {within_s:g} s") from None
        except (asyncio.IncompleteReadError, OSError):
            raise WorkerLost("has ended") from None
        except MalformedMessage as error:
            raise WorkerLost(str(error)) from error
