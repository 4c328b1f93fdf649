"""A flashed box: boots an image of ``scripts/image`` by UEFI, and looks from outside.

There is no shell on it: what is seen is what an installer sees, the page and the screen, and what
is left on the disk when the power button has been pressed.
"""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPSConnection
from pathlib import Path

from tests.machines.facts import Facts, Look
from tests.machines.image import Arch
from tests.machines.machine import MachineLost

PAGE_PORT = 8443
PAGE_WITHIN_S = 900.0
OFF_WITHIN_S = 240.0
DISK_BYTES = 8 << 30
"""Of the card that the image is flashed to: larger than the image."""

_SPARE_BYTES = 64 << 20
"""What a partition or file system may leave."""

_GUEST = "10.0.2.15"
"""The address that QEMU's DHCP server gives the guest."""

_SUPERBLOCK = {"Block count": "blocks", "Block size": "block_bytes"}


@dataclass(frozen=True, slots=True)
class Firmware:
    """QEMU's arguments for a machine with UEFI whose Secure Boot has Microsoft's keys."""

    program: tuple[str, ...]
    code: Path
    variables: Path


FIRMWARE: dict[Arch, Firmware] = {
    "amd64": Firmware(
        (
            *("qemu-system-x86_64", "-M", "q35,smm=on", "-cpu", "max", "-vga", "std"),
            *("-global", "driver=cfi.pflash01,property=secure,value=on"),
        ),
        Path("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"),
        Path("/usr/share/OVMF/OVMF_VARS_4M.ms.fd"),
    ),
    "arm64": Firmware(
        (
            *("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72"),
            *("-device", "virtio-gpu-pci", "-device", "qemu-xhci", "-device", "usb-kbd"),
        ),
        Path("/usr/share/AAVMF/AAVMF_CODE.ms.fd"),
        Path("/usr/share/AAVMF/AAVMF_VARS.ms.fd"),
    ),
}


def flashed_facts(image: Path, arch: Arch, facts: Facts, screen: Path) -> Iterator[Look]:
    """Yield what is to be looked at, in order; the first screen is saved as *screen* (PPM).

    Args:
        image: Of ``scripts/image``; it stays as it is.
        arch: Which machine it is for.
        facts: What was found.
        screen: A file for the picture.
    """
    with tempfile.TemporaryDirectory(prefix="flashed-") as name:
        folder = Path(name)
        disk = folder / "disk.qcow2"
        _run(
            "qemu-img",
            "create",
            "-q",
            "-f",
            "qcow2",
            "-F",
            "raw",
            "-b",
            str(image.resolve()),
            str(disk),
        )
        _run("qemu-img", "resize", "-q", str(disk), str(DISK_BYTES))
        ids: list[str] = []

        def first_start() -> None:
            with _machine(arch, disk, folder) as box:
                seen, took_s = box.wait_for_page()
                facts.fact("boots into the set-up page", seen == 200, status=seen, after_s=took_s)
                box.monitor("screendump", filename=str(screen))
                facts.fact("ends at the power button", box.power_off())
            ids.append(_look_at_disk(disk, folder, facts))

        def second_start() -> None:
            with _machine(arch, disk, folder) as box:
                seen, took_s = box.wait_for_page()
                facts.fact("boots again", seen == 200, status=seen, after_s=took_s)
                box.power_off()
            facts.fact("its id stays", _machine_id(disk, folder) == ids[0] != "")

        yield Look("first start", first_start)
        yield Look("second start", second_start)


class _Box:
    """The running machine, as seen from outside."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, control: Path) -> None:
        self._process = process
        self._port = port
        self._control = control

    def wait_for_page(self) -> tuple[int, int]:
        """Return the page's HTTP status, and after how many seconds it came.

        Raises:
            MachineLost: It does not come.
        """
        began_s = time.monotonic()
        while time.monotonic() < began_s + PAGE_WITHIN_S:
            if self._process.poll() is not None:
                raise MachineLost("QEMU has ended")
            try:
                return self._status(), round(time.monotonic() - began_s)
            except (OSError, HTTPException):
                time.sleep(2)
        raise MachineLost(f"no page within {PAGE_WITHIN_S:g} s")

    def _status(self) -> int:
        trusting = ssl.create_default_context()
        trusting.check_hostname = False
        trusting.verify_mode = ssl.CERT_NONE
        connection = HTTPSConnection("127.0.0.1", self._port, timeout=20, context=trusting)
        try:
            connection.request("GET", "/", headers={"Host": f"{_GUEST}:{PAGE_PORT}"})
            return connection.getresponse().status
        finally:
            connection.close()

    def monitor(self, command: str, **arguments: str) -> None:
        """Have QEMU do *command* (QMP), and wait until it has."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(30)
            line.connect(str(self._control))
            answers = line.makefile("r", encoding="utf-8")
            answers.readline()  # its greeting
            for each in (
                {"execute": "qmp_capabilities"},
                {"execute": command, "arguments": arguments},
            ):
                line.sendall(json.dumps(each).encode() + b"\n")
                while "return" not in (answer := json.loads(answers.readline())):
                    if "error" in answer:
                        raise LookupError(f"QEMU: {answer['error']}")

    def power_off(self) -> bool:
        """Press the power button; return whether the machine has gone off by itself."""
        self.monitor("system_powerdown")
        try:
            self._process.wait(OFF_WITHIN_S)
        except subprocess.TimeoutExpired:
            return False
        return True


@contextmanager
def _machine(arch: Arch, disk: Path, folder: Path) -> Iterator[_Box]:
    firmware, control = FIRMWARE[arch], folder / "control"
    variables = folder / "variables.fd"
    if not variables.exists():
        shutil.copy(firmware.variables, variables)
    control.unlink(missing_ok=True)
    port = _free_port()
    flash = "if=pflash,format=raw,unit="
    process = subprocess.Popen(
        (
            *("nice", "-n", "5", *firmware.program, "-accel", "tcg,thread=multi"),
            *("-m", "2048", "-smp", "2", "-display", "none", "-serial", "null"),
            *("-drive", f"{flash}0,readonly=on,file={firmware.code}"),
            *("-drive", f"{flash}1,file={variables}"),
            *("-drive", f"file={disk},format=qcow2,if=virtio,cache=unsafe"),
            # Nothing outside is reached; the page is, from this machine alone.
            *("-netdev", f"user,id=n,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:{PAGE_PORT}"),
            *("-device", "virtio-net-pci,netdev=n,romfile="),
            *("-qmp", f"unix:{control},server=on,wait=off"),
        ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield _Box(process, port, control)
    finally:
        process.kill()
        process.wait()


def _look_at_disk(disk: Path, folder: Path, facts: Facts) -> str:
    """Tell whether the last partition has taken the whole card; return the machine's id."""
    raw, parts = _raw(disk, folder), _partitions(folder / "raw")
    begin, length = max(parts)
    said = _run("dumpe2fs", "-h", f"{raw}?offset={begin}")
    values = {
        _SUPERBLOCK[key.strip()]: int(value)
        for key, _, value in (line.partition(":") for line in said.splitlines())
        if key.strip() in _SUPERBLOCK
    }
    grown = values["blocks"] * values["block_bytes"]
    is_whole = begin + length > DISK_BYTES - _SPARE_BYTES and grown > length - _SPARE_BYTES
    facts.fact("takes the whole card", is_whole, mib=grown >> 20)
    found = _machine_id(disk, folder)
    facts.fact("has an id of its own", len(found) == 32, id=found[:8])
    return found


def _machine_id(disk: Path, folder: Path) -> str:
    raw = _raw(disk, folder)
    offset = sorted(_partitions(raw))[1][0]
    return _run("debugfs", "-R", "cat /etc/machine-id", f"{raw}?offset={offset}").strip()


def _raw(disk: Path, folder: Path) -> Path:
    raw = folder / "raw"
    _run("qemu-img", "convert", "-O", "raw", str(disk), str(raw))
    return raw


def _partitions(raw: Path) -> list[tuple[int, int]]:
    """Return begin and length of each partition, bytes."""
    told = json.loads(_run("sfdisk", "--json", str(raw)))["partitiontable"]
    return [(each["start"] * 512, each["size"] * 512) for each in told["partitions"]]


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise LookupError(f"{command[0]}: {done.stderr[-300:]}")
    return done.stdout
