"""The demo as a newcomer starts it: everything plays, everything ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from aiohttp import ClientSession

from tests.fixtures.child import until_ended
from tests.fixtures.clock import HANG_S

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]


def descendants(pid: int) -> set[int]:
    """Return the processes below *pid* that live now."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(each) for each in children} | {
        below for each in children for below in descendants(int(each))
    }


def is_alive(pid: int) -> bool:
    """Whether the process is there and more than a corpse that nobody has collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def program(pid: int) -> str:
    """Return what the process *pid* runs."""
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0]


def folders(temp: Path) -> list[Path]:
    """Return what demos have left in *temp*."""
    return list(temp.glob("camera-gateway-demo-*"))


async def all_gone(pids: set[int]) -> None:
    """Return once none of *pids* lives."""
    async with asyncio.timeout(HANG_S):
        while any(is_alive(pid) for pid in pids):  # noqa: ASYNC110  (not our children)
            await asyncio.sleep(0.02)


@pytest.fixture(autouse=True)
def temp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What a killed demo cannot remove goes with the test's own folder.

    Its path is short: Chromium puts a socket below it, whose name has room for 107 bytes.
    """
    with TemporaryDirectory(prefix="demo-") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


@asynccontextmanager
async def demo(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The demo on a free port, killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.demo", "--port", "0", *arguments),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(2 * HANG_S):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def welcome(process: asyncio.subprocess.Process) -> str:
    """Return what the demo prints once it is up."""
    assert process.stdout is not None
    text = ""
    async for line in process.stdout:
        text += line.decode()
        if "Ctrl-C" in text:
            break
    return text


async def test_every_camera_plays_in_the_browser() -> None:
    """Two clicks on each camera: connected, and a first frame each time, transcoded or not."""
    async with demo("--check", "--seconds", "4", "--viewings", "2") as process:
        out, _ = await process.communicate()

    *cameras, summary = [json.loads(line) for line in out.splitlines()]
    assert [each["camera"] for each in cameras] == [
        "quay1",
        "sanhcho",
        "quay7",
        "congvao",
        "hoitruong",
        "hanhlang",
        "baixe",
        "khocu",
    ]
    assert all(each["first_frame_ms"] > 0 < each["frames_decoded"] for each in cameras)
    assert (summary["viewings"], summary["never"]) == (16, 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_nothing_is_left_running(number: signal.Signals, temp: Path) -> None:
    """Told to end it ends its children and leaves with 0; killed, they go by themselves."""
    async with demo() as process:
        assert "http://127.0.0.1:" in await welcome(process)
        pids = descendants(process.pid)
        assert len(pids) >= 4

        process.send_signal(number)
        await process.wait()

        await all_gone(pids)
    killed = number == signal.SIGKILL
    assert process.returncode == (-9 if killed else 0)
    assert killed or not folders(temp)


async def test_a_part_that_dies_ends_the_demo() -> None:
    """With exit code 1, and nothing is left."""
    async with demo() as process:
        await welcome(process)
        pids = descendants(process.pid)
        (broker,) = [pid for pid in pids if "mosquitto" in program(pid)]

        os.kill(broker, signal.SIGKILL)
        await process.wait()

        await all_gone(pids)
    assert process.returncode == 1


async def test_the_page_and_the_control_answer() -> None:
    """The printed addresses are real."""
    async with demo() as process:
        text = await welcome(process)
        page = next(word for word in text.split() if word.startswith("http://"))
        control = next(word for word in text.split() if "/cameras/" in word).split("/cameras/")[0]
        async with ClientSession() as http:
            async with http.get(page) as answer:
                assert answer.status == 200
            async with http.get(f"{control}/cameras") as answer:
                assert len((await answer.json())["cameras"]) == 8
        await until_ended(process, "the demo", signal.SIGTERM)
