"""The centre's side of viewing: issues view tokens, and revokes people's right to watch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal

from pydantic import SecretStr, ValidationError

from gateway.centre.connection import CentreConnection
from gateway.config.signing import SigningKey, load_key, sign
from gateway.model.errors import BrokerUnavailable, ConfigRejected
from gateway.model.names import new_id
from gateway.model.reasons import Reason
from gateway.model.viewing import RevocationList
from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.payloads.codec import encode as encode_payload
from gateway.mqtt.payloads.codec import faults_of
from gateway.mqtt.payloads.viewing import parse_revocation, revocation_tree
from gateway.mqtt.topic_tree import REVOCATION
from gateway.mqtt.topics import build_message
from gateway.ports import InboundMessage
from gateway.runtime.clock import now_ms
from gateway.viewing.token import START_S, ViewClaims, encode


def load_viewing_key(path: Path) -> SigningKey:
    """Return the private key in the file *path*, which is for viewing.

    Raises:
        ConfigRejected: It cannot be read, others may read it, or it is for something else.
    """
    return load_key(path, "view")


class TokenIssuer:
    """Issues view tokens.

    Args:
        key: Private key for viewing.
        issuer: Who issues them, of a-z, 0-9 and hyphens.
        max_s: How long each viewing may last.
        wall_ms: Milliseconds since 1970.
    """

    def __init__(
        self,
        key: SigningKey,
        *,
        issuer: str,
        max_s: int,
        wall_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._key = key
        self._issuer = issuer
        self._wall_ms = wall_ms
        self.max_s = max_s

    def issue(
        self,
        *,
        actor: str,
        actor_source: Literal["proxy", "settings"],
        purpose: str,
        province: str,
        gateway: str,
        camera: str,
        viewer: str | None = None,
    ) -> SecretStr:
        """Return a token with which *actor* may begin to watch *camera*, within a minute.

        Args:
            actor: The person.
            actor_source: How we know them.
            purpose: What for.
            province: Of the gateway.
            gateway: Its id.
            camera: Camera id at that gateway.
            viewer: Viewer id that the token is bound to; None: to none.

        Raises:
            ConfigRejected: One of them cannot stand in a token.
        """
        now_s = self._wall_ms() // 1000
        try:
            claims = ViewClaims(
                issuer=self._issuer,
                actor=actor,
                actor_source=actor_source,
                audience=f"{province}/{gateway}",
                camera=camera,
                viewer=viewer,
                purpose=purpose,
                issued_s=now_s,
                not_before_s=now_s,
                expires_s=now_s + START_S,
                max_s=self.max_s,
                token_id=new_id(),
            )
        except ValidationError as error:
            raise ConfigRejected(faults_of(error)) from None
        return SecretStr(encode(claims, self._key))


def sign_revocation(
    actors: Iterable[str], key: SigningKey, *, issued_ms: int | None = None
) -> dict[str, object]:
    """Return the signed list of everybody in *actors*, issued now unless said otherwise.

    Raises:
        MessageRejected: The list is too long, or one of them cannot be an actor.
    """
    listed = RevocationList(now_ms() if issued_ms is None else issued_ms, tuple(actors))
    tree = sign(revocation_tree(listed), key)
    parse_revocation(tree)
    return tree


async def publish_revocation(
    address: BrokerAddress, tree: Mapping[str, object], *, within_s: float
) -> None:
    """Publish the signed list *tree* at the broker of *address*, which retains it.

    Returns once the broker delivers it back.

    Raises:
        BrokerUnavailable: The broker does not accept us or the list, or is silent for *within_s*.
    """
    encoded = encode_payload(tree)
    message = build_message(REVOCATION, REVOCATION.name, encoded)
    delivered = asyncio.Event()

    def compare(received: InboundMessage) -> None:
        if received.payload == message.payload:
            delivered.set()

    connection = CentreConnection(
        address,
        name="viewing",
        subscriptions=(REVOCATION.name,),
        on_message=compare,
        greeting=(message,),
    )
    try:
        async with asyncio.timeout(within_s), connection.opened():
            await delivered.wait()
    except TimeoutError:
        detail = f"the broker has not delivered {REVOCATION.name} back"
        raise BrokerUnavailable(Reason.TIMEOUT, detail) from None
