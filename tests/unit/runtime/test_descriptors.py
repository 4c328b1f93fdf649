"""The limit of open files: raised as far as that is of use."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from gateway.runtime.descriptors import ENOUGH, is_exhausted
from tests.fixtures.descriptors import none_free

LIMIT = (
    "from gateway.runtime.descriptors import raise_descriptor_limit as raise_;"
    "import resource; print(*raise_(), *resource.getrlimit(resource.RLIMIT_NOFILE))"
)


@pytest.mark.parametrize(
    ("soft", "hard", "now"),
    [
        (13, 100, 100),
        (100, 100, 100),
        (1024, ENOUGH + 1000, ENOUGH),
        (ENOUGH + 10, ENOUGH + 1000, ENOUGH + 10),
    ],
)
def test_the_soft_limit_is_raised_as_far_as_it_is_of_use(soft: int, hard: int, now: int) -> None:
    """To the hard limit or to what the largest site takes; never lowered."""
    ended = subprocess.run(
        [sys.executable, "-c", LIMIT],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),
        check=True,
    )

    assert ended.stdout.split() == [str(each) for each in (soft, now, now, hard)]


def test_whether_one_is_free_is_asked_of_the_system() -> None:
    """For libraries that do not say why they could open nothing."""
    with none_free():
        assert is_exhausted()

    assert not is_exhausted()
