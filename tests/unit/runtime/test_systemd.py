"""Notification of systemd, over a real datagram socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.runtime.bugs import BugCounts
from gateway.runtime.clock import SystemClock
from gateway.runtime.systemd import SystemdNotifier
from tests.fixtures.clock import HANG_S


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """Systemd's end of the line."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


ALIVE = "READY=1\nWATCHDOG=1"


async def heard(manager: socket.socket) -> str:
    async with asyncio.timeout(HANG_S):
        return (await asyncio.get_running_loop().sock_recv(manager, 100)).decode()


async def test_ready_alive_and_leaving(manager: socket.socket) -> None:
    """READY at once, WATCHDOG at half of what systemd grants, STOPPING when cancelled."""
    wanted = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "400000"}
    systemd = SystemdNotifier(wanted, clock=SystemClock())

    running = asyncio.create_task(systemd.run(), name="systemd")
    said = [await heard(manager) for _ in range(3)]
    running.cancel()
    await asyncio.wait([running])
    said.append(await heard(manager))
    while said[-1] == ALIVE:
        said.append(await heard(manager))

    assert systemd.watchdog_s == 0.4
    assert said[:3] == ["READY=1", ALIVE, ALIVE]
    assert said[-1] == "STOPPING=1"


async def test_a_ready_that_is_lost_is_said_again(manager: socket.socket) -> None:
    """One that does not get through, e.g. since the queue is full, is not the last."""
    wanted = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "20000"}
    systemd = SystemdNotifier(wanted, clock=SystemClock())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as others:
        others.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                others.sendto(b"another service's", manager.getsockname())

    running = asyncio.create_task(systemd.run(), name="systemd")
    await asyncio.sleep(0)
    said = [await heard(manager)]
    while not said[-1].startswith("READY=1"):
        said.append(await heard(manager))
    running.cancel()
    await asyncio.wait([running])

    assert said[-1] == ALIVE


async def test_the_status_is_one_line(manager: socket.socket) -> None:
    """A line break would begin another message."""
    SystemdNotifier({"NOTIFY_SOCKET": manager.getsockname()}, clock=SystemClock()).status(
        "a\nREADY=1"
    )

    assert await heard(manager) == "STATUS=a READY=1"


async def test_the_status_is_told_again_and_again(
    manager: socket.socket, contained_bugs: BugCounts
) -> None:
    """At once, then with the watchdog's feeding; one that cannot be made stops neither."""
    states = ["3 of 4", "4 of 4"]
    wanted = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "20000"}
    systemd = SystemdNotifier(wanted, clock=SystemClock(), status=lambda: states.pop(0))

    running = asyncio.create_task(systemd.run(), name="systemd")
    said = [await heard(manager) for _ in range(6)]
    running.cancel()
    await asyncio.wait([running])

    assert said[:4] == ["READY=1", "STATUS=3 of 4", ALIVE, "STATUS=4 of 4"]
    assert said[4:] == [ALIVE, ALIVE]
    assert set(contained_bugs.counts) == {"report"}


async def test_an_abstract_address_is_reached() -> None:
    """Containers use a name that begins with @."""
    name = f"camera-gateway-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}")
        listening.setblocking(False)

        SystemdNotifier({"NOTIFY_SOCKET": f"@{name}"}, clock=SystemClock()).notify("READY=1")

        assert await heard(listening) == "READY=1"


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "vsock:1:2"])
def test_without_a_listener_nothing_happens(address: str) -> None:
    """The gateway runs in a terminal as well."""
    SystemdNotifier({"NOTIFY_SOCKET": address}, clock=SystemClock()).notify("READY=1")


def test_the_watchdog_of_another_process_is_not_ours() -> None:
    """WATCHDOG_PID says who is meant."""
    environment = {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}

    assert SystemdNotifier(environment, clock=SystemClock()).watchdog_s is None
