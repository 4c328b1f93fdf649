"""`camera-gateway setup` as an installer runs it."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli.main import main
from gateway.config.site_store import load_site
from tests.fixtures.clock import HANG_S
from tests.fixtures.setup_page import RTSP_PORT, recorder, write_box


async def run(settings: Path, *words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "setup", "--settings", str(settings), *words),
        stdin=PIPE,
        stdout=PIPE,
        stderr=STDOUT,
    )


async def test_the_terminal_says_how_to_come_in(tmp_path: Path) -> None:
    """Address, fingerprint, code; Ctrl-C closes it."""
    process = await run(write_box(tmp_path), "--listen", "127.0.0.1", "--port", "0")
    assert process.stdout is not None
    async with asyncio.timeout(HANG_S):
        said = (await process.stdout.readuntil("tự đóng".encode())).decode()
        process.send_signal(signal.SIGINT)
        rest, _ = await process.communicate()

    assert re.search(r"https://127\.0\.0\.1:\d+/\n", said)
    assert len(re.findall(r"\b(?:[0-9A-F]{2}:){15}[0-9A-F]{2}\b", said)) == 2
    assert re.search(r"Code: +[2-9A-Z]{4}-[2-9A-Z]{4}\n", said)
    assert "Đã đóng" in rest.decode()
    assert process.returncode == 0


@pytest.mark.usefixtures("isolated_logging")
def test_it_listens_to_the_local_network_only(tmp_path: Path) -> None:
    """A public address is refused before anything is opened."""
    settings = str(write_box(tmp_path))

    said = CliRunner().invoke(main, ["setup", "--settings", settings, "--listen", "8.8.8.8"])

    assert "8.8.8.8: không phải địa chỉ mạng nội bộ" in said.output
    assert said.exit_code == 2


async def test_questions_lead_to_the_same_document(tmp_path: Path) -> None:
    """Without a browser: recorder, names, test, save."""
    settings = write_box(tmp_path)
    async with recorder(2, empty=frozenset({2}), account=None) as device:
        process = await run(settings, "--text")
        answers = [device.host, "1", "2", str(RTSP_PORT), "", "n", "Quầy 1", "Tầng 1", "y", "y"]
        async with asyncio.timeout(HANG_S):
            said, _ = await process.communicate("\n".join([*answers, ""]).encode())

    assert process.returncode == 0, said.decode()
    site = load_site(tmp_path / "state" / "site.json")
    assert site is not None
    (camera,) = site.cameras
    assert (camera.id, camera.name, camera.location) == ("quay1", "Quầy 1", "Tầng 1")
    assert "Không tìm thấy kênh" in said.decode()
    assert "sudo systemctl restart camera-gateway" in said.decode()
