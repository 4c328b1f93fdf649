"""Two builds of one release can be told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.model.version import VERSION
from gateway.runtime.build import COMMIT_FILE, FULL_VERSION, full_version


@pytest.mark.parametrize("commit", ["1a2b3c4d5", "1a2b3c4d5.dirty"])
def test_the_commit_is_build_metadata(commit: str, tmp_path: Path) -> None:
    """Behind the release, which decides which of two is newer."""
    (tmp_path / "commit.txt").write_text(f"{commit}\n")

    assert full_version(tmp_path / "commit.txt") == f"{VERSION}+g{commit}"


@pytest.mark.parametrize("content", [None, b"", b"\xff", b"x" * 90, b"$(reboot)\n", b"main\n"])
def test_what_is_no_commit_is_left_out(content: bytes | None, tmp_path: Path) -> None:
    """A bare archive has none."""
    if content is not None:
        (tmp_path / "commit.txt").write_bytes(content)

    assert full_version(tmp_path / "commit.txt") == VERSION


def test_an_installation_knows_its_commit() -> None:
    """Whichever set was installed: `scripts/install` writes it."""
    assert f"{VERSION}+g{COMMIT_FILE.read_text().strip()}" == FULL_VERSION
