"""`camera-gateway doctor`, the real command on this machine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.config_files import free_port
from tests.fixtures.broker import Broker
from tests.fixtures.clock import HANG_S

pytestmark = pytest.mark.live

CANARY = "canary-Abc@123"


def settings(folder: Path, port: int, more: str = "") -> Path:
    """Return a settings file whose broker is at *port*."""
    path = folder / "gateway.toml"
    secrets = folder / "secrets"
    secrets.mkdir(exist_ok=True)
    (secrets / "broker").touch(mode=0o600)
    (secrets / "broker").write_text(CANARY)
    path.write_text(
        f'[gateway]\nid = "hcm-q1-01"\nprovince = "79"\n'
        f'[broker]\nhost = "127.0.0.1"\nport = {port}\nusername = "gateway"\n'
        'password = "secret:broker"\n[cameras]\nnetworks = ["192.168.1.0/24"]\n'
        f'[state]\ndir = "{folder}"\n{more}'
    )
    return path


def doctor(path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    command = [sys.executable, "-m", "gateway", "doctor", "--settings", str(path), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False)


def findings(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    """Return what it has found, by name."""
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {each["name"]: each for each in lines}


async def test_a_machine_that_works_is_told_all_it_has(tmp_path: Path, broker: Broker) -> None:
    """Exit code 0; the encoder and why no better one, each refusal in its own words."""
    done = doctor(settings(tmp_path, broker.port), "--json")
    found = findings(done)

    assert done.returncode == 0, done.stdout + done.stderr
    assert found.keys() == {
        *("fast_path", "descriptors", "disk", "clock", "broker", "sandbox", "encoder", "capacity"),
        *("versions", "temperature", "time_zone", "certificate", "cameras", "turn", "ntp"),
        *("ffmpeg", "broker.dns", "broker.tcp", "loss", "speed", "verdict"),
    }
    assert "fail" not in {each["status"] for each in found.values()}
    assert found["broker"]["status"] == found["sandbox"]["status"] == "ok"
    for refused in ("h264_v4l2m2m: does not open", "ffmpeg/h264_vaapi: No VA display found"):
        assert any(refused in detail for detail in found["encoder"]["details"])
    assert "cameras of H.265" in found["capacity"]["en"]
    assert re.search(r"PyAV \d+\.\d+.*, FFmpeg \d+\.\d+.*; .* ffmpeg \d+", found["ffmpeg"]["en"])


async def test_a_broker_that_is_not_there_is_a_fault_with_its_cure(tmp_path: Path) -> None:
    """Exit code 1; in both languages, and no password with it."""
    done = doctor(settings(tmp_path, free_port(), "[transcoding]\nenabled = false\n"))

    assert done.returncode == 1
    step, cure, line, _ = done.stdout[done.stdout.index("NO  broker.tcp") :].splitlines()[:4]
    assert "từ chối kết nối ở cổng này" in step
    assert "refuses connections" in step
    assert "[broker]" in cure
    assert "không chấp nhận" in line
    assert done.stdout.splitlines()[-1].startswith("2 lỗi phải sửa")
    assert CANARY not in done.stdout + done.stderr


async def test_a_state_folder_that_is_not_there_is_a_fault(tmp_path: Path, broker: Broker) -> None:
    """It says which."""
    path = settings(tmp_path, broker.port, "[transcoding]\nenabled = false\n")
    path.write_text(path.read_text().replace(f'dir = "{tmp_path}"', 'dir = "/nowhere/at/all"'))
    done = doctor(path, "--json")

    assert done.returncode == 1
    assert findings(done)["disk"]["status"] == "fail"
    assert "/nowhere/at/all" in findings(done)["disk"]["en"]


def test_wrong_settings_are_said_first(tmp_path: Path) -> None:
    """Exit code 2, like `check`; nothing else is looked at."""
    (tmp_path / "gateway.toml").write_text('[gateway]\nid = "X"\n')
    done = doctor(tmp_path / "gateway.toml")

    assert done.returncode == 2
    assert "/gateway/id" in done.stderr
    assert done.stdout == ""
