"""A version that has been left for its holes does not come back (T19)."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.model.errors import ConfigRejected
from gateway.model.version import MINIMUM_VERSION, VERSION
from gateway.runtime.minimum_version import (
    MINIMUM_FILE,
    check_minimum,
    numbers_of,
    remember_minimum,
)


def test_a_version_below_what_was_seen_is_refused(tmp_path: Path) -> None:
    """By number, not as text: 0.9.0 is below 0.10.0; and the fault says what to do."""
    remember_minimum(tmp_path, minimum="0.10.0")

    with pytest.raises(ConfigRejected) as raised:
        check_minimum(tmp_path, version="0.9.0")

    (fault,) = raised.value.faults
    assert fault.code == "release.old"
    assert "0.9.0" in fault.message
    assert "0.10.0" in fault.message


@pytest.mark.parametrize("version", ["0.10.0", "0.10.1", "1.0.0"])
def test_the_minimum_itself_and_what_is_newer_may_run(tmp_path: Path, version: str) -> None:
    """Only what is below it is refused."""
    remember_minimum(tmp_path, minimum="0.10.0")

    check_minimum(tmp_path, version=version)


def test_the_highest_that_was_seen_stays(tmp_path: Path) -> None:
    """A newer release that asks for less takes nothing back."""
    remember_minimum(tmp_path, minimum="0.10.0")
    remember_minimum(tmp_path, minimum="0.2.0")

    assert (tmp_path / MINIMUM_FILE).read_text() == "0.10.0\n"


def test_without_the_file_every_version_may_run(tmp_path: Path) -> None:
    """A new machine, and one whose installer has removed the file to go back on purpose."""
    check_minimum(tmp_path, version="0.0.1")


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xff", b"newest", b"1.2", b"9" * 5000, b"1.2.3\n4.5.6\n", "١.٢.٣".encode()],
)
def test_a_file_that_cannot_be_read_is_said_and_stops_nothing(
    tmp_path: Path, content: bytes
) -> None:
    """Damage on the disk is no outage; the next start writes it anew."""
    (tmp_path / MINIMUM_FILE).write_bytes(content)

    with capture_logs() as logs:
        check_minimum(tmp_path, version="0.0.1")
    remember_minimum(tmp_path, minimum="0.1.0")

    assert [each["event"] for each in logs] == ["minimum_version_unreadable"]
    assert (tmp_path / MINIMUM_FILE).read_text() == "0.1.0\n"


def test_a_minimum_that_cannot_be_written_is_said_and_stops_nothing(tmp_path: Path) -> None:
    """A full or read-only disk: the pictures go on."""
    (tmp_path / "file").touch()

    with capture_logs() as logs:
        remember_minimum(tmp_path / "file" / "state", minimum="0.1.0")

    assert [each["event"] for each in logs] == ["minimum_version_unsaved"]


def test_this_release_may_run_where_it_has_run() -> None:
    """Its own minimum is not above it, and both are three numbers."""
    minimum, version = numbers_of(MINIMUM_VERSION), numbers_of(VERSION)

    assert minimum is not None
    assert version is not None
    assert minimum <= version
