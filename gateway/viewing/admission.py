"""Admits viewers by their tokens: verified, not used before, and not of a revoked person."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import structlog
from pydantic import SecretStr

from gateway.config.signing import Keyring
from gateway.model.errors import ViewerRejected
from gateway.model.reasons import Reason
from gateway.model.signalling import Extend, Offer
from gateway.model.viewing import ViewingPermit
from gateway.ports import Admit
from gateway.viewing.token import ViewClaims, reject, verify
from gateway.viewing.used_tokens import UsedTokens

log = structlog.get_logger(__name__)


class TokenAdmission:
    """Implements `gateway.ports.ViewingAuthority` with view tokens.

    Args:
        audience: This gateway, ``{province}/{gateway id}``.
        keys: The keys that it trusts.
        used: The tokens that have been used.
        is_revoked: Whether the right of an actor is revoked.
        required: Whether an offer without a token is refused. If it is not, one with a token of a
            key that is not trusted here counts as one without.
        skew_s: By how much the issuer's clock may differ.
        wall_s: Seconds since 1970.
    """

    def __init__(
        self,
        *,
        audience: str,
        keys: Keyring,
        used: UsedTokens,
        is_revoked: Callable[[str], bool],
        required: bool,
        skew_s: float,
        wall_s: Callable[[], float],
    ) -> None:
        self._audience = audience
        self._keys = keys
        self._used = used
        self._is_revoked = is_revoked
        self._required = required
        self._skew_s = skew_s
        self._wall_s = wall_s

    def warn_if_nobody_may_watch(self) -> None:
        """Log it if tokens are required and no key is trusted that could sign one."""
        if self._required and not self._keys.has_key_for("view"):
            wanted = self._keys.folder / "view-*.pem"
            log.warning("viewing_key_missing", detail=f"nobody may watch: there is no {wanted}")

    def check(self, offer: Offer) -> Admit:
        """See `gateway.ports.ViewingAuthority`; only whether its token is used is not looked at.

        Raises:
            ViewerRejected: 403.
        """
        claims = self._claims_of(offer)
        if claims is None:
            return _admit_anybody
        self._check_revocation(claims.actor)
        return partial(self._use, claims)

    async def renew(self, extend: Extend, camera: str, permit: ViewingPermit) -> ViewingPermit:
        """See `gateway.ports.ViewingAuthority`.

        Without a token, or with the one in use, which came twice, the permit stays as it is: the
        viewing lasts no longer than it allowed from the beginning.

        Raises:
            ViewerRejected: 403: also ``token.actor``: the token is for somebody else.
        """
        self._check_revocation(permit.actor)
        if extend.token is None:
            return permit
        claims = self._verified(extend.token, camera, extend.key.viewer)
        if claims is None or claims.token_id == permit.token_id:
            return permit
        if claims.actor != permit.actor:
            reject("token.actor", "it is for another person than the one who watches")
        return await self._use(claims)

    def _claims_of(self, offer: Offer) -> ViewClaims | None:
        """Return the claims of an offer's token; None: it needs none and has none that counts."""
        if offer.token is None:
            if self._required:
                reject("token.missing", "the offer has no view token")
            return None
        return self._verified(offer.token, offer.camera, offer.key.viewer)

    def _verified(self, token: SecretStr, camera: str, viewer: str) -> ViewClaims | None:
        """Return the claims; None: nobody here knows the key, and no token is required."""
        try:
            return verify(
                token.get_secret_value(),
                self._keys,
                audience=self._audience,
                camera=camera,
                viewer=viewer,
                now_s=self._wall_s(),
                skew_s=self._skew_s,
            )
        except ViewerRejected as error:
            if self._required or not error.detail.startswith("token.key:"):
                raise
        return None

    async def _use(self, claims: ViewClaims) -> ViewingPermit:
        self._check_revocation(claims.actor)
        await self._used.use(claims)
        self._check_revocation(claims.actor)  # it may have come while the disk was waited for
        return ViewingPermit(
            actor=claims.actor,
            actor_source=claims.actor_source,
            purpose=claims.purpose,
            token_id=claims.token_id,
            max_s=float(claims.max_s),
        )

    def _check_revocation(self, actor: str) -> None:
        if self._is_revoked(actor):
            reject("token.revoked", "this person may no longer watch", Reason.VIEW_REVOKED)


async def _admit_anybody() -> ViewingPermit:
    return ViewingPermit()
