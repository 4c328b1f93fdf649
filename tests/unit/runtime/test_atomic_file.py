"""Files that are replaced: nothing that another has put beside them is written through."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.model.errors import TransientError
from gateway.runtime import atomic_file


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    """Root writes into folders of the service's user, who may put a link where we write first."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"not ours")
    path = tmp_path / "state" / "epoch"
    path.parent.mkdir()
    (path.parent / ".epoch.new").symlink_to(elsewhere)

    atomic_file.replace(path, b"5\n")

    assert elsewhere.read_bytes() == b"not ours"
    assert path.read_bytes() == b"5\n"
    assert not path.is_symlink()


def test_a_second_name_of_another_file_is_not_written_to(tmp_path: Path) -> None:
    """A hard link, likewise; nor is what a power cut left half written in the way."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"not ours")
    os.link(elsewhere, tmp_path / ".epoch.new")

    atomic_file.replace(tmp_path / "epoch", b"5\n")

    assert elsewhere.read_bytes() == b"not ours"
    assert (tmp_path / "epoch").read_bytes() == b"5\n"


def test_a_planted_folder_is_told(tmp_path: Path) -> None:
    """What cannot be removed is in the way: an error, and what was there is whole."""
    path = tmp_path / "epoch"
    path.write_bytes(b"4\n")
    (tmp_path / ".epoch.new").mkdir()

    with pytest.raises(TransientError, match="epoch"):
        atomic_file.replace(path, b"5\n")

    assert path.read_bytes() == b"4\n"


def test_a_file_is_prepared_before_it_has_its_name(tmp_path: Path) -> None:
    """Its mode and owner are never set by a name that another may have made a link meanwhile."""
    path = tmp_path / "epoch"
    seen = []

    def prepare(handle: int) -> None:
        seen.append(path.exists())
        os.fchmod(handle, 0o640)

    atomic_file.replace(path, b"5\n", prepare=prepare)

    assert seen == [False]
    assert path.stat().st_mode & 0o777 == 0o640
