"""Who the console takes a person for, and the tokens that it issues for them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.centre.viewing import TokenIssuer
from gateway.config.signing import Keyring
from gateway.console import signalling
from gateway.console.settings import Viewing
from gateway.console.view_tokens import Person, PersonTokens, ViewTokens, person_of
from gateway.model.errors import ConfigRejected
from gateway.model.signalling import Answer, Bye, Extend, Offer, SessionKey
from gateway.viewing.token import ViewClaims, verify
from tests.fixtures.clock import HANG_S
from tests.fixtures.viewing import NOW_S, key_in
from tests.unit.console.centre import TOPICS
from tests.unit.console.test_signalling import OFFER, VIEWER, Harness

PROXIES = frozenset({"127.0.0.1", "10.7.3.4"})
AN = Person("an.nguyen@trungtam.example", "proxy")


def behind_proxy(**changed: Any) -> Viewing:
    return Viewing(**{"key": Path("view-a.key"), "header": "X-Forwarded-User", **changed})


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.7.3.4", "::ffff:10.7.3.4"])
def test_a_trusted_proxy_names_the_person(peer: str) -> None:
    """By its header, and from its address."""
    assert person_of(behind_proxy(), peer, [AN.actor], PROXIES) == AN


@pytest.mark.parametrize("peer", ["10.8.0.1", "::1", "localhost", "", None])
def test_nobody_else_names_anybody(peer: str | None) -> None:
    """Whoever reaches the console past the proxy can send any header."""
    assert person_of(behind_proxy(), peer, [AN.actor], PROXIES) is None


@pytest.mark.parametrize(
    "headers",
    [[], [""], ["an", "binh"], ["an\u202e"], [" an"], ["a" * 129], ["an\udcff"], ["an\x7f"]],
)
def test_a_doubtful_header_names_nobody(headers: list[str]) -> None:
    """None, two, or one that cannot be shown as it is."""
    assert person_of(behind_proxy(), "127.0.0.1", headers, PROXIES) is None


def test_a_name_is_taken_in_its_normal_form() -> None:
    """Else the list of revoked people would not find it."""
    person = person_of(behind_proxy(), "127.0.0.1", ["Nguye\u0302\u0303n"], PROXIES)

    assert person == Person("Nguyễn", "proxy")


def test_the_settings_may_name_the_person() -> None:
    """Then no header counts, and the token says where it is from."""
    settings = Viewing(key=Path("view-a.key"), actor="Phòng trực")

    assert person_of(settings, "127.0.0.1", ["somebody"], PROXIES) == Person(
        "Phòng trực", "settings"
    )


@pytest.mark.parametrize("who", [{}, {"actor": "an", "header": "X-User"}, {"actor": "an\u202e"}])
def test_the_settings_must_say_who_watches(who: dict[str, Any]) -> None:
    """One way, not none and not two."""
    with pytest.raises(ValidationError):
        Viewing(key=Path("view-a.key"), **who)


def test_a_key_for_something_else_is_refused(tmp_path: Path) -> None:
    """At the start, not with the first viewer."""
    key_in(tmp_path, "cfg-2026a")

    with pytest.raises(ConfigRejected, match="view-"):
        ViewTokens(
            Viewing(key=tmp_path / "cfg-2026a.key", actor="an"), issuer="console", proxies=PROXIES
        )


class Issuing:
    """A browser whose console has a key."""

    def __init__(self, folder: Path, person: Person | None = AN, max_s: int = 3600) -> None:
        key = key_in(folder)
        issuer = TokenIssuer(key, issuer="console", max_s=max_s, wall_ms=lambda: NOW_S * 1000)
        self.keys = Keyring(folder)
        tokens = PersonTokens(issuer, person, purpose="giám sát", viewer=VIEWER)
        self.harness = Harness(0.01, tokens)

    def claims_in(self, said: object) -> ViewClaims:
        """Return the claims of the token in *said*, as its gateway reads them."""
        assert isinstance(said, Offer | Extend)
        assert said.token is not None
        return verify(
            said.token.get_secret_value(),
            self.keys,
            audience=f"{TOPICS.province}/{TOPICS.gateway}",
            camera="c01",
            viewer=VIEWER,
            now_s=NOW_S,
        )


async def test_every_sending_of_an_offer_has_a_token_of_its_own(tmp_path: Path) -> None:
    """The answer to the first may have been lost, and its token used up."""
    browser = Issuing(tmp_path)
    async with asyncio.TaskGroup() as group:
        browser.harness.signalling.handle_browser_message(OFFER, group)

    offers = [each for each in browser.harness.sent() if isinstance(each, Offer)]
    claims = [browser.claims_in(each) for each in offers]
    assert len({each.token_id for each in claims}) == len(claims) == 3
    assert {(each.actor, each.actor_source, each.purpose) for each in claims} == {
        ("an.nguyen@trungtam.example", "proxy", "giám sát")
    }


async def test_nobody_watches_without_a_name(tmp_path: Path) -> None:
    """The page is told so; nothing is sent to the gateway."""
    browser = Issuing(tmp_path, person=None)
    async with asyncio.TaskGroup() as group:
        browser.harness.signalling.handle_browser_message(OFFER, group)

    assert browser.harness.sent() == []
    assert browser.harness.received[0]["code"] == 403
    assert browser.harness.received[0]["reason"] == "VIEW_NOT_ALLOWED"


async def test_a_viewing_is_renewed_with_a_fresh_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its time is over, for as long as the browser watches."""
    monkeypatch.setattr(signalling, "RENEW_BEFORE_S", 3599.99)
    browser = Issuing(tmp_path)
    harness = browser.harness
    async with asyncio.TaskGroup() as group:
        harness.signalling.handle_browser_message(OFFER, group)
        harness.signalling.handle_gateway_message(
            TOPICS, Answer(SessionKey(VIEWER, "session-1"), "v")
        )
        async with asyncio.timeout(HANG_S):
            while len(harness.bus.posted) < 3:  # noqa: ASYNC110 (looks at what has no event)
                await asyncio.sleep(0.01)
        harness.signalling.close()

    offer, *extends, bye = harness.sent()
    assert isinstance(offer, Offer)
    assert isinstance(bye, Bye)
    ids = [browser.claims_in(each).token_id for each in extends]
    assert len(set(ids)) == len(ids) >= 2


async def test_a_token_is_shown_to_no_browser(tmp_path: Path) -> None:
    """It is for the gateway."""
    browser = Issuing(tmp_path)
    async with asyncio.TaskGroup() as group:
        browser.harness.signalling.handle_browser_message(OFFER, group)

    offer = browser.harness.sent()[0]
    assert isinstance(offer, Offer)
    assert offer.token is not None
    assert offer.token.get_secret_value() not in json.dumps(browser.harness.received)
