"""Signatures of documents and commands of the centre: Ed25519 over canonical JSON.

A key's id begins with what it may sign: ``cfg-`` configurations, ``cmd-`` commands, ``view-`` view
tokens (`gateway.viewing.token`) and their revocation, ``rel-`` releases, of which the exact bytes
of a manifest are signed (`sign_bytes`), ``doc-`` that the centre has a monthly document. It is the
name of its file: ``cfg-2026a.pem`` holds the public key, ``cfg-2026a.key`` the private one. The
gateway trusts the public keys in one local folder, which is looked into for each signature, so that
a key is added or withdrawn by putting a file there or taking it away.

Sources: RFC 8032 (Ed25519), RFC 8785 (JSON canonicalization), RFC 7515 section 2 (base64url).
"""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import rfc8785
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.config.faults import pointer
from gateway.model.errors import (
    ConfigRejected,
    Fault,
    MessageRejected,
    TransientError,
    file_fault,
    refuse,
)
from gateway.model.reasons import Reason
from gateway.runtime.credentials import forbidden_bits, stem_of
from gateway.runtime.descriptors import EXHAUSTED
from gateway.runtime.strict_json import dumps

Purpose = Literal["cfg", "cmd", "view", "rel", "doc"]
"""What a key may sign: configurations, commands, view tokens and their revocation, releases,
acknowledgements of documents."""

KEY_ID = r"(?:cfg|cmd|view|rel|doc)-[a-z0-9]{1,32}"
MAX_KNOWN = 64
"""Keys that are held in memory; of more, the others are read each time."""

LARGEST_BYTES = 4096
"""Of a key file; one holds 119 bytes."""


class Signature(BaseModel):
    """``sig`` of a signed document.

    Attributes:
        algorithm: There is one.
        key_id: Of the key that made it.
        value: 64 bytes in base64url without padding.
    """

    model_config = ConfigDict(
        frozen=True, extra="ignore", strict=True, populate_by_name=True, hide_input_in_errors=True
    )

    algorithm: Annotated[Literal["Ed25519"], Field(alias="alg")] = "Ed25519"
    key_id: Annotated[str, Field(alias="kid", pattern=rf"^{KEY_ID}$")]
    value: Annotated[str, Field(alias="v", pattern=r"^[A-Za-z0-9_-]{86}$")]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and its id."""

    key_id: str
    private: Ed25519PrivateKey

    @property
    def public(self) -> Ed25519PublicKey:
        return self.private.public_key()


_Stamp = tuple[int, int, int, int]
"""Inode, size, and the nanoseconds of the last change of content and of anything: another file, or
another content, has another one."""


class Keyring:
    """The public keys that this machine trusts: ``{key id}.pem`` in *folder*, if it exists.

    A file is read again when it has changed. Whether it is still there is asked each time, which
    takes 2 µs: a key that is taken away signs nothing from then on.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[_Stamp, Ed25519PublicKey]] = {}

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self._folder

    def ids(self) -> tuple[str, ...]:
        """Return the ids of the trusted keys, sorted; other files are ignored."""
        try:
            names = sorted(path.stem for path in self._folder.glob("*.pem"))
        except OSError:
            return ()
        return tuple(name for name in names if re.fullmatch(KEY_ID, name))

    def has_key_for(self, purpose: Purpose) -> bool:
        """Return whether a key for *purpose* is trusted."""
        return any(each.startswith(f"{purpose}-") for each in self.ids())

    def verify(self, tree: Mapping[str, object], purpose: Purpose) -> str:
        """Return the id of the key that has signed *tree* (all of it but ``sig``).

        Raises:
            MessageRejected: ``sig.missing``, ``sig.form``, ``sig.purpose``, ``sig.key`` (not
                trusted here) or ``sig.value`` (it does not fit what it is on).
            TransientError: See `public_key`.
        """
        signature = _signature_of(tree)
        key = self.public_key(signature.key_id, purpose)
        try:
            key.verify(_decoded(signature.value), canonical_json(_unsigned(tree)))
        except InvalidSignature:
            refuse("sig.value", "the signature does not fit", "/sig/v")
        return signature.key_id

    def verify_bytes(self, signature: Signature, content: bytes, purpose: Purpose) -> None:
        """Verify that a key for *purpose* has signed *content* by `sign_bytes`.

        Raises:
            MessageRejected: As `verify`.
            TransientError: See `public_key`.
        """
        key = self.public_key(signature.key_id, purpose)
        try:
            key.verify(_decoded(signature.value), content)
        except InvalidSignature:
            refuse("sig.value", "the signature does not fit", "/v")

    def public_key(self, key_id: str, purpose: Purpose) -> Ed25519PublicKey:
        """Return the key *key_id*, which somebody has named, for *purpose*.

        Raises:
            MessageRejected: ``sig.purpose``: it is not for that; ``sig.key``: it is not trusted
                here.
            TransientError: No descriptor is free to read it with.
        """
        if not re.fullmatch(KEY_ID, key_id) or not key_id.startswith(f"{purpose}-"):
            refuse("sig.purpose", f"{key_id[:40]!r} may not sign this", "/sig/kid")
        try:
            return self._read(key_id)
        except FileNotFoundError:
            self._known.pop(key_id, None)
            refuse("sig.key", f"{key_id} is not trusted here", "/sig/kid")
        except OSError as error:
            if error.errno in EXHAUSTED:
                detail = f"{key_id} cannot be read: {error.strerror}"
                raise TransientError(Reason.DESCRIPTORS_LOW, detail) from None
            refuse("sig.key", f"{key_id} cannot be read: {error.strerror}", "/sig/kid")
        except ValueError:
            refuse("sig.key", f"the file of {key_id} holds no Ed25519 key", "/sig/kid")

    def _read(self, key_id: str) -> Ed25519PublicKey:
        """Return the key in the file of *key_id*. Raises OSError, ValueError."""
        path = self._folder / f"{key_id}.pem"
        found = path.stat()
        stamp = found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
        known = self._known.get(key_id)
        if known is not None and known[0] == stamp:
            return known[1]
        key = _public(path)
        if known is not None or len(self._known) < MAX_KNOWN:
            self._known[key_id] = stamp, key
        return key


def sign(tree: Mapping[str, object], key: SigningKey) -> dict[str, object]:
    """Return *tree* with ``sig``. Raises MessageRejected: it cannot be canonical JSON."""
    signature = sign_bytes(canonical_json(_unsigned(tree)), key)
    return {**tree, "sig": signature.model_dump(by_alias=True)}


def sign_bytes(content: bytes, key: SigningKey) -> Signature:
    """Return *key*'s signature of *content*, which must begin unlike a document: not with ``{``."""
    value = base64.urlsafe_b64encode(key.private.sign(content)).rstrip(b"=").decode()
    return Signature(key_id=key.key_id, value=value)


def digest(tree: object) -> str:
    """Return the SHA-256 of *tree* as canonical JSON, in hexadecimal. Raises as `canonical`."""
    return hashlib.sha256(canonical_json(tree)).hexdigest()


def canonical_json(tree: object) -> bytes:
    """Return *tree* as canonical JSON (RFC 8785).

    Raises:
        MessageRejected: It holds an integer beyond 2**53, NaN, an infinite number or half of a
            surrogate pair.
    """
    try:
        return rfc8785.dumps(tree)  # type: ignore[arg-type]  # refused there if it is not JSON
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise MessageRejected((Fault("", "canonical", f"not canonical JSON: {error}"),)) from None


def make_key(folder: Path, key_id: str) -> tuple[Path, Path]:
    """Make a key pair in *folder*; return the files of the private and the public key.

    Raises:
        ConfigRejected: The id is not valid, or its files exist: a key is never overwritten.
    """
    if not re.fullmatch(KEY_ID, key_id):
        message = (
            "a key id is cfg-, cmd-, view-, rel- or doc- and up to 32 of a-z, 0-9, e.g. cfg-2026a"
        )
        raise ConfigRejected((Fault("", "key.id", message),))
    private = Ed25519PrivateKey.generate()
    secret, public = folder / f"{key_id}.key", folder / f"{key_id}.pem"
    created: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in (secret, public):
            if os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, "it is there already", str(path))
        for path, mode, content in (
            (secret, 0o600, _private_pem(private)),
            (public, 0o644, _public_pem(private.public_key())),
        ):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            created.append(path)
            with open(handle, "wb") as file:
                file.write(content)
    except OSError as error:
        for path in created:
            path.unlink(missing_ok=True)
        message = f"cannot write {error.filename}: {error.strerror}"
        raise ConfigRejected((Fault("", "key.file", message),)) from None
    return secret, public


def load_key(path: Path, purpose: Purpose | None = None) -> SigningKey:
    """Return the private key in the file *path*; its id is the file's name.

    Args:
        path: The file.
        purpose: What it is needed for; None: its owner will know.

    Raises:
        ConfigRejected: It cannot be read, others may read it, it is no Ed25519 key, or it is for
            something else.
    """
    try:
        found = path.stat()
        raw = path.read_bytes()[:LARGEST_BYTES]
    except OSError as error:
        raise ConfigRejected((file_fault(path, error),)) from None
    if found.st_mode & forbidden_bits(path):
        raise _wrong_file(path, "permissions", f"others can read {path}: chmod 600 {path}")
    try:
        private = serialization.load_pem_private_key(raw, password=None)
    except TypeError:
        message = f"{path} is locked with a passphrase, which is not asked for"
        raise _wrong_file(path, "passphrase", message) from None
    except (ValueError, UnsupportedAlgorithm):
        raise _wrong_file(path, "content", f"{path} holds no private key") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise _wrong_file(path, "content", f"{path} holds no Ed25519 key")
    key_id = stem_of(path)
    if not re.fullmatch(KEY_ID, key_id):
        message = f"{path} must be named by its key id, e.g. cfg-2026a.key"
        raise _wrong_file(path, "name", message)
    if purpose is not None and not key_id.startswith(f"{purpose}-"):
        message = f"{path} is no key for this: it must be named {purpose}-….key"
        args: dict[str, str | int | float] = {"path": str(path), "purpose": purpose}
        raise ConfigRejected((Fault("", "key.purpose", message, args),))
    return SigningKey(key_id, private)


def fingerprint(path: Path) -> str:
    """Return the fingerprint of the public key in *path*: 16 hexadecimal digits of its SHA-256.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no Ed25519 key.
    """
    raw = _public(path).public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


def _signature_of(tree: Mapping[str, object]) -> Signature:
    if tree.get("sig") is None:
        refuse("sig.missing", "it must be signed", "/sig")
    try:
        return Signature.model_validate_json(dumps(tree["sig"]))
    except ValidationError as error:
        faults = (
            Fault(pointer(("sig", *each["loc"])), "sig.form", each["msg"])
            for each in error.errors(include_url=False, include_context=False, include_input=False)
        )
        raise MessageRejected(tuple(faults)) from None


def _unsigned(tree: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in tree.items() if key != "sig"}


def _decoded(value: str) -> bytes:
    return base64.urlsafe_b64decode(f"{value}==")


def _public(path: Path) -> Ed25519PublicKey:
    try:
        key = serialization.load_pem_public_key(path.read_bytes()[:LARGEST_BYTES])
    except UnsupportedAlgorithm:
        raise ValueError(f"{path} holds a key of another kind") from None
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError(f"{path} holds no Ed25519 key")
    return key


def _private_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _public_pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _wrong_file(path: Path, kind: str, message: str) -> ConfigRejected:
    fault = Fault("", "key.file", message, {"path": str(path), "kind": kind})
    return ConfigRejected((fault,))
