"""Throttling and under-voltage of a Raspberry Pi, from its kernel or its firmware.

Bits: 0 under-voltage, 1 frequency capped, 2 throttled, 3 soft temperature limit; 16 to 19 that the
same has happened since the machine started.

Source: Raspberry Pi documentation, ``vcgencmd get_throttled``.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

UNDERVOLTAGE, CAPPED, THROTTLED, SOFT_LIMIT = 0x1, 0x2, 0x4, 0x8

_FILES = (
    "sys/devices/platform/soc/soc:firmware/get_throttled",
    "sys/devices/platform/soc*/soc*:firmware/get_throttled",
    "sys/devices/platform/*firmware*/get_throttled",
)
_FIRMWARE_S = 2.0
"""Within which the firmware must answer."""


def read_throttled_bits(root: Path = Path("/")) -> int | None:
    """Return the bits; None on a machine that has none. May start a program and wait for it.

    Raises:
        OSError: A file cannot be read.
        ValueError: What was read is no number.
    """
    for pattern in _FILES:
        for path in sorted(root.glob(pattern)):
            return int(path.read_text(), 16)
    if (alarm := _read_voltage_alarm(root)) is not None:
        return UNDERVOLTAGE if alarm else 0
    return _ask_firmware(root)


def _read_voltage_alarm(root: Path) -> bool | None:
    """Return what the kernel's driver knows, which is under-voltage only; None: no such driver."""
    for name in sorted(root.glob("sys/class/hwmon/*/name")):
        if name.read_text().strip() == "rpi_volt":
            return name.with_name("in0_lcrit_alarm").read_text().strip() == "1"
    return None


def _ask_firmware(root: Path) -> int | None:
    """Return what ``vcgencmd`` prints, e.g. ``throttled=0x50005``; None: no answer."""
    program = shutil.which("vcgencmd", path=f"{root / 'usr/bin'}:{root / 'opt/vc/bin'}")
    if program is None:
        return None
    try:
        answer = subprocess.run(
            [program, "get_throttled"], capture_output=True, timeout=_FIRMWARE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    word, _, bits = answer.stdout.decode("ascii", "replace").strip().partition("=")
    return int(bits, 16) if word == "throttled" else None
