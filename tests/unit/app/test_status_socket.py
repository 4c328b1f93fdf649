"""The socket that tells how the gateway is, asked as a container's health check asks it."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from gateway.app.status_socket import StatusSocket
from gateway.cli.main import main
from gateway.runtime.bugs import BugCounts
from gateway.runtime.status_query import LONGEST_BYTES, SOCKET_NAME
from tests.fixtures.clock import HANG_S

MODULE = (sys.executable, "-m", "gateway.runtime.status_query")


async def asked(folder: Path) -> tuple[int | None, str, str]:
    """Exit code and output of the health check of a container."""
    process = await asyncio.create_subprocess_exec(
        *MODULE,
        env=os.environ | {"RUNTIME_DIRECTORY": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    async with asyncio.timeout(HANG_S):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def serving(served: StatusSocket, folder: Path) -> asyncio.Task[None]:
    running = asyncio.create_task(served.run(), name="status")
    async with asyncio.timeout(HANG_S):
        while not (folder / SOCKET_NAME).exists():  # noqa: ASYNC110  (nothing tells of a file)
            await asyncio.sleep(0)
    return running


async def ended(running: asyncio.Task[None]) -> None:
    running.cancel()
    await asyncio.wait([running])


async def test_whoever_asks_is_told_the_status(tmp_path: Path) -> None:
    """Each time what is true then; and only our own user may ask."""
    lines = ["3 of 4", "4 of 4\nand more"]
    running = await serving(StatusSocket(str(tmp_path), status=lambda: lines.pop(0)), tmp_path)

    mode = stat.S_IMODE((tmp_path / SOCKET_NAME).stat().st_mode)
    said = [await asked(tmp_path) for _ in range(2)]
    await ended(running)

    assert said == [(0, "3 of 4\n", ""), (0, "4 of 4 and more\n", "")]
    assert mode == 0o600
    assert not (tmp_path / SOCKET_NAME).exists()


async def test_sockets_leave_the_umask_of_the_process(tmp_path: Path) -> None:
    """Two that start at once once left the service unable to enter the folders that it made."""
    before = os.umask(0o077)
    try:
        sockets = [StatusSocket(str(tmp_path), status=str, name=name) for name in ("a", "b")]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each.run()) for each in sockets]
            async with asyncio.timeout(HANG_S):
                while not all((tmp_path / name).exists() for name in "ab"):  # noqa: ASYNC110
                    await asyncio.sleep(0)
            (tmp_path / "folder").mkdir()
            for each in tasks:
                each.cancel()
        after = os.umask(0o077)
    finally:
        os.umask(before)

    assert (after, (tmp_path / "folder").stat().st_mode & 0o777) == (0o077, 0o700)


async def test_the_socket_of_a_killed_gateway_is_replaced(tmp_path: Path) -> None:
    """It is still there, and nobody listens."""
    left = await asyncio.start_unix_server(lambda *_: None, tmp_path / SOCKET_NAME)
    left.close()
    before = (await asked(tmp_path))[0]
    running = asyncio.create_task(StatusSocket(str(tmp_path), status=lambda: "well").run())
    async with asyncio.timeout(HANG_S):
        while (await asked(tmp_path))[0] != 0:
            pass
    await ended(running)

    assert before == 1


async def test_a_bug_in_the_status_is_no_health(tmp_path: Path, contained_bugs: BugCounts) -> None:
    """It ends that answer alone."""

    def fail() -> str:
        raise ValueError("no status")

    running = await serving(StatusSocket(str(tmp_path), status=fail), tmp_path)
    code, _, why = await asked(tmp_path)
    await ended(running)

    assert (code, set(contained_bugs.counts)) == (1, {"report"})
    assert "không trả lời / no answer" in why


async def test_what_is_told_is_bounded(tmp_path: Path) -> None:
    """As the one who asks reads."""
    running = await serving(StatusSocket(str(tmp_path), status=lambda: "x" * 5000), tmp_path)
    _, said, _ = await asked(tmp_path)
    await ended(running)

    assert len(said) == LONGEST_BYTES


async def test_a_folder_that_is_not_there_stops_nothing(tmp_path: Path) -> None:
    """The gateway runs without anybody who could ask."""
    for folder in ("", str(tmp_path / "missing")):
        running = asyncio.create_task(StatusSocket(folder, status=str).run(), name="status")
        done, _ = await asyncio.wait([running], timeout=0.05)
        await ended(running)

        assert not done


def test_a_gateway_that_does_not_run_is_not_well(tmp_path: Path) -> None:
    """``camera-gateway health`` says so."""
    result = CliRunner().invoke(main, ["health", "--folder", str(tmp_path)])

    assert result.exit_code == 1
    assert "no answer" in result.output
