"""Documents lead somewhere: links, and what comments and docstrings point at, exist."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from gateway.cli.console import main as console
from gateway.cli.main import main

TOP = Path(__file__).parents[2]
AS_IF_IN = {"tests/contract": "docs"}
"""Templates of documents: their links are those of the finished one."""

LINK = re.compile(
    r"\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)"
    r"|<(?:img|a)\s[^>]*(?:src|href)=\"([^\"]+)\""
)
NAMED = re.compile(
    r"(?<![\w/.:-])"
    r"((?:gateway|tests|docs|scripts|systemd)/[\w./-]*\w"
    r"|config/[\w./-]*\.\w+"  # without a suffix it is a schema, or the package of that name
    r"|[\w-]+(?:/[\w-]+)*\.md)(?![\w/<])"
)
"""A file or folder of the repository, or any document."""

MODULE = re.compile(r"`~?((?:gateway|tests)(?!\.(?:toml|key)`)(?:\.\w+)+)`")
ELSEWHERE = re.compile(r"\b(?:fault|threat) (?:list|matrix|model)\b", re.IGNORECASE)
"""Plans that are not in the repository; what is, is named by its path."""


@cache
def tracked() -> tuple[Path, ...]:
    """Return what is in the repository; not what is installed or built beside it."""
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=TOP, capture_output=True, check=True, text=True).stdout
    return tuple(sorted(path for name in listed.split("\0") if (path := TOP / name).is_file()))


def documents() -> list[Path]:
    """Return every Markdown file of the repository."""
    return [path for path in tracked() if path.suffix == ".md"]


def sources() -> list[Path]:
    """Return every Python file of ours, and the Cython."""
    return [
        path
        for path in tracked()
        if path.suffix in (".py", ".pyi", ".pyx")
        and relative(path).startswith(("gateway", "tests"))
    ]


def relative(path: Path) -> str:
    return path.relative_to(TOP).as_posix()


def prose_of(document: Path) -> str:
    """Return the text of *document* without its code."""
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.S | re.M)
    return re.sub(r"`[^`\n]*`", "", text)


@cache
def anchors(document: Path) -> frozenset[str]:
    """Return what can stand behind ``#``: GitHub's names of the headings."""
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.S | re.M)
    seen: dict[str, int] = {}
    found = set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text))
    for heading in re.findall(r"^#+ +(.+?) *#*$", text, flags=re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        count = seen[slug] = seen.get(slug, -1) + 1
        found.add(slug if count == 0 else f"{slug}-{count}")
    return frozenset(found)


def comments(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and text of every comment and docstring of a Python file."""
    text = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(said))):
                yield node.lineno, said


def prose_of_source(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and text of what is written for people; in Cython every line may be that."""
    if path.suffix != ".pyx":
        yield from comments(path)
        return
    yield from enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)


@cache
def packages() -> frozenset[str]:
    """Return the packages directly below ``gateway/``."""
    return frozenset(path.name for path in (TOP / "gateway").iterdir() if path.is_dir())


def modules_named(text: str) -> Iterator[str]:
    """Yield what *text* names as documents do, e.g. `webrtc/session` for that of ``gateway/``."""
    for name in re.findall(r"`([a-z_]+/[a-z_][\w/]*)`", text):
        if name.partition("/")[0] in packages() and not (TOP / name).exists():
            yield f"gateway/{name}"


def exists(name: str, near: Path) -> bool:
    """Return whether *name* is a file or a folder: from the top, from *near*, or a document."""
    places = (TOP, near.parent, TOP / "docs")
    return any((place / name).exists() or list(place.glob(f"{name}.*")) for place in places)


def lost_in(text: str, near: Path) -> Iterator[str]:
    """Yield what *text*, which stands in *near*, names and is not there."""
    yield from (name for name in NAMED.findall(text) if not exists(name, near))
    yield from (dotted for dotted in MODULE.findall(text) if not resolves(dotted))


def defines(module: Path, names: list[str]) -> bool:
    """Return whether *module* defines *names*, each inside the one before."""
    body: list[ast.stmt] = ast.parse(module.read_text(encoding="utf-8")).body
    for name in names:
        for node in body:
            if name in names_of(node):
                body = node.body if isinstance(node, ast.ClassDef) else []
                break
        else:
            return False
    return True


def names_of(node: ast.stmt) -> set[str]:
    """Return what one statement defines, and the attributes that a method sets."""
    if isinstance(node, ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        set_here = {
            each.attr
            for each in ast.walk(node)
            if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store)
        }
        return {node.name, *set_here}
    return {
        each.id if isinstance(each, ast.Name) else each.asname or each.name
        for each in ast.walk(node)
        if isinstance(each, ast.alias)
        or (isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store))
    }


def resolves(dotted: str) -> bool:
    """Return whether *dotted* is a package, a module, or something that one defines."""
    parts = dotted.split(".")
    for size in range(len(parts), 0, -1):
        base = TOP.joinpath(*parts[:size])
        rest = parts[size:]
        if base.is_dir():
            return not rest or defines(base / "__init__.py", rest)
        for suffix in (".py", ".pyi", ".pyx"):
            module = base.with_suffix(suffix)
            if module.exists():
                return not rest or suffix == ".pyx" or defines(module, rest)
    return False


@pytest.mark.parametrize("document", documents(), ids=relative)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    """To a file of the repository, and to a heading that is there."""
    folder = AS_IF_IN.get(relative(document.parent), relative(document.parent))
    broken = []
    for match in LINK.finditer(prose_of(document)):
        target = match[1] or match[2]
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        aim = (TOP / folder / path).resolve() if path else document
        if not aim.exists() or (anchor and anchor not in anchors(aim)):
            broken.append(target)

    assert not broken, f"{relative(document)}: {broken}"


@pytest.mark.parametrize("source", sources(), ids=relative)
def test_what_a_comment_points_at_exists(source: Path) -> None:
    """A path, a document or a dotted name in a comment or docstring can be followed."""
    lost = [
        f"{relative(source)}:{line}: {name}"
        for line, text in prose_of_source(source)
        for name in (*lost_in(text, source), *ELSEWHERE.findall(text))
    ]

    assert not lost, "\n".join(lost)


@pytest.mark.parametrize("document", documents(), ids=relative)
def test_what_a_document_names_exists(document: Path) -> None:
    """As in a comment. The change log names what was."""
    text = "" if document.name == "CHANGELOG.md" else document.read_text(encoding="utf-8")

    lost = list(lost_in(text, document))
    lost += [name for name in modules_named(text) if not exists(name, document)]

    assert not lost, f"{relative(document)}: {lost}"


def test_the_readme_names_every_command() -> None:
    """Those of both programs and the scripts: what it does not name nobody finds."""
    readme = (TOP / "README.md").read_text(encoding="utf-8")
    scripts = (path for path in (TOP / "scripts").iterdir() if path.is_file())
    at_the_centre = console.list_commands(click.Context(console))
    wanted = [f"camera-console {name}" for name in at_the_centre]
    wanted += [
        f"camera-gateway {name}"
        for name in main.list_commands(click.Context(main))
        if name in ("run", "check") or name not in at_the_centre
    ]
    wanted += [relative(script) for script in scripts]

    missing = [each for each in wanted if not re.search(rf"`{re.escape(each)}[` ]", readme)]

    assert not missing


def test_a_dotted_name_is_followed_to_its_end() -> None:
    """Or else a comment could point at what was renamed."""
    here = "tests.unit.test_documents"

    assert resolves(here)
    assert resolves(f"{here}.resolves")
    assert not resolves(f"{here}.resolved")
    assert not resolves("gateway.nowhere")
