"""Memory of a relay is that of all its processes, and what cannot be read is not told as zero."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from tests.bench import footprint
from tests.bench.footprint import Footprint

CHILD_MB = 30
FAMILY = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", '''
held = bytearray({CHILD_MB} * 10**6)
print("ready", flush=True)
input()
'''])
"""


@pytest.fixture
def parent() -> Iterator[int]:
    """A process with a child that holds `CHILD_MB`."""
    with subprocess.Popen(
        [sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process.pid
        process.communicate("\n")


def test_children_count(parent: int) -> None:
    """In all three figures: what the child holds is nobody else's."""
    family = footprint.of_family(parent)

    assert family.pss_mb is not None
    assert family.uss_mb is not None
    assert family.rss_mb > family.pss_mb > family.uss_mb > CHILD_MB


def test_a_relay_that_is_gone_has_no_figures() -> None:
    """A zero would be taken for one."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()

    with pytest.raises(psutil.NoSuchProcess):
        footprint.of_family(process.pid)


def test_what_one_process_does_not_tell_is_not_known_of_all() -> None:
    """It is null in JSON and unknown in words, not the sum of the others."""
    found = footprint.total([Footprint(10.04, 8.0, 6.0), Footprint(5.0, None, None)])

    assert found.rounded() == {"rss_mb": 15.0, "pss_mb": None, "uss_mb": None}
    assert str(found) == "RSS 15.0 MB, PSS unknown, USS unknown"


def test_rounds_are_told_by_their_medians() -> None:
    """Each figure by its own; one round that does not know spoils it."""
    first, second, third = Footprint(9, 6, 3), Footprint(8, 5, 4), Footprint(1, 7, 5)

    assert footprint.median([first, second, third]) == Footprint(8, 6, 4)
    assert footprint.median([first, Footprint(7, None, 4)]) == Footprint(8, None, 3.5)
