"""A fresh Debian 12 with systemd, as a container, and an installer at its terminal.

The root is made once by debootstrap and kept; what the walk writes lies in memory and is gone with
the container. What a container does not show: a kernel, a boot loader and hardware of its own.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import pty
import re
import shutil
import signal
import subprocess
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.walk.network import BOX, BRIDGE, LAN

CACHE = Path.home() / ".cache" / "camera-gateway" / "walk"
PACKAGES = (
    "systemd,systemd-sysv,dbus,udev,iproute2,procps,adduser,sudo,ca-certificates,nano,python3,"
    "systemd-timesyncd"
)
"""What an installer of Debian leaves, as far as it matters here."""

UP = "until systemctl is-system-running --wait | grep -E '^(running|degraded)'; do sleep 0.5; done"
USER = "kythuat"
HOME = f"/home/{USER}"
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}
NAME = "ttpvhcc"
_NETWORK_FILE = "etc/systemd/network/10-lan.network"


def _network(address: str) -> str:
    return f"""\
[Match]
Name=host0
[Network]
Address={address}/24
Gateway={LAN}.1
"""


_STARTS_S, _STEP_S = 120.0, 600.0
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[()][A-Z0-9]|\r")


def fresh_root() -> Path:
    """Return the root of a fresh Debian, made if it is not there yet. Blocks for minutes then."""
    root = CACHE / f"root-{hashlib.sha256((PACKAGES + _network(BOX)).encode()).hexdigest()[:12]}"
    if root.exists():
        return root
    new = root.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    mirror = _said("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages")
    site = next(line for line in mirror.splitlines() if "security" not in line)
    _said("debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(new), site)
    (new / _NETWORK_FILE).write_text(_network(BOX))
    (new / "etc/hostname").write_text(f"{NAME}\n")
    (new / "etc/hosts").write_text(f"127.0.0.1 localhost {NAME}\n")
    _said("chroot", str(new), "useradd", "--create-home", "--shell", "/bin/bash", USER)
    (new / "etc/sudoers.d/installer").write_text(f"{USER} ALL=(ALL) NOPASSWD: ALL\n")
    _said("chroot", str(new), "systemctl", "enable", "systemd-networkd")
    new.rename(root)
    return root


def _said(*command: str) -> str:
    done = subprocess.run(
        command, env=_ENVIRONMENT, capture_output=True, text=True, timeout=1500, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


class Terminal:
    """A command that runs on a terminal.

    Attributes:
        said: All that it has written so far, without colours. Where it asks ``[Y/n]``, yes is
            typed.
    """

    def __init__(self, process: Process, master: int) -> None:
        self._process = process
        self._master = master
        self._changed = asyncio.Event()
        self.said = ""
        asyncio.get_running_loop().add_reader(master, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._master, 65_536)
        except OSError:  # EIO: whoever wrote has gone
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._master)
            os.close(self._master)
        self.said += _COLOURS.sub("", data.decode(errors="replace"))
        if data and self.said.endswith("[Y/n] "):
            os.write(self._master, b"y\n")
        self._changed.set()

    async def until(self, pattern: str) -> re.Match[str]:
        """Return the first match of *pattern* in what it says."""
        async with asyncio.timeout(_STEP_S):
            while (found := re.search(pattern, self.said)) is None:
                assert self._process.returncode is None, self.said[-2000:]
                self._changed.clear()
                await self._changed.wait()
        return found

    async def wait(self) -> int:
        """Return its exit code, once it has ended."""
        async with asyncio.timeout(_STEP_S):
            return await self._process.wait()


class Box:
    """The container, started.

    Attributes:
        leader: Process id of its systemd.
    """

    def __init__(self, leader: int) -> None:
        self.leader = leader

    async def type(self, command: str) -> Terminal:
        """Type *command* as the installer at home does; return the terminal."""
        master, slave = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            *("setsid", "--ctty", *self._inside(), "runuser", "-l", USER, "-c"),
            f"stty rows 200 cols 160; {command}",
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)
        return Terminal(process, master)

    async def ask(self, *command: str) -> str:
        """Return what root's *command* says, with its exit code on the last line."""
        process = await asyncio.create_subprocess_exec(
            *self._inside(),
            *command,
            stdin=DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=_ENVIRONMENT,
        )
        async with asyncio.timeout(_STEP_S):
            said, _ = await process.communicate()
        return said.decode(errors="replace").strip()

    def _inside(self) -> tuple[str, ...]:
        return ("nsenter", "--target", str(self.leader), "--all", "--")


@asynccontextmanager
async def booted(
    root: Path, file: Path, log: Path, *, name: str = NAME, address: str = BOX
) -> AsyncIterator[Box]:
    """Boot a fresh Debian whose installer has *file*, read-only, at home; it is ended afterwards.

    Several may run at once: the root is only read.

    Args:
        root: Of `fresh_root`.
        file: A package that was downloaded, or the folder of a USB stick.
        log: Where the console goes.
        name: Of the machine, at most 12 characters: one that runs has it to itself.
        address: Of it in the site's LAN.
    """
    network = log.with_suffix(".network")
    network.write_text(_network(address))
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *("systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit"),
            *("--volatile=overlay", "--read-only", f"--machine={name}"),
            *(f"--network-bridge={BRIDGE}", f"--bind-ro={network}:/{_NETWORK_FILE}"),
            *("--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=read-only"),
            *("--system-call-filter=@sandbox", f"--bind-ro={file}:{HOME}/{file.name}"),
            f"--directory={root}",
            stdin=DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        async with asyncio.timeout(_STARTS_S):
            box = Box(await _leader(process))
            await box.ask("sh", "-c", UP)
        yield box
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(30):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _leader(process: Process) -> int:
    """Return the process id of the container's systemd, once it runs."""
    while True:
        assert process.returncode is None, "the container has ended"
        if (found := _child_called("systemd", process.pid)) is not None:
            return found
        await asyncio.sleep(0.1)  # a foreign process has no event to wait for


def _child_called(name: str, parent: int) -> int | None:
    for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        with suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().strip() == name:
                return int(pid)
    return None


if __name__ == "__main__":  # where there is a network
    fresh_root()
