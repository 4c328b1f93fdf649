"""Who sits before a browser, and the view tokens that the console issues for that person.

The console has no accounts. It takes the person from a header of a proxy that has logged them in,
and only from an address that the settings name, because anybody can send a header; or, where the
page is seen by one group only, from the settings. The token says which (``src``).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from aiohttp import web
from pydantic import SecretStr, TypeAdapter, ValidationError

from gateway.centre.viewing import TokenIssuer, load_viewing_key
from gateway.console.client_address import address_of
from gateway.console.settings import Viewing
from gateway.model.viewing import Actor

_ACTOR: TypeAdapter[str] = TypeAdapter(Actor)


@dataclass(frozen=True, slots=True)
class Person:
    """Who watches.

    Attributes:
        actor: Account or name.
        source: How the console knows: from its proxy, or from its settings.
    """

    actor: str
    source: Literal["proxy", "settings"]


def person_of(
    settings: Viewing, peer: str | None, headers: Sequence[str], proxies: frozenset[str]
) -> Person | None:
    """Return who has sent a request; None: the console does not know.

    Args:
        settings: Whether they or a proxy name the person.
        peer: Address of the other end of the connection.
        headers: Every value of the header that names the person.
        proxies: Addresses of trusted proxies.
    """
    if settings.actor is not None:
        return Person(settings.actor, "settings")
    if str(address_of(peer or "")) not in proxies or len(headers) != 1:
        return None
    try:
        return Person(_ACTOR.validate_python(unicodedata.normalize("NFC", headers[0])), "proxy")
    except ValidationError:
        return None


class PersonTokens:
    """The tokens of one person, for one browser.

    Args:
        issuer: Signs them; None: this console has no key.
        person: Who it is; None: nobody knows.
        purpose: What they watch for.
        viewer: Viewer id of the browser.
    """

    def __init__(
        self, issuer: TokenIssuer | None, person: Person | None, *, purpose: str, viewer: str
    ) -> None:
        self._issuer = issuer
        self._person = person
        self._purpose = purpose
        self._viewer = viewer

    @property
    def may_watch(self) -> bool:
        """Whether offers may be sent: with a token, or without where this console has no key."""
        return self._issuer is None or self._person is not None

    @property
    def max_s(self) -> int | None:
        """How long a viewing may last; None: this console has no key, and does not say."""
        return None if self._issuer is None else self._issuer.max_s

    def issue(self, *, province: str, gateway: str, camera: str) -> SecretStr | None:
        """Return a fresh token for *camera*; None: this console has no key."""
        if self._issuer is None or self._person is None:
            return None
        return self._issuer.issue(
            actor=self._person.actor,
            actor_source=self._person.source,
            purpose=self._purpose,
            province=province,
            gateway=gateway,
            camera=camera,
            viewer=self._viewer,
        )


class ViewTokens:
    """Issues the tokens of all browsers.

    Args:
        settings: Key, persons, purpose.
        issuer: Id of this console.

        proxies: Addresses of trusted proxies.

    Raises:
        ConfigRejected: The key cannot be used.
    """

    def __init__(self, settings: Viewing, *, issuer: str, proxies: frozenset[str]) -> None:
        self._settings = settings
        self._proxies = proxies
        self._issuer = None
        if settings.key is not None:
            key = load_viewing_key(settings.key)
            self._issuer = TokenIssuer(key, issuer=issuer, max_s=settings.max_s)

    def of(self, request: web.Request, viewer: str) -> PersonTokens:
        """Return the tokens of whoever has sent *request*, for the browser *viewer*."""
        name = self._settings.header
        headers = [] if name is None else request.headers.getall(name, [])
        person = person_of(self._settings, request.remote, headers, self._proxies)
        return PersonTokens(self._issuer, person, purpose=self._settings.purpose, viewer=viewer)
