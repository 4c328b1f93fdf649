"""Prints which of Debian's packages a release's libraries need; called by scripts/package.

Wheels bring along what they are linked against, all but what every Linux has (PEP 600). What is
asked for and neither in the release nor in the table here is an error: a box would miss it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

NEEDED = re.compile(r"\(NEEDED\)\s+Shared library: \[([^\]]+)\]")
LIBC = "libc6 (>= 2.36)"
PACKAGES = {
    "ld-linux-aarch64.so.1": LIBC,
    "ld-linux-x86-64.so.2": LIBC,
    "libc.so.6": LIBC,
    "libdl.so.2": LIBC,
    "libgcc_s.so.1": "libgcc-s1",
    "libm.so.6": LIBC,
    "libmvec.so.1": LIBC,
    "libpthread.so.0": LIBC,
    "librt.so.1": LIBC,
    "libstdc++.so.6": "libstdc++6 (>= 12)",
    "libz.so.1": "zlib1g",
}


def needed(release: Path) -> set[str]:
    """Return the libraries that those in *release* ask for and that are not in it."""
    libraries = [each for each in release.rglob("*.so*") if each.is_file()]
    read = ["readelf", "--dynamic", "--wide", *map(str, libraries)]
    said = subprocess.run(read, check=True, capture_output=True, text=True).stdout
    return set(NEEDED.findall(said)) - {each.name for each in libraries}


def main() -> None:
    """Print the packages, as ``Depends:`` has them."""
    asked = needed(Path(sys.argv[1]))
    if unknown := asked - PACKAGES.keys():
        sys.exit(f"dependencies: no package is known for {', '.join(sorted(unknown))}")
    print(", ".join(sorted({PACKAGES[each] for each in asked})))


if __name__ == "__main__":
    main()
