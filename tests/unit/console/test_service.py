"""How the console tells why it cannot serve, and that it is not started again at once."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.console.service import PAUSE_S, WRONG, refuse
from tests.fixtures.clock import FakeClock

BROKER = '[broker]\nhost = "127.0.0.1"\nport = 1883\n'


def test_under_systemd_the_fault_is_shown_and_it_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is read again every ten seconds, not as fast as the machine can."""
    clock = FakeClock()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))

        code = refuse(clock, WRONG, ["/listen: wrong [x]", "/broker: wrong [y]"])

        said = manager.recv(1000).decode()
    assert code == WRONG
    assert clock.slept == [PAUSE_S]
    assert said == "STATUS=không chạy được / cannot serve: /listen: wrong [x]"


def test_in_a_terminal_it_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has started it sees why."""
    clock = FakeClock()
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)

    refuse(clock, WRONG, ["/listen: wrong [x]"])

    assert clock.slept == []


def test_a_port_that_another_program_has_is_a_fault_of_the_settings(tmp_path: Path) -> None:
    """Told in a line with its place, no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        path = tmp_path / "console.toml"
        path.write_text(f"{BROKER}[listen]\nport = {port}\n")

        done = subprocess.run(
            [sys.executable, "-m", "gateway.console", "--settings", path],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    assert done.returncode == WRONG
    assert done.stderr.startswith(f"/listen: cannot listen at 127.0.0.1, port {port}: ")
    assert done.stderr.endswith("[address.used]\n")
    assert done.stderr.count("\n") == 1
