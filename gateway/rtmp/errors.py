"""What a camera's answers over RTMP mean for the stream.

References: RTMP 1.0 §7.2.1.1 and §7.2.2 (codes of NetConnection and NetStream).
"""

from __future__ import annotations

import re

from gateway.model.errors import GatewayError, SourceRefused, SourceStalled, SourceUnavailable
from gateway.model.reasons import Reason
from gateway.rtsp.auth import LOCKED_S
from gateway.rtsp.errors import ABSENT_PARK_S, error_of_redirect

CORRUPT_PAUSE_S = 30.0

ABSENT_PAUSE_S = 10.0
"""A stream that nobody publishes now may be there again at any time."""

_CODE = re.compile(r"[A-Za-z]{1,32}(?:\.[A-Za-z]{1,32}){1,3}")
_LOGIN = re.compile(r"(?i)auth|passw|login|credential|forbidden|denied|\b40[13]\b")

_ABSENT = frozenset({"NetStream.Play.StreamNotFound", "NetStream.Play.FileNotFound"})
_ABSENT_APP = frozenset({"NetConnection.Connect.InvalidApp"})
_ENDED = frozenset(
    {
        "NetStream.Play.Stop",
        "NetStream.Play.Complete",
        "NetStream.Play.UnpublishNotify",
        "NetStream.Failed.Closed",
        "NetConnection.Connect.Closed",
        "NetConnection.Connect.AppShutdown",
    }
)


def corrupt(place: str, detail: str) -> SourceUnavailable:
    """Return the error of a camera at *place* that breaks the protocol, or does not speak it."""
    return SourceUnavailable(Reason.CORRUPT, f"{place}: {detail}", pause_s=CORRUPT_PAUSE_S)


def error_of_info(command: str, info: dict[str, object]) -> GatewayError | None:
    """Return what *info*, sent in answer to *command*, means; None: all is well.

    The camera's description is looked at and never shown: some repeat the URL in it, with the
    password.
    """
    said = str(info.get("code", ""))
    code = said if _CODE.fullmatch(said) else "an unknown code"
    redirect = _redirect(code, info)
    if redirect is not None:
        return error_of_redirect(redirect)
    shown = f"{command} answered {code}"
    if code in _ENDED:
        return SourceStalled(Reason.SOURCE_ENDED, shown)
    if info.get("level") != "error" and command == "play" and code not in _ABSENT:
        return None
    return _refusal(code, shown, str(info.get("description", ""))[:500])


def _redirect(code: str, info: dict[str, object]) -> str | None:
    """Return where the camera sends us; None: nowhere (Enhanced RTMP has the second way)."""
    more = info.get("ex")
    if isinstance(more, dict) and more.get("redirect"):
        return str(more["redirect"])[:1024]
    if code == "NetConnection.Connect.ReconnectRequest":
        return str(info.get("tcUrl", ""))[:1024]
    return None


def _refusal(code: str, shown: str, description: str) -> GatewayError:
    if "authmod=" in description:
        return SourceRefused(
            Reason.UNSUPPORTED_LOGIN, f"{shown}: it asks for a login by challenge", park_s=LOCKED_S
        )
    if _LOGIN.search(description) or code.endswith("Unauthorized"):
        return SourceRefused(Reason.AUTH_FAILED, shown, park_s=ABSENT_PARK_S)
    if code in _ABSENT:
        return SourceUnavailable(Reason.NOT_FOUND, shown, pause_s=ABSENT_PAUSE_S)
    if code in _ABSENT_APP:
        return SourceRefused(Reason.NOT_FOUND, shown, park_s=ABSENT_PARK_S)
    return SourceUnavailable(Reason.REFUSED, shown)
