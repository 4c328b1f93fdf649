"""One emulated machine, with root's shell.

The processor is emulated (TCG): it runs anywhere, also for another architecture, some thirty times
slower than the real one. The network card leads nowhere: no DHCP server answers, nothing outside is
reached. The host's folder is seen read-only under ``/mnt/host``.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.machines.image import Arch, Image
from tests.machines.shell import Done, Line, ShellLost

MEMORY_MIB = 2048
PROCESSORS = 2
BOOTS_WITHIN_S = 300.0
COMMAND_S = 120.0

_EMULATORS: dict[Arch, tuple[str, ...]] = {
    "arm64": ("qemu-system-aarch64", "-M", "virt,gic-version=3", "-cpu", "cortex-a72"),
    "amd64": ("qemu-system-x86_64", "-M", "q35", "-cpu", "max"),
}
_CONSOLES: dict[Arch, str] = {"arm64": "ttyAMA0", "amd64": "ttyS0"}


class MachineLost(Exception):
    """The machine has ended or does not answer; the message has the end of its console."""


class Machine:
    """A running machine; the disk of its image stays as it is.

    Args:
        image: What it boots.
        share: The folder of the host that it sees.
        arguments: More of QEMU's, e.g. another disk.
    """

    def __init__(self, image: Image, share: Path, *, arguments: tuple[str, ...] = ()) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="machine-"))
        self._console = self._folder / "console.log"
        self._socket = self._folder / "shell.sock"
        overlay = self._folder / "overlay.qcow2"
        _qemu_img("create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(image.disk), str(overlay))
        self._command = (
            *("nice", "-n", "5", *_EMULATORS[image.arch], "-accel", "tcg,thread=multi"),
            *("-m", str(MEMORY_MIB), "-smp", str(PROCESSORS)),
            *("-nodefaults", "-no-user-config", "-display", "none"),
            *("-serial", f"file:{self._console}"),
            *("-drive", f"if=none,id=root,file={overlay},format=qcow2,cache=unsafe"),
            *("-device", "virtio-blk-pci,drive=root"),
            *("-device", "virtio-serial-pci"),
            *("-chardev", f"socket,id=shell,path={self._socket},server=on,wait=off"),
            *("-device", "virtconsole,chardev=shell"),
            *("-object", "rng-random,id=rng,filename=/dev/urandom"),
            *("-device", "virtio-rng-pci,rng=rng"),
            *(
                "-netdev",
                "hubport,id=nowhere,hubid=0",
                "-device",
                "virtio-net-pci,netdev=nowhere,romfile=",
            ),
            *("-virtfs", f"local,path={share},mount_tag=host,security_model=none,readonly=on"),
            *("-kernel", str(image.kernel), "-initrd", str(image.initrd)),
            *("-append", f"root=/dev/vda rw quiet console={_CONSOLES[image.arch]}"),
            *arguments,
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._line: Line | None = None

    def __enter__(self) -> Self:
        log = (self._folder / "qemu.log").open("wb")
        with log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._connection is not None:
            self._connection.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def connect(self, within_s: float = BOOTS_WITHIN_S) -> None:
        """Return once root's shell answers, after a start and after a restart alike.

        Raises:
            MachineLost: It does not.
        """
        end_s = time.monotonic() + within_s
        while time.monotonic() < end_s:
            if self._process is None or self._process.poll() is not None:
                raise MachineLost((self._folder / "qemu.log").read_text(errors="replace")[-2000:])
            if self._connection is None and self._socket.exists():
                self._connection = socket.socket(socket.AF_UNIX)
                self._connection.connect(str(self._socket))
                self._line = Line(self._connection.sendall, self._receive)
            if self._line is None:
                time.sleep(0.1)
            elif self._line.greet(2.0):
                return
        raise MachineLost(f"no shell within {within_s:g} s:\n{self.console()}")

    def run(self, command: str, within_s: float = COMMAND_S) -> Done:
        """Run *command* in root's shell.

        Raises:
            MachineLost: It does not answer.
        """
        assert self._line is not None, "connect first"
        try:
            return self._line.run(command, within_s)
        except ShellLost as error:
            raise MachineLost(f"{error}:\n{self.console()}") from error

    def ask(self, command: str, within_s: float = COMMAND_S) -> str:
        """Return what *command* says, whatever its exit status."""
        return self.run(command, within_s).output

    def console(self) -> str:
        """Return the end of what the kernel and systemd have said on the console."""
        if not self._console.exists():
            return ""
        return self._console.read_text(errors="replace")[-3000:]

    def _receive(self, within_s: float) -> bytes:
        assert self._connection is not None
        self._connection.settimeout(max(0.01, within_s))
        try:
            return self._connection.recv(65536)
        except (TimeoutError, ConnectionError):  # the latter: QEMU has ended, as its log tells
            return b""


def _qemu_img(*arguments: str) -> None:
    subprocess.run(("qemu-img", *arguments), check=True, capture_output=True, timeout=60)
