"""What a failure of the RTSP connection means for the stream.

The one place where status codes, system errors and time-outs become errors of our tree.

Reference: RFC 2326 §11 (status codes).
"""

from __future__ import annotations

import errno
import os
import re
import ssl
from urllib.parse import urlsplit

from gateway.model.errors import (
    CodecUnsupported,
    GatewayError,
    SourceRefused,
    SourceUnavailable,
)
from gateway.model.reasons import Reason
from gateway.rtsp.messages import Response
from gateway.runtime.descriptors import EXHAUSTED

BUSY_PAUSE_S = 30.0
"""A recorder without a free session is asked at most twice a minute."""

ABSENT_PARK_S = 300.0
"""A channel that is not there is looked for again after five minutes."""

_ABSENT = frozenset({400, 404, 410})
_TRANSPORT = frozenset({451, 461})
_BUSY = frozenset({453, 503})
_DOWN = {
    errno.ECONNREFUSED: Reason.REFUSED,
    errno.ECONNRESET: Reason.REFUSED,
    errno.ETIMEDOUT: Reason.TIMEOUT,
}
_PLAIN = {
    errno.ECONNREFUSED: "refuses the connection: nothing listens at this port",
    errno.ECONNRESET: "has broken the connection off",
    errno.ETIMEDOUT: "does not answer",
    errno.EHOSTUNREACH: "is not on the network",
    errno.ENETUNREACH: "is in a network to which there is no route",
}


def error_of_status(method: str, response: Response) -> GatewayError:
    """Return what an answer other than 200 and 401 to *method* means."""
    status = response.status
    said = f"{method} answered {status} {_shown(response.phrase)}".rstrip()
    if 300 <= status < 400:
        return error_of_redirect(response.headers.get("location"))
    if status == 403:
        return SourceRefused(Reason.LOGIN_FORBIDDEN, said, park_s=ABSENT_PARK_S)
    if status in _ABSENT:
        return SourceRefused(Reason.NOT_FOUND, said, park_s=ABSENT_PARK_S)
    if status in _TRANSPORT:
        return SourceRefused(Reason.UNSUPPORTED_TRANSPORT, said, park_s=ABSENT_PARK_S)
    if status in _BUSY:
        return SourceUnavailable(Reason.BUSY_SESSIONS, said, pause_s=BUSY_PAUSE_S)
    if status == 415:
        return CodecUnsupported(Reason.UNSUPPORTED_CODEC, said, park_s=ABSENT_PARK_S)
    return SourceUnavailable(Reason.TIMEOUT if status in (408, 504) else Reason.REFUSED, said)


def error_of_redirect(location: str) -> SourceRefused:
    """Return the refusal of a redirect; names the host it leads to, and nothing else of it."""
    try:
        host = urlsplit(location.strip()).hostname or "nowhere"
    except ValueError:
        host = "nowhere"
    return SourceRefused(
        Reason.REDIRECT_REFUSED, f"redirects to {_shown(host)}; not followed", park_s=1800.0
    )


def error_of_os(error: OSError, place: str) -> SourceUnavailable:
    """Return what the system's *error* about the connection to *place* means."""
    if isinstance(error, ssl.SSLError):
        return SourceUnavailable(Reason.TLS_FAILED, f"{place}: {error.reason or 'TLS failed'}")
    if isinstance(error, TimeoutError):
        return SourceUnavailable(Reason.TIMEOUT, f"{place}: timed out")
    if error.errno in EXHAUSTED:
        return SourceUnavailable(Reason.DESCRIPTORS_LOW, f"{place}: {os.strerror(error.errno)}")
    reason = _DOWN.get(error.errno or 0, Reason.UNREACHABLE)
    return SourceUnavailable(reason, f"{place} {in_plain_words(error)}")


def in_plain_words(error: OSError) -> str:
    """Return what *error* says of the other end, without its address.

    asyncio puts the address into the error's text, in Python's words.
    """
    if not error.errno:
        return f"cannot be reached: {type(error).__name__}"
    return _PLAIN.get(error.errno) or f"cannot be reached: {os.strerror(error.errno)}"


def _shown(text: str) -> str:
    """Return *text* from a camera fit for a log line."""
    return re.sub(r"[^ -~]", "?", text)[:80]
