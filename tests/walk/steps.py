"""What the walks have in common: how a step is typed and told, and how a walk ends."""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway.runtime.logging import configure_logging
from gateway.runtime.redact import Redactor
from tests.walk.box import Box


class Broken(Exception):
    """Something that is said of the package does not hold."""


def tell(step: str, **facts: object) -> None:
    """Print that *step* is done."""
    sys.stdout.write(json.dumps({"step": step} | facts, ensure_ascii=False) + "\n")
    sys.stdout.flush()


async def typed(box: Box, command: str) -> str:
    """Type *command*, which must succeed; return what it says."""
    terminal = await box.type(command)
    code = await terminal.wait()
    if code:
        raise Broken(f"{command}: exit code {code}: {terminal.said[-2000:]}")
    tell("typed", command=command)
    return terminal.said


def run_walk(option: str, what: str | None, walk_through: Callable[[Path], Awaitable[None]]) -> int:
    """Walk with the package that the command line names; return the exit code.

    Args:
        option: Of ``scripts/install-walk``.
        what: Is walked.
        walk_through: Goes the whole way. What does not hold is a `Broken`.
    """
    parser = argparse.ArgumentParser(prog=f"scripts/install-walk {option}", description=what)
    parser.add_argument("deb", type=Path, help="The package.")
    configure_logging(Redactor(), level="error", form="console")

    async def walk() -> None:
        await walk_through(parser.parse_args().deb.resolve())

    try:
        asyncio.run(walk())
    except (
        *(Broken, RuntimeError, ValueError, TimeoutError, OSError),
        subprocess.CalledProcessError,
    ) as error:
        sys.stderr.write(f"install-walk: {error or type(error).__name__}\n")
        return 1
    tell("done")
    return 0
