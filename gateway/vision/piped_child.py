"""A child with two raw pipes: started, fed, read, ended. Loads no FFmpeg.

What goes to the child waits in a pipe of 1 MiB, which is the only queue there is.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from gateway.runtime.lateness import time_limit
from gateway.vision.child_process import start_child
from gateway.vision.pipe import MalformedMessage
from gateway.vision.start_patience import PATIENCE, StartPatience

PIPE_BYTES = 1024 * 1024
READ_BYTES = 256 * 1024
LEAVES_WITHIN_S = 1.0

log = structlog.get_logger(__name__)


class ChildLost(Exception):
    """The child has died, hangs, or says what it must not."""


class PipedChild:
    """One running child.

    Args:
        name: Of its kind, for the log.
        process: The child.
        write_fd: Its standard input; owned by this object, like the next.
        read_fd: Its standard output.
        on_bytes: Called with what comes from the child; may raise MalformedMessage.
        on_writable: Called when `write` can be called again, after `blocked` was true.
        on_lost: Called once, when the child is given up.

    Attributes:
        heard_s: When the child was heard last, on the loop's clock.
        lost: Done once the child has been given up, with what is wrong.
    """

    def __init__(
        self,
        name: str,
        process: Process,
        write_fd: int,
        read_fd: int,
        *,
        on_bytes: Callable[[bytes], None],
        on_writable: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._name = name
        self._process = process
        self._write_fd, self._read_fd = write_fd, read_fd
        self._on_bytes, self._on_writable, self._on_lost = on_bytes, on_writable, on_lost
        self._rest = memoryview(b"")
        self._ready = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._begun_s = self.heard_s = loop.time()
        self.lost: asyncio.Future[str] = loop.create_future()
        loop.add_reader(read_fd, self._on_readable)

    @classmethod
    async def start(
        cls,
        name: str,
        arguments: Sequence[str],
        *,
        on_bytes: Callable[[bytes], None],
        on_writable: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> PipedChild:
        """Start a child by *arguments*; see the class. It is not ready yet.

        Raises:
            ChildLost: It could not be started.
        """
        theirs_in = write_fd = read_fd = theirs_out = -1
        try:
            theirs_in, write_fd = os.pipe()
            read_fd, theirs_out = os.pipe()
            for each in (write_fd, read_fd):
                os.set_blocking(each, False)
                with suppress(OSError):  # then the pipe keeps its 64 KiB
                    fcntl.fcntl(each, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
            process = await start_child(
                *arguments,
                stdin=theirs_in,
                stdout=theirs_out,
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
        return cls(
            name,
            process,
            write_fd,
            read_fd,
            on_bytes=on_bytes,
            on_writable=on_writable,
            on_lost=on_lost,
        )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """What it has ended with; negative: the signal; None: it has not, as far as is known."""
        return self._process.returncode

    @property
    def blocked(self) -> bool:
        """Whether the pipe is full: nothing may be written until `on_writable`."""
        return bool(self._rest)

    def mark_ready(self, missing: Sequence[bytes]) -> None:
        """Note that the child is ready; *missing*: what its sandbox lacks, if anything.

        Raises:
            MalformedMessage: It has been ready before.
        """
        if self._ready.is_set():
            raise MalformedMessage("a second beginning")
        self._ready.set()
        if missing:
            lacks = missing[0].decode("ascii", "replace")[:200]
            log.warning("child_sandbox_incomplete", child=self._name, missing=lacks)

    async def until_ready(self, patience: StartPatience = PATIENCE) -> None:
        """Return once the child is ready. *patience* says in what time, and learns from it.

        Raises:
            ChildLost: It was not in time, or died. It has been ended.
        """
        within_s = patience.within_s
        try:
            async with time_limit(within_s):
                await self._ready.wait()
        except TimeoutError:
            patience.on_late(within_s)
            await asyncio.shield(self.stop(at_once=True))
            raise ChildLost(f"is not ready after {within_s:g} s") from None
        except BaseException:
            await asyncio.shield(self.stop(at_once=True))
            raise
        if self.lost.done():
            await asyncio.shield(self.stop())  # it is ending, perhaps with a code that tells
            raise ChildLost(self.lost.result())
        patience.on_ready(self.heard_s - self._begun_s)

    def write(self, raw: bytes) -> None:
        """Send *raw*; not while `blocked`."""
        self._rest = memoryview(raw)
        self._flush()
        if self._rest and not self.lost.done():
            asyncio.get_running_loop().add_writer(self._write_fd, self._on_pipe_writable)

    def close_input(self) -> None:
        """Let the child read its end of input; what it still says is read on."""
        asyncio.get_running_loop().remove_writer(self._write_fd)
        self._rest = memoryview(b"")
        _close(self._write_fd)
        self._write_fd = -1

    def pause_reading(self) -> None:
        """Read nothing until `resume_reading`: the child waits once its pipe is full."""
        if not self.lost.done():
            asyncio.get_running_loop().remove_reader(self._read_fd)

    def resume_reading(self) -> None:
        """Go on reading."""
        if not self.lost.done():
            asyncio.get_running_loop().add_reader(self._read_fd, self._on_readable)

    def lose(self, why: str) -> None:
        """Give the child up; `stop` ends it."""
        loop = asyncio.get_running_loop()
        if self._read_fd >= 0:
            loop.remove_reader(self._read_fd)
        if self._write_fd >= 0:
            loop.remove_writer(self._write_fd)
        self._rest = memoryview(b"")
        if not self.lost.done():
            self.lost.set_result(why)
            self._ready.set()
            self._on_lost()

    async def stop(self, *, at_once: bool = False) -> None:
        """End the child: close its input and wait, kill it after `LEAVES_WITHIN_S` or *at_once*.

        It may be called again.
        """
        self.lose("has been stopped")
        _close(self._write_fd)
        _close(self._read_fd)
        self._write_fd = self._read_fd = -1
        try:
            if not at_once:
                async with asyncio.timeout(LEAVES_WITHIN_S):
                    await self._process.wait()
        except TimeoutError:
            log.debug("child_killed", child=self._name, pid=self._process.pid)
        finally:
            if self._process.returncode is None:
                with suppress(ProcessLookupError):
                    self._process.kill()
            await self._process.wait()

    def _flush(self) -> None:
        try:
            while self._rest:
                self._rest = self._rest[os.write(self._write_fd, self._rest) :]
        except BlockingIOError:
            return
        except OSError:
            self.lose("has ended")

    def _on_pipe_writable(self) -> None:
        self._flush()
        if not self._rest:
            if not self.lost.done():
                asyncio.get_running_loop().remove_writer(self._write_fd)
            self._on_writable()

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
        self.heard_s = asyncio.get_running_loop().time()
        try:
            self._on_bytes(raw)
        except MalformedMessage as error:
            self.lose(f"answers with {error}")

    def _cause(self) -> str:
        code = self._process.returncode
        if code is None:
            return ""
        if code >= 0:
            return f" with exit code {code}"
        with suppress(ValueError):
            return f" by {signal.Signals(-code).name}"
        return f" by signal {-code}"


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        with suppress(OSError):
            os.close(descriptor)
