"""Messages between browser and server on the WebSocket, as values.

A browser is not trusted: its messages are validated strictly and are bounded. Messages of the
server are written by `encode`; `messages.d.ts` describes them for the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import to_json

from gateway.console.views import BrokerView, SiteView
from gateway.model.names import CameraId, GatewayId, Profile, ProvinceCode, SessionId
from gateway.model.signalling import (
    Answer,
    Bye,
    IceServer,
    Refusal,
    RemoteCandidate,
    SessionStats,
)
from gateway.model.site_document import Document
from gateway.model.wording import WORDING

TEXT_BYTES = 49_152
"""Largest message of a browser, in characters. An offer of Chromium has about 6,000."""


class CandidateText(Document):
    """One ICE candidate as in W3C RTCIceCandidateInit."""

    candidate: Annotated[str, StringConstraints(max_length=512)]
    mid: Annotated[str | None, Field(alias="sdpMid", max_length=64)] = None


class OfferMessage(Document):
    """The operator opens camera *cam* of gateway *gw* in province *prov*."""

    k: Literal["offer"]
    sid: SessionId
    prov: ProvinceCode
    gw: GatewayId
    cam: CameraId
    profile: Profile | None = None
    sdp: Annotated[str, StringConstraints(min_length=1, max_length=32_768)]


class CandidatesMessage(Document):
    """Candidates of a session (trickle ICE, RFC 8838); *end* means end-of-candidates."""

    k: Literal["cand"]
    sid: SessionId
    c: Annotated[tuple[CandidateText, ...], Field(max_length=512)] = ()
    end: bool = False

    def values(self) -> tuple[RemoteCandidate, ...]:
        """Return the candidates as values; end-of-candidates is one without text."""
        listed = tuple(RemoteCandidate(each.candidate, each.mid) for each in self.c)
        return (*listed, RemoteCandidate(None)) if self.end else listed


class ByeMessage(Document):
    """The operator has closed the video."""

    k: Literal["bye"]
    sid: SessionId
    why: Annotated[str, StringConstraints(max_length=32, pattern=r"^[a-z]*$")] = "viewer"


BrowserMessage = OfferMessage | CandidatesMessage | ByeMessage

_READER: TypeAdapter[BrowserMessage] = TypeAdapter(
    Annotated[OfferMessage | CandidatesMessage | ByeMessage, Field(discriminator="k")]
)


def parse_browser_message(text: str) -> BrowserMessage | None:
    """Return the message in *text* from a browser, or None if it is not a valid one."""
    if len(text) > TEXT_BYTES:
        return None
    try:
        return _READER.validate_json(text)
    except ValidationError:
        return None


def encode(kind: str, fields: Mapping[str, object]) -> str:
    """Return a message of *kind* for the browser as JSON."""
    return to_json({"k": kind, **fields}).decode()


def hello_message(viewer: str, ice: tuple[IceServer, ...], now_ms: int, *, documents: bool) -> str:
    """Return the first message to a browser: its viewer id, the ICE servers, the server's time.

    The browser needs the TURN credentials to connect. *documents*: there is a page of them.
    """
    listed = [_ice(each) for each in ice]
    fields = {"viewer": viewer, "ice": listed, "now_ms": now_ms, "documents": documents}
    return encode("hello", fields)


def ice_message(ice: tuple[IceServer, ...]) -> str:
    """Return a message with the ICE servers for sessions from now on: new credentials."""
    return encode("ice", {"ice": [_ice(each) for each in ice]})


def tick_message(now_ms: int) -> str:
    """Return a message that says nothing but that the server is alive, and its time."""
    return encode("tick", {"now_ms": now_ms})


def sites_message(views: tuple[SiteView, ...], gone: tuple[str, ...], *, full: bool) -> str:
    """Return a message with all sites (*full*) or the changed ones; *gone* are keys of removed."""
    return encode("sites", {"full": full, "sites": views, "gone": gone})


def broker_message(view: BrokerView) -> str:
    """Return a message that says whether the server is connected to the broker."""
    return encode("broker", {"up": view.up, "since_ms": view.since_ms})


def signalling_message(message: Answer | Bye | Refusal | SessionStats) -> str:
    """Return a gateway's signalling message for the browser."""
    sid = message.key.session
    match message:
        case Answer():
            return encode("answer", {"sid": sid, "sdp": message.sdp})
        case Bye():
            return encode("bye", {"sid": sid, "why": message.why})
        case Refusal():
            fields = {"code": message.code, "reason": message.reason, "detail": message.detail}
            return encode("error", {"sid": sid, **fields})
        case SessionStats():
            return encode("level", {"sid": sid, "level": message.level, "why": message.why})


def reason_texts_json() -> bytes:
    """Return every reason code with its text for operators, as JSON for the page."""
    return to_json(WORDING)


def _ice(server: IceServer) -> dict[str, object]:
    listed: dict[str, object] = {"urls": server.urls}
    if server.username is not None:
        listed["username"] = server.username
    if server.credential is not None:
        listed["credential"] = server.credential.get_secret_value()
    return listed
