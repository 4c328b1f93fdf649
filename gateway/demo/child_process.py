"""Child processes that end with their parent and report why they have ended.

Each has a process group of its own, so that Ctrl-C reaches only the parent, which ends its children
in order. If the parent is killed, the kernel ends them (Linux only).
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_PR_SET_PDEATHSIG = 1
_LEAVES_WITHIN_S = 6.0
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """Have the kernel send SIGTERM to this process when the parent's thread ends (prctl(2))."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class ChildFailed(Exception):
    """A child has ended that should be running, or was not ready in time.

    Attributes:
        child: The child, with its last lines of output.
    """

    def __init__(self, child: Child, what: str) -> None:
        super().__init__(f"{child.name} {what}")
        self.child = child


@dataclass(slots=True)
class Child:
    """One running child process.

    Attributes:
        lines: The last lines of its standard output and error.
    """

    name: str
    process: asyncio.subprocess.Process
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=200))
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _ready: dict[str, object] | None = None
    _leaving: bool = False

    async def wait_ready(self, within_s: float = 30.0) -> dict[str, object]:
        """Wait for the first line of JSON with ``"ready": true`` and return it.

        Raises:
            ChildFailed: The child has ended, or the line has not come in time.
        """
        await self._until(lambda: self._ready is not None, within_s)
        assert self._ready is not None
        return self._ready

    async def wait_for_line(self, text: str, within_s: float = 30.0) -> None:
        """Wait for a line of output that contains *text*; raises as `wait_ready` does."""
        await self._until(lambda: any(text in line for line in self.lines), within_s)

    async def wait_for(self, sign: Awaitable[None], within_s: float = 30.0) -> None:
        """Wait for *sign*, a sign of readiness that is not output; raises as `wait_ready` does."""
        try:
            async with asyncio.timeout(within_s):
                await sign
        except TimeoutError:
            raise ChildFailed(self, f"was not ready within {within_s:g} s") from None

    async def watch(self) -> None:
        """Read its output until it ends; then raise `ChildFailed`, unless `stop` was called."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            await self._on_line(line.decode("utf-8", "replace").rstrip())
        await self.process.wait()
        async with self._changed:
            self._changed.notify_all()
        if not self._leaving:
            raise ChildFailed(self, f"has ended with {self.process.returncode}")

    async def stop(self) -> None:
        """Send SIGTERM, after some seconds SIGKILL to its process group, and wait for the end."""
        self._leaving = True
        if self.process.returncode is None:
            self._signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(_LEAVES_WITHIN_S):
                    await self.process.wait()
            except TimeoutError:
                self.lines.append(f"{self.name} did not leave within {_LEAVES_WITHIN_S:g} s")
        self._signal(signal.SIGKILL)
        await self.process.wait()

    async def _until(self, happened: Callable[[], bool], within_s: float) -> None:
        try:
            async with asyncio.timeout(within_s), self._changed:
                await self._changed.wait_for(
                    lambda: happened() or self.process.returncode is not None
                )
        except TimeoutError:
            raise ChildFailed(self, f"was not ready within {within_s:g} s") from None
        if not happened():
            raise ChildFailed(self, f"has ended with {self.process.returncode}")

    async def _on_line(self, line: str) -> None:
        async with self._changed:
            self.lines.append(line)
            if self._ready is None and line.startswith("{"):
                self._ready = _parse_ready(line)
            self._changed.notify_all()

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return  # the group has ended already


def _parse_ready(line: str) -> dict[str, object] | None:
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return said if isinstance(said, dict) and said.get("ready") is True else None


@asynccontextmanager
async def run_child(
    name: str, command: Sequence[str], *, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Child]:
    """Run *command* while the context lasts, with *environment* added to this process's own."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=1 << 20,
        env={**os.environ, **(environment or {})},
        process_group=0,
        preexec_fn=die_with_parent,
    )
    running = Child(name, process)
    try:
        yield running
    finally:
        await asyncio.shield(running.stop())
