"""Secrets by name: one file each, which only its owner may read.

The folder is systemd's credentials folder, or one beside the settings. A value is a `SecretStr`
and known to the redactor from the moment it is read.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pydantic import SecretStr

from gateway.model.errors import ConfigRejected, Fault
from gateway.model.site_document import SecretRef
from gateway.runtime.redact import Redactor

LARGEST_BYTES = 4096


class Secrets:
    """The secrets folder of this machine.

    Args:
        folder: Where the files are; it need not exist while no secret is loaded.
        redactor: Learns every value that is read.
    """

    def __init__(self, folder: Path, *, redactor: Redactor) -> None:
        self._folder = folder
        self._redactor = redactor
        self._prefix, self._forbidden_bits = "", 0o077
        if str(folder) == os.environ.get("CREDENTIALS_DIRECTORY"):
            # LoadCredential=secrets:/folder calls each file secrets_NAME; systemd lets our user
            # in by an ACL, whose mask shows as the group's read bit
            self._prefix, self._forbidden_bits = "secrets_", 0o037

    @property
    def redactor(self) -> Redactor:
        """Knows every value that has been read."""
        return self._redactor

    def load(self, ref: SecretRef, *, at: str = "", username: str | None = None) -> SecretStr:
        """Read the secret that *ref* names.

        Args:
            ref: Which.
            at: Pointer to the reference, for the fault.
            username: Whose password it is; the redactor then learns the two together as well.

        Raises:
            ConfigRejected: It is missing, empty, or others than the owner can read it.
        """
        path = self._folder / (self._prefix + ref.name)
        try:
            value = self._read(path, at).removesuffix(b"\n").removesuffix(b"\r").decode()
        except FileNotFoundError:
            raise _fault(at, "missing", f"no secret {ref.name}; put it into {path}") from None
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not UTF-8"
            raise _fault(at, "content", f"cannot read {path}: {why}") from None
        if not value or not value.isprintable():
            raise _fault(at, "content", f"{path} is empty or holds more than one line")
        self._redactor.add_secret(value, username=username)
        return SecretStr(value)

    def _read(self, path: Path, at: str) -> bytes:
        with open(path, "rb", opener=_open_without_waiting) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise OSError(0, "it is not a file")
            if found.st_mode & self._forbidden_bits:
                mode = stat.S_IMODE(found.st_mode)
                advice = f"{path} has mode {mode:o}; make it owner-only: chmod 600 {path}"
                raise _fault(at, "permissions", advice)
            return file.read(LARGEST_BYTES)


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _fault(at: str, kind: str, message: str) -> ConfigRejected:
    return ConfigRejected((Fault(at, f"secret.{kind}", message),))
