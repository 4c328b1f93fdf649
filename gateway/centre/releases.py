"""Releases at the centre: signed, and laid out as a mirror that any web server can serve.

What is signed is looked into first, so that no box is sent what it would refuse. A mirror has no
program of its own: files, and an index of them that is written anew each time::

    camera-gateway/index.json
    camera-gateway/<arch>/<version>/camera-gateway_<version>_<arch>.update
    camera-gateway/<arch>/<version>/sha256            as sha256sum writes it
    camera-gateway/<arch>/<version>/manifest.json     the signed one, for people
"""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.config.signing import Keyring, SigningKey
from gateway.model.errors import ConfigRejected, Fault, UpdateRefused, unreadable
from gateway.runtime import atomic_file, strict_json
from gateway.runtime.file_lock import alone
from gateway.runtime.strict_json import StrictJsonError, dumps
from gateway.updates.bundle import (
    BUNDLE_BYTES,
    CHUNK_BYTES,
    INSTALLED_BYTES,
    NAME,
    PAYLOAD_BYTES,
    VERSION,
    Architecture,
    Manifest,
    order_of,
    read_bundle,
    verify_payload,
    verify_signature,
    write_bundle,
)
from gateway.updates.payload import check_member

RELEASE_FILE = "release.json"
RELEASE_BYTES = 4096
MEMBERS = 100_000
"""Of a payload; one has some 9,000."""

INDEX, DIGEST, MANIFEST_FILE = "index.json", "sha256", "manifest.json"
LISTED = 1000
"""Releases in an index, at most; the newest."""

_SYSTEM_PYTHON = "/usr/bin/python"
_SAYS_MINIMUM = re.compile(rb'^MINIMUM_VERSION = "([0-9.]{5,32})"$', re.MULTILINE)
_VERSION_FILE = "gateway/model/version.py"
_VERSION_FILE_BYTES = 65_536


class Release(BaseModel):
    """``release.json`` of a tree."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, hide_input_in_errors=True)

    name: Literal["camera-gateway"]
    version: Annotated[str, Field(pattern=f"^{VERSION}$", max_length=64)]
    arch: Architecture
    python: Annotated[str, Field(pattern=r"^3\.[0-9]{1,2}$")]


@dataclass(frozen=True, slots=True)
class Payload:
    """What a payload holds.

    Attributes:
        release: What it says of itself.
        min_version: The lowest version that its program still allows.
        installed_bytes: Of its files.
    """

    release: Release
    min_version: str
    installed_bytes: int


@dataclass(frozen=True, slots=True)
class Published:
    """A bundle in a mirror, or the one that is to be rolled out.

    Attributes:
        manifest: What it says.
        bytes: Of the file.
        sha256: Of the file, in hexadecimal.
        path: Below the mirror's root.
    """

    manifest: Manifest
    bytes: int
    sha256: str
    path: str


def bundle_name(version: str, arch: str) -> str:
    """Return the name of the file that holds a release."""
    return f"{NAME}_{version}_{arch}.update"


def mirror_path(version: str, arch: str) -> str:
    """Return where a bundle lies below the root of a mirror."""
    return f"{NAME}/{arch}/{version}/{bundle_name(version, arch)}"


def read_payload(path: Path) -> Payload:
    """Return what the payload *path* holds. Blocks: it is unpacked in memory, piece by piece.

    Raises:
        ConfigRejected: It is no tree of a release that a box would take.
    """
    try:
        size = path.stat().st_size
        if not 0 < size <= PAYLOAD_BYTES:
            _refuse("size", f"{path} has {size} bytes; a payload has from 1 to {PAYLOAD_BYTES}")
        with lzma.open(path) as unpacked, tarfile.open(fileobj=unpacked, mode="r|") as archive:
            return _payload(archive)
    except OSError as error:
        _refuse("file", unreadable(path, error))
    except (lzma.LZMAError, EOFError, tarfile.TarError, UnicodeDecodeError) as error:
        _refuse("form", f"{path} is no whole .tar.xz: {error}")


def sign_release(
    payload: Path,
    key: SigningKey,
    folder: Path,
    *,
    made_at: datetime,
    min_version: str | None = None,
    dirty: bool = False,
) -> tuple[Path, Manifest]:
    """Write the bundle of *payload* into *folder*; return its file and its manifest. Blocks.

    Args:
        payload: ``.tar.xz`` of the tree of a release.
        key: A release key.
        folder: Is created if need be.
        made_at: With a time zone.
        min_version: The lowest version that may be installed after it. None: as its program says.
        dirty: Whether a release of changes that were never committed is signed all the same.

    Raises:
        ConfigRejected: It is no release, the versions do not fit, or another bundle is there.
    """
    found = read_payload(payload)
    release = found.release
    if release.version.endswith(".dirty") and not dirty:
        _refuse("dirty", f"{release.version} holds changes that were never committed")
    lowest = min_version or found.min_version
    if order_of(lowest) < order_of(found.min_version):
        _refuse("min_version", f"its program allows nothing below {found.min_version}")
    if order_of(lowest) > order_of(release.version):
        _refuse("min_version", f"{lowest} is above the version itself, {release.version}")
    target = folder / bundle_name(release.version, release.arch)
    new = folder / f".{target.name}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            manifest = write_bundle(
                new,
                payload,
                key,
                version=release.version,
                arch=release.arch,
                python=release.python,
                min_version=lowest,
                installed_bytes=found.installed_bytes,
                made_at=made_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            )
            _place(new, target)
        finally:
            new.unlink(missing_ok=True)
    except ValidationError as error:
        _refuse("manifest", str(error.errors()[0]["msg"]))
    except OSError as error:
        _refuse("file", f"cannot write {target}: {error.strerror}")
    return target, manifest


def verify_release(path: Path, keys: Keyring) -> Published:
    """Return what the bundle *path* is. Blocks: it is read whole.

    Raises:
        ConfigRejected: It is damaged, or no key of *keys* has signed it.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > BUNDLE_BYTES:
                _refuse("size", f"{path} has {size} bytes; a bundle has at most {BUNDLE_BYTES}")
            bundle = read_bundle(file)
            verify_signature(bundle, keys)
            verify_payload(file, bundle)
            file.seek(0)
            sha256 = _sha256(lambda: file.read(CHUNK_BYTES))
    except OSError as error:
        _refuse("file", unreadable(path, error))
    except UpdateRefused as error:
        _refuse("bundle", f"{path}: {error.detail}")
    version, arch = bundle.manifest.version, bundle.manifest.arch
    return Published(bundle.manifest, size, sha256, mirror_path(version, arch))


def publish_release(bundle: Path, root: Path, keys: Keyring) -> tuple[Published, list[str]]:
    """Put *bundle* into the mirror *root*, and write its index anew. Blocks; one does it at a time.

    A bundle is whole where it can be seen, and never changes: the same version with other bytes is
    refused. Anybody may read what is written, since a web server serves it. Returns also what is
    wrong with bundles that were there and are left out of the index.

    Raises:
        ConfigRejected: As `verify_release`; or the mirror has another of that name.
    """
    published = verify_release(bundle, keys)
    target = root / published.path
    new = target.with_name(f".{target.name}.new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with alone(root, wait=True):
            try:
                shutil.copyfile(bundle, new)
                if verify_release(new, keys).sha256 != published.sha256:
                    _refuse("bundle", f"{bundle} has changed while it was copied")
                _place(new, target)
            finally:
                new.unlink(missing_ok=True)
            left_out = _index(root, target, published.sha256)
    except OSError as error:
        _refuse("file", f"cannot write {error.filename or root}: {error.strerror}")
    return published, left_out


def _index(root: Path, target: Path, sha256: str) -> list[str]:
    """Write what stands beside the new *target*, and the index; return as `publish_release`."""
    _write(target.with_name(DIGEST), f"{sha256}  {target.name}\n".encode())
    with target.open("rb") as file:
        _write(target.with_name(MANIFEST_FILE), read_bundle(file).raw)
    listed, left_out = _listed(root)
    listed.sort(key=lambda each: (order_of(each["version"]), each["made_at"]), reverse=True)
    index = {"v": 1, "name": NAME, "releases": listed[:LISTED]}
    _write(root / NAME / INDEX, dumps(index).encode() + b"\n")
    return left_out


def _listed(root: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the rows of the index of *root*, and what is wrong with other bundles there."""
    rows, wrong = [], []
    for file in sorted((root / NAME).glob("*/*/*.update")):
        try:
            digest = (file.parent / DIGEST).read_text("ascii").split("  ")[0]
            with file.open("rb") as opened:
                bundle = read_bundle(opened)
        except (OSError, UpdateRefused, UnicodeDecodeError) as error:
            wrong.append(f"{file}: {error}")
            continue
        manifest = bundle.manifest
        path = mirror_path(manifest.version, manifest.arch)
        if file != root / path:
            wrong.append(f"{file}: it should be {path}")
            continue
        row = manifest.model_dump(exclude={"v", "name", "payload"})
        row |= {"kid": bundle.signature.key_id, "path": path.removeprefix(f"{NAME}/")}
        rows.append(row | {"bytes": file.stat().st_size, "sha256": digest})
    return rows, wrong


def _payload(archive: tarfile.TarFile) -> Payload:
    """Return what *archive* holds. Raises ConfigRejected, and what reading it raises."""
    release = minimum = None
    total = 0
    taken: set[str] = set()
    pythons = set()
    for count, member in enumerate(archive, 1):
        total += member.size
        _check_bounds(count, total)
        name = _checked_name(member, taken)
        if member.linkname.startswith(_SYSTEM_PYTHON):
            pythons.add(member.linkname)
        if name == RELEASE_FILE:
            release = _release(_text(archive, member, RELEASE_BYTES))
        elif name.endswith(f"/site-packages/{_VERSION_FILE}"):
            minimum = _SAYS_MINIMUM.search(_text(archive, member, _VERSION_FILE_BYTES))
    if release is None:
        _refuse("content", f"it has no {RELEASE_FILE} at its top: it is no tree of a release")
    if pythons - {_SYSTEM_PYTHON + release.python}:
        _refuse("content", f"it is for Python {release.python} and leads to another")
    if "bin/camera-gateway" not in taken or minimum is None:
        _refuse("content", "it lacks bin/camera-gateway, or the version that its program says")
    return Payload(release, minimum[1].decode(), total)


def _check_bounds(count: int, total: int) -> None:
    if count > MEMBERS:
        _refuse("content", f"it has more than {MEMBERS} members")
    if total > INSTALLED_BYTES:
        _refuse("content", f"it has more than {INSTALLED_BYTES} bytes, unpacked")


def _checked_name(member: tarfile.TarInfo, taken: set[str]) -> str:
    """Return the name of *member*, relative to the release's folder; *taken*: those before it."""
    name = member.name.removeprefix("./")
    if name.startswith("/") or ".." in name.split("/"):
        _refuse("content", f"{member.name[:200]!r} leads out of the release's folder")
    if not (member.isreg() or member.isdir() or member.issym()):
        _refuse("content", f"{member.name[:200]!r} is no file, folder or symbolic link")
    python = member.linkname.removeprefix(_SYSTEM_PYTHON) if member.issym() else ""
    try:
        return check_member(member, taken, python)
    except UpdateRefused as error:
        _refuse("content", f"no box would take it: {error.detail}")


def _text(archive: tarfile.TarFile, member: tarfile.TarInfo, most: int) -> bytes:
    file = archive.extractfile(member) if member.isreg() and member.size <= most else None
    if file is None:
        _refuse("content", f"{member.name} is no file of at most {most} bytes")
    return file.read(most)


def _release(raw: bytes) -> Release:
    try:
        parsed = strict_json.parse(
            raw, max_bytes=RELEASE_BYTES, max_values=32, control_characters=False
        )
        if parsed.flaws:
            _refuse("content", f"{RELEASE_FILE}: {parsed.flaws[0].message}")
        return Release.model_validate_json(raw)
    except StrictJsonError as error:
        _refuse("content", f"{RELEASE_FILE}: {error.flaw.message}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        _refuse("content", f"{RELEASE_FILE}: {place}: {first['msg']}")


def _place(new: Path, target: Path) -> None:
    """Let *new* be *target*, on the disk for certain, unless that is there with other bytes."""
    with new.open("rb") as file:
        os.fsync(file.fileno())
    if target.exists() and _digest_of(target) != _digest_of(new):
        _refuse("there", f"{target} is there and is another; a release is never replaced")
    new.chmod(0o644)
    atomic_file.rename(new, target, previous=None)


def _write(path: Path, content: bytes) -> None:
    atomic_file.replace(path, content)
    path.chmod(0o644)


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return _sha256(lambda: file.read(CHUNK_BYTES))


def _sha256(read: Callable[[], bytes]) -> str:
    found = hashlib.sha256()
    while part := read():
        found.update(part)
    return found.hexdigest()


def _refuse(code: str, message: str) -> NoReturn:
    raise ConfigRejected((Fault("", f"release.{code}", message),))
