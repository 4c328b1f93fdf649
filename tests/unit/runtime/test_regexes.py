"""No regular expression of the program takes more than time in proportion to the text.

Whatever is compiled in a module of ours is found there, or where it is called, and matched against
its worst texts; the steps are counted (`tests.fixtures.regex_steps`), so the answer is the same on
every machine. What pydantic matches is another engine, which is linear by construction.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import gateway
from gateway.rtsp.parser import _candidate_pattern
from tests.fixtures.regex_steps import StepCounter, growth, worst_texts

PACKAGE = Path(gateway.__file__).parent
SEARCHING = ("search", "sub", "subn", "finditer", "findall", "split")
CALLED = (*SEARCHING, "match", "fullmatch", "compile")
MOST_GROWTH = 8.0
"""Four times the text may take so many times the steps: 4 is linear, 16 quadratic; between them is
what is bounded by a number in the expression, such as ``.{1,512}``."""

MADE_WHILE_RUNNING = {
    ("rtsp/parser.py", "_candidate_pattern"),
    ("runtime/redact.py", "add_secret"),  # alternatives without repeats
    ("mqtt/topics.py", "_pattern"),  # found in `_PATTERNS`
}
"""Where a pattern is made that no module holds."""


@cache
def modules() -> dict[str, Any]:
    """Every module of ours that can be imported, by its path."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = str(path.relative_to(PACKAGE))
        if not name.endswith(
            ("__main__.py", "migrations/env.py")
        ):  # the latter is Alembic's to run
            dotted = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
            found[name] = importlib.import_module(dotted.removesuffix(".__init__"))
    return found


def held(value: object, depth: int = 3) -> Iterator[re.Pattern[Any]]:
    """Yield the patterns in *value*."""
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, list | tuple | set | frozenset) and depth:
        for each in value:
            yield from held(each, depth - 1)
    elif isinstance(value, dict) and depth:
        for each in value.values():
            yield from held(each, depth - 1)


def calls(path: str) -> Iterator[tuple[str, ast.Call, str]]:
    """Yield each call of a function of `re` in a module: function, call, and where it stands."""
    tree = ast.parse((PACKAGE / path).read_text(encoding="utf-8"))
    for outer in ast.walk(tree):
        if not isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
            continue
        for node in ast.walk(outer):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "re"
                and node.func.attr in CALLED
            ):
                yield node.func.attr, node, getattr(outer, "name", "")


def patterns() -> dict[str, tuple[re.Pattern[Any], bool]]:
    """Every pattern, by where it is and what it says, and whether it is searched for."""
    found: dict[str, tuple[re.Pattern[Any], bool]] = {}
    everything = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    for path, module in modules().items():
        for name, value in vars(module).items():
            for index, pattern in enumerate(held(value)):
                direct = isinstance(value, re.Pattern)
                searched = not direct or any(f"{name}.{how}(" in everything for how in SEARCHING)
                found[f"{path}:{name}:{index}"] = (pattern, searched)
        for how, call, _ in calls(path):
            given = call.args[0]
            text = given.value if isinstance(given, ast.Constant) else None
            if isinstance(given, ast.Name):
                text = getattr(module, given.id, None)
            if isinstance(text, str | bytes) and how != "compile":
                found[f"{path}:{call.lineno}"] = (re.compile(text), how in SEARCHING)
    found["rtsp/parser.py:_candidate_pattern"] = (_candidate_pattern(0, 1, 96), True)
    return found


PATTERNS = patterns()


@pytest.mark.parametrize("name", PATTERNS)
def test_a_regular_expression_is_linear(name: str) -> None:
    """With the text that it likes least."""
    pattern, searched = PATTERNS[name]

    factor, text = growth(pattern, search=searched, size=200 if searched else 1_000)

    assert factor <= MOST_GROWTH, f"{pattern.pattern!r} with {text[:60]!r}"


def test_none_is_overlooked() -> None:
    """A pattern is made in a module, from a constant, or is in the list of those made later."""
    for path in modules():
        for how, call, where in calls(path):
            known = isinstance(call.args[0], ast.Constant | ast.Name)
            at_top = not where
            assert known or at_top or (path, where) in MADE_WHILE_RUNNING, f"{path}:{call.lineno}"
            assert how != "compile" or at_top or (path, where) in MADE_WHILE_RUNNING


def test_pydantic_matches_with_the_linear_engine() -> None:
    """No model asks for Python's."""
    assert not [path for path in PACKAGE.rglob("*.py") if "python-re" in path.read_text()]


def test_expressions_of_the_page_are_linear() -> None:
    """Those few that its modules have."""
    literal = re.compile(
        r"(?<=[(,=:\s])/((?![/*\s])(?:\\.|\[[^\]\n]*\]|[^/\\\n\[])+)/[gimsuy]*(?=[,.;)])"
    )
    found = {
        re.sub(r"\\p\{\w+\}", "a", expression)
        for path in (PACKAGE / "console" / "static").glob("*.js")
        for expression in literal.findall(path.read_text(encoding="utf-8"))
    }

    assert r"\{(\w+)\}" in found
    assert all(growth(re.compile(each), search=True)[0] <= MOST_GROWTH for each in found)


@pytest.mark.parametrize(
    ("expression", "searched"),
    [
        (r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s\"'<>]*@", True),  # what hid users in URLs once
        (r"\s*,?\s*([A-Za-z]+)", False),  # what split challenges once
        (r"(a+)+$", False),
        (r"\w+=", True),
        (r"(?:a|aa)+$", False),
    ],
)
def test_a_bad_expression_is_found(expression: str, searched: bool) -> None:
    """Quadratic and exponential ones alike."""
    assert growth(re.compile(expression), search=searched)[0] > MOST_GROWTH


@pytest.mark.parametrize("name", PATTERNS)
def test_the_counter_matches_as_the_library_does(name: str) -> None:
    """Otherwise its steps would be those of another expression."""
    pattern, searched = PATTERNS[name]
    counter = StepCounter(pattern, 10_000_000)
    for text in texts_near(pattern):
        given = text.encode("latin-1") if isinstance(pattern.pattern, bytes) else text
        wanted = (pattern.search if searched else pattern.fullmatch)(given)
        ours = (counter.search if searched else counter.fullmatch)(text)
        assert ours == (wanted is not None), text


def texts_near(pattern: re.Pattern[Any]) -> Iterator[str]:
    """Yield short texts that match or nearly do."""
    for text in worst_texts(pattern, 24):
        if all(ord(char) < 256 for char in text):
            yield text
            yield text[:-1]
            yield text[1:]
