"""What the console tells systemd, with a real broker; scripts/install-walk has the real systemd."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from tests.fixtures.broker import Broker
from tests.fixtures.clock import HANG_S
from tests.fixtures.console_process import running_console

pytestmark = pytest.mark.live


async def test_it_says_ready_then_where_it_listens_and_what_it_has(
    broker: Broker, tmp_path: Path
) -> None:
    """READY once browsers can connect; STATUS from then on, STOPPING at the end."""
    settings, log = tmp_path / "console.toml", tmp_path / "log"
    address = broker.address
    settings.write_text(
        f'[listen]\nport = 0\n[broker]\nhost = "{address.host}"\nport = {address.port}\n'
    )
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        told = ("env", f"NOTIFY_SOCKET={tmp_path / 'notify'}", "WATCHDOG_USEC=200000")
        said: list[str] = []
        async with asyncio.timeout(HANG_S):
            async with running_console(settings, log, prefix=told) as console:
                while "broker connected" not in "".join(said[-1:]):
                    said.append((await loop.sock_recv(manager, 2000)).decode())
            while said[-1] != "STOPPING=1":
                said.append((await loop.sock_recv(manager, 2000)).decode())

    status = next(each for each in said if "broker connected" in each)
    assert said[0] == "READY=1"
    assert status.startswith(f"STATUS=Trang {console.url}; đã kết nối máy chủ MQTT; 0 điểm")
    assert status.endswith("sites: 0 known, 0 online; browsers: 0")
