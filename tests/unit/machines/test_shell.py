"""Commands over a line, with a real shell at its other end."""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fixtures.clock import HANG_S
from tests.machines.shell import Done, Line, ShellLost, decoded


@contextmanager
def shell(folder: Path) -> Iterator[Line]:
    """A shell that reads its commands from a pipe."""
    with subprocess.Popen(
        ("bash", "--noprofile", "--norc"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        into, out = process.stdin.fileno(), process.stdout.fileno()

        def receive(within_s: float) -> bytes:
            ready, _, _ = select.select([out], [], [], within_s)
            return os.read(out, 65536) if ready else b""

        yield Line(lambda data: void(os.write(into, data)), receive, str(folder))
        process.kill()


def void(_: int) -> None:
    """Nothing."""


def test_a_command_comes_back_whole(tmp_path: Path) -> None:
    """Of several lines, longer than one that may be typed, in Vietnamese, and its status."""
    with shell(tmp_path) as line:
        assert line.greet(HANG_S)
        text = "Trung tâm " * 1000
        done = line.run(f"echo '{text}'\necho second >&2\nexit 3", HANG_S)

    assert done == Done(3, f"{text}\nsecond")


def test_what_a_command_leaves_on_the_line_does_not_confuse(tmp_path: Path) -> None:
    """The next answer is its own."""
    with shell(tmp_path) as line:
        first = line.run("printf no-newline", HANG_S)
        second = line.run("cat; echo end", HANG_S)

    assert (first.output, second.output) == ("no-newline", "end")


def test_a_terminal_may_add_bytes() -> None:
    """Line ends are not base64 and are left out."""
    assert decoded(b"\r\n aGVs\r\nbG8= \r\n") == "hello"


def test_what_is_no_base64_is_told() -> None:
    """Instead of an answer that is wrong."""
    with pytest.raises(ShellLost, match="no base64"):
        decoded(b"abc")


def test_a_shell_that_does_not_answer_is_lost() -> None:
    """Greeted or given a command."""
    line = Line(lambda _: None, lambda _: b"")

    assert not line.greet(0.0)
    with pytest.raises(ShellLost, match="no answer"):
        line.run("true", 0.0)
