"""What the broker reads to refuse a revoked site: the revocation list and its access list.

The list shuts out new connections, the rule in the access list the one that is still open. The
broker reads both anew when it is told to (SIGHUP).

Source: mosquitto.conf(5), "crlfile", "acl_file".
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from gateway.centre.enrolment.authority import Authority, former_lists
from gateway.centre.enrolment.registry import SiteRegistry
from gateway.centre.enrolment.settings import EnrolmentSettings
from gateway.model.errors import ConfigRejected, Fault, unreadable
from gateway.runtime import atomic_file

CRL, BUNDLE = "crl.pem", "ca-bundle.pem"
MARK = "# Revoked by camera-gateway centre revoke; written anew each time. Đã thu hồi."
RELOAD_S = 30.0


def write_broker_files(
    settings: EnrolmentSettings, registry: SiteRegistry, authority: Authority
) -> list[Path]:
    """Write what the broker reads, and return where. Blocks.

    Raises:
        ConfigRejected: The access list cannot be read.
        TransientError: The disk takes nothing.
    """
    revoked = authority.revocation_list(registry.revoked_certificates())
    revoked += former_lists(settings.folder / CRL, authority)
    contents: dict[Path, bytes] = {}
    for path in (settings.folder / CRL, settings.crl_file):
        if path is not None:
            contents[path] = revoked.encode()
    for path in (settings.folder / BUNDLE, settings.ca_file):
        if path is not None:
            contents[path] = authority.bundle_pem.encode()
    if settings.acl_file is not None:
        text = with_revoked(_read(settings.acl_file), registry.revoked_sites())
        contents[settings.acl_file] = text.encode()
    for path, content in contents.items():
        atomic_file.replace(path, content, prepare=_public)
    return list(contents)


def with_revoked(acl: str, names: Iterable[str]) -> str:
    """Return the access list *acl* in which each of *names* is denied everything, at its end."""
    kept = acl.partition(MARK)[0].rstrip("\n")
    rules = "".join(f"user {name}\ntopic deny #\n" for name in names)
    return f"{kept}\n\n{MARK}\n{rules}" if rules else f"{kept}\n"


def reload_broker(settings: EnrolmentSettings) -> None:
    """Make the broker read its files anew, as ``reload`` says. Blocks.

    Raises:
        ConfigRejected: The command is not there, fails, or does not end.
    """
    if not settings.reload:
        return
    try:
        done = subprocess.run(
            settings.reload,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=RELOAD_S,
            check=False,
        )
        wrong = done.stderr.decode(errors="replace").strip()[:200] if done.returncode else ""
        failed = bool(done.returncode)
    except (OSError, subprocess.TimeoutExpired) as error:
        wrong, failed = str(error), True
    if failed:
        message = (
            f"the broker was not told to read its files ({' '.join(settings.reload)}): {wrong}"
        )
        raise ConfigRejected((Fault("/enrolment/reload", "reload", message),))


def _public(descriptor: int) -> None:
    os.fchmod(descriptor, 0o644)  # the broker has a user of its own, and nothing of it is secret


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = unreadable(path, error) if isinstance(error, OSError) else f"{path}: {error}"
        raise ConfigRejected((Fault("/enrolment/acl_file", "file", why),)) from None
