"""What the gateway asks of root: one file beside the bundle, in a folder of the gateway's own.

The gateway may be in a stranger's hands. So root follows no link of that folder, takes only plain
files of its owner, bounded in size, and looks at copies that nobody else can change.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, BinaryIO, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.model.errors import UpdateRefused
from gateway.model.reasons import Reason
from gateway.updates.bundle import CHUNK_BYTES

REQUEST, BUNDLE = "request.json", "bundle.update"
REQUEST_BYTES = 4_096


class Order(BaseModel):
    """What is to be installed.

    Attributes:
        id: Of the command that it came with.
        downgrade: Whether it may be older than what runs.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, hide_input_in_errors=True)

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]
    downgrade: bool = False


@contextmanager
def taken(folder: Path) -> Iterator[tuple[Order, BinaryIO]]:
    """Take the order out of *folder*: yield it and the open bundle, neither to be trusted.

    The request is gone then: what ends in the middle is not begun again by itself.

    Args:
        folder: Of the service's user; so is the one around it.

    Raises:
        UpdateRefused: ``UPDATE_FORM``: there is none, or it is not what it should be.
    """
    handles: list[int] = []
    try:
        outer = _folder(folder.parent, None)
        handles.append(outer)
        inner = _folder(Path(folder.name), outer)
        handles.append(inner)
        owner = os.fstat(outer).st_uid
        try:
            with _plain_file(REQUEST, inner, owner) as file:
                order = _order(file.read(REQUEST_BYTES + 1))
            bundle = _plain_file(BUNDLE, inner, owner)
        finally:
            with suppress(OSError):
                os.unlink(REQUEST, dir_fd=inner)
        with bundle:
            yield order, bundle
    finally:
        for handle in handles:
            os.close(handle)


def copy(source: BinaryIO, target: Path, most_bytes: int) -> None:
    """Copy all of *source* into the new file *target*, which is root's alone.

    Raises:
        UpdateRefused: ``UPDATE_FORM``: it is larger than *most_bytes*.
        OSError: The disk is full, or fails.
    """
    target.unlink(missing_ok=True)
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    left = most_bytes
    with open(handle, "wb") as file:
        while part := source.read(CHUNK_BYTES):
            left -= len(part)
            if left < 0:
                _refuse(f"the bundle has more than {most_bytes} bytes")
            file.write(part)


def open_plain(path: Path) -> BinaryIO:
    """Open a technician's bundle. Raises UpdateRefused: it is no plain file, or is not there."""
    return _plain_file(str(path), None, None)


def _folder(path: Path, within: int | None) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags, dir_fd=within)
    except OSError as error:
        _refuse(f"{path.name}: {error.strerror}")


def _plain_file(name: str, within: int | None, owner: int | None) -> BinaryIO:
    """Open a plain file. *owner*: whose it must be, and by one name only; None: anybody's."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (os.O_NOFOLLOW if within else 0)
    try:
        handle = os.open(name, flags, dir_fd=within)
    except OSError as error:
        _refuse(f"{name}: {error.strerror}")
    found = os.fstat(handle)
    is_theirs = owner is None or (found.st_uid == owner and found.st_nlink == 1)
    if not stat.S_ISREG(found.st_mode) or not is_theirs:
        os.close(handle)
        _refuse(f"{name} is not a plain file of its folder's owner")
    return open(handle, "rb")


def _order(raw: bytes) -> Order:
    if len(raw) > REQUEST_BYTES:
        _refuse(f"{REQUEST} has more than {REQUEST_BYTES} bytes")
    try:
        return Order.model_validate_json(raw)
    except ValidationError:
        _refuse(f"{REQUEST} is not as it should be")


def _refuse(detail: str) -> NoReturn:
    raise UpdateRefused(Reason.UPDATE_FORM, detail)
