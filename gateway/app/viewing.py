"""Builds what decides who may watch: keys, used tokens, revoked people."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from gateway.config.settings import Settings
from gateway.config.signing import Keyring
from gateway.model.viewing import ViewingPermit
from gateway.ports import Clock, Events
from gateway.runtime.trusted_time import TrustedTime
from gateway.viewing.admission import TokenAdmission
from gateway.viewing.revocation import RevocationListener, Revocations
from gateway.viewing.used_tokens import UsedTokens

USED_TOKENS, REVOKED = "viewing.db", "revoked.json"
"""In the state folder."""


@dataclass(frozen=True, slots=True)
class ViewingComponents:
    """What has been built.

    Attributes:
        admission: Decides about each viewer.
        used_tokens: Those that have been used.
        revocation: Takes the centre's lists of revoked people.
    """

    admission: TokenAdmission
    used_tokens: UsedTokens
    revocation: RevocationListener

    @property
    def components(self) -> tuple[Callable[[], Coroutine[None, None, None]], ...]:
        """What has to run."""
        return self.revocation.run, self.used_tokens.run


def viewing_components(
    settings: Settings,
    keys: Keyring,
    *,
    end_viewings: Callable[[Callable[[ViewingPermit], bool], str], int],
    events: Events,
    time: TrustedTime,
    clock: Clock,
) -> ViewingComponents:
    """Return what decides who may watch.

    Args:
        settings: Who we are, and whether tokens are required.
        keys: Trusted public keys.
        end_viewings: Ends the sessions whose permit is over.
        events: Is told what has been revoked.
        time: The wall clock as far as it can be trusted.
        clock: Monotonic.
    """
    folder, chosen = settings.state.dir, settings.webrtc

    def now_s() -> float:
        return time.now_ms() / 1000

    revocations = Revocations(folder / REVOKED, wall_ms=time.now_ms)
    used_tokens = UsedTokens(folder / USED_TOKENS, clock=clock, wall_s=now_s)
    admission = TokenAdmission(
        audience=f"{settings.gateway.province}/{settings.gateway.id}",
        keys=keys,
        used=used_tokens,
        is_revoked=revocations.is_revoked,
        required=chosen.require_token,
        skew_s=chosen.token_skew_s,
        wall_s=now_s,
    )
    admission.warn_if_nobody_may_watch()
    listener = RevocationListener(
        revocations,
        verify=lambda tree: keys.verify(tree, "view"),
        end_viewings=end_viewings,
        events=events,
        clock=clock,
    )
    return ViewingComponents(admission, used_tokens, listener)
