"""``camera-gateway discover``: what an installer reads, and with which code it ends."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.main import main
from gateway.demo.scripted_recorder import ACCOUNT, ScriptedRecorder

PASSWORD = ACCOUNT.password.get_secret_value()


async def discover(recorder: ScriptedRecorder, *words: str, password: str = PASSWORD) -> Result:
    """Run the command on a thread of its own, while *recorder* serves."""
    ports = [word for port in recorder.ports for word in ("--port", str(port))]
    asked = ["discover", "--settings", "/nowhere.toml", "--account", "admin", *ports, *words]
    return await asyncio.to_thread(
        CliRunner().invoke, main, asked, env={"CAMERA_PASSWORD": password}
    )


@pytest.mark.usefixtures("isolated_logging")
async def test_a_recorder_is_told_line_by_line_in_vietnamese() -> None:
    """One for the device, one for each channel, with signal, codec and URL; exit code 0."""
    async with ScriptedRecorder(names={1: "Quầy 1"}) as recorder:
        result = await discover(recorder, "127.0.0.1", "--network", "127.0.0.0/30")

    lines = result.output.splitlines()
    assert result.exit_code == 0
    assert lines[0].startswith("127.0.0.1  Hikvision DS-7216HQHI-K1  (đầu ghi; 16 kênh, 2 mất")
    assert lines[1].startswith("  kênh 1 “Quầy 1”: có hình; chính H.265 1920×1080 25 hình/s")
    assert lines[5].startswith("  kênh 5 “Camera 05”: mất tín hiệu; ")
    assert len(lines) == 17


@pytest.mark.usefixtures("isolated_logging")
async def test_what_keeps_a_device_from_telling_is_said_with_its_cure() -> None:
    """In Vietnamese and English; exit code 1, and the password is nowhere."""
    async with ScriptedRecorder() as recorder:
        result = await discover(
            recorder, "--network", "127.0.0.0/30", "127.0.0.1", password="canary-1"
        )

    assert result.exit_code == 1
    assert "  !! Sai tài khoản hoặc mật khẩu. Đăng nhập thử" in result.output
    assert "We try once only" in result.output
    assert "canary-1" not in result.output


@pytest.mark.usefixtures("isolated_logging")
async def test_a_whole_network_is_told_as_json() -> None:
    """One object a line: progress, then devices."""
    async with ScriptedRecorder("dahua", host="127.0.0.2", channels=2) as recorder:
        result = await discover(recorder, "--network", "127.0.0.2/32", "--json", "--wait", "0.1")

    told = [json.loads(line) for line in result.output.splitlines()]
    device = next(each["device"] for each in told if "device" in each)
    assert result.exit_code == 0
    assert (device["maker"], device["origin"], len(device["channels"])) == ("Dahua", "dahua", 2)
    assert told[-1]["progress"]["stage"] == "done"


def test_a_network_outside_the_settings_is_refused(tmp_path: Path) -> None:
    """Exit code 2, and what the settings allow."""
    settings = tmp_path / "gateway.toml"
    settings.write_text(
        '[gateway]\nid = "hcm-q1-01"\nprovince = "79"\n[broker]\nhost = "127.0.0.1"\n'
        '[cameras]\nnetworks = ["192.168.1.0/24"]\n'
    )
    result = CliRunner().invoke(
        main, ["discover", "--settings", str(settings), "--network", "192.168.0.0/16"]
    )

    assert result.exit_code == 2
    assert "192.168.1.0/24" in result.output
