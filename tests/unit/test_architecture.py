"""The house rules that a reader would otherwise have to remember: floors, homes, sizes, names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
HOUSE = TOP / "gateway"
ROOMS = sorted(HOUSE.rglob("*.py"))
SCRIPTS = sorted((TOP / "scripts").rglob("*.py"))
TESTS = sorted((TOP / "tests").rglob("*.py"))

BASE = {"model", "ports", "aio"}
MAY_IMPORT: dict[str, set[str]] = {
    "model": set(),
    "ports": {"model"},
    "aio": {"model", "ports"},
    "fastpath": set(),
    "media": BASE | {"fastpath"},
    "rtp": BASE,
    "codec": BASE,
    "health": BASE,
    "mqtt": BASE,
    "inventory": BASE,
    "ingest": BASE | {"fastpath", "rtp"},
    "relay": BASE | {"fastpath", "media", "rtp"},
    "agent": BASE
    | {"fastpath", "media", "rtp", "codec", "health", "mqtt", "inventory", "ingest", "relay"},
    "console": BASE | {"mqtt", "rtp"},
    "demo": BASE | {"mqtt", "rtp"},
    "centre": BASE | {"mqtt", "agent"},
    "cli_words": {"model", "agent"},
    "cli_broker": {"model", "mqtt", "agent"},
    "cli_keys": {"model", "agent", "cli_words"},
    "cli_config": {"model", "mqtt", "agent", "centre", "cli_words", "cli_broker"},
    "cli": {"model", "fastpath", "agent", "cli_config", "cli_keys"},
    "__main__": {"cli"},
}
"""What each floor may see: only what is below it, never its neighbours."""

KEPT_IN: dict[str, tuple[str, ...]] = {
    "aiohttp": ("console/", "demo/", "relay/whip.py"),
    "aioice": ("relay/private.py",),
    "aiortc": ("relay/",),
    "av": ("codec/", "demo/encode.py"),
    "click": ("cli",),
    "cryptography": ("agent/signing.py", "demo/papers.py", "mqtt/broker.py"),
    "cv2": ("codec/", "demo/encode.py", "demo/picture.py"),
    "json": (
        "agent/documents.py",
        "agent/redact.py",
        "cli.py",
        "cli_config.py",
        "console/",
        "demo/",
        "mqtt/wire.py",
    ),
    "paho": ("mqtt/link",),
    "playwright": ("demo/check.py",),
    "prometheus_client": ("agent/metrics.py",),
    "psutil": ("health/host.py",),
    "pydantic_settings": ("agent/", "console/settings.py"),
    "pylibsrtp": ("relay/",),
    "rfc8785": ("agent/signing.py", "inventory/compare.py"),
    "sqlite3": ("agent/commands/journal.py", "mqtt/outbox_store.py"),
    "ulid": ("mqtt/outbox.py", "mqtt/wire"),
    "threading": (
        "agent/commands/journal.py",
        "agent/logs.py",
        "ingest/lookup.py",
        "mqtt/dial.py",
    ),
}
"""Each library at home, so that its names and errors end there."""

WALL_CLOCK = ("cli_config.py", "mqtt/epoch.py", "relay/feedback.py", "relay/session.py")
"""Who may ask what time it is: message stamps, certificates, and RTCP's NTP times."""

IMPORT_MACHINERY = (
    "sys.modules",
    "sys.meta_path",
    "sys.path_hooks",
    "sys.path_importer_cache",
    "importlib.abc",
    "importlib.machinery",
    "importlib.reload",
    "importlib.util",
    "builtins.__import__",
    "__import__",
)
"""What changes which module an import finds, or when it runs."""

PACED = (
    "agent/eyes.py",
    "aio/heap.py",
    "aio/supervise.py",
    "agent/desired/gate.py",
    "console/server.py",
    "ingest/rtsp/upkeep.py",
    "agent/alarms.py",
    "agent/host_watch.py",
    "agent/reporter.py",
    "agent/stocktaking.py",
    "agent/systemd.py",
    "mqtt/certificates.py",
    "relay/beat.py",
)
"""Whose business it is to sleep and do it again; everybody else waits for an event."""

EXPORTING = ("fastpath/__init__.py",)
"""Packages that choose what they export; every other __init__ is its docstring."""

LONGEST_LINES = 250
LONGER_LINES = {"ingest/assemble.py": 257}
"""One state machine on the hot path, where a seam is a call per packet; it may not grow."""

FORBIDDEN_NAMES = re.compile(
    r"Manager|Handler|Helper|Util|Service|(?:^|_)(?:data|info|process)(?:_|$)|^_?do_"
)
THEIRS = {"data_received", "ProcessorFormatter", "StreamHandler", "process"}
"""Names that a library's interface prescribes, or that mean an operating system's process."""

by_room = pytest.mark.parametrize(
    "path", ROOMS, ids=lambda path: str(Path(path).relative_to(HOUSE))
)
by_python = pytest.mark.parametrize(
    "path", [*ROOMS, *SCRIPTS, *TESTS], ids=lambda path: str(Path(path).relative_to(TOP))
)
by_test = pytest.mark.parametrize("path", TESTS, ids=lambda path: str(Path(path).relative_to(TOP)))


def room_of(path: Path) -> str:
    return path.relative_to(HOUSE).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[str]:
    where = path.relative_to(TOP)
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{where}:{node.lineno}: import by the full name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def calls(tree: ast.AST) -> Iterator[tuple[int, str, ast.Call]]:
    """Yield line and dotted name of every call below *tree*."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func), node


def named(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted name of all that *tree* imports or mentions, under its own name."""
    own: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            own |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
        elif isinstance(node, ast.Import):
            own |= {each.asname: each.name for each in node.names if each.asname}
            yield from (each.name for each in node.names)
    yield from own.values()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            first, dot, rest = ast.unparse(node).partition(".")
            yield own.get(first, first) + dot + rest


@by_room
def test_imports_go_down_only(path: Path) -> None:
    """A room sees the floors below; its neighbours it meets through ports."""
    floor = path.relative_to(HOUSE).parts[0].removesuffix(".py")
    if floor == "__init__":
        return
    assert floor in MAY_IMPORT, f"{floor} is a new floor: say in MAY_IMPORT what it may see"
    for name in imports(path):
        top, *rest = name.split(".")
        if top == "gateway":
            allowed = MAY_IMPORT[floor] | {floor}
            assert rest[0] in allowed, (
                f"{room_of(path)} imports {name}; {floor} may see {sorted(allowed)}"
            )


@by_room
def test_every_library_is_at_home(path: Path) -> None:
    """What a third party may rename or break is used in one place."""
    for name in imports(path):
        homes = KEPT_IN.get(name.split(".")[0])
        assert homes is None or room_of(path).startswith(homes), (
            f"{room_of(path)} imports {name}, which is kept in {', '.join(homes)}"
        )


@by_room
def test_a_room_fits_on_a_few_screens_and_says_what_it_is_for(path: Path) -> None:
    """At most 250 lines, a docstring first; an __init__ is its docstring."""
    text = path.read_text(encoding="utf-8")
    lines, tree = len(text.splitlines()), tree_of(path)
    longest = LONGER_LINES.get(room_of(path), LONGEST_LINES)

    assert lines <= longest, f"{room_of(path)} has {lines} lines: split it"
    assert ast.get_docstring(tree), f"{room_of(path)} does not say what it is for"
    if path.name == "__init__.py" and room_of(path) not in EXPORTING:
        assert len(tree.body) == 1, f"{room_of(path)} may hold a docstring only"


@by_room
def test_names_say_what_a_thing_is(path: Path) -> None:
    """No Manager, Handler, data, info, do_: each hides a better word."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            bad = FORBIDDEN_NAMES.search(node.name)
            assert not bad or node.name in THEIRS, (
                f"{room_of(path)}:{node.lineno}: {node.name}: name it by what it is"
            )


@by_room
def test_only_the_retry_loop_and_the_tickers_sleep_in_circles(path: Path) -> None:
    """Whoever else polls, polls for an event that could wake it."""
    if room_of(path) in PACED:
        return
    for node in ast.walk(tree_of(path)):
        if not isinstance(node, ast.While) or ast.unparse(node.test) != "True":
            continue
        for line, name, _ in calls(node):
            assert not name.endswith("sleep"), (
                f"{room_of(path)}:{line}: wait for an event, or use aio.supervise; a room whose"
                " purpose is a pace is listed in PACED"
            )


@by_room
def test_queues_have_a_size(path: Path) -> None:
    """A queue without one is a leak that has not happened yet."""
    for line, name, call in calls(tree_of(path)):
        if name.rpartition(".")[2].split("[")[0] in ("Queue", "SimpleQueue", "LifoQueue"):
            assert call.args or call.keywords, f"{room_of(path)}:{line}: give the queue a size"


@by_room
def test_tasks_belong_to_a_group_and_have_names(path: Path) -> None:
    """A task that nobody awaits loses its error; one without a name says nothing in a log."""
    groups = {"group"}
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.AsyncWith):
            for item in node.items:
                if "TaskGroup" in ast.unparse(item.context_expr) and item.optional_vars:
                    groups.add(ast.unparse(item.optional_vars))
    for line, name, call in calls(tree_of(path)):
        owner, _, method = name.rpartition(".")
        assert method != "ensure_future", f"{room_of(path)}:{line}: use a TaskGroup"
        if method == "create_task":
            assert owner in groups, f"{room_of(path)}:{line}: {owner} is no TaskGroup"
            named = any(keyword.arg == "name" for keyword in call.keywords)
            assert named, f"{room_of(path)}:{line}: give the task a name"


@by_room
def test_the_wall_clock_is_asked_in_few_rooms(path: Path) -> None:
    """It jumps; whatever is measured or awaited is monotonic."""
    if room_of(path) in WALL_CLOCK or room_of(path).startswith(("demo/", "console/")):
        return
    for line, name, _ in calls(tree_of(path)):
        assert name not in ("time.time", "time.time_ns", "datetime.now", "dt.datetime.now"), (
            f"{room_of(path)}:{line}: use the Clock; wall time is stamped in {WALL_CLOCK}"
        )


@by_room
def test_bugs_are_not_caught(path: Path) -> None:
    """`except Exception` hides them; `except BaseException` may only let go and raise again."""
    for node in ast.walk(tree_of(path)):
        if not isinstance(node, ast.ExceptHandler):
            continue
        caught = "" if node.type is None else ast.unparse(node.type)
        where = f"{room_of(path)}:{node.lineno}"
        assert caught not in ("", "Exception"), f"{where}: say which errors"
        if caught == "BaseException":
            raises = any(isinstance(each, ast.Raise) for each in ast.walk(node))
            assert raises, f"{where}: let go of what is held, then raise"


@by_python
def test_modules_are_imported_as_python_does_it(path: Path) -> None:
    """Nobody puts modules in place, hides or delays them: an import means what it says."""
    touched = {name for name in named(tree_of(path)) if name.startswith(IMPORT_MACHINERY)}

    assert not touched, f"{path.relative_to(TOP)} touches {', '.join(sorted(touched))}"


@pytest.mark.parametrize(
    "trick",
    [
        "import sys\nsys.modules['a'] = None",
        "import sys as s\ndel s.modules['a']",
        "from sys import modules as loaded",
        "from importlib.util import find_spec",
        "import importlib.machinery",
        "__import__('a')",
    ],
)
def test_a_trick_on_imports_is_found(trick: str) -> None:
    """Also under another name."""
    assert any(name.startswith(IMPORT_MACHINERY) for name in named(ast.parse(trick)))


@by_test
def test_tests_meet_real_peers(path: Path) -> None:
    """Mocks know the inside; a skipped test is no test."""
    text = path.read_text(encoding="utf-8")
    names = {name for name in imports(path) if name.startswith("unittest")}

    assert not names, f"{path.relative_to(TOP)}: write a fake with real behaviour"
    if path != Path(__file__):
        assert "pytest.skip" not in text, f"{path.relative_to(TOP)}: install what is missing"
        assert "mark.skip" not in text, f"{path.relative_to(TOP)}: install what is missing"


CLOCKS = re.compile(
    r"(monotonic|perf_counter|process_time|thread_time)(_ns)?$|loop(\(\))?\.time$|(CLOCK|Clock\(\))\.now$"
)
"""Those of the machine, by their calls; a fake clock moves when it is told to."""


def of_a_clock(node: ast.AST, taken: set[str]) -> bool:
    """Return whether *node* is made of what a clock has shown, itself or by a name of *taken*."""
    names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    return bool(names & taken) or any(CLOCKS.search(name) for _, name, _ in calls(node))


def taken_from_clocks(function: ast.AST) -> set[str]:
    """Return the names, in *function*, of what a clock has shown and of lists of it."""
    taken: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and of_a_clock(node.value, set()):
            targets = (each for target in node.targets for each in ast.walk(target))
            taken |= {each.id for each in targets if isinstance(each, ast.Name)}
    for _, name, call in calls(function):
        if name.endswith(".append") and of_a_clock(call, set()):
            taken.add(name.removesuffix(".append"))
    return taken


@by_test
def test_no_test_asks_how_long_it_took(path: Path) -> None:
    """A busy machine is slow: speed is measured by scripts/bench, and a hang ended by HANG_S."""
    if path.is_relative_to(TOP / "tests" / "bench"):
        return
    for function in ast.walk(tree_of(path)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        taken = taken_from_clocks(function)
        for node in ast.walk(function):
            if isinstance(node, ast.Assert) and any(
                isinstance(each, ast.Compare) and of_a_clock(each, taken)
                for each in ast.walk(node.test)
            ):
                where = f"{path.relative_to(TOP)}:{node.lineno}"
                pytest.fail(f"{where}: say what happens, not how soon")


@by_test
def test_a_test_says_its_fact(path: Path) -> None:
    """One fact each, in the docstring: what fails is then said in words."""
    for node in tree_of(path).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(
            "test"
        ):
            assert ast.get_docstring(node), f"{path.relative_to(TOP)}: {node.name} has no docstring"
