"""`camera-gateway setup` as an installer runs it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from gateway.cli.main import main
from gateway.cli.setup import qr_code
from gateway.config.site_store import load_site
from tests.fixtures.clock import HANG_S
from tests.fixtures.enrolment import SITE, make_box, make_centre, serving
from tests.fixtures.setup_page import RTSP_PORT, recorder, write_box


async def run(settings: Path, *words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "setup", "--settings", str(settings), *words),
        stdin=PIPE,
        stdout=PIPE,
        stderr=STDOUT,
    )


LATER = ("", "n")
"""Neither enrol nor look for devices now."""

ONE_CAMERA = ("1", "2", str(RTSP_PORT), "", "n", "Quầy 1", "Tầng 1", "y", "y")


async def answered(process: asyncio.subprocess.Process, *answers: str) -> str:
    """Give *answers*, each with Enter; return what was said."""
    async with asyncio.timeout(HANG_S):
        said, _ = await process.communicate("\n".join([*answers, ""]).encode())
    return said.decode()


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
def test_wrong_settings_are_told_as_check_tells_them(tmp_path: Path) -> None:
    """File, line, cause and cure."""
    settings = write_box(tmp_path)
    text = settings.read_text()
    settings.write_text(re.sub(r"networks = .*", 'networks = ["192.168.1.0"]', text, count=1))

    said = CliRunner().invoke(main, ["setup", "--settings", str(settings)])

    assert said.exit_code == 2
    assert re.search(rf"{settings}:\d+: cameras\.networks\[0\] \[network\]", said.output)
    assert "→ Viết 192.168.1.0/24" in said.output


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
        said = await answered(process, *LATER, device.host, *ONE_CAMERA, "n")

    assert process.returncode == 0, said
    site = load_site(tmp_path / "state" / "site.json")
    assert site is not None
    (camera,) = site.cameras
    assert (camera.id, camera.name, camera.location) == ("quay1", "Quầy 1", "Tầng 1")
    assert "Không tìm thấy kênh" in said
    assert "sudo systemctl restart camera-gateway" in said


async def test_the_form_is_asked_as_on_the_page(tmp_path: Path) -> None:
    """Into the document what is the site's, into a file of its own who the people are."""
    settings = write_box(tmp_path)
    form = ("y", "Trung tâm thử", "", "2", "2", "n", "y", "1", "2,5", "3", "VNPT", "x", "40")
    people = ("Nguyễn Văn An", "", "", "0222 000 0001", "", "", "")
    async with recorder(2, empty=frozenset({2}), account=None) as device:
        process = await run(settings, "--text")
        said = await answered(process, *LATER, device.host, *ONE_CAMERA, *form, *people)

    site = load_site(tmp_path / "state" / "site.json")
    assert site is not None, said
    inventory = site.inventory
    assert inventory is not None
    assert (inventory.centre.name, inventory.vms_kind) == ("Trung tâm thử", "DVR")
    assert (inventory.exposed.declared, inventory.reach_from_office.ok) == (False, True)
    assert (inventory.line.down_mbps, inventory.uplink.up_mbps) == (2.5, 40)
    assert [each.type for each in inventory.cameras] == ["Analog"]
    contacts = tmp_path / "state" / "contacts.json"
    assert "Nguyễn Văn An" in contacts.read_text()
    assert contacts.stat().st_mode & 0o777 == 0o600


async def test_a_box_is_enrolled_by_the_first_questions(tmp_path: Path) -> None:
    """A wrong code is told, and asked for again."""
    centre = make_centre(tmp_path / "centre")
    async with serving(centre) as url:
        process = await run(make_box(tmp_path / "box"), "--text")
        said = await answered(process, url, "7K3M", url, str(centre.code()), "n")

    assert f"Enrolled: {SITE.name}" in said


IN = "https://192.168.100.100:8443/#7K2M-X4PW"


def pixels(drawn: str) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Return what a dark terminal of 8 x 16 characters shows of *drawn*: spaces, some inverse."""
    rows = []
    for line in drawn.splitlines():
        spaces = re.findall(r"\x1b\[(\d+)m( +)", line)
        light = [255 * (how == "7") for how, text in spaces for _ in range(8 * len(text))]
        rows += [light] * 16
    return np.array(rows, np.uint8)


def test_a_telephone_reads_the_code_from_a_plain_console() -> None:
    """The fonts of Linux's console have no half blocks: there it is drawn with spaces."""
    drawn = qr_code(IN, terminal="linux", size=os.terminal_size((160, 50)))

    read, *_ = cv2.QRCodeDetector().detectAndDecode(np.pad(pixels(drawn), 32))

    assert read == IN
    assert drawn.isascii()


@pytest.mark.parametrize("size", [(80, 25), (160, 44), (64, 50)])
def test_a_small_console_has_no_code(size: tuple[int, int]) -> None:
    """The address to type stays on the screen."""
    assert qr_code(IN, terminal="linux", size=os.terminal_size(size)) == ""


def test_a_window_has_half_blocks() -> None:
    """Half as high, and it scrolls back."""
    drawn = qr_code(IN, terminal="xterm-256color", size=os.terminal_size((80, 24)))

    assert "\N{UPPER HALF BLOCK}" in drawn
    assert len(drawn.splitlines()) < 24
