"""Enrols this machine: code in, identity, certificate, broker and keys out.

    async for step in enrol("https://10.1.2.3:8443", "7K3M-Q9TX-…"):
        print(step.vi)

Each step is given when it is done; whatever goes wrong is one `EnrolmentError`, and nothing on the
machine has changed then.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.config.settings import DEFAULT_FILE, Settings
from gateway.enrolment.certificate import check_certificate, name_of, request_of
from gateway.enrolment.client import ask, fetch_authority, parse_centre_url
from gateway.enrolment.code import SYMBOLS, CodeError, EnrolmentCode, parse_code
from gateway.enrolment.errors import EnrolmentError, EnrolmentReason
from gateway.enrolment.identity_settings import CA, CERTIFICATE, KEY, turn_secrets, with_identity
from gateway.enrolment.install import ENROLLED, PENDING_KEY, NewFile, install
from gateway.enrolment.messages import (
    ENROL_PATH,
    EnrolAnswer,
    EnrolRequest,
    SiteIdentity,
)
from gateway.model.errors import TransientError
from gateway.runtime import atomic_file
from gateway.runtime.certificates import read_certificate
from gateway.runtime.clock import now_ms

GROUP = "camera-gateway"
"""Whose members may read the key: the service."""

LARGEST_BYTES = 65_536
"""Of a key."""

Reason = EnrolmentReason
StepName = Literal["code", "centre", "key", "certificate", "settings", "done"]


@dataclass(frozen=True, slots=True)
class EnrolStep:
    """A step that is done.

    Attributes:
        name: For programs.
        vi: For people, in Vietnamese.
        en: And in English.
        identity: Of the site, from the step ``certificate`` on.
    """

    name: StepName
    vi: str
    en: str
    identity: SiteIdentity | None = None


async def enrol(
    url: str,
    code: str,
    *,
    settings: Path = DEFAULT_FILE,
    group: str | None = GROUP,
    dry_run: bool = False,
    wall_ms: Callable[[], int] = now_ms,
) -> AsyncIterator[EnrolStep]:
    """Enrol this machine at the centre *url* by *code*; yield each step when it is done.

    Args:
        url: ``https://HOST[:PORT]``.
        code: As somebody has typed it.
        settings: The settings file; certificates and keys go beside it.
        group: Whose members may read the private key.
        dry_run: Go as far as the centre's fingerprint, and neither use the code nor write a file.
        wall_ms: Unix time in milliseconds.

    Raises:
        EnrolmentError: It was not done, and nothing has changed.
    """
    parsed, address = _parse(code), parse_centre_url(url)
    before = _read_settings(settings)
    yield EnrolStep("code", "Mã đăng ký viết đúng", "The code is well-formed")

    root = await fetch_authority(address)
    if not await asyncio.to_thread(_fits, parsed, root):
        raise EnrolmentError(Reason.WRONG_CA, address)
    yield EnrolStep(
        "centre", f"Đúng là trung tâm đã cấp mã: {address}", "It is the centre that gave the code"
    )
    if dry_run:
        return

    key = _key_for(parsed, settings.parent)
    yield EnrolStep("key", "Đã tạo khóa riêng trên máy này", "The key was made on this machine")

    request = EnrolRequest(code=str(parsed), csr=request_of(key))
    answer = await ask(address + ENROL_PATH, root, request, EnrolAnswer)
    check_certificate(answer, key, name_of(answer.gateway), root, wall_ms())
    site = answer.gateway
    yield EnrolStep(
        "certificate",
        f"Trung tâm đã cấp chứng thư cho {site.id} ({site.name}), tỉnh {site.province}",
        f"The centre has certified {site.id} ({site.name}), province {site.province}",
        site,
    )

    text, read = with_identity(before, answer, address, folder=settings.parent)
    files = (
        *_identity_files(settings.parent, answer, parsed, key, root, group),
        *_centre_files(read, answer),
        NewFile(settings, text.encode(), _mode(settings)),
    )
    await asyncio.to_thread(install, files)
    (settings.parent / PENDING_KEY).unlink(missing_ok=True)
    yield EnrolStep("settings", f"Đã ghi {settings}", f"{settings} is written", site)
    yield EnrolStep(
        "done",
        "Đăng ký xong. Tiếp theo: sudo camera-gateway check && "
        "sudo systemctl restart camera-gateway",
        "Enrolled. Next: sudo camera-gateway check && sudo systemctl restart camera-gateway",
        site,
    )


def _parse(code: str) -> EnrolmentCode:
    try:
        return parse_code(code)
    except CodeError as error:
        detail = f"{error.found!r}" if error.found else ""
        if error.reason == "code.length":
            detail = f"{error.found}/{SYMBOLS}"
        if error.group is not None:
            detail = f"nhóm {error.group} / group {error.group}"
        raise EnrolmentError(Reason(error.reason), detail) from None


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def _fits(code: EnrolmentCode, root: str) -> bool:
    try:
        certificate = read_certificate(root.encode())
    except ValueError:
        raise EnrolmentError(Reason.NOT_ENROLMENT, "the root is no certificate") from None
    return code.fits(certificate.public_bytes(serialization.Encoding.DER))


def _read_settings(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EnrolmentError(Reason.SETTINGS, f"{path}: {error}") from None
    if not os.access(path.parent, os.W_OK):
        raise EnrolmentError(Reason.NOT_ROOT, str(path.parent))
    return text


def _key_for(code: EnrolmentCode, folder: Path) -> ec.EllipticCurvePrivateKey:
    """Return the key that has used *code* here or was about to, else a new one, which is kept."""
    path = folder / PENDING_KEY
    if (key := _load_key(path)) is not None:
        return key
    if _content(folder / ENROLLED) == _mark(code) and (key := _load_key(folder / KEY)) is not None:
        return key
    new = ec.generate_private_key(ec.SECP256R1())
    try:
        atomic_file.replace(path, _private_pem(new))
    except TransientError as error:
        raise EnrolmentError(Reason.DISK, str(error)) from None
    return new


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey | None:
    try:
        key = serialization.load_pem_private_key(_content(path), password=None)
    except (TypeError, UnsupportedAlgorithm, ValueError):
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_BYTES)
    except OSError:
        return b""


def _mark(code: EnrolmentCode) -> bytes:
    """Return what says, of a code that is used, that it was this one."""
    return hashlib.sha256(code.symbols.encode()).hexdigest().encode()


def _identity_files(
    folder: Path,
    answer: EnrolAnswer,
    code: EnrolmentCode,
    key: ec.EllipticCurvePrivateKey,
    root: str,
    group: str | None,
) -> tuple[NewFile, ...]:
    """Return key, certificate, root, and which code they are from."""
    return (
        NewFile(folder / KEY, _private_pem(key), 0o640, group),
        NewFile(folder / CERTIFICATE, answer.certificate.encode()),
        NewFile(folder / CA, root.encode()),
        NewFile(folder / ENROLLED, _mark(code), 0o600),
    )


def _centre_files(settings: Settings, answer: EnrolAnswer) -> tuple[NewFile, ...]:
    """Return the centre's public keys, and secrets of its TURN servers, where *settings* say."""
    keys = settings.resolve_path(settings.remote.keys)
    return (
        *(NewFile(keys / f"{name}.pem", pem.encode()) for name, pem in answer.trusted.items()),
        *(
            NewFile(settings.secrets_folder / name, secret.encode() + b"\n", 0o600)
            for name, secret in turn_secrets(answer).items()
        ),
    )


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
