"""What a backup holds: the settings' folder, and of the state what the next box must know.

It is JSON, not an archive: there are no links and no devices in it. What must not come back old
is left out or made newer:

- the epoch grows (`next_epoch`), or readers would take the new box for the past of the old one;
- a lower ``minimum-version`` never replaces a higher one;
- the journal of commands, used view tokens and the outbox stay behind: what they would say again
  has been said, and what the old box did after the backup they do not know;
- the audit chain begins anew: two boxes that go on with one chain would look like forgery;
- a candidate configuration is not restored: whether it is good nobody has seen.
"""

from __future__ import annotations

import base64
import binascii
import grp
import os
import pwd
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.model.errors import ConfigRejected, Fault, unreadable
from gateway.runtime import strict_json
from gateway.runtime.strict_json import StrictJsonError

FILES = 1000
FILE_BYTES = 2 << 20
CONTENT_BYTES = 32 << 20
"""Of all files together; a site has some 100 kB."""

BACKUP_BYTES = CONTENT_BYTES * 3 // 2
"""The largest backup that is looked at."""

SETTINGS_FILE = "gateway.toml"
EPOCH, MINIMUM = "epoch", "minimum-version"
RENEWED = "tls/gateway.pem"
"""The certificate that has replaced the one of the enrolment (`gateway.enrolment.renewal`)."""

STATE_FILES = (
    "site.json",
    "config.json",
    "last_rollback.json",
    "secret-hosts.json",
    "revoked.json",
    "contacts.json",
    "inventory.json",
    "alarms.json",
    MINIMUM,
    EPOCH,
    RENEWED,
)
"""All of the state that is saved, and all that may be restored."""

YEAR_MS = 365 * 86_400_000
HIGHEST_EPOCH = 2**53

Place = Literal["settings", "state"]

_STEP = r"[A-Za-z0-9_@%+=-][A-Za-z0-9._@%+=-]{0,99}"


class SavedFile(BaseModel):
    """One file.

    Attributes:
        place: Below which folder: that of the settings, or the state.
        path: There; no step begins with a dot.
        mode: Permission bits.
        owner: Name of its user, or number where that has no name.
        group: Likewise.
        data: Base64.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    place: Place
    path: Annotated[str, Field(pattern=rf"^{_STEP}(?:/{_STEP}){{0,4}}$", max_length=300)]
    mode: Annotated[int, Field(ge=0, le=0o777)]
    owner: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    group: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    data: Annotated[str, Field(max_length=FILE_BYTES * 4 // 3 + 4)]

    def content(self) -> bytes:
        """Return its bytes. Raises ConfigRejected: they are no base64."""
        try:
            return base64.b64decode(self.data, validate=True)
        except binascii.Error:
            _refuse("content", f"{self.path} is damaged")


class Backup(BaseModel):
    """All of it.

    Attributes:
        v: Of this format.
        gateway: Whose, ``24/bacninh-ttpvhcc-01``.
        version: Of the program that made it.
        made_ms: When, Unix time in milliseconds, by that machine's clock.
        identity: Whether certificate, key and password for the broker are in it.
        state: Where the state was.
        files: No two alike.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    v: Literal[1] = 1
    gateway: Annotated[str, Field(max_length=80)]
    version: Annotated[str, Field(max_length=80)]
    made_ms: Annotated[int, Field(ge=0, lt=2**53)]
    identity: bool
    state: Annotated[str, Field(pattern=r"^/[ -~]*$", max_length=300)]
    files: Annotated[tuple[SavedFile, ...], Field(max_length=FILES)]


def collect(
    settings_folder: Path, state_folder: Path, *, without: Iterable[Path] = ()
) -> tuple[list[SavedFile], list[str]]:
    """Return the files to be saved, and what was left out and why.

    Args:
        settings_folder: All plain files below it are saved.
        state_folder: Of it `STATE_FILES`.
        without: Files that are not.

    Raises:
        ConfigRejected: A file cannot be read, or there is too much.
    """
    excluded = {path.resolve() for path in without}
    saved: list[SavedFile] = []
    left_out: list[str] = []
    total = 0
    for place, path, name in chain(_below(settings_folder), _state(state_folder)):
        if path.resolve() in excluded:
            left_out.append(f"{path}: danh tính / identity")
            continue
        try:
            file = _saved(place, path, name)
        except ValidationError:
            left_out.append(f"{path}: tên không lưu được / its name cannot be saved")
            continue
        if file is None:
            left_out.append(f"{path}: không phải tệp thường / no plain file")
            continue
        total += len(file.data)
        saved.append(file)
        if len(saved) > FILES or total > CONTENT_BYTES:
            _refuse("size", f"{settings_folder} has more than a backup holds")
    return saved, left_out


def pack(backup: Backup) -> bytes:
    """Return *backup* as bytes."""
    return backup.model_dump_json().encode()


def parse(raw: bytes) -> Backup:
    """Return the backup in *raw*. Raises ConfigRejected: it is none, or holds what it must not."""
    try:
        parsed = strict_json.parse(
            raw, max_bytes=BACKUP_BYTES, max_values=FILES * 8, control_characters=False
        )
        if parsed.flaws:
            _refuse("form", parsed.flaws[0].message)
        backup = Backup.model_validate_json(raw)
    except StrictJsonError as error:
        _refuse("form", error.flaw.message)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        _refuse("content", f"{place}: {first['msg']}")
    _check(backup)
    return backup


def next_epoch(stored: int, made_ms: int, wall_ms: int) -> int:
    """Return an epoch above all that the old box has used since.

    Args:
        stored: That of the backup.
        made_ms: When it was made.
        wall_ms: What the clock says now. Where it is behind *made_ms* it is wrong, and a year is
            added in its place.
    """
    grown = max(stored + 1, wall_ms) if wall_ms > made_ms else stored + YEAR_MS
    return min(grown, HIGHEST_EPOCH - 1)


def ids_of(file: SavedFile) -> tuple[int, int]:
    """Return user and group id of *file* on this machine.

    Raises:
        ConfigRejected: This machine has no such user or group.
    """
    try:
        user = int(file.owner) if file.owner.isdecimal() else pwd.getpwnam(file.owner).pw_uid
        group = int(file.group) if file.group.isdecimal() else grp.getgrnam(file.group).gr_gid
    except KeyError:
        wanted = f"{file.owner}:{file.group}"
        _refuse("owner", f"{file.path} belongs to {wanted}, whom this machine does not know")
    return user, group


def _check(backup: Backup) -> None:
    """Refuse files that cannot all be there. Raises ConfigRejected."""
    names = [(file.place, file.path) for file in backup.files]
    if ("settings", SETTINGS_FILE) not in names:
        _refuse("content", f"it holds no {SETTINGS_FILE}")
    if len(set(names)) < len(names):
        _refuse("content", "a file is in it twice")
    folders = {(place, str(each)) for place, path in names for each in Path(path).parents}
    for place, path in names:
        if (place, path) in folders:
            _refuse("content", f"{path} is a file and a folder")
        if place == "state" and path not in STATE_FILES:
            _refuse("content", f"{path} is no file of the state that is restored")


def _below(folder: Path) -> Iterator[tuple[Place, Path, str]]:
    for where, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(where, name)
            yield "settings", path, path.relative_to(folder).as_posix()


def _state(folder: Path) -> Iterator[tuple[Place, Path, str]]:
    for name in STATE_FILES:
        if (folder / name).exists():
            yield "state", folder / name, name


def _saved(place: Place, path: Path, name: str) -> SavedFile | None:
    """Return the file; None: it is none. Raises ConfigRejected, ValidationError."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            return None
        _refuse("file", unreadable(path, error))
    with open(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            return None
        content = file.read(FILE_BYTES + 1)
    if len(content) > FILE_BYTES:
        _refuse("size", f"{path} has more than {FILE_BYTES} bytes")
    return SavedFile(
        place=place,
        path=name,
        mode=stat.S_IMODE(found.st_mode) & 0o777,
        owner=_name(lambda: pwd.getpwuid(found.st_uid).pw_name, found.st_uid),
        group=_name(lambda: grp.getgrgid(found.st_gid).gr_name, found.st_gid),
        data=base64.b64encode(content).decode(),
    )


def _name(look_up: Callable[[], str], number: int) -> str:
    try:
        said = look_up()
    except KeyError:
        return str(number)
    return said if re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", said) else str(number)


def _refuse(code: str, message: str) -> NoReturn:
    raise ConfigRejected((Fault("", f"backup.{code}", message),))
