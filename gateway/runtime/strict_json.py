"""Strict JSON: bytes in, a tree and its flaws out, in bounded time and memory.

JSON readers disagree about a key that stands twice, NaN, large integers and half of a surrogate
pair; a document is refused rather than understood in two ways. Documents from files and payloads
from the broker are both read here; each gives the problems its own codes.

Sources: RFC 8259 (JSON), RFC 7493 (I-JSON: no duplicate names, no lone surrogates).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NoReturn

from gateway.model.document import repeats

MAX_DEPTH = 16
"""Levels of nesting; a site document has six, a payload four."""

MAX_DIGITS = 19
"""Of an integer; the largest signed 64-bit integer has so many."""

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_CONTROL = re.compile(r"\\[bfnrtu]|[\x7f-\x9f]")
"""Where a text may hold a control character; those below U+0020 are no JSON unless escaped."""


class Problem(Enum):
    """What can be wrong with a JSON text. The first group leaves no tree."""

    TOO_LARGE = auto()
    EMPTY = auto()
    NOT_UTF8 = auto()
    BYTE_ORDER_MARK = auto()
    TOO_MANY_VALUES = auto()
    TOO_DEEP = auto()
    SYNTAX = auto()

    DUPLICATE_KEY = auto()
    NUMBER = auto()
    SURROGATE = auto()
    CONTROL_CHARACTER = auto()


@dataclass(frozen=True, slots=True)
class Flaw:
    """One problem of a text.

    Attributes:
        problem: Which.
        message: For people. Holds none of the text.
        at: Keys and indexes that lead to it; empty: the text as a whole.
        args: The figures of the message.
    """

    problem: Problem
    message: str
    at: tuple[str | int, ...] = ()
    args: dict[str, str | int | float] = field(default_factory=dict)


class StrictJsonError(ValueError):
    """A text that gives no tree.

    Attributes:
        flaw: Why.
        at: Of a problem of syntax: where the reader gave up, in characters.
        said: Likewise what it said, in Python's words.
    """

    def __init__(self, flaw: Flaw, at: int = 0, said: str = "") -> None:
        super().__init__(flaw.message)
        self.flaw = flaw
        self.at = at
        self.said = said


@dataclass(frozen=True, slots=True)
class ParsedJson:
    """A text that is JSON.

    Attributes:
        tree: As `json.loads` returns it. Of a key that stands twice the last value counts, and a
            number that cannot be used is infinite or NaN.
        flaws: What readers would disagree about, in the order of the text.
    """

    tree: object
    flaws: tuple[Flaw, ...]


def parse(
    raw: bytes, *, max_bytes: int, max_values: int | None = None, control_characters: bool
) -> ParsedJson:
    """Read the JSON text *raw*.

    Args:
        raw: UTF-8 without byte order mark.
        max_bytes: The most it may have.
        max_values: How many values it may hold at most; None: as many as fit.
        control_characters: Whether texts may hold any, as a PEM certificate does.

    Raises:
        StrictJsonError: It is not JSON, or beyond a bound.
    """
    text = decode(raw, max_bytes=max_bytes)
    if max_values is not None and sum(map(text.count, ",[{")) > max_values:
        _refuse(Problem.TOO_MANY_VALUES, f"more than {max_values} values", max=max_values)
    if _is_deeper(text, MAX_DEPTH):
        _refuse(Problem.TOO_DEEP, f"nested more than {MAX_DEPTH} levels deep", max=MAX_DEPTH)
    notes = _Notes()
    try:
        tree = json.loads(
            text,
            object_pairs_hook=notes.object_of,
            parse_int=notes.integer,
            parse_float=notes.number,
            parse_constant=notes.number,
        )
    except json.JSONDecodeError as error:
        place: dict[str, str | int | float] = {"line": error.lineno, "column": error.colno}
        what = error.msg[:1].lower() + error.msg[1:]
        message = f"line {error.lineno}, column {error.colno}: {what}"
        flaw = Flaw(Problem.SYNTAX, message, (), place)
        raise StrictJsonError(flaw, error.pos, error.msg) from None
    pattern = _SURROGATE if control_characters else _CONTROL
    if not notes.flawed and not pattern.search(text):
        return ParsedJson(tree, ())
    found = _flaws_in(tree, (), control_characters=control_characters)
    return ParsedJson(tree, tuple(found))


def decode(raw: bytes, *, max_bytes: int) -> str:
    """Return the text in *raw*, UTF-8 without byte order mark.

    Raises:
        StrictJsonError: It is too large, empty or not such a text.
    """
    if len(raw) > max_bytes:
        _refuse(Problem.TOO_LARGE, f"{len(raw)} bytes; at most {max_bytes}", max=max_bytes)
    if not raw.strip():
        _refuse(Problem.EMPTY, "it is empty")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        _refuse(Problem.NOT_UTF8, f"line {line}, byte {column}: not UTF-8", line=line)
    if text.startswith("\ufeff"):
        _refuse(Problem.BYTE_ORDER_MARK, "it begins with a byte order mark")
    return text


def dumps(tree: object) -> str:
    """Return *tree*, parsed before, as JSON: pydantic is stricter with text than with objects."""
    return json.dumps(tree, ensure_ascii=False)


class _Object(dict[str, object]):
    """A JSON object in which *twice* stood more than once."""

    twice: tuple[str, ...] = ()


class _Notes:
    """Builds values, and notes whether one of them has to be looked for afterwards."""

    def __init__(self) -> None:
        self.flawed = False

    def object_of(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        tree = dict(pairs)
        if len(tree) == len(pairs):
            return tree
        self.flawed = True
        tree = _Object(pairs)
        tree.twice = tuple(pairs[index][0] for index, _ in repeats([key for key, _ in pairs]))
        return tree

    def integer(self, digits: str) -> float:
        if len(digits.lstrip("-")) <= MAX_DIGITS:
            return int(digits)
        self.flawed = True
        return math.inf

    def number(self, digits: str) -> float:
        value = float(digits)  # also of NaN and Infinity, which Python's reader lets pass
        if not math.isfinite(value):
            self.flawed = True
        return value


def _is_deeper(text: str, levels: int) -> bool:
    """Return whether *text* nests deeper than *levels*; linear in its length, no recursion."""
    depth = 0
    for token in _TOKEN.finditer(text):
        if token[0] in ("[", "{"):
            depth += 1
            if depth > levels:
                return True
        elif token[0] in ("]", "}"):
            depth -= 1
    return False


def _flaws_in(
    node: object, at: tuple[str | int, ...], *, control_characters: bool
) -> Iterator[Flaw]:
    if isinstance(node, dict):
        for key in node.twice if isinstance(node, _Object) else ():
            yield Flaw(Problem.DUPLICATE_KEY, "this key stands here twice", (*at, key))
        for key, value in node.items():
            yield from _flaws_in(key, at, control_characters=control_characters)
            yield from _flaws_in(value, (*at, key), control_characters=control_characters)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _flaws_in(value, (*at, index), control_characters=control_characters)
    elif isinstance(node, float) and not math.isfinite(node):
        yield Flaw(Problem.NUMBER, "this is no number that can be used", at)
    elif isinstance(node, str):
        yield from _flaws_in_text(node, at, control_characters=control_characters)


def _flaws_in_text(
    text: str, at: tuple[str | int, ...], *, control_characters: bool
) -> Iterator[Flaw]:
    if any("\ud800" <= char <= "\udfff" for char in text):
        yield Flaw(Problem.SURROGATE, "it holds half of a surrogate pair", at)
    elif not control_characters and any(char < " " or "\x7f" <= char <= "\x9f" for char in text):
        yield Flaw(Problem.CONTROL_CHARACTER, "it holds control characters", at)


def _refuse(problem: Problem, message: str, **args: str | int | float) -> NoReturn:
    raise StrictJsonError(Flaw(problem, message, (), args))
