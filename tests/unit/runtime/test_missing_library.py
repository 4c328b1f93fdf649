"""An installation that is older than the code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import gateway
from gateway.runtime.missing_library import missing_library
from tests.fixtures.clock import HANG_S

BARE = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
"""Started with -S, it has nothing but the standard library."""


@pytest.mark.parametrize("module", ["gateway", "gateway.console", "gateway.demo"])
def test_a_missing_library_is_a_sentence_with_what_to_do(module: str) -> None:
    """Whatever is started; a traceback would say nothing to whoever has only updated the code."""
    done = subprocess.run(
        [BARE, "-S", "-m", module, "--help"],
        cwd=Path(gateway.__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )

    assert done.returncode == 1
    assert "scripts/install run" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("importer", "statement", "library"),
    [
        ("gateway.cli.keys", "import no_such_library.part", "no_such_library"),
        ("gateway.cli.keys", "from pytest import no_such_name", "pytest"),
        ("gateway.cli.keys", "import gateway.no_such_module", None),
        ("gateway.cli.keys", "from json import no_such_name", None),
        ("some_library.part", "import no_such_library", None),
        ("gateway.cli.keys", "1 / 0", None),
    ],
)
def test_only_what_is_ours_to_install_is_called_missing(
    importer: str, statement: str, library: str | None
) -> None:
    """All else is a bug, whose traceback is wanted."""
    with pytest.raises((ImportError, ZeroDivisionError)) as caught:
        exec(statement, {"__name__": importer})

    assert missing_library(caught.value, caught.tb) == library
