"""Serves a `VolatileDisk` as the file ``disk`` of a FUSE folder, for a loop device with direct I/O.

    python -m tests.machines.power.lossy_disk FOLDER CONTROL MIB CUTS EVERY SEED

Runs in ``.venv/machines``, which has mfusepy. Once armed, every *every*-th flush, on average, is a
power cut, up to *cuts* of them. The socket CONTROL takes one line a connection: ``arm``, or ``cut
NAME``. Either way the image is written into the folder of CONTROL, and one line ``NAME SECONDS
PENDING SURVIVED`` (of the monotonic clock) is appended to ``cuts.txt`` there.
"""

from __future__ import annotations

import errno
import random
import socket
import stat
import sys
import threading
import time
from pathlib import Path

from mfusepy import FUSE, FuseOSError, Operations

from tests.machines.power.volatile_disk import VolatileDisk

NAME = "disk"


class Cutter:
    """Writes images of *disk* beside *control*; by itself too, in the middle of flushes."""

    def __init__(
        self, disk: VolatileDisk, folder: Path, *, cuts: int, every: int, seed: int
    ) -> None:
        self._disk = disk
        self._folder = folder
        self._left = cuts
        self._every = every
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self._made = 0
        self.armed = False

    def flushing(self) -> None:
        """Cut now and then, once armed."""
        if self.armed and self._left and self._chance.random() < 1 / self._every:
            self._left -= 1
            self._made += 1
            self.cut(f"flush-{self._made}")

    def cut(self, name: str) -> None:
        """Write what a power cut would leave now as the image *name*."""
        with self._lock:
            at_s = time.monotonic()
            done = self._disk.cut(self._chance)
            (self._folder / f"{name}.img").write_bytes(done.image)
            with (self._folder / "cuts.txt").open("a") as file:
                file.write(f"{name} {at_s} {done.pending} {done.survived}\n")

    def serve(self, control: Path) -> None:
        """Take orders for ever."""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(control))
            listener.listen()
            while True:
                connection, _ = listener.accept()
                with connection:
                    verb, *name = connection.recv(200).decode().split()
                    if verb == "cut":
                        self.cut(name[0])
                    self.armed = True
                    connection.sendall(b"done\n")


class Folder(Operations):  # type: ignore[misc]
    """A folder with one file, the disk."""

    use_ns = True  # else the library warns of its own default

    def __init__(self, disk: VolatileDisk) -> None:
        self._disk = disk

    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:  # noqa: ARG002
        """Return what stat(2) tells."""
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
        if path == f"/{NAME}":
            return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": len(self._disk)}
        raise FuseOSError(errno.ENOENT)

    def readdir(self, path: str, fh: int) -> list[str]:  # noqa: ARG002
        """Return the names."""
        return [".", "..", NAME]

    def open(self, path: str, flags: int) -> int:  # noqa: ARG002
        """Open the file."""
        return 1

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:  # noqa: ARG002
        """Read."""
        return self._disk.read(offset, size)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:  # noqa: ARG002
        """Write into the cache."""
        self._disk.write(offset, data)
        return len(data)

    def fsync(self, path: str, datasync: int, fh: int) -> int:  # noqa: ARG002
        """Flush."""
        self._disk.flush()
        return 0

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:  # noqa: ARG002
        """Leave the size as it is."""
        return 0


def main() -> None:
    """Serve until the folder is unmounted."""
    folder, control, mib, cuts, every, seed = sys.argv[1:]
    disk = VolatileDisk(int(mib) << 20)
    cutter = Cutter(disk, Path(control).parent, cuts=int(cuts), every=int(every), seed=int(seed))
    disk.on_flush = cutter.flushing
    threading.Thread(target=cutter.serve, args=(Path(control),), daemon=True).start()
    FUSE(Folder(disk), folder, foreground=True, nothreads=True, direct_io=True)


if __name__ == "__main__":
    main()
