"""No retired word comes back: the table at the end of docs/glossary.md is read and looked for.

What is left of them, as ``file:line: word -> instead: where``:

    python -m tests.unit.test_vocabulary [WORD...]
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
GLOSSARY = TOP / "docs" / "glossary.md"
TABLE = "## Retired words"

SUFFIXES = {
    *(".py", ".pyi", ".pyx", ".pxd", ".c", ".h", ".js", ".html", ".css", ".md", ".toml"),
    *(".json", ".conf", ".service", ".sh", ""),
}
FOLDERS = ("gateway", "tests", "scripts", "docs", "config", "systemd")
FILES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "pyproject.toml", "Dockerfile.arm64")
GENERATED = ("docs/schemas/", "docs/asyncapi.json")
"""Written from the code, which is looked at itself."""
NOT_OURS = ("tests/data/", "tests/contract/asyncapi-3.0.0.schema.json")
"""Captured from others, or the specification of others."""

LOG_METHODS = {"debug", "info", "warning", "error", "critical", "exception"}


@dataclass(frozen=True, slots=True)
class Allowed:
    """An ordinary use of a retired word.

    Attributes:
        word: The word, as the table spells it.
        pattern: Regular expression. In prose it is looked for in the line and must cover the word;
            a name is looked at as its kind and itself, e.g. ``class Line``.
        reason: Why this is no use of the retired sense.
        path: Regular expression that the path begins with.
    """

    word: str
    pattern: str
    reason: str
    path: str = ""


SPACE = r"\b(no|more|makes?|for|has|have|wants?|any|of|is|the|leaves|whose|out)( more)? room\b"
BOTH = "said beside its new name for one contract version"
ALLOWED = (
    Allowed("room", SPACE, "space"),
    Allowed("room", r"has_room|room_90k|\"Room for|room again|room_for", "space"),
    Allowed(
        "room", ".*", "bytes that still fit", r".*(lane\.pyx|/fastpath/|ways\.py|scenarios\.py)"
    ),
    Allowed("room", ".*", "bytes that still fit", r"tests/bench/floor\.|gateway/rtp/payload"),
    Allowed("room", ".*", "the hall in the picture", r"tests/fixtures/hall\.py"),
    Allowed("room", r"\ba dim room", "where a screen hangs", "gateway/console/static/"),
    Allowed("floor", ".*", "the least that the work costs", r"docs/performance|.*bench"),
    Allowed("floor", r"math\.floor", "the function", "gateway/"),
    Allowed("floor", ".*", "of the hall in the picture", "gateway/demo/"),
    Allowed("floor", ".*", "the lowest number that is taken", ".*journal"),
    Allowed(
        "eyes",
        r"[\[\"'./]eyes[\]\"']|__EYES",
        "the old table is read for a version",
        "gateway/|tests/|config/",
    ),
    Allowed("letter", r"dead[_ ]letter", "Enterprise Integration Patterns"),
    Allowed("letters", r"\bdead[_ ]letters", "Enterprise Integration Patterns"),
    Allowed("letter", r"\bletter\.strange", BOTH),
    Allowed("strange", r"^value letter\.strange", BOTH),
    Allowed("spoilt", r"\boutbox\.spoilt", BOTH),
    Allowed("deaf", r"^value deaf", BOTH),
    Allowed("lkg", r"^(value|field) lkg", "a key of the contract", "gateway/mqtt/|tests/"),
    Allowed("Tally", "class", "counts the packets of a measurement", "tests/bench/"),
    Allowed("Line", "class", "the site's line to the outside", "gateway/model/"),
    Allowed("Line", "class", "a line that a test can cut", "tests/"),
    Allowed("Window", "class", "of a browser", "tests/fixtures/browser"),
    Allowed("Turn", "class", "a TURN server", "tests/fixtures/turn"),
    Allowed("Child", "class", "of the launcher", "gateway/demo/"),
)
"""Each entry must be needed somewhere: one that nothing matches fails."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A retired word where it must not stand.

    Attributes:
        path: Below the top folder.
        line: From 1.
        word: As the table spells it.
        where: What it is part of: ``text``, or the kind of name.
        text: The name, or the line.
    """

    path: str
    line: int
    word: str
    where: str
    text: str

    def __str__(self) -> str:
        instead = retired()[self.word].instead
        return f"{self.path}:{self.line}: {self.word} -> {instead}: {self.where}: {self.text}"


@dataclass(frozen=True, slots=True)
class Retired:
    """One row of the table, for one of its words.

    Attributes:
        instead: What is said now.
        everywhere: Whether prose is looked at as well.
    """

    instead: str
    everywhere: bool


@cache
def retired() -> dict[str, Retired]:
    """Return the table: word -> what the row says."""
    _, _, section = GLOSSARY.read_text(encoding="utf-8").partition(TABLE)
    rows = [line.strip().strip("|").split(" | ") for line in section.splitlines() if "|" in line]
    found: dict[str, Retired] = {}
    for old, instead, scope, *_ in rows[2:]:
        for word in re.findall(r"`([^`]+)`", old):
            found[word] = Retired(instead.strip(), scope.strip() == "everywhere")
    return found


@cache
def plain_words(*, everywhere: bool) -> frozenset[str]:
    """Return the words that may be part of no name; *everywhere*: those that no prose may use."""
    return frozenset(
        word
        for word, row in retired().items()
        if word.islower() and not word.endswith("()") and (row.everywhere or not everywhere)
    )


@cache
def whole_names() -> frozenset[str]:
    """Return the names of which only the whole is retired."""
    return frozenset(word for word in retired() if not word.islower() or word.endswith("()"))


def parts(name: str) -> list[str]:
    """Return the words of an identifier: `StreamSupervisor`, `_made_anew`, `RTPSender2`."""
    return [
        part.lower()
        for chunk in re.findall(r"[A-Za-z]+", name)
        for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", chunk)
    ]


def allowed(path: Path, word: str, text: str, begin: int | None = None) -> bool:
    """Return whether *word* has its ordinary sense: at *begin* of a line, or in all of a name."""
    for entry in ALLOWED:
        if entry.word != word or not re.match(entry.path, relative(path)):
            continue
        for match in re.finditer(entry.pattern, text, re.IGNORECASE):
            if begin is None or match.start() <= begin < match.end():
                _needed[entry] += 1
                return True
    return False


_needed: Counter[Allowed] = Counter()


def checked_files() -> list[Path]:
    """Return what is looked at. The change log tells what was; the glossary names what is gone."""
    here = Path(__file__).resolve()
    command = ["git", "ls-files", "-z", *FILES, *FOLDERS]
    listed = subprocess.run(command, cwd=TOP, capture_output=True, check=True, text=True).stdout
    found = [TOP / name for name in listed.split("\0") if name and (TOP / name).is_file()]
    return sorted(
        path
        for path in found
        if path.suffix in SUFFIXES
        and path not in (here, GLOSSARY)
        and not relative(path).startswith((*GENERATED, *NOT_OURS))
    )


def relative(path: Path) -> str:
    return path.relative_to(TOP).as_posix()


def hits_in_text(path: Path, text: str) -> Iterator[Hit]:
    """Yield retired words of *everywhere*: prose, comments, strings and every identifier."""
    words = plain_words(everywhere=True)
    for number, line in enumerate(text.splitlines(), start=1):
        found = {
            word
            for chunk in re.finditer(r"[A-Za-z]+", line)
            for word in parts(chunk[0])
            if word in words and not allowed(path, word, line, chunk.start())
        }
        for word in sorted(found):
            yield Hit(relative(path), number, word, "text", line.strip()[:100])


def hits_in_names(path: Path, tree: ast.Module) -> Iterator[Hit]:
    """Yield retired words in names that *tree* defines, and in values that it sends or logs."""
    narrow = plain_words(everywhere=False) - plain_words(everywhere=True)
    phrases = {word for word in narrow if "_" in word}
    for number, kind, name in (*path_names(path), *defined(tree), *values(tree)):
        found = {word for word in parts(name) if word in narrow}
        found |= {word for word in phrases if word in name}
        if kind == "class" and name in whole_names():
            found.add(name)
        if kind in ("module", "function", "parameter", "field") and f"{name}()" in whole_names():
            found.add(f"{name}()")
        for word in sorted(found):
            if not allowed(path, word, f"{kind} {name}"):
                yield Hit(relative(path), number, word, kind, name)


def path_names(path: Path) -> Iterator[tuple[int, str, str]]:
    for part in Path(relative(path)).with_suffix("").parts:
        yield 1, "module", part.removeprefix("test_")


def defined(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Yield line, kind and name of all that *tree* defines for others to see."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield node.lineno, "class", node.name
            yield from fields(node.body, "field")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if not node.name.startswith("test_"):  # which is a sentence
                yield node.lineno, "function", node.name
            given = node.args
            for each in (*given.posonlyargs, *given.args, *given.kwonlyargs):
                yield each.lineno, "parameter", each.arg
    yield from fields(tree.body, "constant")


def fields(body: list[ast.stmt], kind: str) -> Iterator[tuple[int, str, str]]:
    for node in body:
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        for target in targets:
            for each in ast.walk(target):
                if isinstance(each, ast.Name):
                    yield each.lineno, kind, each.id


def values(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Yield strings that are names themselves (keys, codes, events), and what is logged."""
    logged = {
        id(node.args[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in LOG_METHODS
        and "log" in ast.unparse(node.func.value).lower()
        and node.args
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) in logged:
                yield node.lineno, "log event", node.value
            elif re.fullmatch(r"[A-Za-z][A-Za-z0-9]*([._-][A-Za-z0-9]+)*", node.value):
                yield node.lineno, "value", node.value


def is_python(path: Path, text: str) -> bool:
    return path.suffix in (".py", ".pyi") or text.startswith("#!/usr/bin/env python")


@cache
def hits(path: Path) -> tuple[Hit, ...]:
    """Return all that is wrong in one file."""
    text = path.read_text(encoding="utf-8")
    found = list(hits_in_text(path, text))
    if is_python(path, text):
        found += hits_in_names(path, ast.parse(text))
    elif path.suffix in (".pyx", ".pxd"):
        found += hits_in_cython(path, text)
    return tuple(sorted(found, key=lambda hit: (hit.line, hit.word)))


def hits_in_cython(path: Path, text: str) -> Iterator[Hit]:
    """Yield retired names of classes and functions; Cython is not Python's grammar."""
    pattern = r"^\s*(?:cdef |cpdef )?(?:(class)|def|inline|[\w* ]+?) (\w+)\s*[(:]"
    for number, line in enumerate(text.splitlines(), start=1):
        match = re.match(pattern, line)
        if match is None:
            continue
        kind, name = ("class" if match[1] else "function"), match[2]
        whole = name if kind == "class" else f"{name}()"
        if whole in whole_names() and not allowed(path, whole, f"{kind} {name}"):
            yield Hit(relative(path), number, whole, kind, name)


@pytest.mark.parametrize("path", checked_files(), ids=relative)
def test_no_retired_word_is_used(path: Path) -> None:
    """Neither in a name nor in prose."""
    found = hits(path)

    assert not found, "\n".join(map(str, found))


def test_what_is_allowed_is_needed() -> None:
    """An entry of the allow-list that matches nothing is a word too many."""
    for path in checked_files():
        hits(path)

    stale = [f"{entry.word}: {entry.pattern}" for entry in ALLOWED if not _needed[entry]]

    assert not stale, stale


def test_the_table_is_read() -> None:
    """It has words of both kinds, and nothing is retired that another row wants instead."""
    words = retired()
    scopes = {row.everywhere for row in words.values()}
    instead = {name for row in words.values() for name in re.findall(r"`(\w+)`", row.instead)}

    assert scopes == {True, False}
    assert not instead & words.keys()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("heartbeat", ["heartbeat"]),
        ("_beat_s", ["beat", "s"]),
        ("CommandDesk", ["command", "desk"]),
        ("RTPLane2", ["rtp", "lane"]),
        ("letter.strange", ["letter", "strange"]),
    ],
)
def test_a_name_is_split_into_its_words(name: str, words: list[str]) -> None:
    """At underscores, dots and capitals, so that a word inside a word is no hit."""
    assert parts(name) == words


def main(chosen: list[str], write: Callable[[str], object] = sys.stdout.write) -> int:
    """Print every hit, or those of *chosen* words, and how many there are of each."""
    found = [hit for path in checked_files() for hit in hits(path)]
    found = [hit for hit in found if not chosen or hit.word in chosen]
    for hit in found:
        write(f"{hit}\n")
    for word, count in Counter(hit.word for hit in found).most_common():
        write(f"{count:6} {word}\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
