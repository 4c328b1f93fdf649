"""Ephemeral TURN credentials: made from a secret shared with the server, valid for an hour at most.

Whoever reads one, in a browser's page or on the way, can relay with it for that hour and no longer;
the shared secret itself is never told to anybody.

Source: draft-uberti-behave-turn-rest-00 ("TURN REST API"), as coturn's ``use-auth-secret`` has it.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass

from pydantic import SecretStr

from gateway.model.signalling import IceServer

LIFETIME_S = 3_600
"""How long a credential is valid. An allocation that stands is refreshed beyond it."""


@dataclass(frozen=True, slots=True)
class ConfiguredIceServer:
    """A STUN or TURN server as the settings have it.

    Attributes:
        server: With its URLs, and fixed credentials if it has such.
        shared_secret: What the server's ``static-auth-secret`` is; None: no credentials are made.
    """

    server: IceServer
    shared_secret: SecretStr | None = None

    def usable_by(self, name: str, *, now_ms: int) -> IceServer:
        """Return the server with credentials for *name*, who may be told them.

        Args:
            name: The server counts its quota by it. Without ``:``.
            now_ms: Since 1970, UTC; the server's clock must not differ by much of an hour.
        """
        if self.shared_secret is None:
            return self.server
        username = f"{now_ms // 1_000 + LIFETIME_S}:{name}"
        key = self.shared_secret.get_secret_value().encode()
        password = base64.b64encode(hmac.digest(key, username.encode(), "sha1")).decode()
        return IceServer(self.server.urls, username, SecretStr(password))
