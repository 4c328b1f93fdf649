"""Starts, feeds, watches and ends one transcoding child. Loads no FFmpeg.

Units go to the child through a pipe of 1 MiB, which is the only queue there is. A child that
answers to nothing for `SILENCE_S` is killed; so is one that says what it must not.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable
from contextlib import suppress

import structlog

from gateway.model.media import AccessUnit, Codec
from gateway.runtime.lateness import Silence, time_limit
from gateway.transcoding.messages import (
    MAX_INPUT_BYTES,
    MAX_INPUT_PAYLOADS,
    Command,
    InputHeader,
    MalformedMessage,
    OutputHeader,
    Report,
    ReportParser,
    pack_keyframe_request,
    pack_unit,
)
from gateway.transcoding.output_format import OutputFormat
from gateway.vision.worker_process import ENVIRONMENT

COMMAND = (sys.executable, "-I", "-B", "-m", "gateway.transcoding.worker")
PIPE_BYTES = 1024 * 1024
READ_BYTES = 256 * 1024
STARTS_WITHIN_S = 20.0
"""Loading the libraries takes 0.2 s on a desktop and ten times that from a slow card."""
SILENCE_S = 5.0
"""A keyframe of 4K takes 0.2 s on a desktop and ten times that on the smallest board."""
LOOK_EVERY_S = 0.5
LEAVES_WITHIN_S = 1.0

_SERIALS = 1 << 32

log = structlog.get_logger(__name__)


class ChildLost(Exception):
    """The child has died, hangs, or says what it must not. It has been ended."""


class TranscodingProcess:
    """One running child.

    Args:
        process: The child.
        write_fd: Its standard input; owned by this object, like the next.
        read_fd: Its standard output.
        on_report: Called with each report of the child and its NAL units.
        on_ready: Called when `send`, having returned False, can take units again.

    Attributes:
        last: The newest report about a unit.
    """

    def __init__(
        self,
        process: Process,
        write_fd: int,
        read_fd: int,
        *,
        on_report: Callable[[OutputHeader, list[bytes]], None],
        on_ready: Callable[[], None],
    ) -> None:
        self._process = process
        self._write_fd, self._read_fd = write_fd, read_fd
        self._on_report, self._on_ready = on_report, on_ready
        self._parser = ReportParser()
        self._rest = memoryview(b"")
        self._serial = 0
        self._heard_s = self._now()
        self._ready = asyncio.Event()
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.last = OutputHeader(Report.PROGRESS)

    @classmethod
    async def start(
        cls,
        codec: Codec,
        output: OutputFormat,
        encoder: str,
        *,
        on_report: Callable[[OutputHeader, list[bytes]], None],
        on_ready: Callable[[], None],
    ) -> TranscodingProcess:
        """Start a child for *codec* and return it once it is ready.

        Raises:
            ChildLost: It could not be started or was not ready in time.
        """
        arguments = (*COMMAND, str(os.getpid()), codec, encoder, *output.to_arguments())
        theirs_in = write_fd = read_fd = theirs_out = -1
        try:
            theirs_in, write_fd = os.pipe()
            read_fd, theirs_out = os.pipe()
            for each in (write_fd, read_fd):
                os.set_blocking(each, False)
                with suppress(OSError):  # then the pipe keeps its 64 KiB
                    fcntl.fcntl(each, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
            process = await asyncio.create_subprocess_exec(
                *arguments,
                stdin=theirs_in,
                stdout=theirs_out,
                stderr=DEVNULL,
                env=ENVIRONMENT,
                cwd="/",
                process_group=0,
            )
        except BaseException as error:
            for each in (write_fd, read_fd):
                _close(each)
            if isinstance(error, OSError):
                raise ChildLost(f"cannot be started: {error.strerror}") from error
            raise
        finally:
            _close(theirs_in)
            _close(theirs_out)
        child = cls(process, write_fd, read_fd, on_report=on_report, on_ready=on_ready)
        asyncio.get_running_loop().add_reader(read_fd, child._on_readable)
        try:
            await child._until_ready(STARTS_WITHIN_S)
        except BaseException:
            await asyncio.shield(child.stop(at_once=True))
            raise
        log.debug("transcoder_started", pid=process.pid, codec=codec, encoder=encoder)
        return child

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def send(self, unit: AccessUnit, time_90k: int, *, cached: bool) -> bool:
        """Send *unit* to the child, shown at *time_90k*; False: not now, `on_ready` says when."""
        if self._rest:
            return False
        if unit.size_bytes > MAX_INPUT_BYTES or len(unit.payloads) > MAX_INPUT_PAYLOADS:
            return True
        if self._serial == self.last.serial:
            self._heard_s = self._now()  # it had nothing to answer
        self._serial = (self._serial + 1) % _SERIALS
        head = InputHeader(
            Command.UNIT,
            unit.keyframe,
            cached,
            len(unit.payloads),
            0,
            self._serial,
            time_90k,
            unit.arrived_s,
        )
        self._write(pack_unit(head, unit.payloads))
        return True

    def request_keyframe(self) -> None:
        """Make the next picture a keyframe; forgotten while the pipe is full."""
        if not self._rest:
            self._write(pack_keyframe_request())

    async def watch(self) -> None:
        """Watch the child until it is lost.

        Raises:
            ChildLost: With what is wrong. The child has not been ended yet.
        """
        silence = Silence(self._now)
        while True:
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    raise ChildLost(await asyncio.shield(self._lost))
            except TimeoutError:
                pass
            silent_s = silence.look(self._heard_s, after_s=LOOK_EVERY_S)
            if self._serial != self.last.serial and silent_s > SILENCE_S:
                raise ChildLost(f"has not answered for {silent_s:.0f} s")

    async def stop(self, *, at_once: bool = False) -> None:
        """End the child: close its input and wait, kill it after `LEAVES_WITHIN_S` or *at_once*."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._read_fd)
        loop.remove_writer(self._write_fd)
        if not self._lost.done():
            self._lost.set_result("has been stopped")
        _close(self._write_fd)
        _close(self._read_fd)
        self._rest = memoryview(b"")
        try:
            if not at_once:
                async with asyncio.timeout(LEAVES_WITHIN_S):
                    await self._process.wait()
        except TimeoutError:
            log.debug("transcoder_killed", pid=self._process.pid)
        finally:
            if self._process.returncode is None:
                with suppress(ProcessLookupError):
                    self._process.kill()
            await self._process.wait()

    async def _until_ready(self, within_s: float) -> None:
        try:
            async with time_limit(within_s):
                await self._ready.wait()
        except TimeoutError:
            raise ChildLost(f"is not ready after {within_s:g} s") from None
        if self._lost.done():
            raise ChildLost(self._lost.result())

    def _write(self, raw: bytes) -> None:
        self._rest = memoryview(raw)
        self._flush()
        if self._rest and not self._lost.done():
            asyncio.get_running_loop().add_writer(self._write_fd, self._on_writable)

    def _flush(self) -> None:
        try:
            while self._rest:
                self._rest = self._rest[os.write(self._write_fd, self._rest) :]
        except BlockingIOError:
            return
        except OSError:
            self.lose("has ended")

    def _on_writable(self) -> None:
        self._flush()
        if not self._rest:
            asyncio.get_running_loop().remove_writer(self._write_fd)
            self._on_ready()

    def _on_readable(self) -> None:
        try:
            raw = os.read(self._read_fd, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            raw = b""
        if not raw:
            self.lose(f"has ended{self._cause()}")
            return
        self._heard_s = self._now()
        try:
            for head, nals in self._parser.feed(raw):
                if head.report is Report.READY:
                    self._on_child_ready(nals)
                else:
                    self.last = head
                    self._on_report(head, nals)
        except MalformedMessage as error:
            self.lose(f"answers with {error}")

    def _on_child_ready(self, nals: list[bytes]) -> None:
        if self._ready.is_set():
            raise MalformedMessage("a second beginning")
        self._ready.set()
        if nals:
            missing = nals[0].decode("ascii", "replace")
            log.warning("transcoder_sandbox_incomplete", missing=missing[:200])

    def _cause(self) -> str:
        code = self._process.returncode
        if code is None:
            return ""
        if code >= 0:
            return f" with exit code {code}"
        with suppress(ValueError):
            return f" by {signal.Signals(-code).name}"
        return f" by signal {-code}"

    def lose(self, why: str) -> None:
        """Give the child up: `watch` raises with *why*."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._read_fd)
        loop.remove_writer(self._write_fd)
        self._rest = memoryview(b"")
        if not self._lost.done():
            self._lost.set_result(why)
        self._ready.set()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        with suppress(OSError):
            os.close(descriptor)
