"""Where in a file a JSON Pointer leads: its line, and what a person calls it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.config.documents import LARGEST_BYTES
from gateway.config.faults import SECRET, pointer
from gateway.runtime import strict_json
from gateway.runtime.redact import HIDDEN, hide_logins, redact_patterns
from gateway.runtime.strict_json import StrictJsonError

QUOTED_CHARS = 100
"""A line of a file is quoted so far."""

_JSON = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[\]{},:]|[^\s\[\]{},:"]++', re.DOTALL)
_KEY = re.compile(r"\s*([A-Za-z0-9_.\"'-]+)\s*=")


@dataclass(frozen=True, slots=True)
class FoundPlace:
    """Where a fault is.

    Attributes:
        line: From 1; 0: not known.
        name: As a person says it, e.g. ``cameras[17] “Quầy 3” streams[0].url``; empty: the whole.
    """

    line: int
    name: str


class Places:
    """Finds places in one file, which may be no JSON or TOML at all.

    Args:
        path: Read now; what cannot be read has no places, and None has none.
    """

    def __init__(self, path: Path | None) -> None:
        raw = b"" if path is None else _read(path)
        self._text = raw.decode("utf-8", "replace") if len(raw) <= LARGEST_BYTES else ""
        toml = path is not None and path.suffix != ".json"
        self._lines = _lines_of_toml(self._text) if toml else _lines_of_json(self._text)
        self._tree = None if toml else _tree_of(self._text)

    def find(self, at: str) -> FoundPlace:
        """Return where *at*, a JSON Pointer, leads; or the nearest place around it."""
        around = at
        while around and around not in self._lines:
            around = around.rpartition("/")[0]
        return FoundPlace(self._lines.get(around, 0) if around else 0, place_name(self._tree, at))

    def quote(self, line: int, column: int = 1) -> str:
        """Return that *line*, from 1, without what may be secret; cut around *column*."""
        lines = self._text.split("\n")
        if not 0 < line <= len(lines):
            return ""
        text = lines[line - 1].rstrip("\r")
        secret = SECRET.search(text)
        if secret is not None:
            text = f"{text[: secret.end()]}… {HIDDEN}"
        begin = max(0, column - 1 - QUOTED_CHARS // 2) if len(text) > QUOTED_CHARS else 0
        shown = redact_patterns(hide_logins(text))
        return shown[begin : begin + QUOTED_CHARS].strip()


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_BYTES + 1)
    except OSError:
        return b""


def place_name(tree: object, at: str) -> str:
    """Return what a person calls the place *at*, a JSON Pointer, in *tree*: see `FoundPlace`."""
    steps = [each.replace("~1", "/").replace("~0", "~") for each in at.split("/")[1:]]
    node = tree
    name = ""
    for step in steps:
        if step.isdigit() and not isinstance(node, Mapping):
            whole = node if isinstance(node, list) else []
            node = whole[int(step)] if len(step) < 7 and int(step) < len(whole) else None
            name += f"[{step}]"
            called = node.get("name") or node.get("id") if isinstance(node, Mapping) else None
            name += f" “{called[:60]}” " if isinstance(called, str) else ""
        else:
            node = node.get(step) if isinstance(node, Mapping) else None
            name += step if not name or name.endswith(" ") else f".{step}"
    return name.rstrip()


def _tree_of(text: str) -> object:
    try:
        parsed = strict_json.parse(
            text.encode(), max_bytes=2 * LARGEST_BYTES, control_characters=True
        )
    except (StrictJsonError, UnicodeEncodeError):
        return None
    return parsed.tree


def _lines_of_json(text: str) -> dict[str, int]:
    """Return the line of every value by its pointer, as far as *text* is JSON."""
    found: dict[str, int] = {}
    path: list[str | int] = []
    line, counted = 1, 0
    wants_key = False
    for token in _JSON.finditer(text):
        line, counted = line + text.count("\n", counted, token.start()), token.start()
        word = token[0]
        if word in ("]", "}"):
            path = path[:-1]
            wants_key = False
        elif word == ",":
            if path and isinstance(path[-1], int):
                path[-1] += 1
            wants_key = bool(path) and isinstance(path[-1], str)
        elif word == ":":
            wants_key = False
        elif wants_key:
            path[-1] = word.strip('"')
        else:
            found[pointer(path)] = line
            if word in ("[", "{") and len(path) < strict_json.MAX_DEPTH:
                path.append(0 if word == "[" else "")
                wants_key = word == "{"
    return found


def _header(line: str) -> str:
    """Return the name in *line* if it begins a table: ``[a.b]  # comment``; else nothing."""
    inside, closing, rest = line.strip().partition("]")
    rest = rest.removeprefix("]").strip()
    if not inside.startswith("[") or not closing or (rest and not rest.startswith("#")):
        return ""
    return inside.removeprefix("[").removeprefix("[").strip()


def _lines_of_toml(text: str) -> dict[str, int]:
    """Return the line of every table and key by its pointer; of lines within a value nothing."""
    found: dict[str, int] = {}
    table: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        if header := _header(line):
            table = [each.strip(" \"'") for each in header.split(".")]
            found.setdefault(pointer(table), number)
        elif key := _KEY.match(line):
            steps = [each.strip("\"'") for each in key[1].split(".")]
            found.setdefault(pointer([*table, *steps]), number)
    return found
