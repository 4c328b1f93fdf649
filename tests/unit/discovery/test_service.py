"""Discoveries of a running gateway: once a week, one at a time, with what they find kept."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.demo.scripted_recorder import ACCOUNT, ScriptedRecorder
from gateway.discovery.detected_store import FILE, DetectedStore
from gateway.discovery.discovery import Discovery
from gateway.discovery.limits import DiscoveryLimits
from gateway.discovery.service import LOOK_S, WEEK_MS, DiscoveryService
from gateway.model.errors import TransientError
from gateway.ports import Clock
from gateway.rtsp.auth import Login
from gateway.runtime.clock import SystemClock

LOGIN = Login(ACCOUNT.username, ACCOUNT.password)
NOW_MS = 1_790_000_000_000


class TwoLooks(SystemClock):
    """A clock by which a week's loop looks twice, at once; *both* is set behind the second."""

    def __init__(self) -> None:
        self.both = asyncio.Event()
        self._looks = 0

    async def sleep(self, delay_s: float) -> None:
        assert delay_s == LOOK_S
        self._looks += 1
        if self._looks == 3:
            self.both.set()
            await asyncio.Event().wait()


def service(
    folder: Path, recorder: ScriptedRecorder, *, weekly: bool = True, clock: Clock | None = None
) -> DiscoveryService:
    discovery = Discovery(
        (ip_network(f"{recorder.host}/32"),),
        extra_ports=recorder.ports,
        limits=DiscoveryLimits(wait_s=0.0),
    )
    return DiscoveryService(
        discovery,
        lambda _: LOGIN,
        DetectedStore(folder),
        weekly=weekly,
        clock=clock or SystemClock(),
        wall_ms=lambda: NOW_MS,
    )


async def test_what_was_found_is_known_after_a_restart(tmp_path: Path) -> None:
    """Maker, model, channels, those without a picture, and where the streams are."""
    async with ScriptedRecorder(host="127.9.0.1") as recorder:
        async with aclosing(service(tmp_path, recorder).discover()) as items:
            async for _ in items:
                pass
        (device,) = service(tmp_path, recorder).devices

    assert (device.manufacturer, device.model, device.origin) == (
        "Hikvision",
        "DS-7216HQHI-K1",
        "scan",
    )
    assert (device.channels, device.no_signal) == (16, (5, 12))
    assert ("/Streaming/Channels/302", 3) in device.paths


async def test_one_is_made_a_week(tmp_path: Path) -> None:
    """The first at the first look after the first start; none at the next."""
    clock = TwoLooks()
    async with ScriptedRecorder(host="127.9.0.2") as recorder:
        running = service(tmp_path, recorder, clock=clock)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(running.run(), name="service")
            await clock.both.wait()
            task.cancel()

    assert recorder.counts.logins == 1
    assert len(running.devices) == 1


@pytest.mark.parametrize(
    ("days", "weekly", "due"),
    [(1, True, False), (6, True, False), (8, True, True), (-1, True, True), (8, False, False)],
)
def test_another_is_due_after_a_week(tmp_path: Path, days: int, weekly: bool, due: bool) -> None:
    """Also by a clock that was set back; never where the settings say so."""
    DetectedStore(tmp_path).keep((), NOW_MS - days * WEEK_MS // 7)

    assert service(tmp_path, ScriptedRecorder(), weekly=weekly).is_due is due


async def test_two_at_once_are_refused(tmp_path: Path) -> None:
    """The second has nothing sent."""
    async with ScriptedRecorder(host="127.9.0.4") as recorder:
        running = service(tmp_path, recorder)
        async with aclosing(running.discover()) as first:
            await anext(first)
            with pytest.raises(TransientError):
                await anext(running.discover())


def test_a_damaged_file_is_as_good_as_none(tmp_path: Path) -> None:
    """A discovery is due at once."""
    (tmp_path / FILE).write_bytes(b"{")
    store = DetectedStore(tmp_path)

    assert (store.devices, store.ended_ms) == ((), 0)
