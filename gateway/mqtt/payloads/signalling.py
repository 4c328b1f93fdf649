"""Signalling on the wire: what a viewer and a gateway say to each other, both directions.

One topic per direction and session; who speaks stands in the topic, not in the payload. ``s``
numbers the sender's messages, so that a message delivered twice is known for what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal, TypeVar

from pydantic import Field, SecretStr, TypeAdapter, ValidationError

from gateway.model.errors import MessageRejected
from gateway.model.quality import ViewLevel
from gateway.model.reasons import Reason
from gateway.model.signalling import (
    Answer,
    Bye,
    Candidates,
    Extend,
    Offer,
    Refusal,
    RemoteCandidate,
    SessionKey,
    SessionStats,
)
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.codec import PAYLOAD_BYTES, WireDocument, decode_tree, encode, faults_of
from gateway.mqtt.payloads.numbers import Amount, Count, TimeMs
from gateway.mqtt.payloads.presence import EncodedPayload
from gateway.runtime.strict_json import dumps

ViewerMessage = Offer | Candidates | Extend | Bye
GatewayMessage = Answer | Bye | Refusal | SessionStats

T = TypeVar("T")

_Sdp = Annotated[str, Field(min_length=1, max_length=32_768)]
_Seconds = Annotated[float, Field(gt=0, le=86_400)]
_Text = Annotated[str, Field(max_length=1000)]
_Token = Annotated[SecretStr, Field(max_length=3072)]


class _Ice(WireDocument):
    """Read until contract 1.2 and not used: a gateway's servers stand in its settings."""

    urls: Annotated[tuple[Annotated[str, Field(max_length=256)], ...], Field(max_length=8)]
    username: Annotated[str, Field(max_length=256)] | None = None
    credential: Annotated[SecretStr, Field(max_length=512)] | None = None


class _Candidate(WireDocument):
    candidate: Annotated[str, Field(max_length=512)]
    mid: Annotated[str | None, Field(alias="sdpMid", max_length=64)] = None


class _Message(WireDocument):
    number: Annotated[Count, Field(alias="s")] = 0
    time_ms: Annotated[TimeMs | None, Field(alias="t")] = None
    epoch: Annotated[Count | None, Field(alias="ep")] = None


class _Offer(_Message):
    k: Literal["offer"] = "offer"
    sdp: _Sdp
    camera: Annotated[str, Field(alias="cam", max_length=64)]
    profile: Literal["main", "sub"] | None = None
    ice: Annotated[
        tuple[_Ice, ...], Field(max_length=8, json_schema_extra={"deprecated": True})
    ] = ()
    relay_only: bool = False
    lifetime_s: Annotated[_Seconds | None, Field(alias="exp_s")] = None
    token: _Token | None = None
    slate: bool = True

    def value(self, key: SessionKey) -> Offer:
        return Offer(
            key,
            self.camera,
            self.sdp,
            self.profile,
            self.relay_only,
            self.lifetime_s,
            self.token,
            ice_offered=bool(self.ice),
            slate=self.slate,
        )


class _Candidates(_Message):
    k: Literal["cand"] = "cand"
    candidates: Annotated[tuple[_Candidate, ...], Field(alias="c", max_length=512)] = ()
    end: bool = False

    def value(self, key: SessionKey) -> Candidates:
        listed = [RemoteCandidate(each.candidate, each.mid) for each in self.candidates]
        return Candidates(key, (*listed, RemoteCandidate(None)) if self.end else tuple(listed))


class _Extend(_Message):
    k: Literal["extend"] = "extend"
    lifetime_s: Annotated[_Seconds, Field(alias="exp_s")]
    token: _Token | None = None

    def value(self, key: SessionKey) -> Extend:
        return Extend(key, self.lifetime_s, self.token)


class _Bye(_Message):
    k: Literal["bye"] = "bye"
    why: Annotated[str, Field(max_length=64)] = ""

    def value(self, key: SessionKey) -> Bye:
        return Bye(key, self.why)


class _Answer(_Message):
    k: Literal["answer"] = "answer"
    sdp: _Sdp

    def value(self, key: SessionKey) -> Answer:
        return Answer(key, self.sdp)


class _Error(_Message):
    k: Literal["error"] = "error"
    code: Annotated[int, Field(ge=400, le=599)]
    why: Reason
    detail: _Text = ""

    def value(self, key: SessionKey) -> Refusal:
        return Refusal(key, self.code, self.why, self.detail)


class _Stats(_Message):
    k: Literal["stats"] = "stats"
    kbps: Amount
    loss_percent: Annotated[Amount, Field(alias="loss_p")] = 0.0
    round_trip_ms: Annotated[Amount | None, Field(alias="rtt_ms")] = None
    dropped_units: Annotated[Count, Field(alias="drop")] = 0
    level: ViewLevel | None = None
    why: Reason | None = None
    slate: Reason | None = None

    def value(self, key: SessionKey) -> SessionStats:
        return SessionStats(
            key,
            self.kbps,
            self.loss_percent,
            self.round_trip_ms,
            self.dropped_units,
            self.level,
            self.why,
            self.slate,
        )


VIEWER_MESSAGES: TypeAdapter[_Offer | _Candidates | _Extend | _Bye] = TypeAdapter(
    Annotated[_Offer | _Candidates | _Extend | _Bye, Field(discriminator="k")]
)
GATEWAY_MESSAGES: TypeAdapter[_Answer | _Bye | _Error | _Stats] = TypeAdapter(
    Annotated[_Answer | _Bye | _Error | _Stats, Field(discriminator="k")]
)


def decode_viewer_message(key: SessionKey, payload: bytes, content_type: str) -> ViewerMessage:
    """Read what a viewer says in session *key*. Raises MessageRejected."""
    return _decode(VIEWER_MESSAGES, payload, content_type).value(key)


def decode_gateway_message(key: SessionKey, payload: bytes, content_type: str) -> GatewayMessage:
    """Read what a gateway says in session *key*. Raises MessageRejected."""
    return _decode(GATEWAY_MESSAGES, payload, content_type).value(key)


def encode_viewer_message(stamp: Stamp, said: ViewerMessage) -> EncodedPayload:
    """Write what a viewer says; ICE servers of an offer are not written any more."""
    match said:
        case Offer():
            return _encoded(stamp, "offer", _offer(said))
        case Candidates():
            return _encoded(stamp, "cand", _candidates(said))
        case Extend():
            body = {"exp_s": said.lifetime_s, "token": _plain(said.token)}
            return _encoded(stamp, "extend", body)
        case Bye():
            return _encoded(stamp, "bye", {"why": said.why[:64]})


def encode_gateway_message(stamp: Stamp, said: GatewayMessage) -> EncodedPayload:
    """Write what a gateway says."""
    match said:
        case Answer():
            return _encoded(stamp, "answer", {"sdp": said.sdp})
        case Bye():
            return _encoded(stamp, "bye", {"why": said.why[:64]})
        case Refusal():
            body = {"code": said.code, "why": said.reason.value, "detail": said.detail[:1000]}
            return _encoded(stamp, "error", body)
        case SessionStats():
            return _encoded(stamp, "stats", _stats(said))


def _decode(reader: TypeAdapter[T], payload: bytes, content_type: str) -> T:
    try:
        tree = decode_tree(
            payload, content_type, unpacked_bytes=PAYLOAD_BYTES
        )  # no more than in plain
        return reader.validate_json(dumps(tree), strict=True)
    except ValidationError as error:
        # pydantic puts the kind in front of the place, which is not in the payload
        faults = (replace(each, at=each.at[each.at.find("/", 1) :]) for each in faults_of(error))
        raise MessageRejected(tuple(faults)) from None


def _encoded(stamp: Stamp, kind: str, body: Mapping[str, object]) -> EncodedPayload:
    head = {"k": kind, "s": stamp.number, "t": stamp.time_ms, "ep": stamp.epoch}
    return encode({**head, **{key: value for key, value in body.items() if value is not None}})


def _offer(offer: Offer) -> dict[str, object]:
    return {
        "sdp": offer.sdp,
        "cam": offer.camera,
        "profile": offer.profile,
        "relay_only": offer.relay_only or None,
        "exp_s": offer.lifetime_s,
        "token": _plain(offer.token),
        "slate": None if offer.slate else False,
    }


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def _candidates(batch: Candidates) -> dict[str, object]:
    listed = [
        {"candidate": each.candidate, **({"sdpMid": each.mid} if each.mid is not None else {})}
        for each in batch.candidates
        if each.candidate is not None
    ]
    return {"c": listed or None, "end": len(listed) < len(batch.candidates) or None}


def _stats(stats: SessionStats) -> dict[str, object]:
    return {
        "kbps": round(stats.kbps, 1),
        "loss_p": round(stats.loss_percent, 2),
        "rtt_ms": stats.round_trip_ms,
        "drop": stats.dropped_units,
        "level": stats.level,
        "why": stats.why,
        "slate": stats.slate,
    }
