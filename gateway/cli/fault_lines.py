"""Faults of files as an installer reads them, Vietnamese first, and as JSON.

Of faults with one cause, such as thirty cameras outside the networks, the first is told in full and
the places of the others on one line; as JSON each is an object of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from gateway.cli.command_group import program_name
from gateway.config.check import check_files
from gateway.config.fault_wording import said_of
from gateway.config.places import FoundPlace, Places
from gateway.model.errors import Fault
from gateway.model.fault_text import FaultText
from gateway.runtime.own_words import redact_foreign
from gateway.runtime.redact import Redactor

ONE_CAUSE = frozenset({"url.network", "url.scheme", "url.port", "secret.missing", "secret.use"})
"""Codes whose faults are often many and one: the same settings, or the same file."""

NAMED = 12
"""So many other places are named."""

_QUOTED = re.compile("“[^”]*”")
_OURS = ("pointer", "place", "code")

Told = tuple[Path | None, Fault]
"""A fault and the file that it is in; None: in none, as of an argument or a message."""


def fault_lines(faults: Iterable[Told], redactor: Redactor) -> Iterator[str]:
    """Yield the lines of *faults*."""
    files = _Files()
    for path, fault, others in _by_cause(faults):
        places = files.of(path)
        yield from _lines(path, fault, places, redactor)
        if others:
            found = [_called(places.find(each.at), each) for each in others[:NAMED]]
            named = ", ".join(_named(each, redactor) for each in found)
            more = f" (+{len(others) - NAMED})" if len(others) > NAMED else ""
            said = f"Cùng nguyên nhân ở {len(others)} chỗ khác · the same elsewhere"
            yield f"    {said}: {named}{more}"


def fault_json(faults: Iterable[Told], redactor: Redactor) -> Iterator[str]:
    """Yield a JSON object for each of *faults*."""
    files = _Files()
    for path, fault in faults:
        place = files.of(path).find(fault.at)
        said = _said_of(fault)
        shown = {
            "file": None if path is None else str(path),
            "pointer": fault.at,
            "place": _named(place.name, redactor),
            "line": int(fault.args.get("line", 0)) or place.line or None,
            "code": fault.code,
            "message": fault.message,
            "vi": said.vi,
            "cure_vi": said.vi_todo,
            "params": fault.args,
        }
        yield json.dumps(
            {key: each if key in _OURS else _clean(each, redactor) for key, each in shown.items()},
            ensure_ascii=False,
        )


class _Files:
    """Finds places in files, each of which is read once."""

    def __init__(self) -> None:
        self._places: dict[Path | None, Places] = {}

    def of(self, path: Path | None) -> Places:
        """Return the places of *path*; of None there are none."""
        if path not in self._places:
            self._places[path] = Places(path)
        return self._places[path]


def _named(place: str, redactor: Redactor) -> str:
    """Return *place* with what a document calls its cameras redacted, and our keys as they are."""
    return _QUOTED.sub(lambda name: redactor.redact_text(name[0]), place)


def _clean(value: object, redactor: Redactor) -> object:
    if isinstance(value, dict):
        return {key: _clean(each, redactor) for key, each in value.items()}
    return redact_foreign(redactor, value, check_files) if isinstance(value, str) else value


def _by_cause(faults: Iterable[Told]) -> list[tuple[Path | None, Fault, list[Fault]]]:
    """Return *faults* in their order, each with those that have the same cause."""
    found: dict[tuple[object, ...], tuple[Path | None, Fault, list[Fault]]] = {}
    for number, (path, fault) in enumerate(faults):
        same = fault.args.get("name") or fault.args.get("kind") or ""
        single = "" if fault.code in ONE_CAUSE else number
        key = (path, fault.code, same, single)
        if key in found:
            found[key][2].append(fault)
        else:
            found[key] = path, fault, []
    return list(found.values())


def _lines(path: Path | None, fault: Fault, places: Places, redactor: Redactor) -> Iterator[str]:
    place = places.find(fault.at)
    line = int(fault.args.get("line", 0)) or place.line
    file = "" if path is None else f"{path}:{line}: " if line else f"{path}: "
    yield f"{f'{file}{_named(place.name, redactor)}'.rstrip()} [{fault.code}]".lstrip()
    said = _said_of(fault)
    for text in (said.vi, f"→ {said.vi_todo}" if said.vi_todo else ""):
        if text:
            yield f"    {redact_foreign(redactor, text, check_files)}"
    english = redact_foreign(redactor, fault.message, check_files)
    yield f"    {fault.at or '/'}: {english}" + (f"; {said.en_todo}" if said.en_todo else "")
    if fault.code == "syntax" and (quoted := places.quote(line, int(fault.args.get("column", 1)))):
        yield f"    {line} | {redactor.redact_text(quoted)}"


def _said_of(fault: Fault) -> FaultText:
    """As `said_of`, with the commands of the program that runs."""
    return said_of(replace(fault, args={"program": program_name(), **fault.args}))


def _called(place: FoundPlace, fault: Fault) -> str:
    name = place.name or fault.at
    return f"{name} ({fault.args['got']})" if "got" in fault.args else name
