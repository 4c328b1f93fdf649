"""Releases that are tried in the machine, good and bad: this tree's program, with a fault put in.

A release of these holds the program alone and takes the libraries of the one that was installed
first (a path file), so that it is unpacked in seconds by the emulated processor. What installs,
starts and undoes it sees no difference.
"""

from __future__ import annotations

import io
import json
import lzma
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from gateway.config.signing import SigningKey
from gateway.updates.bundle import write_bundle
from tests.machines.image import Arch
from tests.machines.site import TOP

PYTHON = "3.11"
LIBRARIES = f"/opt/machine-test/lib/python{PYTHON}/site-packages"
"""Of the release that was installed first, under the name that the test keeps it by."""

CRASH_S = 60
COMPILE_S = 300
FILLER_BYTES = 300 << 20
"""Of zeros: they take the emulated processor some time to unpack, and the network none to fetch."""

_NOT_RELEASED = shutil.ignore_patterns("__pycache__", "*.so", "*.c", "*.h", "*.px?", "demo")
_COMPILE = ("-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash")
_PROGRAM = """\
#!/opt/camera-gateway/releases/{version}/bin/python
import sys

from gateway.cli.main import main

sys.exit(main())
"""


def import_error(gateway: Path) -> None:
    """Make it a release that cannot even be imported."""
    _add(gateway / "app" / "compose.py", 'raise ImportError("a release without this")\n')


def crash(gateway: Path) -> None:
    """Make it one that ends by itself, some time after its start."""
    _add(
        gateway / "app" / "compose.py",
        "import os, threading\n"
        f"_crash = threading.Timer({CRASH_S}, os._exit, (70,))\n"
        "_crash.daemon = True\n_crash.start()\n",
    )


def no_connection(gateway: Path) -> None:
    """Make it one that never reaches the centre."""
    _add(
        gateway / "app" / "broker.py",
        "_right_address = broker_address\n\n\n"
        "def broker_address(*given, **named):\n"
        '    return _right_address(*given, **named).model_copy(update={"port": 9})\n',
    )


def no_cameras(gateway: Path) -> None:
    """Make it one that opens no camera any more."""
    _add(
        gateway / "rtsp" / "connection.py",
        "async def connect(target, tls, budget=None):\n"
        '    raise SourceUnavailable(Reason.REFUSED, "a release that opens none")\n',
    )


def large(gateway: Path) -> None:
    """Make it one that takes long to unpack, and much space."""
    with (gateway / "filler").open("wb") as file:
        file.truncate(FILLER_BYTES)


def good(gateway: Path) -> None:
    """Leave it as it is."""


def write_release_bundle(
    target: Path,
    version: str,
    arch: Arch,
    key: SigningKey,
    change: Callable[[Path], None] = good,
    *,
    python: str = PYTHON,
    said_bytes: int | None = None,
) -> None:
    """Write a signed bundle of *version* for *arch*, with *change* in its program.

    Args:
        target: The file.
        version: With a commit.
        arch: That it says it is for.
        key: Signs it.
        change: Called with the folder of the program.
        python: That it says it is for.
        said_bytes: The size that its manifest says it has unpacked; None: the true one.
    """
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "release"
        site = root / "lib" / f"python{PYTHON}" / "site-packages"
        shutil.copytree(TOP / "gateway", site / "gateway", ignore=_NOT_RELEASED)
        shutil.copytree(TOP / "gateway" / "demo", site / "gateway" / "demo", ignore=_NOT_RELEASED)
        _name_version(site / "gateway", version)
        change(site / "gateway")
        (site / "libraries.pth").write_text(f"{LIBRARIES}\n")
        subprocess.run(
            (f"/usr/bin/python{PYTHON}", *_COMPILE, str(site / "gateway")),
            check=True,
            timeout=COMPILE_S,
        )
        (root / "bin").mkdir()
        (root / "bin" / "python").symlink_to(f"/usr/bin/python{PYTHON}")
        program = root / "bin" / "camera-gateway"
        program.write_text(_PROGRAM.format(version=version))
        program.chmod(0o755)
        (root / "pyvenv.cfg").write_text(
            f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {PYTHON}\n"
        )
        facts = {"name": "camera-gateway", "version": version, "arch": arch, "python": python}
        (root / "release.json").write_text(json.dumps(facts))
        payload = Path(name) / "payload.tar.xz"
        payload.write_bytes(_packed(root))
        true_bytes = sum(each.stat().st_size for each in root.rglob("*") if each.is_file())
        write_bundle(
            target,
            payload,
            key,
            **facts,
            min_version="0.1.0",
            installed_bytes=said_bytes or true_bytes,
            made_at="2026-11-28T00:00:00Z",
        )


def _name_version(gateway: Path, version: str) -> None:
    number, _, commit = version.partition("+g")
    module = gateway / "model" / "version.py"
    text = re.sub(r'^VERSION = ".*"$', f'VERSION = "{number}"', module.read_text(), flags=re.M)
    module.write_text(text)
    (gateway / "commit.txt").write_text(f"{commit}\n")


def _add(module: Path, lines: str) -> None:
    module.write_text(f"{module.read_text()}\n\n{lines}")


def _packed(root: Path) -> bytes:
    """Return the tree at *root* as a payload: names within it, root's, in order."""
    content = io.BytesIO()

    def as_released(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        return member

    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(root.rglob("*")):
            name = str(path.relative_to(root))
            archive.add(path, name, recursive=False, filter=as_released)
    return lzma.compress(content.getvalue(), preset=1)
