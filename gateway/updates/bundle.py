"""The update bundle: one file that holds a release, and says who has released it for what.

A plain tar (POSIX.1-1988, ustar) of exactly three members, in this order: ``manifest.json``;
``manifest.sig``, an Ed25519 signature of `SIGNED_PREFIX` and the exact bytes of the manifest by a
release key (``rel-…``); ``payload.tar.xz``, the tree of the release, whose SHA-256 the manifest
has. Nothing of it is looked at before its size is known to be within a bound, and nothing of the
payload before the signature has been verified.

docs/updates.md has the format for those who write bundles by other means.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Annotated, BinaryIO, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.config.signing import Keyring, Signature, SigningKey, sign_bytes
from gateway.model.errors import MessageRejected, UpdateRefused
from gateway.model.reasons import Reason
from gateway.runtime import strict_json
from gateway.runtime.minimum_version import numbers_of
from gateway.runtime.strict_json import StrictJsonError

MANIFEST, SIGNATURE, PAYLOAD = "manifest.json", "manifest.sig", "payload.tar.xz"
MANIFEST_BYTES, SIGNATURE_BYTES = 65_536, 1_024
PAYLOAD_BYTES = 1 << 29
"""512 MiB; a release has some 120 MiB."""

INSTALLED_BYTES = 1 << 31
"""2 GiB, unpacked."""

BUNDLE_BYTES = PAYLOAD_BYTES + MANIFEST_BYTES + SIGNATURE_BYTES + 20 * 512
"""The largest file that is looked at."""

SIGNED_PREFIX = b"camera-gateway release 1\n"
"""Before the manifest, so that nothing else that a key signs can pass for a release."""

NAME = "camera-gateway"
Architecture = Literal["arm64", "amd64"]
"""As Debian calls them."""

VERSION = r"[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}(?:\+g[0-9a-f]{7,40}(?:\.dirty)?)?"
"""Semantic Versioning: three numbers, and the commit as build metadata."""

CHUNK_BYTES = 1 << 20
BLOCK = 512

_VALUES = 64
"""In a manifest; one has 11."""


class Payload(BaseModel):
    """What ``payload.tar.xz`` is. *sha256*: of its bytes, in hexadecimal."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, hide_input_in_errors=True)

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=1, le=PAYLOAD_BYTES)]


class Manifest(BaseModel):
    """What a release is.

    Attributes:
        v: Of this format.
        name: Of the program.
        version: Of the release, e.g. ``0.2.0+g1a2b3c4``.
        arch: For which processor.
        python: For which Python, e.g. ``3.11``.
        min_version: The lowest version that may still be installed once this one has proved good.
        installed_bytes: Of the files, unpacked.
        payload: Of the payload.
        made_at: When, RFC 3339, UTC; for people.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, hide_input_in_errors=True)

    v: Literal[1] = 1
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")] = NAME
    version: Annotated[str, Field(pattern=f"^{VERSION}$", max_length=64)]
    arch: Architecture
    python: Annotated[str, Field(pattern=r"^3\.[0-9]{1,2}$")]
    min_version: Annotated[str, Field(pattern=r"^[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}$")]
    installed_bytes: Annotated[int, Field(ge=1, le=INSTALLED_BYTES)]
    payload: Payload
    made_at: Annotated[
        str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")
    ]


@dataclass(frozen=True, slots=True)
class Bundle:
    """The head of a bundle, read but not verified.

    Attributes:
        manifest: What it says.
        raw: The exact bytes of the manifest, which are signed.
        signature: Of whom.
        offset: Where in the file the payload begins, bytes.
    """

    manifest: Manifest
    raw: bytes
    signature: Signature
    offset: int


def order_of(version: str) -> tuple[int, ...]:
    """Return *version*, valid, for comparison; its build metadata does not count (SemVer §10)."""
    return numbers_of(version.partition("+")[0]) or ()


def write_bundle(target: Path, payload: Path, key: SigningKey, **facts: object) -> Manifest:
    """Write the bundle *target* and return its manifest. Blocks.

    Args:
        target: A new file; one that is there is replaced.
        payload: The tree of the release, ``.tar.xz``.
        key: A release key.
        facts: The fields of `Manifest` but ``payload``.

    Raises:
        ValidationError: A fact is not what a manifest may say.
        OSError: A file cannot be read or written.
    """
    size, sha256 = payload.stat().st_size, hashlib.sha256()
    with payload.open("rb") as source:
        while part := source.read(CHUNK_BYTES):
            sha256.update(part)
    what = Payload(sha256=sha256.hexdigest(), bytes=size)
    manifest = Manifest.model_validate({**facts, "payload": what})
    raw = manifest.model_dump_json().encode()
    signature = sign_bytes(SIGNED_PREFIX + raw, key).model_dump_json(
        by_alias=True, exclude={"algorithm"}
    )
    with (
        payload.open("rb") as source,
        tarfile.open(target, "w:", format=tarfile.USTAR_FORMAT) as bundle,
    ):
        for name, content in ((MANIFEST, raw), (SIGNATURE, signature.encode())):
            bundle.addfile(_member(name, len(content)), BytesIO(content))
        bundle.addfile(_member(PAYLOAD, size), source)
    return manifest


def read_bundle(file: BinaryIO) -> Bundle:
    """Read the head of *file*, which is at its beginning; it is at the payload on return.

    Raises:
        UpdateRefused: It is no bundle (``UPDATE_FORM``), or ends too soon (``UPDATE_DAMAGED``).
    """
    raw = _content(file, MANIFEST, MANIFEST_BYTES)
    manifest = _manifest(raw)
    signature = _signature(_content(file, SIGNATURE, SIGNATURE_BYTES))
    size = _size(file, PAYLOAD, PAYLOAD_BYTES)
    if size != manifest.payload.bytes:
        _no_bundle(f"the payload has {size} bytes, the manifest says {manifest.payload.bytes}")
    return Bundle(manifest, raw, signature, file.tell())


def verify_signature(bundle: Bundle, keys: Keyring) -> str:
    """Return the id of the release key that has signed *bundle*.

    Raises:
        UpdateRefused: ``UPDATE_SIGNATURE``: none that is trusted here has.
        TransientError: No descriptor is free to read the key with.
    """
    try:
        keys.verify_bytes(bundle.signature, SIGNED_PREFIX + bundle.raw, "rel")
    except MessageRejected as error:
        raise UpdateRefused(Reason.UPDATE_SIGNATURE, error.detail) from None
    return bundle.signature.key_id


def verify_payload(
    file: BinaryIO, bundle: Bundle, *, progress: Callable[[int], None] | None = None
) -> None:
    """Compare the payload of *file* with what the manifest says. Blocks: it reads it all.

    Args:
        file: The bundle.
        bundle: Its head.
        progress: Is told how many bytes have been read, for each MiB.

    Raises:
        UpdateRefused: ``UPDATE_DAMAGED``.
    """
    file.seek(bundle.offset)
    left, sha256 = bundle.manifest.payload.bytes, hashlib.sha256()
    while left:
        part = file.read(min(left, CHUNK_BYTES))
        if not part:
            _damaged(f"{left} bytes of the payload are missing")
        sha256.update(part)
        left -= len(part)
        if progress is not None:
            progress(bundle.manifest.payload.bytes - left)
    if sha256.hexdigest() != bundle.manifest.payload.sha256:
        _damaged("the payload is not the one that the manifest names")


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    return member


def _content(file: BinaryIO, name: str, most: int) -> bytes:
    """Return the member *name*, which is next."""
    size = _size(file, name, most)
    content = _read(file, size)
    _read(file, -size % BLOCK)
    return content


def _size(file: BinaryIO, name: str, most: int) -> int:
    """Read the header of the member *name*, which is next; return its size."""
    header = _read(file, BLOCK)
    try:
        member = tarfile.TarInfo.frombuf(header, "ascii", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError, ValueError):
        _no_bundle(f"where {name} should begin there is no tar header")
    if member.name != name or member.type != tarfile.REGTYPE:
        _no_bundle(f"the file {name} is not where it should be")
    if not 0 < member.size <= most:
        _no_bundle(f"{name} has {member.size} bytes; it may have from 1 to {most}")
    return member.size


def _read(file: BinaryIO, size: int) -> bytes:
    content = file.read(size)
    if len(content) < size:
        _damaged("it ends too soon")
    return content


def _manifest(raw: bytes) -> Manifest:
    _plain_json(raw, MANIFEST, MANIFEST_BYTES)
    try:
        return Manifest.model_validate_json(raw)
    except ValidationError as error:
        _no_bundle(f"{MANIFEST}: {_faults(error)}")


def _signature(raw: bytes) -> Signature:
    _plain_json(raw, SIGNATURE, SIGNATURE_BYTES)
    try:
        return Signature.model_validate_json(raw)
    except ValidationError as error:
        _no_bundle(f"{SIGNATURE}: {_faults(error)}")


def _plain_json(raw: bytes, name: str, most: int) -> None:
    """Refuse what JSON readers disagree about."""
    try:
        parsed = strict_json.parse(
            raw, max_bytes=most, max_values=_VALUES, control_characters=False
        )
    except StrictJsonError as error:
        _no_bundle(f"{name}: {error.flaw.message}")
    if parsed.flaws:
        _no_bundle(f"{name}: {parsed.flaws[0].message}")


def _faults(error: ValidationError) -> str:
    lines = error.errors(include_url=False, include_context=False, include_input=False)
    places = (".".join(map(str, line["loc"])) + ": " + line["msg"] for line in lines[:5])
    return re.sub(r"[^ -~]", "?", "; ".join(places))


def _no_bundle(detail: str) -> NoReturn:
    raise UpdateRefused(Reason.UPDATE_FORM, detail)


def _damaged(detail: str) -> NoReturn:
    raise UpdateRefused(Reason.UPDATE_DAMAGED, detail)
