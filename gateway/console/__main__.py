"""Starts the console: ``python -m gateway.console --settings FILE``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gateway.console.service import run


def main() -> int:
    """Run until SIGINT or SIGTERM; return the exit code of `gateway.console.service.run`."""
    parser = argparse.ArgumentParser(prog="python -m gateway.console", description=__doc__)
    parser.add_argument("--settings", type=Path, help="TOML file; see docs/console.md")
    return run(parser.parse_args().settings)


if __name__ == "__main__":
    sys.exit(main())
