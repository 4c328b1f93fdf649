"""View tokens: the centre's word that a person may begin to watch one camera now.

A token is a JSON Web Token, signed with Ed25519, of at most `TOKEN_BYTES`. It is for one camera of
one gateway, is good for at most `START_S` seconds, and is used once. Its header holds exactly
``alg`` (``EdDSA``), ``typ`` (`TYPE`) and ``kid``, the id of a key whose purpose is viewing
(``view-2026a``): a key for configurations or commands signs no token.

Sources: RFC 7519 (JWT), RFC 7515 (JWS), RFC 8037 (EdDSA), RFC 8725 (best practices).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Annotated, Literal, NoReturn

from jwt import InvalidTokenError, PyJWS
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.config.signing import Keyring, SigningKey
from gateway.model.errors import MessageRejected, TransientError, ViewerRejected
from gateway.model.names import CameraId
from gateway.model.reasons import Reason
from gateway.model.viewing import Actor, Purpose
from gateway.runtime import strict_json
from gateway.runtime.strict_json import StrictJsonError

TYPE = "camera-view+jwt"
"""``typ`` of every token, so that no other JWT of the centre passes for one (RFC 8725 §3.11)."""

TOKEN_BYTES = 3072
"""Largest token: claims within their bounds always fit. One of the console has about 600."""

START_S = 60
"""Longest time between issue and expiry: within it the viewing must begin."""

MAX_VIEWING_S = 86_400
"""Longest viewing that a token may allow."""

SKEW_S = 30
"""By how much the clocks of issuer and gateway may differ, unless the settings say otherwise."""

VALUES = 64
"""Most JSON values in the header or the claims."""

_ALGORITHM = "EdDSA"
_SHAPE = re.compile(r"([A-Za-z0-9_-]{2,512})\.[A-Za-z0-9_-]{2,2700}\.[A-Za-z0-9_-]{86}")
_JWS = PyJWS(algorithms=[_ALGORITHM])


_Second = Annotated[int, Field(ge=0, lt=2**40)]


class ViewClaims(BaseModel):
    """The claims of a token. Others are ignored (RFC 7519 §4).

    Attributes:
        issuer: Who has issued it, e.g. the console's client id.
        actor: Who may watch.
        actor_source: How the issuer knows the actor: from a trusted proxy, or from its settings.
        audience: The gateway, ``{province}/{gateway id}``.
        camera: Camera id at that gateway.
        viewer: Viewer id of the signalling that the token is bound to; None: to none.
        purpose: What for.
        issued_s: Second since 1970, by the issuer's clock.
        not_before_s: From then on it is good.
        expires_s: Then it is no longer; at most `START_S` after `issued_s`.
        max_s: How long the viewing may last from its beginning.
        token_id: Unique; a token is used once.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        strict=True,
        populate_by_name=True,
        hide_input_in_errors=True,
        defer_build=True,
    )

    issuer: Annotated[str, Field(alias="iss", pattern=r"^[a-z0-9-]{1,40}$")]
    actor: Annotated[Actor, Field(alias="sub")]
    actor_source: Annotated[Literal["proxy", "settings"], Field(alias="src")]
    audience: Annotated[str, Field(alias="aud", pattern=r"^[0-9]{2}/[a-z0-9-]{4,40}$")]
    camera: Annotated[CameraId, Field(alias="cam")]
    viewer: Annotated[str | None, Field(alias="vid", pattern=r"^v-[a-z0-9-]{1,40}$")] = None
    purpose: Annotated[Purpose, Field(alias="pur")]
    issued_s: Annotated[_Second, Field(alias="iat")]
    not_before_s: Annotated[_Second, Field(alias="nbf")]
    expires_s: Annotated[_Second, Field(alias="exp")]
    max_s: Annotated[int, Field(alias="max", ge=1, le=MAX_VIEWING_S)]
    token_id: Annotated[str, Field(alias="jti", pattern=r"^[A-Za-z0-9_-]{16,64}$")]


def encode(claims: ViewClaims, key: SigningKey) -> str:
    """Return the token of *claims*, signed with *key*.

    Raises:
        ValueError: The key is not for viewing.
    """
    if not key.key_id.startswith("view-"):
        raise ValueError(f"{key.key_id} is no key for view tokens: its id begins with view-")
    body = claims.model_dump_json(by_alias=True, exclude_none=True).encode()
    headers = {"typ": TYPE, "kid": key.key_id}
    return _JWS.encode(body, key.private, algorithm=_ALGORITHM, headers=headers)


def verify(
    token: str,
    keys: Keyring,
    *,
    audience: str,
    camera: str,
    viewer: str,
    now_s: float,
    skew_s: float = SKEW_S,
) -> ViewClaims:
    """Return the claims of *token*, which somebody gives to watch *camera*.

    Whether it has been used before, and whether its actor is revoked, is not looked at here. Size
    and shape are checked before anything is decoded, the key's id before the signature.

    Args:
        token: As received.
        keys: The keys that this gateway trusts.
        audience: This gateway, ``{province}/{gateway id}``.
        camera: Which camera is asked for.
        viewer: Viewer id of the signalling topic that it came on.
        now_s: Seconds since 1970.
        skew_s: By how much the issuer's clock may differ.

    Raises:
        ViewerRejected: 503, no descriptor is free to read the key with; else 403, and its detail
            begins with a code: ``token.form``, ``token.alg``,
            ``token.type``, ``token.key``, ``token.sig``, ``token.claims``, ``token.gateway``,
            ``token.camera``, ``token.viewer``, ``token.lifetime``, ``token.early`` or
            ``token.expired``.
    """
    shape = None if len(token) > TOKEN_BYTES else _SHAPE.fullmatch(token)
    if shape is None:
        reject("token.form", f"it is no signed JWT of at most {TOKEN_BYTES} bytes")
    key_id = _key_id_of(_parse(_segment(shape[1])))
    try:
        key = keys.public_key(key_id, "view")
    except MessageRejected as error:
        reject("token.key", error.faults[0].message)
    except TransientError as error:
        raise ViewerRejected(503, error.reason, error.detail) from None
    try:
        body = _JWS.decode(token, key, algorithms=[_ALGORITHM])
    except InvalidTokenError:
        reject("token.sig", "the signature does not fit")
    claims = _claims_of(body)
    _check_binding(claims, audience=audience, camera=camera, viewer=viewer)
    _check_times(claims, now_s, skew_s)
    return claims


def reject(
    code: str, message: str, reason: Reason = Reason.VIEW_NOT_ALLOWED, *, status: int = 403
) -> NoReturn:
    """Raise ViewerRejected with *code* at the beginning of its detail."""
    raise ViewerRejected(status, reason, f"{code}: {message}")


def _segment(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        reject("token.form", "a part of it is not base64url")


def _parse(raw: bytes) -> Mapping[str, object]:
    try:
        parsed = strict_json.parse(
            raw, max_bytes=TOKEN_BYTES, max_values=VALUES, control_characters=True
        )
    except StrictJsonError as error:
        reject("token.form", error.flaw.message)
    if parsed.flaws or not isinstance(parsed.tree, dict):
        reject("token.form", "a part of it is no object of strict JSON")
    return parsed.tree


def _key_id_of(header: Mapping[str, object]) -> str:
    if header.get("alg") != _ALGORITHM:
        reject("token.alg", f"the algorithm must be {_ALGORITHM}")
    if header.get("typ") != TYPE:
        reject("token.type", f"typ must be {TYPE}")
    key_id = header.get("kid")
    if set(header) != {"alg", "typ", "kid"} or not isinstance(key_id, str):
        reject("token.form", "the header must hold alg, typ and kid, and nothing else")
    return key_id


def _claims_of(body: bytes) -> ViewClaims:
    try:
        return ViewClaims.model_validate_json(strict_json.dumps(_parse(body)))
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = "/".join(str(step)[:16] for step in wrong["loc"])
        reject("token.claims", f"{where}: {wrong['msg']}")


def _check_binding(claims: ViewClaims, *, audience: str, camera: str, viewer: str) -> None:
    if claims.audience != audience:
        reject("token.gateway", "it is for another gateway")
    if claims.camera != camera:
        reject("token.camera", "it is for another camera")
    if claims.viewer is not None and claims.viewer != viewer:
        reject("token.viewer", "it is for another viewer")


def _check_times(claims: ViewClaims, now_s: float, skew_s: float) -> None:
    if not claims.issued_s <= claims.not_before_s < claims.expires_s:
        reject("token.lifetime", "iat, nbf and exp must follow each other")
    if claims.expires_s - claims.issued_s > START_S:
        reject("token.lifetime", f"it may be good for {START_S} s at most")
    expired = Reason.VIEW_TOKEN_EXPIRED
    if now_s + skew_s < claims.not_before_s:
        ahead_s = round(claims.not_before_s - now_s)
        reject("token.early", f"it is good in {ahead_s} s only, by this gateway's clock", expired)
    if now_s - skew_s >= claims.expires_s:
        late_s = round(now_s - claims.expires_s)
        reject("token.expired", f"it was good until {late_s} s ago by our clock", expired)
