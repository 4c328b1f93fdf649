"""Secrets by name: one file each, which only its owner may read, each for one use.

The folder is systemd's credentials folder, or one beside the settings. What the settings name lies
in the folder itself; what a document may name lies in a folder below it, so that no document can
name the former:

=====================  ===============================================================
``NAME``               for the settings: broker, TURN
``camera/NAME@HOST``   a camera's password, for the device at HOST and no other
``camera/NAME``        likewise, for the hosts of `gateway.config.secret_bindings`
``broker/NAME@HOST``   for another broker that a document names
=====================  ===============================================================

Until the next version cameras' passwords are also looked for in the folder itself. A value is a
`SecretStr` and known to the redactor from the moment it is read.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import structlog
from pydantic import SecretStr

from gateway.config.secret_bindings import SecretBindings, host_of
from gateway.model.errors import ConfigRejected, Fault, unreadable
from gateway.model.site_document import CameraConfig, SecretRef
from gateway.runtime.redact import Redactor

LARGEST_BYTES = 4096

Use = Literal["camera", "broker"]
"""What a document may name a secret for; also the name of the folder."""

_USES = ("camera", "broker")

log = structlog.get_logger(__name__)


class Secrets:
    """The secrets folder of this machine.

    Args:
        folder: Where the files are; it need not exist while no secret is loaded.
        redactor: Learns every value that is read.
        bindings: Where those that documents name may go.

    Attributes:
        oddities: What is odd about values that have been read, and is no fault.
    """

    def __init__(
        self, folder: Path, *, redactor: Redactor, bindings: SecretBindings | None = None
    ) -> None:
        self._folder = folder
        self._redactor = redactor
        self._bindings = bindings or SecretBindings()
        self._deprecated: set[str] = set()
        self.oddities: tuple[Fault, ...] = ()
        self._from_systemd = str(folder) == os.environ.get("CREDENTIALS_DIRECTORY")
        # systemd lets our user in by an ACL, whose mask shows as the group's read bit
        self._forbidden_bits = 0o037 if self._from_systemd else 0o077

    @property
    def redactor(self) -> Redactor:
        """Knows every value that has been read."""
        return self._redactor

    def load(self, ref: SecretRef, *, at: str = "", username: str | None = None) -> SecretStr:
        """Read the secret that *ref*, in the settings, names.

        Args:
            ref: Which.
            at: Pointer to the reference, for the fault.
            username: Whose password it is; the redactor then learns the two together as well.

        Raises:
            ConfigRejected: It is missing, empty, or others than the owner can read it.
        """
        path = self._path(ref.name)
        value = self._load(path, at, username)
        if value is None:
            message = f"no secret {ref.name}; put it into {path}"
            raise _fault(at, "missing", message, name=ref.name, path=str(path))
        return value

    def load_for_camera(self, camera: CameraConfig, url: str, *, at: str = "") -> SecretStr | None:
        """Read the password of *camera* for its stream at *url*; None: it has none.

        Args:
            camera: Whose.
            url: Says to which host it would be sent.
            at: Pointer to the camera, for the fault.

        Raises:
            ConfigRejected: As `load`, or it is for another use or a device, which has no login
                (``secret.use``), was not entered for that host (``secret.host``), or may not go
                there in clear (``secret.basic``).
        """
        if camera.password is None:
            return None
        name, host = camera.password.name, host_of(url)
        if not host:
            message = f"a device has no login: nothing asks for {name}; leave the password out"
            raise _fault(f"{at}/password", "use", message)
        value = self._load_bound(
            "camera",
            name,
            host,
            is_bound=self._bindings.allows_camera(name, host),
            at=f"{at}/password",
            username=camera.username,
        )
        if camera.allow_basic and not self._bindings.allows_basic(name, host):
            message = (
                f"only the settings of this machine allow Basic at {host}: [cameras] basic_hosts"
            )
            raise _fault(f"{at}/allow_basic", "basic", message)
        return value

    def load_for_broker(
        self, ref: SecretRef, host: str, *, at: str = "", username: str | None = None
    ) -> SecretStr:
        """Read the password that a document names for the broker at *host*.

        Raises:
            ConfigRejected: As `load`, or it was not entered for that broker.
        """
        bound = self._bindings.allows_broker(ref.name, host.lower())
        return self._load_bound(
            "broker", ref.name, host.lower(), is_bound=bound, at=at, username=username
        )

    def _load_bound(
        self, use: Use, name: str, host: str, *, is_bound: bool, at: str, username: str | None
    ) -> SecretStr:
        """Read the secret *name* for *use* at *host*; a file of that host's name binds itself."""
        named = self._path(use, f"{name}@{host}")
        value = self._load(named, at, username)
        if value is not None:
            return value
        own, flat = self._path(use, name), self._path(name)
        shared = self._bindings.reserved if use == "camera" else frozenset()
        is_flat = name not in shared and not self._is_of_a_use(name) and _exists(flat)
        if not is_bound:
            if _exists(own) or is_flat or self._is_entered_elsewhere(use, name):
                message = f"{name} was not entered for {host}; on the machine, put it into {named}"
                raise _fault(at, "host", message)
        else:
            value = self._load(own, at, username)
            if value is None and is_flat:
                value = self._load(flat, at, username)
                self._warn_of_flat(flat, own, name)
        if value is not None:
            return value
        if name in shared:
            raise _fault(at, "use", f"{name} is a secret of the settings, and no {use}'s")
        message = f"no secret {name}; put it into {named}"
        raise _fault(at, "missing", message, name=name, path=str(named))

    def _is_entered_elsewhere(self, use: Use, name: str) -> bool:
        """Return whether there is a file of *name* for another host."""
        example = self._path(use, f"{name}@")
        try:
            return any(each.startswith(example.name) for each in os.listdir(example.parent))
        except OSError:
            return False

    def _warn_of_flat(self, flat: Path, own: Path, name: str) -> None:
        if name not in self._deprecated and flat != own:
            self._deprecated.add(name)
            log.warning("secret_deprecated", old=str(flat), new=str(own))

    def _is_of_a_use(self, name: str) -> bool:
        """Return whether systemd gives a file of a use the name that *name* would have."""
        return self._from_systemd and name.startswith(tuple(f"{use}_" for use in _USES))

    def _path(self, *steps: str) -> Path:
        # LoadCredential=secrets:/folder calls each file secrets_NAME, or secrets_FOLDER_NAME
        return (
            self._folder.joinpath(*steps)
            if not self._from_systemd
            else (self._folder / "_".join(("secrets", *steps)))
        )

    def _load(self, path: Path, at: str, username: str | None) -> SecretStr | None:
        """Return what *path* holds; None: there is no such file. Raises ConfigRejected."""
        try:
            value = self._read(path, at).removesuffix(b"\n").removesuffix(b"\r").decode()
            self._look_at(value, path, at)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _fault(at, "content", unreadable(path, error)) from None
        except UnicodeDecodeError:
            raise _content_fault(at, "utf8", path, f"cannot read {path}: not UTF-8") from None
        self._redactor.add_secret(value, username=username)
        return SecretStr(value)

    def _look_at(self, value: str, path: Path, at: str) -> None:
        """Refuse what is no password, and say what it is instead; doubt one with spaces around it.

        Raises:
            ConfigRejected: ``secret.content``; its `kind` says which.
        """
        kind, said = _what_it_is(value)
        if kind:
            raise _content_fault(at, kind, path, f"{path} {said}", got=len(value.splitlines()))
        for doubt, said in _doubts(value):
            message = f"{path} {said}, which is sent as part of the password"
            fault = Fault(at, f"secret.{doubt}", message, {"path": str(path)})
            if all(each.message != message for each in self.oddities):
                self.oddities = (*self.oddities, fault)

    def _read(self, path: Path, at: str) -> bytes:
        with open(path, "rb", opener=_open_without_waiting) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise OSError(0, "it is not a file")
            if found.st_mode & self._forbidden_bits:
                mode = stat.S_IMODE(found.st_mode)
                advice = f"{path} has mode {mode:o}; make it owner-only: chmod 600 {path}"
                raise _fault(at, "permissions", advice, path=str(path), mode=f"{mode:o}")
            return file.read(LARGEST_BYTES)


_NAMED = re.compile(r"(?i)(?:password|passwd|pass|pwd|mat ?khau|mật khẩu)\s*[=:]")


def _what_it_is(value: str) -> tuple[str, str]:
    """Return what *value* is instead of a password, as a kind and in words; empty: it is one."""
    lines = len(value.splitlines())
    looks = (
        ("bom", value.startswith("\ufeff"), "begins with a byte order mark"),
        ("empty", not value.strip(), "is empty"),
        ("lines", lines > 1, f"holds {lines} lines; it must be one"),
        ("cr", "\r" in value, "holds a carriage return"),
        ("tab", "\t" in value, "holds a tab"),
        ("invisible", any(_is_hidden(char) for char in value), "holds a character nobody sees"),
        ("control", not value.isprintable(), "holds a control character"),
    )
    return next(((kind, said) for kind, found, said in looks if found), ("", ""))


def _is_hidden(char: str) -> bool:
    return char != " " and unicodedata.category(char) in ("Cf", "Zs", "Zl", "Zp")


def _doubts(value: str) -> Iterator[tuple[str, str]]:
    """Yield what may not belong to the password *value*, as a code and in words."""
    if value != value.strip():
        yield "space", "begins or ends with a space"
    if len(value) > 2 and value[0] == value[-1] and value[0] in "\"'":
        yield "quotes", "has quotes around it"
    if _NAMED.match(value):
        yield "named", "begins with a name and = or :"
    if not value.isascii():
        yield "ascii", "has marks or full-width characters"


def _exists(path: Path) -> bool:
    return os.path.isfile(path)


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _fault(at: str, code: str, message: str, /, **args: str | int | float) -> ConfigRejected:
    return ConfigRejected((Fault(at, f"secret.{code}", message, args),))


def _content_fault(
    at: str, kind: str, path: Path, message: str, **args: str | int | float
) -> ConfigRejected:
    return _fault(at, "content", message, kind=kind, path=str(path), **args)
