"""Every error the gateway raises on purpose.

GatewayError
├── TransientError            the world may be right again if we wait
│   ├── SourceUnavailable     camera or recorder: refused, unreachable, timed out, full
│   │   └── WebServer         a web server answers where RTSP was expected
│   ├── SourceStalled         connected, but no access unit for `stall_s`
│   └── BrokerUnavailable     MQTT broker: refused, unreachable, dropped
├── PermanentError            waiting will not help; somebody must change something
│   ├── ConfigRejected        a document is malformed or contradicts itself
│   ├── UpdateRefused         a release that may not be installed here
│   ├── SourceRefused         credentials, path, redirect or policy: the camera's config is wrong
│   └── CodecUnsupported      the camera sends what we cannot pass on
├── ViewerRejected            this viewer gets no answer; the gateway is fine
├── NoPicture                 no still picture of this camera can be made now
└── MessageRejected           this message from the wire is malformed; its sender is told

Whoever catches looks at the first level of the tree only: the supervisor retries after a
TransientError, and parks the camera after a PermanentError. Everything that is not in this tree is
a bug: it ends the session, camera or message that it concerns (`gateway.runtime.bugs`); elsewhere
the process, and systemd starts it again.

No message here ever holds a password or a URL with one: places that open URLs say the host and
the path only.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from gateway.model.reasons import Reason


class GatewayError(Exception):
    """Base of the tree. Never raised itself.

    Attributes:
        reason: The code an operator sees, from the one closed list.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class TransientError(GatewayError):
    """Retrying later may succeed.

    Attributes:
        pause_s: Never try again sooner than this, however short the backoff (a recorder that
            says 453 holds its sessions for a minute).
        longest_s: Nor later than this, however long the backoff (a clock that is set, or a file
            that is replaced, mends it at once).
    """

    def __init__(
        self,
        reason: Reason,
        detail: str,
        *,
        pause_s: float = 0.0,
        longest_s: float = float("inf"),
    ) -> None:
        super().__init__(reason, detail)
        self.pause_s = pause_s
        self.longest_s = longest_s


class PermanentError(GatewayError):
    """Retrying cannot succeed until configuration changes.

    Attributes:
        park_s: How long to leave it alone before one more look; somebody may have mended the
            other end without telling us. None: until the configuration changes.
    """

    def __init__(self, reason: Reason, detail: str, *, park_s: float | None = None) -> None:
        super().__init__(reason, detail)
        self.park_s = park_s


class SourceUnavailable(TransientError):
    """A camera or recorder cannot be reached or has no session left."""


class SourceStalled(TransientError):
    """Connected, but nothing usable arrives."""


class BrokerUnavailable(TransientError):
    """The MQTT broker cannot be reached or has dropped us."""


class SourceRefused(PermanentError):
    """The camera answers, and the answer is no."""


class UrlRefused(SourceRefused):
    """A camera's URL that may not be opened (`POLICY_DENIED`).

    Attributes:
        fault: The rule that is against it.
    """

    def __init__(self, fault: Fault, *, park_s: float | None = None) -> None:
        super().__init__(Reason.POLICY_DENIED, fault.message, park_s=park_s)
        self.fault = fault


class WebServer(SourceUnavailable):
    """A web server answers where RTSP was expected (`CORRUPT`).

    Attributes:
        fault: That says so: ``url.web_server``.
    """

    def __init__(self, place: str) -> None:
        message = f"{place} answers in HTTP: it is a web server, not RTSP"
        super().__init__(Reason.CORRUPT, message)
        self.fault = Fault("", "url.web_server", message, {"place": place})


class CodecUnsupported(PermanentError):
    """The camera sends a codec that we cannot pass on, or sends it in such a way."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a document.

    Attributes:
        at: Where, as JSON Pointer (RFC 6901), e.g. ``/cameras/2/streams/0/url``.
        code: What kind of mistake, e.g. ``url.scheme``; stable, for machines.
        message: What was given and what is allowed, for people. Never holds a secret.
        args: The figures of the message, for translation.
    """

    at: str
    code: str
    message: str
    args: dict[str, str | int | float] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.at or '/'}: {self.message} [{self.code}]"


class ConfigRejected(PermanentError):
    """A document cannot be used. Holds all its faults, not only the first.

    Attributes:
        faults: Never empty.
        file: The file that they are in; None: in none, or it is not known.
    """

    def __init__(self, faults: tuple[Fault, ...], *, file: Path | None = None) -> None:
        super().__init__(Reason.CONFIG_REJECTED, "; ".join(map(str, faults)))
        self.faults = faults
        self.file = file


@contextmanager
def faults_in(file: Path) -> Iterator[None]:
    """Name *file* in every `ConfigRejected` and `MessageRejected` from within that names none."""
    try:
        yield
    except (ConfigRejected, MessageRejected) as error:
        raise type(error)(error.faults, file=error.file or file) from None


class UpdateRefused(PermanentError):
    """A release is not installed; what runs is untouched. The reason is one of ``UPDATE_…``."""


class ViewerRejected(GatewayError):
    """A viewer's offer gets no answer.

    Attributes:
        code: SIP-like status of the contract: 400, 403, 408, 410, 480, 486, 488 or 503.
    """

    def __init__(self, code: int, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.code = code


class NoPicture(GatewayError):
    """No still picture of a camera can be made now, or none may be; the reason says why."""


class MessageRejected(GatewayError):
    """A message from the wire cannot be read. Holds all its faults, not only the first.

    Attributes:
        faults: Never empty.
        file: Where it was read from; None: it came by itself.
    """

    def __init__(self, faults: tuple[Fault, ...], *, file: Path | None = None) -> None:
        super().__init__(Reason.OFFER_INVALID, "; ".join(map(str, faults)))
        self.faults = faults
        self.file = file


def refuse(code: str, message: str, at: str = "") -> NoReturn:
    """Raise MessageRejected with one fault, of *code*, at *at*."""
    raise MessageRejected((Fault(at, code, message),))


def file_fault(path: Path, error: OSError) -> Fault:
    """Return the fault of a file at *path* that cannot be read."""
    kind = _KINDS.get(error.errno or 0, "other")
    why = error.strerror or str(error)
    args: dict[str, str | int | float] = {"path": str(path), "kind": kind, "why": why}
    return Fault("", "file", unreadable(path, error), args)


def unreadable(path: Path, error: OSError) -> str:
    """Return in a sentence why *path* cannot be read, and what to do where that is known."""
    why = error.strerror or str(error)
    return f"cannot read {path}: {why}{_CURES.get(error.errno or 0, '')}"


_KINDS = {
    errno.ENOENT: "missing",
    errno.EACCES: "denied",
    errno.EISDIR: "folder",
    errno.ENOTDIR: "missing",
}
_CURES = {errno.EACCES: " (as root it can be read: sudo)"}
