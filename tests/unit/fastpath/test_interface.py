"""A compiled module of another tree is not used: it would fail in the middle of a call."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import fastpath
from gateway.fastpath import INTERFACE

FOLDER = Path(fastpath.__file__).parent

KNOWN = {
    1: "c5ecd0f2019b1eefc8af6bc47f7c5b3ecd0cf3531bbd6e5fe0adf1995767a32b",
    2: "70ad26f9e2c4cb1823188bf959438bb22af4e19c364452d32dcc4586213cad34",
    3: "02c16679b6bb4a77782871052bafbbead11eda6619d2e2700e567b2e104cc4c9",
    4: "eaa15c6df5b46f075a087ce3f4d1fd1624fd974998ebe4d8ea39cf1161409697",
    5: "035597f894a9b87b5d8a7221511aa7f123ce862e058e640c431c7bf8f6d23b36",
}
"""Each number, and the contracts that it stands for: SHA-256 of `_fastpath.pyi`."""

IMPORT = """
import sys, types
class Old: pass
module = types.ModuleType("gateway.fastpath._fastpath")
module.Forwarder = module.FrameRun = module.RtpDestination = Old
Old.__module__ = module.__name__
{more}
sys.modules[module.__name__] = module
from gateway import fastpath
from gateway.cli.main import FAST_PATH
print(fastpath.COMPILED, fastpath.STALE, fastpath.Forwarder is Old, FAST_PATH)
"""


def test_a_change_of_the_contracts_has_a_number_of_its_own() -> None:
    """Whoever changes `_fastpath.pyi` changes `INTERFACE`, in both places, and this table."""
    digest = hashlib.sha256((FOLDER / "_fastpath.pyi").read_bytes()).hexdigest()

    assert digest == KNOWN[INTERFACE]


def test_what_is_compiled_here_is_of_this_tree() -> None:
    """Else the tests of the fast path would test another one."""
    assert (fastpath.COMPILED, fastpath.STALE) == (True, False)


@pytest.mark.parametrize("more", ["", "module.INTERFACE = 0"], ids=["no number", "another"])
def test_one_of_an_older_tree_is_left_alone(more: str) -> None:
    """The fallback runs, and it is said what to do."""
    ended = subprocess.run(
        [sys.executable, "-c", IMPORT.format(more=more)], capture_output=True, text=True, check=True
    )

    assert ended.stdout.startswith("False True False ")
    assert "scripts/install run" in ended.stdout
