"""Credentials made from a shared secret."""

from __future__ import annotations

from pydantic import SecretStr

from gateway.model.signalling import IceServer
from gateway.runtime.turn_credentials import LIFETIME_S, ConfiguredIceServer

URLS = ("turn:turn.example:3478",)
NOW_MS = 1_764_000_000_123


def test_a_credential_is_that_of_the_turn_rest_api() -> None:
    """``printf 1764003600:v-op17 | openssl dgst -sha1 -hmac north -binary | base64``."""
    configured = ConfiguredIceServer(IceServer(URLS), SecretStr("north"))

    server = configured.usable_by("v-op17", now_ms=NOW_MS)

    assert server.urls == URLS
    assert server.username == "1764003600:v-op17"
    assert server.credential is not None
    assert server.credential.get_secret_value() == "qYM07sCJIcDdXQrrz0N+2e8q5/U="


def test_a_credential_lasts_an_hour_at_most() -> None:
    """Whoever reads it on the way has it no longer than that."""
    assert LIFETIME_S <= 3_600


def test_without_a_shared_secret_a_server_is_as_it_was_configured() -> None:
    """STUN has no credentials; a TURN server may have fixed ones."""
    fixed = IceServer(URLS, "u", SecretStr("p"))

    assert ConfiguredIceServer(fixed).usable_by("v", now_ms=NOW_MS) is fixed


def test_a_shared_secret_is_not_shown() -> None:
    """Neither in a repr nor in what goes to a browser."""
    configured = ConfiguredIceServer(IceServer(URLS), SecretStr("canary"))

    assert "canary" not in repr(configured)
    assert "canary" not in repr(configured.usable_by("v", now_ms=NOW_MS))
