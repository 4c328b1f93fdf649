"""Children: heard, ended, mourned."""

from __future__ import annotations

import asyncio
import sys

import pytest

from gateway.demo.child_process import ChildFailed, run_child
from tests.fixtures.clock import HANG_S

READY = 'import time; print(\'{"ready": true, "port": 7}\', flush=True); time.sleep(60)'
GRANDCHILD = (
    "import subprocess, sys, time; p = subprocess.Popen(['sleep', '60']);"
    'print(f\'{{"ready": true, "pid": {p.pid}}}\', flush=True); time.sleep(60)'
)


def is_alive(pid: int) -> bool:
    """Whether the process is there and more than a corpse that nobody has collected."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_child_says_when_it_is_ready() -> None:
    """By one line of JSON; at the end of the context it is gone."""
    async with (
        asyncio.TaskGroup() as group,
        run_child("c", [sys.executable, "-c", READY]) as running,
    ):
        group.create_task(running.watch())

        assert await running.wait_ready(HANG_S) == {"ready": True, "port": 7}

    assert running.process.returncode is not None


async def test_the_children_of_a_child_go_with_it() -> None:
    """The whole process group is ended, not only its leader."""
    command = [sys.executable, "-c", GRANDCHILD]
    async with asyncio.TaskGroup() as group, run_child("c", command) as running:
        group.create_task(running.watch())
        said = await running.wait_ready(HANG_S)
        pid = said["pid"]
        assert isinstance(pid, int)
        assert is_alive(pid)

    async with asyncio.timeout(HANG_S):
        while is_alive(pid):  # noqa: ASYNC110  (init collects it, and tells nobody)
            await asyncio.sleep(0.01)


async def test_a_child_that_dies_takes_the_group_along() -> None:
    """With its exit code and its last words."""
    command = [sys.executable, "-c", "print('no more disk'); raise SystemExit(3)"]

    async def wait_for_ever() -> None:
        async with asyncio.TaskGroup() as group, run_child("c", command) as running:
            group.create_task(running.watch())
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as caught:
        await wait_for_ever()

    (error,) = caught.value.exceptions
    assert isinstance(error, ChildFailed)
    assert str(error) == "c has ended with 3"
    assert list(error.child.lines) == ["no more disk"]


async def test_a_child_that_never_gets_ready_fails() -> None:
    """In time."""
    async with run_child("c", ["sleep", "60"]) as running:
        with pytest.raises(ChildFailed, match=r"was not ready within 0\.05 s"):
            await running.wait_ready(0.05)

    assert running.process.returncode is not None
