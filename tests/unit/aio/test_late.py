"""What stands for a module that is not loaded."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from gateway.aio.late import only_named


def test_a_name_of_what_is_not_loaded_is_only_a_name() -> None:
    """It can be taken, compared and parametrised; to make one is refused with words."""
    with only_named("no_such_library"):
        named = importlib.import_module("no_such_library")

        assert named.Thing is named.Thing[int]
        assert not isinstance("thing", named.Thing)
        with pytest.raises(NotImplementedError, match="no_such_library"):
            named.Thing()

    assert "no_such_library" not in sys.modules


def test_what_is_hidden_is_not_installed_and_comes_back() -> None:
    """Unless it is there already: then it stays."""
    program = (
        "import importlib, sys\n"
        "from gateway.aio.late import hidden\n"
        "with hidden('colorsys'):\n"
        "    try: importlib.import_module('colorsys')\n"
        "    except ImportError: print('hidden')\n"
        "import colorsys\n"
        "with hidden('colorsys'): assert importlib.import_module('colorsys') is colorsys\n"
        "print(colorsys.__name__)"
    )

    command = [sys.executable, "-c", program]

    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert told == "hidden\ncolorsys\n"
