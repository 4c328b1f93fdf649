"""Links the libraries that a lock names out of a folder that has more; called by scripts/package.

    subset.py LOCK FROM TO     files as the wheels' RECORD has them, each module with its .pyc

Both folders are site-packages on one disk; what is not locked is not linked.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

PIN = re.compile(r"^([a-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)
TAG = "cpython-311"


def canonical(name: str) -> str:
    """Return *name* as locks spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def files_of(part: Distribution) -> Iterator[Path]:
    """Yield what *part* has, relative to site-packages; commands beside it are left out."""
    for each in part.files or ():
        path = Path(str(each))
        if ".." in path.parts:
            continue
        yield path
        if path.suffix == ".py":
            yield path.parent / "__pycache__" / f"{path.stem}.{TAG}.pyc"


def link(source: Path, to: Path) -> None:
    """Put *source* at *to*: the same file, or a copy on another disk."""
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, to)
    except OSError:
        shutil.copy2(source, to)


def main() -> None:
    """Link it."""
    lock, site, to = map(Path, sys.argv[1:])
    there = {canonical(each.metadata["Name"]): each for each in distributions(path=[str(site)])}
    for name, version in PIN.findall(lock.read_text(encoding="utf-8")):
        part = there.get(name)
        if part is None or part.version != version:
            sys.exit(f"subset: {name}=={version} of {lock} is not in {site}: scripts/lock")
        for path in files_of(part):
            if (site / path).exists():
                link(site / path, to / path)


if __name__ == "__main__":
    main()
