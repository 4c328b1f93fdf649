"""Epochs only ever grow, whatever the disk and the clock do."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog.testing

from gateway.mqtt.epoch import Epochs
from gateway.runtime.clock import now_ms


@contextmanager
def full_disk() -> Iterator[None]:
    """No file can be written, not even a byte."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_an_epoch_is_the_wall_clock_when_nothing_is_stored(tmp_path: Path) -> None:
    """So that a wiped card goes on above what it had."""
    before_ms = now_ms()

    assert Epochs(tmp_path / "epoch").advance() >= before_ms


def test_an_epoch_is_above_the_stored_one(tmp_path: Path) -> None:
    """So that a clock at 1970 goes on above what it had."""
    path = tmp_path / "epoch"
    ahead = now_ms() + 10**9
    path.write_text(str(ahead))

    assert Epochs(path).advance() == ahead + 1
    assert Epochs(path).advance() == ahead + 2


@pytest.mark.parametrize(
    "garbage", [b"", b"\0" * 4096, b"-5", b"9" * 4000, b"12a", b"\xff\xfe", str(2**60).encode()]
)
def test_garbage_in_the_file_is_nothing(tmp_path: Path, garbage: bytes) -> None:
    """A power cut may leave anything; it is replaced."""
    path = tmp_path / "epoch"
    path.write_bytes(garbage)
    before_ms = now_ms()

    epoch = Epochs(path).advance()

    assert before_ms <= epoch <= now_ms()
    assert int(path.read_text()) == epoch


def test_a_disk_that_takes_nothing_is_said_once(tmp_path: Path) -> None:
    """The number goes on growing from what this process has used."""
    (tmp_path / "file").touch()
    epochs = Epochs(tmp_path / "file" / "epoch")

    with structlog.testing.capture_logs() as said:
        numbers = [epochs.advance() for _ in range(3)]

    assert numbers == sorted(set(numbers))
    assert [line["event"] for line in said] == ["epoch_not_stored"]


def test_a_full_disk_is_survived(tmp_path: Path) -> None:
    """Every write to the new file fails for want of space; the old one stays as it was."""
    path = tmp_path / "epoch"
    path.write_text("5")
    epochs = Epochs(path)

    with structlog.testing.capture_logs(), full_disk():  # a log is a file, too
        first = epochs.advance()
        second = epochs.advance()

    assert second > first
    assert path.read_text() == "5"


def test_messages_are_numbered_within_the_epoch(tmp_path: Path) -> None:
    """From one, anew for each connection."""
    epochs = Epochs(tmp_path / "epoch")
    first = epochs.advance()
    stamps = [epochs.stamp(), epochs.stamp()]
    second = epochs.advance()

    assert [(each.epoch, each.number) for each in stamps] == [(first, 1), (first, 2)]
    assert (epochs.stamp().epoch, epochs.stamp().number) == (second, 2)


def test_before_the_first_connection_it_is_the_epoch_of_the_last_one(tmp_path: Path) -> None:
    """What happens between a start and a connection belongs to the one before."""
    path = tmp_path / "epoch"
    before = Epochs(path).advance()

    assert Epochs(path).stamp().epoch == before
