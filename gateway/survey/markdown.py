"""Documents as Markdown, for tickets and screens."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.runtime.plain_text import printable
from gateway.survey.printed import Block, Paragraph, Printed, Row, Style, Table

_SPECIAL = re.compile(r"([\\`*_\[\]<|~])")
"""What could mean something else than itself in a line of Markdown."""

_MARKS: dict[Style, str] = {
    "title": "**{}**",
    "subtitle": "*{}*",
    "heading": "## {}",
    "part": "### {}",
    "plain": "{}",
    "note": "*{}*",
}


def write_markdown(printed: Printed) -> str:
    """Return *printed* as Markdown (tables as GitHub has them)."""
    return "\n\n".join("\n".join(_lines(block)) for block in printed.blocks) + "\n"


def _lines(block: Block) -> Iterator[str]:
    if isinstance(block, Paragraph):
        yield _MARKS[block.style].format(_escaped(block.text))
    elif isinstance(block, Table):
        yield _row(block.columns)
        yield "|" + " --- |" * len(block.columns)
        yield from (_row(_cells(row, len(block.columns))) for row in block.rows)
    else:
        yield "---"


def _cells(row: Row, columns: int) -> tuple[str, ...]:
    return ("", *row.cells, *[""] * (columns - 2)) if row.spans else row.cells


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(_escaped(each).replace("\n", "<br>") for each in cells) + " |"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", printable(text, keep="\n"))
