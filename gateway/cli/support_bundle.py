"""Packs what support asks for into one archive, in which no secret of this machine stands.

All secrets of the secrets folder are made known to the redactor first; every text passes it then.
Settings and document hold only the names of secrets, unless somebody has typed one there: lines
with such a key lose their value.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

from gateway.config.faults import SECRET
from gateway.config.settings import Settings
from gateway.runtime.given_path import write_given
from gateway.runtime.redact import HIDDEN, Redactor, hide_logins

MOST_BYTES = 512 * 1024
"""Of each file: its end of the log, the beginning of all others."""

MOST_SECRETS, MOST_SECRET_BYTES = 4_096, 4_096
UNITS = (
    "camera-gateway",
    "camera-gateway-update",
    "camera-gateway-update-gate",
    "camera-gateway-reboot",
)
LOG_LINES = 2_000
LOG_S = 20.0
_USERNAME = re.compile(r"\"?username\"?\s*[:=]\s*\"([^\"\n]{1,64})\"")


def write_bundle(
    target: Path,
    settings_file: Path,
    settings: Settings,
    findings: Iterable[str],
    known: Redactor,
    *,
    journal: Path | None = None,
) -> None:
    """Write the archive *target* (tar, gzip); mode 600.

    Args:
        target: Replaced if it is there.
        settings_file: Of *settings*.
        settings: Say where document and secrets are.
        findings: Lines of the doctor.
        known: Learns all secrets.
        journal: See `read_log`.

    Raises:
        ConfigRejected: It cannot be written.
    """
    texts = {
        "gateway.toml": _read(settings_file),
        "site.json": _read(settings.state.dir / "site.json"),
    }
    _learn(settings.secrets_folder, _USERNAME.findall("\n".join(texts.values())), known)
    texts = {name: _without_values(text) for name, text in texts.items()}
    texts |= {"doctor.jsonl": "\n".join(findings), "log.txt": read_log(journal)}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in texts.items():
            raw = known.redact_text(text).encode()
            raw = raw[-MOST_BYTES:] if name == "log.txt" else raw[:MOST_BYTES]
            entry = tarfile.TarInfo(f"camera-gateway/{name}")
            entry.size, entry.mode = len(raw), 0o600
            archive.addfile(entry, io.BytesIO(raw))
    write_given(target, packed.getvalue())


def _learn(folder: Path, usernames: list[str], known: Redactor) -> None:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()][:MOST_SECRETS]
    for path in files:
        with path.open("rb") as file:
            value = file.read(MOST_SECRET_BYTES).decode("utf-8", "replace").strip()
        known.add_secret(value)
        for username in dict.fromkeys(usernames):
            known.add_secret(value, username=username)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(2 * MOST_BYTES).decode("utf-8", "replace")
    except OSError as error:
        return f"{path}: {error.strerror}"


def _without_values(text: str) -> str:
    """Return *text* with what stands behind the key of a secret, and before an @, hidden."""
    lines = hide_logins(text).split("\n")
    return "\n".join(_without_value(line) for line in lines)


def _without_value(line: str) -> str:
    found = SECRET.search(line)
    if found is None or "secret:" in line[found.end() :]:
        return line
    return f"{line[: found.end()]} {HIDDEN}"


def read_log(folder: Path | None = None) -> str:
    """Return what the journal has of the gateway and of what updates and restarts it.

    Args:
        folder: Of the journal's files; None: this machine's.
    """
    program = shutil.which("journalctl")
    if program is None:
        return "no journal on this machine"
    units = [word for unit in UNITS for word in ("-u", unit)]
    command = [program, *units, "-n", str(LOG_LINES), "--no-pager", "-q", "-o", "short-iso"]
    command += [] if folder is None else ["-D", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=LOG_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no log: {type(error).__name__}"
    said = (done.stdout or b"nothing in the journal\n" + done.stderr)[-2 * MOST_BYTES :]
    return hide_logins(said.decode("utf-8", "replace"))
