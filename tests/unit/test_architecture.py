"""Rules that a reader would otherwise have to remember: layers, libraries, sizes, tasks."""

from __future__ import annotations

import ast
import graphlib
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
PACKAGE = TOP / "gateway"
MODULES = sorted(PACKAGE.rglob("*.py"))
SCRIPTS = sorted((TOP / "scripts").rglob("*.py"))
TESTS = sorted((TOP / "tests").rglob("*.py"))

MAY_IMPORT: dict[str, set[str]] = {
    "model": set(),
    "ports": {"model"},
    "runtime": {"model", "ports"},
    "fastpath": set(),
    "rtp": {"model"},
    "rtsp": {"model", "ports", "runtime", "rtp"},
    "hls": {"rtp"},
    "rtmp": {"model", "ports", "runtime", "rtp", "rtsp"},
    "streams": {"model", "ports", "fastpath"},
    "mqtt": {"model", "ports", "runtime"},
    "mqtt/payloads": {"model", "runtime", "mqtt"},
    "mqtt/client": {"model", "ports", "runtime", "mqtt", "mqtt/payloads"},
    "mqtt/outbox": {"model", "ports", "runtime", "mqtt", "mqtt/payloads"},
    "vision": {"model", "ports", "runtime"},
    "health": {"model", "ports", "runtime"},
    "transcoding": {"model", "ports", "runtime", "rtp", "streams", "vision"},
    "slates": {"model", "ports", "runtime", "rtp", "streams", "vision", "transcoding"},
    "demuxing": {"model", "runtime", "rtp", "rtmp", "vision"},
    "capture": {"model", "runtime", "vision", "transcoding"},
    "sources": {
        "model",
        "ports",
        "runtime",
        "fastpath",
        "rtp",
        "rtsp",
        "rtmp",
        "hls",
        "demuxing",
        "transcoding",
        "capture",
    },
    "config": {"model", "runtime", "capture", "sources"},
    "audit": {"model", "ports", "runtime", "config"},
    "viewing": {"model", "ports", "runtime", "mqtt/payloads", "config"},
    "webrtc": {"model", "ports", "runtime", "fastpath", "rtp", "streams"},
    "cameras": {
        "model",
        "ports",
        "runtime",
        "rtp",
        "streams",
        "vision",
        "config",
        "sources",
    },
    "discovery": {"model", "ports", "runtime", "rtp", "rtsp", "sources", "config"},
    "alarms": {"model", "ports", "runtime", "mqtt", "mqtt/payloads", "health"},
    "inventory": {"model", "ports", "runtime", "mqtt", "mqtt/payloads", "config"},
    "telemetry": {"model", "ports", "runtime", "mqtt", "mqtt/payloads", "health"},
    "remote_config": {"model", "ports", "runtime", "mqtt", "mqtt/payloads", "config"},
    "updates": {"model", "ports", "runtime", "mqtt", "mqtt/payloads", "config"},
    "documents": {"model", "ports", "runtime", "mqtt", "mqtt/payloads", "vision"},
    "commands": {
        "discovery",
        "model",
        "ports",
        "runtime",
        "mqtt",
        "mqtt/payloads",
        "config",
        "cameras",
        "updates",
    },
    "commands/handlers": {
        "discovery",
        "model",
        "runtime",
        "mqtt",
        "mqtt/payloads",
        "config",
        "cameras",
        "commands",
        "updates",
    },
    "app": {
        "discovery",
        "model",
        "ports",
        "runtime",
        "fastpath",
        "rtsp",
        "mqtt",
        "mqtt/payloads",
        "mqtt/client",
        "mqtt/outbox",
        "vision",
        "health",
        "config",
        "sources",
        "streams",
        "slates",
        "transcoding",
        "audit",
        "viewing",
        "webrtc",
        "cameras",
        "alarms",
        "inventory",
        "telemetry",
        "remote_config",
        "updates",
        "commands",
        "commands/handlers",
        "enrolment",
        "documents",
    },
    "centre": {
        "model",
        "ports",
        "runtime",
        "mqtt",
        "mqtt/payloads",
        "mqtt/client",
        "config",
        "viewing",
        "remote_config",
        "survey",
        "updates",
    },
    "enrolment": {"model", "ports", "runtime", "config"},
    "centre/enrolment": {"model", "ports", "runtime", "config", "enrolment"},
    "centre/delivery": {
        "model",
        "ports",
        "runtime",
        "mqtt",
        "mqtt/payloads",
        "config",
        "enrolment",
        "documents",
        "centre/enrolment",
    },
    "centre/enrolment/migrations": set(),
    "centre/enrolment/migrations/versions": set(),
    "survey": {
        "model",
        "runtime",
        "mqtt/payloads",
        "config",
        "inventory",
        "remote_config",
    },
    "backup": {"model", "runtime", "config"},
    "web": {"ports", "runtime"},
    "setup": {
        "model",
        "ports",
        "runtime",
        "rtsp",
        "vision",
        "config",
        "sources",
        "cameras",
        "discovery",
        "web",
    },
    "cli": {
        "console",
        "survey",
        "backup",
        "discovery",
        "setup",
        "model",
        "rtsp",
        "runtime",
        "fastpath",
        "mqtt/payloads",
        "mqtt/client",
        "config",
        "audit",
        "viewing",
        "cameras",
        "transcoding",
        "commands/handlers",
        "remote_config",
        "updates",
        "app",
        "centre",
        "centre/enrolment",
        "centre/delivery",
        "enrolment",
        "documents",
    },
    "console": {
        "model",
        "ports",
        "runtime",
        "mqtt",
        "mqtt/payloads",
        "mqtt/client",
        "centre",
        "web",
        "centre/enrolment",
        "centre/delivery",
        "documents",
        "enrolment",
    },
    "demo": {"model", "runtime", "rtp", "vision", "mqtt", "mqtt/client", "config"},
    "__main__": {"cli"},
}
"""What each package may import: packages below it. A sub-package is a package of its own."""

KEPT_IN: dict[str, tuple[str, ...]] = {
    "aiooui": ("discovery/makers.py",),
    "aiohttp": (
        "console/",
        "demo/",
        "documents/https_source.py",
        "enrolment/client.py",
        "enrolment/upload_trial.py",
        "runtime/https_client.py",
        "setup/server.py",
        "sources/http_client.py",
        "updates/download.py",
        "web/",
    ),
    "aioice": ("webrtc/aiortc_compat.py",),
    "aiortc": ("webrtc/",),
    "alembic": ("centre/enrolment/",),
    "av": (
        "vision/",
        "transcoding/",
        "demuxing/demuxer.py",
        "demuxing/worker.py",
        "capture/worker.py",
        "slates/",
        "demo/encoder.py",
    ),
    "click": ("cli/",),
    "cryptography": (
        "backup/encryption.py",
        "centre/enrolment/",
        "config/identity.py",
        "config/signing.py",
        "enrolment/",
        "mqtt/client/broker.py",
        "runtime/certificates.py",
        "setup/certificate.py",
    ),
    "cv2": ("vision/", "slates/", "demo/encoder.py", "demo/scene.py"),
    "defusedxml": ("sources/bounded_xml.py",),
    "docx": ("survey/docx_file.py",),
    "m3u8": ("hls/playlist.py",),
    "openpyxl": ("documents/xlsx_rows.py", "survey/xlsx_file.py"),
    "json": (
        "runtime/redact.py",
        "runtime/strict_json.py",
        "cli/",
        "console/",
        "demo/",
        "mqtt/payloads/codec.py",
        "setup/messages.py",
        "updates/state.py",
    ),
    "jwt": ("viewing/token.py",),
    "paho": ("mqtt/client/",),
    "playwright": ("demo/browser_check.py",),
    "prometheus_client": ("telemetry/metrics.py",),
    "psutil": ("discovery/addresses.py", "health/host.py", "setup/addresses.py"),
    "pydantic_settings": ("config/settings.py", "config/load.py", "console/settings.py"),
    "pylibsrtp": ("webrtc/",),
    "rfc8785": ("config/signing.py", "inventory/diff.py"),
    "segno": ("cli/setup.py",),
    "sqlalchemy": (
        "centre/delivery/receiver.py",
        "centre/delivery/store.py",
        "centre/enrolment/",
        "console/documents.py",
    ),
    "sqlite3": (
        "audit/store.py",
        "centre/coverage.py",
        "runtime/sqlite.py",
        "commands/journal.py",
        "mqtt/outbox/store.py",
        "viewing/used_tokens.py",
    ),
    "threading": (
        "commands/journal.py",
        "runtime/logging.py",
        "runtime/resolver.py",
    ),
    "tomlkit": ("config/settings_file.py",),
    "ulid": ("model/names.py",),
}
"""Where each library is used, so that its names and errors end there."""

WALL_CLOCK = ("cli/config.py", "runtime/clock.py", "webrtc/rtcp_feedback.py", "webrtc/session.py")
"""Who may ask what time it is: message stamps, certificates, and RTCP's NTP times."""

ONE_PLACE = {
    "json.load": "runtime/strict_json.py",
    "json.loads": "runtime/strict_json.py",
    "os.rename": "runtime/atomic_file.py",
    "os.replace": "runtime/atomic_file.py",
    "socket.getaddrinfo": "runtime/resolver.py",
    "sqlite3.connect": "runtime/sqlite.py",
}
"""What is done in one place, so that it is done right everywhere. `demo` may do as it likes."""

REPORTS = ("report_bug", "self._on_bug")
"""What an `except Exception` calls (`gateway.runtime.bugs`)."""

STAND_ALONE = ("updates/state.py", "updates/rollback.py")
"""What runs without any release: it imports nothing of ours but each other, and no library."""

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
    "discovery/service.py",
    "cameras/picture_monitor.py",
    "sources/http_clock.py",
    "sources/http_pictures.py",
    "sources/keyframe_asking.py",
    "runtime/memory.py",
    "runtime/repeated_events.py",
    "runtime/supervise.py",
    "runtime/trusted_time.py",
    "remote_config/health_gate.py",
    "console/enrolment.py",
    "enrolment/renewal.py",
    "console/server.py",
    "rtsp/session_monitor.py",
    "alarms/service.py",
    "health/host.py",
    "telemetry/reporter.py",
    "inventory/service.py",
    "documents/service.py",
    "runtime/systemd.py",
    "mqtt/client/certificates.py",
    "webrtc/line_trial.py",
    "webrtc/ticker.py",
    "updates/health.py",
    "updates/service.py",
    "updates/rollback.py",
)
"""Whose business it is to sleep and do it again; everybody else waits for an event."""

EXPORTING = ("__init__.py", "fastpath/__init__.py")
"""Says what to do where a library is missing; chooses what it exports. Every other __init__ is its
docstring."""

LONGEST_LINES = 500
"""A guide: a file holds one concept, and one that needs more screens than this holds two."""

by_module = pytest.mark.parametrize(
    "path", MODULES, ids=lambda path: str(Path(path).relative_to(PACKAGE))
)
by_python = pytest.mark.parametrize(
    "path", [*MODULES, *SCRIPTS, *TESTS], ids=lambda path: str(Path(path).relative_to(TOP))
)
by_test = pytest.mark.parametrize("path", TESTS, ids=lambda path: str(Path(path).relative_to(TOP)))


def module_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


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


def package_of(path: Path) -> str:
    """Return the package of a module, ``mqtt/client``; for a module at the top its own name."""
    where = path.relative_to(PACKAGE)
    return where.parent.as_posix() if len(where.parts) > 1 else where.stem


def imported_packages(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each import of our own: the package it comes from and its dotted name."""
    for name in imports(path):
        top, *rest = name.split(".")
        if top != "gateway":
            continue
        found = PACKAGE
        for part in rest:
            if not (found / part).is_dir():
                break
            found /= part
        at_the_top = found == PACKAGE
        yield (rest[0] if at_the_top else found.relative_to(PACKAGE).as_posix()), name


@by_module
def test_imports_go_down_only(path: Path) -> None:
    """A package sees those below it; the others it meets through `gateway.ports`."""
    package = package_of(path)
    if package == "__init__":
        return
    assert package in MAY_IMPORT, f"{package} is new: say in MAY_IMPORT what it may import"
    allowed = MAY_IMPORT[package] | {package}
    for other, name in imported_packages(path):
        assert other in allowed, (
            f"{module_of(path)} imports {name}; {package} may import {sorted(allowed)}"
        )


def test_no_package_imports_itself_by_a_detour() -> None:
    """Two packages that need each other are one."""
    graphlib.TopologicalSorter(MAY_IMPORT).prepare()  # raises CycleError, with the cycle


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_what_may_be_imported_is(package: str) -> None:
    """An entry that nothing needs any more is a door left open."""
    modules = [path for path in MODULES if package_of(path) == package]
    used = {other for path in modules for other, _ in imported_packages(path)}
    stale = MAY_IMPORT[package] - used

    assert modules, f"there is no package {package}"
    assert not stale, f"{package} no longer imports {sorted(stale)}: take it from MAY_IMPORT"


@by_module
def test_every_library_is_at_home(path: Path) -> None:
    """What a third party may rename or break is used in one place."""
    for name in imports(path):
        homes = KEPT_IN.get(name.split(".")[0])
        assert homes is None or module_of(path).startswith(homes), (
            f"{module_of(path)} imports {name}, which is used in {', '.join(homes)} only"
        )


@pytest.mark.parametrize(
    ("library", "home"), [(library, home) for library, homes in KEPT_IN.items() for home in homes]
)
def test_every_home_is_lived_in(library: str, home: str) -> None:
    """An entry that matches nothing is stale."""
    users = [path for path in MODULES if module_of(path).startswith(home)]
    used = {name.split(".")[0] for path in users for name in imports(path)}

    assert library in used, f"{home} does not use {library} any more: take it from KEPT_IN"


@pytest.mark.parametrize("name", [*WALL_CLOCK, *PACED, *EXPORTING])
def test_every_exception_exists(name: str) -> None:
    """A module that has gone takes its exceptions along."""
    assert (PACKAGE / name).exists(), f"{name} is listed as an exception and does not exist"


@by_module
def test_a_module_says_what_it_is_for_and_has_an_end(path: Path) -> None:
    """A docstring first; an __init__ is its docstring."""
    lines, tree = len(path.read_text(encoding="utf-8").splitlines()), tree_of(path)

    assert lines <= LONGEST_LINES, f"{module_of(path)} has {lines} lines: which concepts are they?"
    assert ast.get_docstring(tree), f"{module_of(path)} does not say what it is for"
    if path.name == "__init__.py" and module_of(path) not in EXPORTING:
        assert len(tree.body) == 1, f"{module_of(path)} may hold a docstring only"


@by_module
def test_a_docstring_names_arguments_and_attributes_that_exist(path: Path) -> None:
    """A contract about a former name helps nobody."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            known = _names_bound_in(node)
            for name in _documented_names(ast.get_docstring(node) or ""):
                assert name in known, f"{module_of(path)}:{node.lineno}: {node.name} has no {name}"


def _documented_names(docstring: str) -> list[str]:
    """The names that the sections Args and Attributes explain."""
    sections = re.findall(r"^(?:Args|Attributes):\n((?:    .*\n?|\n)*)", docstring, re.MULTILINE)
    return [name for each in sections for name in re.findall(r"^    \*{0,2}(\w+):", each, re.M)]


def _names_bound_in(scope: ast.AST) -> set[str]:
    """Parameters, methods, variables and attributes of a class or a function."""
    found: set[str] = set()
    for node in ast.walk(scope):
        if isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
    return found


@by_module
def test_only_the_retry_loop_and_the_tickers_sleep_in_circles(path: Path) -> None:
    """Whoever else polls, polls for an event that could wake it."""
    if module_of(path) in PACED:
        return
    for node in ast.walk(tree_of(path)):
        if not isinstance(node, ast.While) or ast.unparse(node.test) != "True":
            continue
        for line, name, call in calls(node):
            if ast.unparse(call) == "asyncio.sleep(0)":  # lets others run, and waits for nothing
                continue
            assert not name.endswith("sleep"), (
                f"{module_of(path)}:{line}: wait for an event, or use runtime.supervise; a"
                " module whose purpose is a pace is listed in PACED"
            )


@by_module
def test_queues_have_a_size(path: Path) -> None:
    """A queue without one is a leak that has not happened yet."""
    for line, name, call in calls(tree_of(path)):
        if name.rpartition(".")[2].split("[")[0] in ("Queue", "SimpleQueue", "LifoQueue"):
            assert call.args or call.keywords, f"{module_of(path)}:{line}: give the queue a size"


@by_module
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
        assert method != "ensure_future", f"{module_of(path)}:{line}: use a TaskGroup"
        if method == "create_task":
            assert owner in groups, f"{module_of(path)}:{line}: {owner} is no TaskGroup"
            named = any(keyword.arg == "name" for keyword in call.keywords)
            assert named, f"{module_of(path)}:{line}: give the task a name"


@by_module
def test_the_wall_clock_is_asked_in_few_modules(path: Path) -> None:
    """It jumps; whatever is measured or awaited is monotonic."""
    if module_of(path) in WALL_CLOCK or module_of(path).startswith(("demo/", "console/")):
        return
    for line, name, _ in calls(tree_of(path)):
        assert name not in ("time.time", "time.time_ns", "datetime.now", "dt.datetime.now"), (
            f"{module_of(path)}:{line}: use the Clock; wall time is stamped in {WALL_CLOCK}"
        )


@by_module
def test_what_has_one_place_is_done_there(path: Path) -> None:
    """A second JSON reader or resolver has other limits than the first, and nobody sees it."""
    if module_of(path).startswith("demo/") or module_of(path) in STAND_ALONE:
        return
    for name in set(named(tree_of(path))) & ONE_PLACE.keys():
        assert module_of(path) == ONE_PLACE[name], f"{module_of(path)}: use {ONE_PLACE[name]}"


def test_tcp_servers_are_ended_in_one_way() -> None:
    """Whatever else closes one leaves the connection open that it is just accepting."""
    ours = [
        path
        for path in (*(TOP / "gateway").rglob("*.py"), *(TOP / "tests").rglob("*.py"))
        if not path.is_relative_to(TOP / "tests" / "bench") and path != Path(__file__)
    ]
    for path in ours:
        text, where = path.read_text(encoding="utf-8"), path.relative_to(TOP)
        assert "TCPSite" not in text, f"{where}: use close_server of gateway/runtime/tcp_server.py"
        if path.is_relative_to(TOP / "tests") and "start_server(" in text:
            assert path.name == "tcp.py", f"{where}: use tests/fixtures/tcp.py"


@pytest.mark.parametrize("name", STAND_ALONE)
def test_what_undoes_a_release_needs_none(name: str) -> None:
    """Nothing but Python's own library, and its other half."""
    ours = {each.rpartition(".")[0] for each in imports(PACKAGE / name) if "gateway" in each}
    theirs = {each.split(".")[0] for each in imports(PACKAGE / name)} - {"gateway", "__future__"}

    assert ours <= {"gateway.updates.state"}
    assert theirs <= sys.stdlib_module_names


@by_module
def test_bugs_are_not_hidden(path: Path) -> None:
    """`except Exception` reports the bug it contains; `except BaseException` raises it again."""
    for node in ast.walk(tree_of(path)):
        if not isinstance(node, ast.ExceptHandler):
            continue
        caught = "" if node.type is None else ast.unparse(node.type)
        where = f"{module_of(path)}:{node.lineno}"
        assert caught, f"{where}: say which errors"
        if caught == "Exception":
            reports = any(name in REPORTS for _, name, _ in calls(node))
            assert reports, f"{where}: say which errors, or call report_bug"
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
