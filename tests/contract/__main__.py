"""``scripts/contract``: write the contract anew, or say where it differs from the code."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.contract.asyncapi import document as asyncapi
from tests.contract.document import document
from tests.contract.schemas import file_of, schemas

DOCS = Path(__file__).parents[2] / "docs"


def files() -> dict[Path, str]:
    """Return every file of the contract with what ought to stand in it."""
    made = {DOCS / "schemas" / file_of(name): _json(each) for name, each in schemas().items()}
    return {**made, DOCS / "asyncapi.json": _json(asyncapi()), DOCS / "mqtt.md": document()}


def stale() -> list[Path]:
    """Return the files that differ from the code, and schemas that nobody has any more."""
    wanted = files()
    differ = [
        path
        for path, text in wanted.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    return differ + [path for path in (DOCS / "schemas").glob("*") if path not in wanted]


def main() -> None:
    """Write, or with ``--check`` compare: exit code 1 if anything differs."""
    parser = argparse.ArgumentParser(prog="scripts/contract", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    found = stale()
    if parser.parse_args().check:
        for path in found:
            name = path.relative_to(DOCS.parent)
            sys.stderr.write(f"{name} differs: run scripts/contract\n")
        raise SystemExit(bool(found))
    wanted = files()
    for path in found:
        if path in wanted:
            path.parent.mkdir(exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
        else:
            path.unlink()
        sys.stdout.write(f"{path.relative_to(DOCS.parent)}\n")


def _json(tree: object) -> str:
    return json.dumps(tree, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    main()
