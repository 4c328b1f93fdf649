"""An ext4 file system on a lossy disk, on this machine: FUSE, loop device, mount. Needs root."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
DISK_MIB = 48
CUT_EVERY = 3
"""One flush of so many, on average, is a power cut."""

STEP_S = 60
BUSY_TRIES = 200


@contextmanager
def lossy_file_system(
    folder: Path, *, cuts: int, seed: int, every: int = CUT_EVERY
) -> Iterator[Path]:
    """Mount an ext4 file system on a lossy disk, in *folder*; yield where.

    Its first *cuts* power cuts by itself come in the middle of flushes, once it is armed (`order`).
    """
    fuse, mounted, control = folder / "fuse", folder / "mounted", folder / "cuts" / "control"
    fuse.mkdir()
    mounted.mkdir()
    with ExitStack() as stack:
        server = subprocess.Popen(
            (
                str(TOP / ".venv" / "machines" / "bin" / "python"),
                *("-m", "tests.machines.power.lossy_disk", str(fuse), str(control)),
                *(str(DISK_MIB), str(cuts), str(every), str(seed)),
            ),
            cwd=TOP,
        )
        stack.callback(end, server, fuse)
        disk = fuse / "disk"
        for _ in range(200):
            if disk.exists():
                break
            time.sleep(0.1)
        loop = run_step("losetup", "--show", "--find", "--direct-io=on", str(disk)).strip()
        stack.callback(run_step, "losetup", "--detach", loop)
        run_step("mkfs.ext4", "-q", loop)
        run_step("mount", loop, str(mounted))
        stack.callback(run_step, "umount", str(mounted))
        run_step("sync", "-f", str(mounted))
        yield mounted


def order(folder: Path, what: str) -> None:
    """Send one order to the lossy disk of *folder*: ``arm`` or ``cut NAME``."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(STEP_S)
        line.connect(str(folder / "cuts" / "control"))
        line.sendall(what.encode())
        line.recv(100)


def end(server: subprocess.Popen[bytes], fuse: Path) -> None:
    """End the lossy disk: it ends when its folder is unmounted.

    The kernel lets a loop device go a moment after it was told to; until then the folder is busy.
    """
    for _ in range(BUSY_TRIES):
        done = subprocess.run(("umount", str(fuse)), capture_output=True, timeout=STEP_S)
        if done.returncode == 0:
            break
        time.sleep(0.1)
    else:
        subprocess.run(("umount", "--lazy", str(fuse)), check=False, timeout=STEP_S)
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def run_step(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=STEP_S)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
    return done.stdout
