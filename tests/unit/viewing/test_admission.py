"""Who is admitted: with a good token, once, while the centre has not revoked their right."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import SecretStr

from gateway.config.signing import Keyring, Purpose, SigningKey
from gateway.model.errors import ViewerRejected
from gateway.model.reasons import Reason
from gateway.model.signalling import Extend, Offer, SessionKey
from gateway.model.viewing import ViewingPermit
from gateway.viewing.admission import TokenAdmission
from gateway.viewing.token import encode
from gateway.viewing.used_tokens import UsedTokens
from tests.fixtures.clock import FakeClock
from tests.fixtures.viewing import NOW_S, key_in, view_claims

KEY = SessionKey("v-a1", "session-1")
OTHER = "b" * 26


class Entrance:
    """The admission of the gateway 24/bacninh-01, and the key that it trusts."""

    def __init__(self, folder: Path, *, required: bool = True) -> None:
        self.key = key_in(folder / "trusted")
        self.revoked: set[str] = set()
        self.used = UsedTokens(folder / "viewing.db", clock=FakeClock(), wall_s=lambda: NOW_S)
        self.admission = TokenAdmission(
            audience="24/bacninh-01",
            keys=Keyring(folder / "trusted"),
            used=self.used,
            is_revoked=lambda actor: actor in self.revoked,
            required=required,
            skew_s=30,
            wall_s=lambda: NOW_S,
        )

    def token(self, key: SigningKey | None = None, **changed: Any) -> SecretStr:
        return SecretStr(encode(view_claims(**changed), key or self.key))

    async def admit(self, token: SecretStr | None) -> ViewingPermit:
        return await self.admission.check(Offer(KEY, "c01", "v=0", token=token))()

    async def renew(self, token: SecretStr | None, permit: ViewingPermit) -> ViewingPermit:
        return await self.admission.renew(Extend(KEY, 60, token), "c01", permit)


@pytest.fixture
def entrance(tmp_path: Path) -> Iterator[Entrance]:
    made = Entrance(tmp_path)
    yield made
    made.used.close()


@pytest.fixture
def open_entrance(tmp_path: Path) -> Iterator[Entrance]:
    """Where no token is required."""
    made = Entrance(tmp_path, required=False)
    yield made
    made.used.close()


async def test_a_permit_says_who_and_what_for(entrance: Entrance) -> None:
    """As the token does."""
    permit = await entrance.admit(entrance.token())

    assert permit == ViewingPermit(
        actor="Nguyễn Thị An",
        actor_source="proxy",
        purpose="Giám sát quầy",
        token_id=view_claims().token_id,
        max_s=3600.0,
    )


async def test_an_offer_without_a_token_is_refused(entrance: Entrance) -> None:
    """With a code of its own: an older console sends none."""
    with pytest.raises(ViewerRejected, match=r"token\.missing") as caught:
        await entrance.admit(None)

    assert (caught.value.code, caught.value.reason) == (403, Reason.VIEW_NOT_ALLOWED)


async def test_where_none_is_required_nobody_is_asked(open_entrance: Entrance) -> None:
    """As the settings say."""
    assert await open_entrance.admit(None) == ViewingPermit()


async def test_where_none_is_required_a_good_one_says_who(open_entrance: Entrance) -> None:
    """The audit names the person all the same."""
    assert (await open_entrance.admit(open_entrance.token())).actor == "Nguyễn Thị An"


async def test_where_none_is_required_an_unknown_key_is_no_token(
    open_entrance: Entrance, tmp_path: Path
) -> None:
    """A centre may issue tokens before every gateway knows its key."""
    stranger = key_in(tmp_path / "elsewhere", "view-2027a")

    assert await open_entrance.admit(open_entrance.token(stranger)) == ViewingPermit()


async def test_where_none_is_required_a_wrong_one_is_refused(open_entrance: Entrance) -> None:
    """Whoever gives one means it."""
    with pytest.raises(ViewerRejected, match=r"token\.camera"):
        await open_entrance.admit(open_entrance.token(camera="c02"))


async def test_a_token_is_used_once(entrance: Entrance) -> None:
    """The second time it is refused, by this process too."""
    await entrance.admit(entrance.token())

    with pytest.raises(ViewerRejected, match=r"token\.used"):
        await entrance.admit(entrance.token())


async def test_a_refused_token_is_not_used_up(entrance: Entrance) -> None:
    """Neither by a stranger who shows it at another camera."""
    with pytest.raises(ViewerRejected, match=r"token\.camera"):
        await entrance.admission.check(Offer(KEY, "c02", "v=0", token=entrance.token()))()

    await entrance.admit(entrance.token())


async def test_a_revoked_person_is_refused(entrance: Entrance) -> None:
    """With a reason of its own."""
    entrance.revoked.add("Nguyễn Thị An")

    with pytest.raises(ViewerRejected, match=r"token\.revoked") as caught:
        await entrance.admit(entrance.token())
    assert caught.value.reason is Reason.VIEW_REVOKED


async def test_who_is_revoked_while_the_disk_is_waited_for_is_refused(entrance: Entrance) -> None:
    """There is no moment at which it would be missed."""
    admitting = asyncio.ensure_future(entrance.admit(entrance.token()))
    await asyncio.sleep(0)
    entrance.revoked.add("Nguyễn Thị An")

    with pytest.raises(ViewerRejected, match=r"token\.revoked"):
        await admitting


async def test_a_fresh_token_renews(entrance: Entrance) -> None:
    """For as long as that one says."""
    permit = await entrance.admit(entrance.token())

    renewed = await entrance.renew(entrance.token(token_id=OTHER, max_s=60), permit)

    assert (renewed.token_id, renewed.max_s) == (OTHER, 60.0)


async def test_without_a_token_nothing_is_renewed(entrance: Entrance) -> None:
    """The viewing lasts no longer than it might."""
    permit = await entrance.admit(entrance.token())

    assert await entrance.renew(None, permit) is permit


async def test_an_extension_that_comes_twice_is_one(entrance: Entrance) -> None:
    """The broker may deliver a message again (QoS 1)."""
    permit = await entrance.renew(
        entrance.token(token_id=OTHER), await entrance.admit(entrance.token())
    )

    assert await entrance.renew(entrance.token(token_id=OTHER), permit) is permit


async def test_a_used_token_does_not_renew(entrance: Entrance) -> None:
    """Not even the first of the same session, once there is another."""
    permit = await entrance.renew(
        entrance.token(token_id=OTHER), await entrance.admit(entrance.token())
    )

    with pytest.raises(ViewerRejected, match=r"token\.used"):
        await entrance.renew(entrance.token(), permit)


async def test_nobody_goes_on_for_somebody_else(entrance: Entrance) -> None:
    """The audit would name the wrong person."""
    permit = await entrance.admit(entrance.token())

    with pytest.raises(ViewerRejected, match=r"token\.actor"):
        await entrance.renew(entrance.token(token_id=OTHER, actor="Trần Văn Bình"), permit)


async def test_a_revoked_person_does_not_go_on(entrance: Entrance) -> None:
    """Also without a token: the right is looked at on each renewal."""
    permit = await entrance.admit(entrance.token())
    entrance.revoked.add(permit.actor)

    with pytest.raises(ViewerRejected, match=r"token\.revoked"):
        await entrance.renew(None, permit)


async def test_a_check_uses_nothing_up(entrance: Entrance) -> None:
    """It refuses what can be refused at once, and leaves the token for the admission."""
    offer = Offer(KEY, "c01", "v=0", token=entrance.token())

    entrance.admission.check(offer)
    await entrance.admission.check(offer)()
    with pytest.raises(ViewerRejected, match=r"token\.missing"):
        entrance.admission.check(Offer(KEY, "c01", "v=0"))
    entrance.revoked.add("Nguyễn Thị An")
    with pytest.raises(ViewerRejected, match=r"token\.revoked"):
        entrance.admission.check(offer)


class CountingKeys(Keyring):
    """Counts how often a key is asked for."""

    asked = 0

    def public_key(self, key_id: str, purpose: Purpose) -> Ed25519PublicKey:
        self.asked += 1
        return super().public_key(key_id, purpose)


async def test_a_signature_is_verified_once_for_each_offer(
    entrance: Entrance, tmp_path: Path
) -> None:
    """It is what an offer costs before it is known whose it is."""
    keys = CountingKeys(tmp_path / "trusted")
    entrance.admission._keys = keys

    await entrance.admit(entrance.token())

    assert keys.asked == 1
