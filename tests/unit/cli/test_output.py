"""What strangers have written, printed by each command: real output, nothing that steers."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli.config import _print
from gateway.cli.main import main
from gateway.cli.output import echo
from gateway.mqtt.payloads.config import Reported
from tests.fixtures.clock import HANG_S
from tests.unit.rtsp.scripted import SDP, Request, camera, willing

STEERING = "\x1b]0;x\x07\x1b[2J\x9b31m\u202egpj.exe\u2066"
FORBIDDEN = {"\x1b", "\x07", "\x9b", "\u202e", "\u2066", "\r"}


def test_a_line_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a text with a line end no second line is made."""
    echo(f"a\n{STEERING}")

    said = capsys.readouterr().out
    assert said == "a\\n\\u001b]0;x\\u0007\\u001b[2J\\u009b31m\\u202egpj.exe\\u2066\n"


def test_the_status_of_a_gateway_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """Its reasons, places and faults."""
    fault = {"at": f"/{STEERING}", "code": "value", "msg": STEERING}
    report = {"ver": 1, "st": "rolled_back", "why": "disk", "detail": STEERING}
    _print(
        Reported.model_validate_json(
            json.dumps(report | {"applied": [STEERING], "errors": [fault]})
        )
    )

    said = capsys.readouterr()
    assert "u001b[2J" in said.out
    assert not FORBIDDEN & set(said.out + said.err)


@pytest.mark.usefixtures("isolated_logging")
def test_faults_of_a_document_are_escaped(tmp_path: Path) -> None:
    """Its keys and values."""
    path = tmp_path / "site.json"
    camera = {"id": STEERING, STEERING: 1, "streams": [{"url": f"rtsp://192.168.1.9/{STEERING}"}]}
    path.write_text(json.dumps({"cameras": [camera], STEERING: STEERING}))

    result = CliRunner().invoke(main, ["check", str(path)])

    assert result.exit_code == 2
    assert "u001b[2J" in result.stderr
    assert not FORBIDDEN & set(result.output + result.stderr)


@pytest.mark.parametrize("form", [(), ("--json",)])
@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE", "SDP"])
async def test_what_a_camera_says_is_escaped(form: tuple[str, ...], method: str) -> None:
    """Its name, its phrases and its session description, by `camera-gateway probe`."""

    def answer(request: Request) -> bytes:
        raw = willing(request)
        if request.method == "OPTIONS":
            raw = raw.replace(b"Public:", b"Server: " + STEERING.encode() + b"\r\nPublic:")
        if request.method == method:
            raw = raw.replace(b"200 Said", b"404 " + STEERING.encode())
        if request.method == "DESCRIBE" and method == "SDP":
            return request.answer(body=SDP.replace("H264", f"X{STEERING}"))
        return raw

    async with asyncio.timeout(HANG_S), camera(answer) as made:
        words = ["probe", made.url, "--network", "127.0.0.0/8", "--watch", "1", *form]
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway",
            *words,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await child.communicate()

    text = said.decode()
    assert child.returncode == 1, text
    assert "[2J" in text, text
    assert not FORBIDDEN & set(text)
    assert not form or all(json.loads(line) for line in text.splitlines())
