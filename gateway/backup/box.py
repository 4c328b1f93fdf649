"""Makes the backup of this box, and restores one onto it."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from gateway.backup.contents import (
    BACKUP_BYTES,
    EPOCH,
    MINIMUM,
    RENEWED,
    SETTINGS_FILE,
    Backup,
    SavedFile,
    collect,
    ids_of,
    next_epoch,
    pack,
    parse,
)
from gateway.backup.encryption import decrypt, encrypt
from gateway.config.load import load_settings
from gateway.config.settings import Settings
from gateway.model.errors import ConfigRejected, Fault, unreadable
from gateway.runtime import atomic_file
from gateway.runtime.build import FULL_VERSION
from gateway.runtime.clock import now_ms
from gateway.runtime.given_path import write_given
from gateway.runtime.minimum_version import numbers_of

EXAMPLE = Path(sys.prefix) / "config" / "gateway.example.toml"
"""The settings as a package brings them: they are on every new box, and nobody's."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What has been restored.

    Attributes:
        backup: From which backup.
        state: Where the state is now.
        missing: Files of the identity that have to be put there, if it is not in the backup.
    """

    backup: Backup
    state: Path
    missing: tuple[Path, ...]


def make_backup(
    settings_path: Path, target: Path, passphrase: str, *, identity: bool = True
) -> list[str]:
    """Write the backup *target* of the box with the settings *settings_path*. Blocks.

    Only its owner can read it. Returns what was left out and why.

    Raises:
        ConfigRejected: Something cannot be read, *target* is there, or the passphrase is too short.
        TransientError: The disk is full.
    """
    settings = load_settings(settings_path)
    if settings_path.name != SETTINGS_FILE:
        _refuse("file", f"the settings must be named {SETTINGS_FILE}")
    if target.exists():
        _refuse("there", f"{target} is there already")
    files, left_out = collect(
        settings_path.resolve().parent,
        settings.state.dir,
        without=() if identity else _identity_copies(settings),
    )
    outside = [each for each in _outside(settings, settings_path) if identity]
    backup = Backup(
        gateway=f"{settings.gateway.province}/{settings.gateway.id}",
        version=FULL_VERSION,
        made_ms=now_ms(),
        identity=identity,
        state=str(settings.state.dir),
        files=tuple(files),
    )
    write_given(target, encrypt(pack(backup), passphrase))
    return [*left_out, *outside]


def restore_backup(
    source: Path,
    settings_path: Path,
    passphrase: str,
    *,
    force: bool = False,
    wall_ms: Callable[[], int] = now_ms,
) -> Restored:
    """Restore the backup *source* onto this box. Blocks. As root.

    All is looked into before anything is written. The settings are written last: a restoration
    that was cut off leaves a box that does not start, and is begun again with *force*.

    Args:
        source: The backup.
        settings_path: Where the settings go; the rest of their folder beside them.
        passphrase: Of the backup.
        force: Replace files that are there, with something else in them than the backup has, and
            settings other than a package brings. What is not in the backup stays.
        wall_ms: Unix time in milliseconds.

    Raises:
        ConfigRejected: It is no backup, the passphrase does not fit, files are there, or their
            owners are unknown here.
        TransientError: The disk is full or read-only.
    """
    backup = parse(decrypt(_read(source), passphrase))
    folder, state = settings_path.parent, Path(backup.state)
    targets = {file: _target(file, folder, state, settings_path) for file in backup.files}
    owners = {file: ids_of(file) for file in backup.files}
    there = sorted(str(path) for file, path in targets.items() if _is_lost(path, file.content()))
    if there and not force:
        _refuse("there", f"{', '.join(there[:3])} is there; --force replaces it")
    _parse_settings(backup)
    for file in sorted(backup.files, key=lambda each: (each.place != "state", _is_last(each))):
        content = _content(file, targets[file], backup, wall_ms())
        _write(targets[file], content, file.mode, owners[file], folder, state)
    settings = load_settings(settings_path)
    missing = [path for path in identity_files(settings) if not path.exists()]
    return Restored(backup, state, tuple(missing))


def _is_lost(path: Path, content: bytes) -> bool:
    """Return whether *content* at *path* would replace something of somebody's."""
    if not os.path.lexists(path):
        return False
    if path.is_symlink() or not path.is_file():
        return True
    try:
        found = path.read_bytes() if path.stat().st_size <= BACKUP_BYTES else None
        return found not in (content, EXAMPLE.read_bytes() if EXAMPLE.is_file() else content)
    except OSError:
        return True


def identity_files(settings: Settings) -> tuple[Path, ...]:
    """Return the files by which the broker knows this box: certificate, key, password."""
    tls, password = settings.broker.tls, settings.broker.password
    files = [tls.cert, tls.key] if tls is not None else []
    found = [settings.resolve_path(path) for path in files if path is not None]
    if password is not None:
        found.append(settings.secrets_folder / password.name)
    return tuple(found)


def _identity_copies(settings: Settings) -> list[Path]:
    """Return the files of the identity, with those that enrolling again has put aside."""
    files = identity_files(settings)
    former = [path.with_name(f"{path.name}.previous") for path in files]
    return [*files, *former, settings.state.dir / RENEWED]


def _outside(settings: Settings, settings_path: Path) -> list[str]:
    """Return files of the identity that do not lie below the settings' folder."""
    folder = settings_path.resolve().parent
    return [
        f"{path}: không nằm trong / not below {folder}"
        for path in identity_files(settings)
        if not path.resolve().is_relative_to(folder)
    ]


def _content(file: SavedFile, target: Path, backup: Backup, wall_ms: int) -> bytes:
    """Return what is to stand in *target*: that of *file*, or what must not be older."""
    content = file.content()
    if file.place == "settings" or file.path not in (EPOCH, MINIMUM):
        return content
    try:
        there = target.read_bytes()[:64]
    except OSError:
        there = b""
    if file.path == EPOCH:
        epoch = next_epoch(_number(content), backup.made_ms, wall_ms)
        return b"%d\n" % max(epoch, _number(there))
    return max(
        content, there, key=lambda each: numbers_of(each.decode("ascii", "replace").strip()) or ()
    )


def _order(version: bytes) -> tuple[int, ...]:
    return numbers_of(version.decode("ascii", "replace").strip()) or ()


def _number(raw: bytes) -> int:
    text = raw.strip()
    return int(text) if text.isdigit() and len(text) < 17 else 0


def _target(file: SavedFile, folder: Path, state: Path, settings_path: Path) -> Path:
    if file.place == "state":
        return state / file.path
    return settings_path if file.path == SETTINGS_FILE else folder / file.path


def _is_last(file: SavedFile) -> bool:
    return file.place == "settings" and file.path == SETTINGS_FILE


def _parse_settings(backup: Backup) -> None:
    """Refuse settings that are no TOML, or name another state folder. Raises ConfigRejected."""
    (file,) = (each for each in backup.files if _is_last(each))
    try:
        table = tomllib.loads(file.content().decode())
    except ValueError as error:
        _refuse("content", f"{SETTINGS_FILE}: {error}")
    said = table.get("state", {})
    if isinstance(said, dict) and str(said.get("dir", backup.state)) != backup.state:
        _refuse("content", f"{SETTINGS_FILE} names another folder for the state")


def _write(target: Path, content: bytes, mode: int, owner: tuple[int, int], *tops: Path) -> None:
    """Write *target* with its owner; folders that are missing are like it, open to its owner."""
    for folder in reversed(target.parents):
        if folder.exists() or not any(folder.is_relative_to(top) for top in tops):
            continue
        folder.mkdir(mode=0o700)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _give(handle, folder, owner)
            os.fchmod(handle, 0o700 if mode & 0o077 == 0 else 0o755)  # whatever the umask is
        finally:
            os.close(handle)

    def prepare(handle: int) -> None:
        _give(handle, target, owner)
        os.fchmod(handle, mode)

    atomic_file.replace(target, content, prepare=prepare)


def _give(handle: int, path: Path, owner: tuple[int, int]) -> None:
    """Give what is open as *handle*, which is *path*, to *owner*. Raises ConfigRejected."""
    found = os.fstat(handle)
    if (found.st_uid, found.st_gid) == owner:
        return
    try:
        os.fchown(handle, *owner)
    except PermissionError:
        _refuse("owner", f"{path} must belong to user {owner[0]}, group {owner[1]}: run it as root")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(BACKUP_BYTES + 1)
    except OSError as error:
        _refuse("file", unreadable(path, error))
    if len(raw) > BACKUP_BYTES:
        _refuse("size", f"{path} has more than {BACKUP_BYTES} bytes")
    return raw


def _refuse(code: str, message: str) -> NoReturn:
    raise ConfigRejected((Fault("", f"backup.{code}", message),))
