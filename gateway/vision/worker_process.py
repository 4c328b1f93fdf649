"""Starts, queries and stops the decoder's worker process. Loads neither FFmpeg nor OpenCV."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

import structlog

from gateway.runtime.lateness import time_limit
from gateway.vision.child_process import start_child
from gateway.vision.pipe import REPLY_BYTES, MalformedMessage, Status, parse_reply_header
from gateway.vision.start_patience import PATIENCE, StartPatience

COMMAND = (sys.executable, "-I", "-B", "-m", "gateway.vision.worker")
LEAVES_WITHIN_S = 1.0

log = structlog.get_logger(__name__)


class Packed(Protocol):
    """A request to a worker."""

    def pack(self) -> bytes:
        """Return it as bytes for the pipe."""
        ...


class WorkerLost(Exception):
    """The worker has died, does not answer or answers nonsense. It has been ended."""


class WorkerLate(WorkerLost):
    """It did not answer in time."""


class WorkerProcess:
    """One running worker process.

    Args:
        process: With pipes for standard input and output.
        answers_within_s: Time limit for one request; then the worker is killed.
    """

    def __init__(self, process: Process, *, answers_within_s: float) -> None:
        self._process = process
        self._answers_within_s = answers_within_s

    @classmethod
    async def start(
        cls,
        *,
        answers_within_s: float,
        patience: StartPatience = PATIENCE,
        command: Sequence[str] = COMMAND,
        arguments: Sequence[str] = (),
    ) -> WorkerProcess:
        """Start a worker and return it once it is ready.

        Args:
            answers_within_s: For one request, in seconds.
            patience: Says how long it may take until it is ready, and learns from it.
            command: What it is; our process id comes behind it.
            arguments: Come behind that.

        Raises:
            WorkerLost: It could not be started or was not ready in time.
        """
        try:
            process = await start_child(
                *command,
                str(os.getpid()),
                *arguments,
                stdin=PIPE,
            )
        except OSError as error:
            raise WorkerLost(f"cannot be started: {error.strerror}") from error
        worker = cls(process, answers_within_s=answers_within_s)
        loop = asyncio.get_running_loop()
        begun_s, within_s = loop.time(), patience.within_s
        try:
            status, missing = await worker._read_reply(within_s)
        except WorkerLate:
            patience.on_late(within_s)
            await asyncio.shield(worker.stop(at_once=True))
            raise
        except BaseException:
            await asyncio.shield(worker.stop())
            raise
        patience.on_ready(loop.time() - begun_s)
        log.debug("worker_started", module=command[-1], pid=process.pid, status=status.name)
        if missing:
            lacks = missing.decode("ascii", "replace")
            log.warning("worker_sandbox_incomplete", module=command[-1], missing=lacks)
        return worker

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended yet, as far as asyncio knows."""
        return self._process.returncode is None

    async def request(self, request: Packed) -> tuple[Status, bytes]:
        """Return status and body of the reply to *request*.

        Raises:
            WorkerLost: There was none in time. The worker has been killed.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(request.pack())
            return await self._read_reply(self._answers_within_s)
        except BaseException:
            # Also when cancelled: a late reply would be read as the reply to the next request.
            await asyncio.shield(self.stop(at_once=True))
            raise

    async def stop(self, *, at_once: bool = False) -> None:
        """Close its input and wait; kill it after `LEAVES_WITHIN_S`, or at once if *at_once*."""
        process = self._process
        assert process.stdin is not None
        process.stdin.close()
        try:
            if not at_once:
                async with asyncio.timeout(LEAVES_WITHIN_S):
                    await process.wait()
        except TimeoutError:
            log.debug("worker_killed", pid=process.pid)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            with suppress(OSError):  # unsent requests are lost on purpose
                await process.stdin.wait_closed()

    async def _read_reply(self, within_s: float) -> tuple[Status, bytes]:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async with time_limit(within_s):
                await process.stdin.drain()
                status, length = parse_reply_header(await process.stdout.readexactly(REPLY_BYTES))
                return status, await process.stdout.readexactly(length)
        except TimeoutError:
            raise WorkerLate(f"no answer within {within_s:g} s") from None
        except (asyncio.IncompleteReadError, OSError):
            raise WorkerLost("has ended") from None
        except MalformedMessage as error:
            raise WorkerLost(str(error)) from error
