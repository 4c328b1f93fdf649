"""What browser and server say to each other over the WebSocket, as values.

A browser is never trusted: what it says is exact, bounded, and nothing else. What the server says
is written by `spoken`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import to_json

from gateway.console.views import BrokerView, SiteView
from gateway.model.names import CameraId, GatewayId, Profile, SessionId
from gateway.model.reason_texts import WORDING
from gateway.model.signalling import Answer, Bye, Candidates, IceServer, Refusal, RemoteCandidate
from gateway.model.site_document import Document

TEXT_BYTES = 49_152
"""Largest message of a browser; an offer of Chromium has about 6 kB."""


class CandidateText(Document):
    """One candidate as the browser spells it."""

    candidate: Annotated[str, StringConstraints(max_length=512)]
    mid: Annotated[str | None, Field(alias="sdpMid", max_length=64)] = None


class OfferMessage(Document):
    """The operator wants to watch *cam* of *gw*."""

    k: Literal["offer"]
    sid: SessionId
    gw: GatewayId
    cam: CameraId
    profile: Profile | None = None
    sdp: Annotated[str, StringConstraints(min_length=1, max_length=32_768)]


class CandidatesMessage(Document):
    """More candidates of a session; *end* says that there are no more."""

    k: Literal["cand"]
    sid: SessionId
    c: Annotated[tuple[CandidateText, ...], Field(max_length=32)] = ()
    end: bool = False

    def values(self) -> tuple[RemoteCandidate, ...]:
        """The candidates as the gateway gets them."""
        listed = tuple(RemoteCandidate(each.candidate, each.mid) for each in self.c)
        return (*listed, RemoteCandidate(None)) if self.end else listed


class ByeMessage(Document):
    """The operator has closed the picture."""

    k: Literal["bye"]
    sid: SessionId
    why: Annotated[str, StringConstraints(max_length=32, pattern=r"^[a-z]*$")] = "viewer"


BrowserMessage = OfferMessage | CandidatesMessage | ByeMessage

_READER: TypeAdapter[BrowserMessage] = TypeAdapter(
    Annotated[OfferMessage | CandidatesMessage | ByeMessage, Field(discriminator="k")]
)


def parse_browser_message(text: str) -> BrowserMessage | None:
    """Return what a browser says, or None if it is not one of its sentences."""
    if len(text) > TEXT_BYTES:
        return None
    try:
        return _READER.validate_json(text)
    except ValidationError:
        return None


def encode(kind: str, fields: Mapping[str, object]) -> str:
    """Return a message of *kind* to the browser."""
    return to_json({"k": kind, **fields}).decode()


def hello_message(viewer: str, ice: tuple[IceServer, ...], now_ms: int) -> str:
    """Greet a browser: who it is, how it reaches the gateways, what time it is.

    TURN credentials are for the browser, which cannot connect without them.
    """
    return encode(
        "hello", {"viewer": viewer, "ice": [_ice(each) for each in ice], "now_ms": now_ms}
    )


def sites_message(views: tuple[SiteView, ...], gone: tuple[str, ...], *, full: bool) -> str:
    """Tell the sites: all of them, or what has changed."""
    return encode("sites", {"full": full, "sites": views, "gone": gone})


def broker_message(view: BrokerView) -> str:
    """Tell whether the sites are heard."""
    return encode("broker", {"up": view.up, "since_ms": view.since_ms})


def signalling_message(said: Answer | Candidates | Bye | Refusal) -> str:
    """Tell what a gateway says in a session."""
    sid = said.key.session
    match said:
        case Answer():
            return encode("answer", {"sid": sid, "sdp": said.sdp})
        case Candidates():
            listed = [
                {"candidate": each.candidate, "sdpMid": each.mid}
                for each in said.candidates
                if each.candidate is not None
            ]
            return encode("cand", {"sid": sid, "c": listed})
        case Bye():
            return encode("bye", {"sid": sid, "why": said.why})
        case Refusal():
            fields = {"code": said.code, "reason": said.reason, "detail": said.detail}
            return encode("error", {"sid": sid, **fields})


def reason_texts_json() -> bytes:
    """Return the closed list of reasons with its sentences, as JSON for the page."""
    return to_json(WORDING)


def _ice(server: IceServer) -> dict[str, object]:
    listed: dict[str, object] = {"urls": server.urls}
    if server.username is not None:
        listed["username"] = server.username
    if server.credential is not None:
        listed["credential"] = server.credential.get_secret_value()
    return listed
