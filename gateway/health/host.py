"""Measurements of the machine we run on, and who takes them now and then. Only here is psutil used.

Nothing here raises: what cannot be measured is None. Rates are since the previous sample.
"""

from __future__ import annotations

import asyncio
import os
import platform
import resource
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

import psutil

from gateway.health.clock_status import KernelClock, kernel_clock
from gateway.health.disk import TrialWrite
from gateway.health.raspberry_pi import read_throttled_bits
from gateway.model.health import HostSample, Machine
from gateway.ports import Clock
from gateway.runtime.bugs import report_bug

MIB = 2**20
SAMPLE_S = 15.0
"""Between two samples, and so the interval of their rates."""

SUSPECT_PERCENT = 99.0
"""Used, of the state folder's file system: from here on a write is tried at each sample."""

_SENSORS = ("cpu_thermal", "coretemp", "k10temp", "soc_thermal", "acpitz")

T = TypeVar("T")


class Host:
    """Measures the machine.

    Args:
        folder: The state folder; its file system is the one that is measured.
        root: Where ``/proc`` and ``/sys`` are; another place in tests.
        clock_behind_s: Returns how far the wall clock is below the least time that it can be.
    """

    def __init__(
        self,
        folder: Path,
        root: Path = Path("/"),
        *,
        clock_behind_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._folder = folder
        self._clock_behind_s = clock_behind_s
        self._root = root
        self._trial = TrialWrite(folder)
        self._process = psutil.Process()
        self._traffic: tuple[str, float, int, int] | None = None
        psutil.cpu_percent(None)  # the first answer of psutil means nothing

    def sample(self, now_s: float) -> HostSample:
        """Return one sample; *now_s* is monotonic.

        Blocks for about a millisecond, and for some seconds when the card or the firmware hangs:
        to be called on a thread.
        """
        interface, sent_kbps, received_kbps = self._network(now_s)
        clock = _or_none(kernel_clock) or KernelClock()
        disk_percent = _or_none(lambda: psutil.disk_usage(str(self._folder)).percent)
        read_only = _or_none(lambda: bool(os.statvfs(self._folder).f_flag & os.ST_RDONLY))
        suspected = bool(read_only) or (disk_percent or 0.0) >= SUSPECT_PERCENT
        return HostSample(
            uptime_s=_or_none(self._uptime_s),
            cpu_percent=_or_none(lambda: psutil.cpu_percent(None)),
            load=_or_none(os.getloadavg),
            temperature_c=_or_none(_temperature_c),
            throttled=_or_none(lambda: read_throttled_bits(self._root)),
            memory_percent=_or_none(lambda: psutil.virtual_memory().percent),
            rss_mib=_or_none(lambda: self._process.memory_info().rss / MIB),
            disk_percent=disk_percent,
            disk_read_only=read_only,
            disk_error=self._trial.check(now_s, suspected=suspected),
            written_mib=_or_none(lambda: self._process.io_counters().write_bytes / MIB),
            descriptors=_or_none(self._process.num_fds),
            descriptors_limit=_or_none(lambda: resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
            clock_source=clock.source,
            clock_offset_ms=clock.offset_ms,
            clock_synced=clock.synced,
            clock_error_ms=clock.error_ms,
            clock_behind_s=self._clock_behind_s(),
            interface=interface,
            sent_kbps=sent_kbps,
            received_kbps=received_kbps,
        )

    def _uptime_s(self) -> float:
        return float((self._root / "proc/uptime").read_text().split()[0])

    def _network(self, now_s: float) -> tuple[str | None, float | None, float | None]:
        interface = _or_none(self._default_interface)
        counters = _or_none(lambda: psutil.net_io_counters(pernic=True))
        if interface is None or counters is None or interface not in counters:
            self._traffic = None
            return interface, None, None
        before, now = self._traffic, counters[interface]
        self._traffic = (interface, now_s, now.bytes_sent, now.bytes_recv)
        if before is None or before[0] != interface or now_s <= before[1]:
            return interface, None, None
        elapsed_s = now_s - before[1]
        sent_kbps = max(0, now.bytes_sent - before[2]) * 8 / 1000 / elapsed_s
        received_kbps = max(0, now.bytes_recv - before[3]) * 8 / 1000 / elapsed_s
        return interface, sent_kbps, received_kbps

    def _default_interface(self) -> str | None:
        for line in (self._root / "proc/net/route").read_text().splitlines()[1:]:
            interface, destination, *_ = line.split()
            if destination == "00000000":
                return interface
        return None


class HostSampler:
    """Takes a sample now and then, on a thread; everybody else reads the newest one.

    Attributes:
        sample: The newest.

    Args:
        take_sample: Measures at a monotonic second; may block. Called on a thread, but for the
            first time.
        clock: Monotonic.
        every_s: Between two samples.
    """

    def __init__(
        self, take_sample: Callable[[float], HostSample], *, clock: Clock, every_s: float = SAMPLE_S
    ) -> None:
        self._take_sample = take_sample
        self._clock = clock
        self._every_s = every_s
        self.sample = take_sample(clock.now())

    async def run(self) -> NoReturn:
        """Take samples until cancelled."""
        while True:
            await self._clock.sleep(self._every_s)
            try:
                self.sample = await asyncio.to_thread(self._take_sample, self._clock.now())
            except Exception as error:  # ends this sample only; the one before stays
                report_bug("report", error, "host")


def machine(version: str, root: Path = Path("/")) -> Machine:
    """Return what does not change while we run; *version* is the program's."""

    def text(path: str) -> str:
        return _or_none(lambda: (root / path).read_text().strip("\0\n ")) or ""

    release = _or_none(platform.freedesktop_os_release) or {}
    serial = text("proc/device-tree/serial-number") or text("etc/machine-id")
    return Machine(
        version=version,
        os=release.get("PRETTY_NAME", platform.system())[:100],
        arch=platform.machine(),
        model=(text("proc/device-tree/model") or text("sys/class/dmi/id/product_name"))[:100],
        boot=text("proc/sys/kernel/random/boot_id")[:8],
        hardware=uuid.uuid5(uuid.NAMESPACE_OID, serial).hex[:12] if serial else "",
    )


def _or_none(measure: Callable[[], T | None]) -> T | None:
    """Return what *measure* returns; None if this machine does not offer it."""
    try:
        return measure()
    except (OSError, ValueError, LookupError, AttributeError, psutil.Error):
        return None


def _temperature_c() -> float | None:
    sensors = psutil.sensors_temperatures()
    readings = [
        reading.current for name in _SENSORS for reading in sensors.get(name, ()) if reading.current
    ]
    return max(readings, default=None)
