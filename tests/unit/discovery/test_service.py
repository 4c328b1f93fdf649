"""Discoveries of a running gateway: once a week, one at a time, with what they find kept."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.demo.scripted_recorder import ACCOUNT, ScriptedRecorder
from gateway.discovery.detected_store import FILE, MOST_DEVICES, DetectedStore, detected
from gateway.discovery.discovery import Discovery
from gateway.discovery.found import FoundChannel, FoundDevice, FoundStream
from gateway.discovery.limits import DiscoveryLimits
from gateway.discovery.refused_logins import FILE as REFUSED_FILE
from gateway.discovery.refused_logins import RefusedLogins
from gateway.discovery.service import LOOK_S, WEEK_MS, DiscoveryService
from gateway.model.detected import DetectedDevice
from gateway.model.errors import TransientError
from gateway.ports import Clock
from gateway.rtsp.auth import Login
from gateway.runtime.clock import SystemClock

LOGIN = Login(ACCOUNT.username, ACCOUNT.password)
WRONG = Login(ACCOUNT.username, SecretStr("sai-mat-khau"))
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
    folder: Path,
    recorder: ScriptedRecorder,
    *,
    weekly: bool = True,
    clock: Clock | None = None,
    login: Login = LOGIN,
) -> DiscoveryService:
    discovery = Discovery(
        (ip_network(f"{recorder.host}/32"),),
        extra_ports=recorder.ports,
        known=lambda: (recorder.host,),
        refused=RefusedLogins(folder / REFUSED_FILE),
        limits=DiscoveryLimits(wait_s=0.0),
    )
    return DiscoveryService(
        discovery,
        lambda _: login,
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


def devices(count: int, **told: object) -> tuple[DetectedDevice, ...]:
    addresses = (f"10.0.{number // 250}.{number % 250 + 1}" for number in range(count))
    device = DetectedDevice("", "scan", NOW_MS)
    return tuple(replace(device, address=each, **told) for each in addresses)  # type: ignore[arg-type]


def test_of_more_devices_than_are_kept_the_first_are(tmp_path: Path) -> None:
    """Those of this discovery: networks that are looked at in turn have more than one may find."""
    DetectedStore(tmp_path).keep(devices(MOST_DEVICES + 100), NOW_MS)

    assert DetectedStore(tmp_path).devices == devices(MOST_DEVICES)


def test_the_most_that_devices_can_tell_is_known_after_a_restart(tmp_path: Path) -> None:
    """512 of them, each with all channels and the longest paths that are taken."""
    streams = tuple(FoundStream("main", f"rtsp://10.0.0.1/{'x' * 500}") for _ in range(3))
    channels = tuple(FoundChannel(number, streams=streams) for number in range(1, 257))
    name = "đầu ghi ".ljust(120, "ệ")
    told = FoundDevice("", maker=name, model=name, firmware=name, channels=channels)
    lost = {"no_signal": tuple(range(1, 257)), "cause": "x" * 40}
    most = devices(MOST_DEVICES, **{"paths": detected(told, 0).paths, "model": name, **lost})
    DetectedStore(tmp_path).keep(most, NOW_MS)

    assert DetectedStore(tmp_path).devices == most
    assert most[0].paths


async def test_what_was_found_until_it_was_ended_is_kept(tmp_path: Path) -> None:
    """A command has an end; hundreds of slow devices take longer. Another is due all the same."""
    async with ScriptedRecorder(host="127.9.0.5") as recorder:
        async with aclosing(service(tmp_path, recorder).discover()) as items:
            async for item in items:
                if isinstance(item, FoundDevice):
                    break
        again = service(tmp_path, recorder)

    assert [each.address for each in again.devices] == ["127.9.0.5"]
    assert again.is_due


async def test_no_discovery_tries_a_login_that_was_refused(tmp_path: Path) -> None:
    """Not the next of the week, nor one by command, nor one after a restart."""
    async with ScriptedRecorder(host="127.9.0.6") as recorder:
        for _ in range(3):
            running = service(tmp_path, recorder, login=WRONG)
            for networks in (None, (ip_network("127.9.0.6/32"),)):
                async with aclosing(running.discover(networks)) as items:
                    async for _ in items:
                        pass

    assert (recorder.counts.logins, recorder.counts.refused) == (1, 1)
    assert running.devices[0].cause == "not_tried"
