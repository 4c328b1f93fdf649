"""One test for each assumption about what the program leaves out: `gateway.lean` and its like."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = "import gateway.__main__\n"

SPARED = [
    "_bz2",
    "_lzma",
    "argparse",
    "calendar",
    "csv",
    "difflib",
    "dotenv",
    "email.charset",
    "email.message",
    "encodings.idna",
    "greenlet",
    "http.client",
    "importlib.resources",
    "pickle",
    "statistics",
    "sysconfig",
    "tempfile",
    "unicodedata",
    "urllib.request",
    "zipfile",
    "zoneinfo",
    "importlib.metadata",
    "email.utils",
    "cryptography.hazmat.primitives.ciphers",
    "cryptography.hazmat.primitives.serialization.ssh",
    "pydantic_settings.sources.providers.cli",
]


def run(program: str) -> str:
    """Return what *program* prints in a process of its own."""
    command = [sys.executable, "-W", "error", "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_program_loads_none_of_what_it_never_uses() -> None:
    """What only stands for a module is of another type than a module."""
    program = PROGRAM + (
        "import sys\n"
        "from types import ModuleType\n"
        "print(*(name for name, each in sys.modules.items() if type(each) is ModuleType))"
    )
    loaded = set(run(program).split())

    assert not loaded.intersection(SPARED)
    assert {"pydantic_settings", "structlog", "cryptography.x509"} <= loaded


def test_the_program_installed_begins_with_what_spares_it() -> None:
    """Its entry is the module that imports `gateway.lean` first."""
    program = "from importlib.metadata import entry_points as e; print(*e(name='camera-gateway'))"

    assert "gateway.__main__:main" in run(program)


@pytest.mark.parametrize("name", ["camera-gateway", "python-ulid"])
def test_a_version_is_told_without_loading_what_reads_it(name: str) -> None:
    """It is the one that the whole module tells."""
    program = PROGRAM + (
        "import sys, importlib.metadata as metadata\n"
        f"told = metadata.version('{name}')\n"
        "assert 'zipfile' not in sys.modules\n"
        "take = metadata.version\n"
        "assert metadata.Distribution\n"
        f"assert metadata.version is not take and told == take('{name}')\n"
        f"print(told == metadata.version('{name}'))"
    )

    assert run(program) == "True\n"


def test_an_unknown_package_is_the_whole_modules_business() -> None:
    """It alone knows which error that is."""
    program = PROGRAM + (
        "from importlib.metadata import version\n"
        "try: version('no-such-package')\n"
        "except Exception as error: print(type(error).__name__)"
    )

    assert run(program) == "PackageNotFoundError\n"


@pytest.mark.parametrize(
    ("use", "says"),
    [
        ("from importlib.metadata import entry_points as e; print(e(group='nobody'))", "[]"),
        ("import urllib.request as r; print(r.Request('http://a/b').selector)", "/b"),
        ("from email.utils import parseaddr; print(parseaddr('A <a@b>'))", "('A', 'a@b')"),
        ("import email.message; print(email.message.Message().is_multipart())", "False"),
        ("import bz2, lzma; print(len(bz2.compress(b'')), lzma.FORMAT_XZ)", "14 1"),
        ("import statistics, difflib; print(statistics.median([1, 2, 9]))", "2"),
        ("import calendar, tempfile; print(calendar.isleap(2028), tempfile.template)", "True tmp"),
        ("import zoneinfo; print(zoneinfo.ZoneInfo('UTC'))", "UTC"),
        ("import pickle, argparse; print(pickle.loads(pickle.dumps(argparse.SUPPRESS)))", "=="),
        ("import dotenv; print(dotenv.dotenv_values.__module__)", "dotenv.main"),
        ("from importlib.resources.abc import Traversable; print(Traversable.__name__)", "Trav"),
    ],
)
def test_whoever_uses_it_gets_it(use: str, says: str) -> None:
    """Nothing is left in the place of a module."""
    assert says in run(PROGRAM + use)


def test_settings_are_read_as_by_the_whole_library() -> None:
    """The environment wins over the file, lists are JSON, and a strange variable is told."""
    program = PROGRAM + (
        "import os, pathlib\n"
        "from gateway.agent.loading import load_settings\n"
        "from gateway.model.errors import ConfigRejected\n"
        "os.environ['CAMERA_GATEWAY__BROKER__HOST'] = 'elsewhere'\n"
        "os.environ['CAMERA_GATEWAY__CAMERAS__PORTS'] = '[1554]'\n"
        "settings = load_settings(pathlib.Path('config/gateway.example.toml'))\n"
        "print(settings.broker.host, settings.cameras.ports)\n"
        "os.environ['CAMERA_GATEWAY__BROKR__HOST'] = 'elsewhere'\n"
        "try: load_settings(pathlib.Path('config/gateway.example.toml'))\n"
        "except ConfigRejected as error: print(len(error.faults))\n"
    )

    assert run(program).split("\n")[:2] == ["elsewhere (1554,)", "1"]
