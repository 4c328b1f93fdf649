"""Where root writes when a person has given the path, and what it does not follow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.model.errors import ConfigRejected
from gateway.runtime.given_path import followed_owners, held_folder, write_given

NOBODY = 65_534
ME = os.geteuid()
SOMEBODY_ELSE = {ME + 1}
"""Whose links are followed in tests where this user's are not."""


def test_a_folder_without_links_is_the_one_that_was_given(tmp_path: Path) -> None:
    """It is made if need be, with those above it."""
    with held_folder(tmp_path / "a" / ".." / "b" / "c", SOMEBODY_ELSE) as held:
        (held / "file").write_text("x")

    assert (tmp_path / "b" / "c" / "file").read_text() == "x"


@pytest.mark.parametrize("absolute", [True, False])
def test_a_link_of_ones_own_is_followed(tmp_path: Path, *, absolute: bool) -> None:
    """Wherever it stands on the way."""
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real" if absolute else "real")

    with held_folder(tmp_path / "link" / "inner", {ME, 0}) as held:
        (held / "file").write_text("x")

    assert (tmp_path / "real" / "inner" / "file").exists()


@pytest.mark.parametrize("at", ["link", "link/inner", "folder/link"])
def test_a_link_of_somebody_elses_is_not_followed(tmp_path: Path, at: str) -> None:
    """It is named, with where it leads; nothing is made there."""
    (tmp_path / "real").mkdir()
    (tmp_path / "folder").mkdir()
    for place in ("link", "folder/link"):
        (tmp_path / place).symlink_to(tmp_path / "real")

    with pytest.raises(ConfigRejected) as caught, held_folder(tmp_path / at, SOMEBODY_ELSE):
        pass

    (fault,) = caught.value.faults
    assert (fault.code, fault.args["to"]) == ("output.link", str(tmp_path / "real"))
    assert list((tmp_path / "real").iterdir()) == []


def test_a_folder_that_is_moved_meanwhile_stays_the_same(tmp_path: Path) -> None:
    """A link that takes its place is not followed any more."""
    (tmp_path / "given").mkdir()
    (tmp_path / "trap").mkdir()
    with held_folder(tmp_path / "given", SOMEBODY_ELSE) as held:
        (tmp_path / "given").rename(tmp_path / "moved")
        (tmp_path / "given").symlink_to(tmp_path / "trap")
        (held / "file").write_text("x")

    assert (tmp_path / "moved" / "file").exists()
    assert list((tmp_path / "trap").iterdir()) == []


def test_links_without_end_are_given_up(tmp_path: Path) -> None:
    """As the kernel does."""
    (tmp_path / "loop").symlink_to("loop")

    with pytest.raises(ConfigRejected), held_folder(tmp_path / "loop", {ME}):
        pass


def test_a_file_stands_where_a_folder_should(tmp_path: Path) -> None:
    """That is said of the path that was given."""
    (tmp_path / "file").touch()

    with pytest.raises(ConfigRejected) as caught, held_folder(tmp_path / "file", SOMEBODY_ELSE):
        pass

    assert str(tmp_path / "file") in str(caught.value)


def test_root_follows_its_own_and_those_of_who_has_called_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By sudo; everybody else has the kernel's rules."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert followed_owners({"SUDO_UID": "1000"}) == frozenset({0, 1000})
    assert followed_owners({"SUDO_UID": "x"}) == frozenset({0})
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert followed_owners({"SUDO_UID": "1000"}) is None


def test_root_does_not_write_through_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in the place of the file nor in that of its folder."""
    victim = tmp_path / "etc" / "cron"
    victim.parent.mkdir()
    victim.write_text("before")
    (tmp_path / "form.json").symlink_to(victim)
    trap = tmp_path / "out"
    trap.symlink_to(victim.parent)
    if ME == 0:
        os.lchown(trap, NOBODY, NOBODY)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.delenv("SUDO_UID", raising=False)

    for path in (tmp_path / "form.json", trap / "cron", trap / "new"):
        with pytest.raises(ConfigRejected):
            write_given(path, b"form")

    assert (victim.read_text(), list(victim.parent.iterdir())) == ("before", [victim])


def test_only_a_plain_file_is_replaced(tmp_path: Path) -> None:
    """A link such as ``/dev/stdout`` stays; what was there has its new content and mode."""
    (tmp_path / "stdout").symlink_to("/proc/self/fd/1")
    (tmp_path / "form.json").write_text("before")

    with pytest.raises(ConfigRejected) as caught:
        write_given(tmp_path / "stdout", b"form")
    write_given(tmp_path / "form.json", b"form")

    assert str(tmp_path / "stdout") in caught.value.faults[0].message
    assert (tmp_path / "stdout").is_symlink()
    assert (tmp_path / "form.json").read_text() == "form"
    assert (tmp_path / "form.json").stat().st_mode & 0o777 == 0o600
