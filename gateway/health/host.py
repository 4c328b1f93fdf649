"""How the machine fares; the home of psutil. What cannot be learnt is None, nothing is raised."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import time
from pathlib import Path

import psutil

from gateway.model.health import HostSample, Machine

THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
"""Raspberry Pi: bits 0-3 now, 16-19 since boot (under-voltage, capped, throttled, hot)."""

MODEL = Path("/proc/device-tree/model")
BOARD = Path("/sys/class/dmi/id/product_name")
SERIAL = Path("/proc/device-tree/serial-number")
MACHINE_ID = Path("/etc/machine-id")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
ROUTES = Path("/proc/net/route")

_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised


class Host:
    """Looks at this machine; each look tells what has happened since the one before.

    Args:
        folder: The state folder; its file system is the one that matters.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process = psutil.Process()
        self._traffic: tuple[str, int, int, float] | None = None
        psutil.cpu_percent()  # begins the first interval

    def sample(self) -> HostSample:
        """Look now. Takes well under a millisecond of waiting, so the loop may do it."""
        interface = default_interface()
        sent_kbps, received_kbps = self._rates(interface)
        synced, error_ms = clock_state()
        return HostSample(
            uptime_s=time.time() - psutil.boot_time(),
            cpu_percent=psutil.cpu_percent(),
            load=os.getloadavg(),
            temperature_c=temperature_c(),
            throttled=throttled(),
            memory_percent=psutil.virtual_memory().percent,
            rss_mib=self._process.memory_info().rss / 2**20,
            disk_percent=self._disk_percent(),
            disk_read_only=self._read_only(),
            clock_synced=synced,
            clock_error_ms=error_ms,
            interface=interface,
            sent_kbps=sent_kbps,
            received_kbps=received_kbps,
        )

    def _rates(self, interface: str | None) -> tuple[float | None, float | None]:
        counters = psutil.net_io_counters(pernic=True).get(interface or "")
        if interface is None or counters is None:
            self._traffic = None
            return None, None
        now_s, before = time.monotonic(), self._traffic
        self._traffic = (interface, counters.bytes_sent, counters.bytes_recv, now_s)
        if before is None or before[0] != interface or now_s <= before[3]:
            return None, None
        took_ms = (now_s - before[3]) * 1000
        sent, received = counters.bytes_sent - before[1], counters.bytes_recv - before[2]
        return max(0, sent) * 8 / took_ms, max(0, received) * 8 / took_ms

    def _disk_percent(self) -> float | None:
        try:
            return float(psutil.disk_usage(str(self._folder)).percent)
        except OSError:
            return None

    def _read_only(self) -> bool | None:
        try:
            return bool(os.statvfs(self._folder).f_flag & os.ST_RDONLY)
        except OSError as error:
            return True if error.errno == errno.EROFS else None


def machine(version: str) -> Machine:
    """Return what does not change while the process runs."""
    try:
        release = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        release = platform.system()
    return Machine(
        version=version,
        os=release[:200],
        arch=platform.machine(),
        model=_text(MODEL) or _text(BOARD),
        boot=_text(BOOT_ID).replace("-", "")[:8],
        hardware=(_text(SERIAL) or _text(MACHINE_ID))[-12:],
    )


def default_interface() -> str | None:
    """Return the network interface of the IPv4 default route."""
    for line in _text(ROUTES, 65_536).split("\n")[1:]:
        words = line.split()
        if len(words) > 2 and words[1] == "00000000":
            return words[0]
    return None


def temperature_c() -> float | None:
    """Return the hottest sensor's temperature, in degrees Celsius."""
    try:
        sensors = psutil.sensors_temperatures()
    except (AttributeError, OSError):
        return None
    readings = [each.current for group in sensors.values() for each in group]
    return max(readings, default=None)


def throttled() -> int | None:
    """Return the Raspberry Pi's throttling bits."""
    try:
        return int(_text(THROTTLED), 16)
    except ValueError:
        return None


def clock_state() -> tuple[bool | None, int | None]:
    """Return whether the kernel holds the clock to be right, and by how many ms it may err.

    adjtimex(2) with no mode set only reads.
    """
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        timex = (ctypes.c_long * 64)()
        state = libc.adjtimex(timex)
    except (OSError, AttributeError):
        return None, None
    if state < 0:
        return None, None
    return state != _TIME_ERROR, int(timex[3]) // 1000


def _text(path: Path, most: int = 200) -> str:
    try:
        with path.open("rb") as file:
            return file.read(most).decode("utf-8", "replace").strip("\x00\n ")
    except OSError:
        return ""
