"""The commands that the documents have somebody type, so that the walks type no others."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
INSTALL, CONSOLE = DOCS / "install.md", DOCS / "console.md"
QUICK = "**Cài đặt trong 15 phút"
EXAMPLE_CODE = re.compile(r"\b(?:[0-9A-Z]{4}-){4}[0-9A-Z]{4}\b")
EXAMPLE_CENTRE = re.compile(r"https://([0-9.]+):([0-9]+)")
MOST_COMMANDS = 6


def quick_commands(text: str) -> tuple[str, ...]:
    """Return the commands of docs/install.md's quick way. Raises ValueError as `code_block`."""
    return code_block(text, QUICK)


def code_block(text: str, behind: str) -> tuple[str, ...]:
    """Return the commands of the first code block after *behind* in *text*, a line each.

    Raises:
        ValueError: There is no such block, or it has more than `MOST_COMMANDS`.
    """
    _, found, rest = text.partition(behind)
    blocks = rest.split("\n```")
    if not found or len(blocks) < 3:
        raise ValueError(f"the document has no {behind!r} with commands any more")
    lines = blocks[1].partition("\n")[2].splitlines()
    commands = tuple(line.partition("   #")[0].strip() for line in lines if line.strip())
    if not 0 < len(commands) <= MOST_COMMANDS:
        raise ValueError(f"{len(commands)} commands are not 1 to {MOST_COMMANDS}")
    return commands


def with_code(command: str, code: str) -> str:
    """Return *command* with the code that the centre gave in place of the example's."""
    return EXAMPLE_CODE.sub(code, command)


def centre_of(commands: tuple[str, ...]) -> tuple[str, int]:
    """Return address and port of the centre in *commands*. Raises ValueError: none names it."""
    for command in commands:
        if found := EXAMPLE_CENTRE.search(command):
            return found[1], int(found[2])
    raise ValueError("no command names the centre")
