"""One document put into effect, with hands that do nothing or fail."""

from __future__ import annotations

from pathlib import Path

from gateway.model.errors import ConfigRejected, Fault
from gateway.model.site_document import SiteConfig
from gateway.mqtt.payloads.codec import Stamp
from gateway.mqtt.payloads.config import Confirm, desired_of
from gateway.remote_config.document import DesiredConfig, parse_config
from gateway.remote_config.report import ConfigReporter
from gateway.remote_config.rollout import Rollout, RolloutActions
from gateway.remote_config.state import ConfigState
from gateway.remote_config.store import ConfigStore, StoredConfig
from tests.fixtures.clock import FakeClock
from tests.fixtures.commands import Bus, Told
from tests.fixtures.desired import SigningHarness, site_tree
from tests.fixtures.site import OWN

GONE = ConfigRejected((Fault("/doc/broker/password", "secret.missing", "no secret broker"),))


async def reached(_: DesiredConfig) -> None:
    """The broker takes us."""


async def proven(_: frozenset[str], __: int) -> str:
    """All is as well as before."""
    return ""


def trial(folder: Path, hands: RolloutActions, clock: FakeClock) -> Rollout:
    """A document with another broker, about to be tried."""
    doc = {"site": site_tree("c01"), "broker": {"host": "127.0.0.1", "port": 1884}}
    desired = desired_of(SigningHarness.trusted_in(folder / "trusted").sign(1, doc, rollback_s=600))
    kept = StoredConfig.from_document(desired, parse_config("config/2", doc))
    standing = ConfigState(DesiredConfig(site=SiteConfig()))

    async def nobody_speaks(within_s: float) -> Confirm | StoredConfig | None:
        await clock.sleep(within_s)
        return None

    return Rollout(
        kept,
        standing=standing,
        disk=ConfigStore(folder),
        hands=hands,
        voice=ConfigReporter(
            OWN, standing, bus=Bus(), events=Told(), stamp=lambda: Stamp(0, 1, 1), clock=clock
        ),
        clock=clock,
        next_word=nobody_speaks,
    )


async def test_a_secret_that_has_gone_undoes_the_document_and_no_more(tmp_path: Path) -> None:
    """It was there when the document was judged; nothing has been applied."""

    def missing(_: DesiredConfig) -> tuple[str, ...]:
        raise GONE

    tried = trial(
        tmp_path,
        RolloutActions(missing, reached, frozenset, proven, lambda: True, 60.0),
        FakeClock(),
    )

    assert await tried.run() is None
    verdict = tried.disk.load_last_rollback()
    assert verdict is not None
    assert (verdict.state, verdict.why) == ("rolled_back", "connect_failed")
    assert "secret.missing" in (verdict.detail or "")
    assert tried.standing.candidate is None


async def test_a_connection_that_stays_away_is_not_waited_for(tmp_path: Path) -> None:
    """Its own limit ends the document, long before the deadline does."""
    clock = FakeClock()
    begun_s = clock.now()
    hands = RolloutActions(
        lambda _: (), reached, frozenset, proven, lambda: clock.now() - begun_s < 100, 60.0
    )
    tried = trial(tmp_path, hands, clock)

    await tried.run()

    verdict = tried.disk.load_last_rollback()
    assert verdict is not None
    assert (verdict.why, verdict.detail) == ("connect_failed", "not connected for 60 s")
    assert 155 <= clock.now() - begun_s <= 165


async def test_a_connection_that_comes_back_is_waited_with_to_the_deadline(tmp_path: Path) -> None:
    """It was away for less than its limit, twice."""
    clock = FakeClock()
    begun_s = clock.now()
    hands = RolloutActions(
        lambda _: (),
        reached,
        frozenset,
        proven,
        lambda: not (100 <= clock.now() - begun_s < 150 or 200 <= clock.now() - begun_s < 250),
        60.0,
    )
    tried = trial(tmp_path, hands, clock)

    await tried.run()

    verdict = tried.disk.load_last_rollback()
    assert verdict is not None
    assert verdict.why == "deadline"
    assert round(clock.now() - begun_s) == 600
