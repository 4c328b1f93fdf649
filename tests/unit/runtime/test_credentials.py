"""Secret files as systemd hands them over, in a folder like its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.runtime.credentials import credential_of, forbidden_bits, stem_of


@pytest.fixture
def handed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What systemd makes of ``view-2026a.key``."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    copy = tmp_path / "secrets_view-2026a.key"
    copy.touch()
    return copy


def test_a_file_that_was_handed_over_is_read_there(handed: Path) -> None:
    """Its own place is root's alone."""
    assert credential_of(Path("/etc/camera-console/secrets/view-2026a.key")) == handed


def test_a_file_that_was_not_handed_over_is_missing(handed: Path) -> None:
    """A service could not even see whether it is there; it is named by its own place."""
    other = Path("/etc/camera-console/secrets/turn")

    with pytest.raises(FileNotFoundError, match=r"'/etc/camera-console/secrets/turn'$"):
        credential_of(other)
    assert handed.exists()


def test_outside_of_a_service_every_file_stays_where_it_is(
    handed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for root's commands."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    own = Path("/etc/camera-console/secrets/view-2026a.key")

    assert credential_of(own) == own
    assert forbidden_bits(handed) == 0o077


def test_a_copy_has_the_name_of_its_key(handed: Path, tmp_path: Path) -> None:
    """Only a copy: elsewhere a name is what it is."""
    assert stem_of(handed) == "view-2026a"
    assert stem_of(tmp_path / "x" / handed.name) == "secrets_view-2026a"


def test_the_mask_of_systemds_acl_is_no_right_of_others(handed: Path) -> None:
    """It shows as the group's right to read; those of others are refused there, too."""
    assert forbidden_bits(handed) == 0o037
    assert forbidden_bits(handed.parent.parent / "a.key") == 0o077
