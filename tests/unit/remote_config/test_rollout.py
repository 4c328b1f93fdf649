"""One document put into effect, with actions that do nothing or fail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.model.errors import ConfigRejected, Fault
from gateway.model.site_document import SiteConfig
from gateway.mqtt.payloads.config import Confirm, parse_desired
from gateway.remote_config.document import DesiredConfig, parse_config
from gateway.remote_config.rollout import (
    Applied,
    RolledBack,
    Rollout,
    RolloutActions,
    Superseded,
)
from gateway.remote_config.store import ConfigStore, StoredConfig
from tests.fixtures.clock import FakeClock
from tests.fixtures.desired import SigningHarness, site_tree

FALLBACK = DesiredConfig(site=SiteConfig())
MISSING = ConfigRejected((Fault("/doc/broker/password", "secret.missing", "no secret broker"),))


async def reachable(_: DesiredConfig) -> None:
    """The broker accepts us."""


async def healthy(_: frozenset[str], __: int) -> str:
    """All is as well as before."""
    return ""


async def ill(_: frozenset[str], __: int) -> str:
    """No camera is back."""
    return "0 of 1 cameras"


def missing_secret(_: DesiredConfig) -> tuple[str, ...]:
    """It was there when the document was validated."""
    raise MISSING


@dataclass
class RolloutHarness:
    """A rollout of a document with another broker; what it applies, and what comes meanwhile."""

    folder: Path
    apply: Callable[[DesiredConfig], tuple[str, ...]] | None = None
    wait_until_healthy: Callable[[frozenset[str], int], Awaitable[str]] = healthy
    is_connected: Callable[[float], bool] = lambda _: True
    rollback_s: int = 600
    inputs: list[Confirm | StoredConfig] = field(default_factory=list)
    clock: FakeClock = field(default_factory=FakeClock)
    applied: list[DesiredConfig] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = ConfigStore(self.folder)
        self.begun_s = self.clock.now()
        self.candidate = self.stored(1)
        self.rollout = Rollout(
            self.candidate,
            running=FALLBACK,
            fallback=FALLBACK,
            last_known_good=0,
            unconfirmed=False,
            actions=RolloutActions(
                self.apply or self._apply,
                reachable,
                frozenset,
                self.wait_until_healthy,
                lambda: self.is_connected(self.took_s),
                60.0,
            ),
            store=self.store,
            clock=self.clock,
            next_input=self._next_input,
        )

    @property
    def took_s(self) -> float:
        return self.clock.now() - self.begun_s

    def stored(self, version: int) -> StoredConfig:
        doc = {"site": site_tree("c01"), "broker": {"host": "127.0.0.1", "port": 1884}}
        harness = SigningHarness.trusted_in(self.folder / f"trusted{version}")
        document = parse_desired(harness.sign(version, doc, rollback_s=self.rollback_s))
        return StoredConfig.from_document(document, parse_config("config/2", doc))

    def decision(self, act: str, **fields: int) -> Confirm:
        name = {"ver": self.candidate.version, "sha256": self.candidate.sha256}
        answered = {"gw": self.candidate.document.gateway, "nonce": "A" * 22}
        return Confirm.model_validate({**name, **answered, "act": act, **fields})

    def _apply(self, config: DesiredConfig) -> tuple[str, ...]:
        self.applied.append(config)
        return ("c01",)

    async def _next_input(self, within_s: float) -> Confirm | StoredConfig | None:
        if self.inputs:
            return self.inputs.pop(0)
        await self.clock.sleep(within_s)
        return None

    async def steps(self) -> list[str]:
        """Run it; return its steps by name. The last is `outcome`."""
        steps = [step async for step in self.rollout.run()]
        self.outcome = steps[-1]
        return [type(step).__name__ for step in steps]

    async def rolled_back(self) -> tuple[str | None, str | None]:
        """Run it to its rollback; return why and the detail."""
        await self.steps()
        assert isinstance(self.outcome, RolledBack)
        assert self.store.load_last_rollback() == self.outcome.report
        assert self.store.load_candidate() is None
        return self.outcome.report.why, self.outcome.report.detail


async def test_a_confirmed_document_goes_one_way(tmp_path: Path) -> None:
    """It is on the disk before it is applied, and once it is confirmed there is no candidate."""
    harness = RolloutHarness(tmp_path)
    harness.inputs = [harness.decision("confirm")]

    steps = await harness.steps()

    assert steps == ["Applying", "InEffect", "PendingConfirm", "Applied"]
    assert isinstance(harness.outcome, Applied)
    assert harness.outcome.restarted == ("c01",)
    assert "/broker" in harness.outcome.changed
    assert harness.store.load_confirmed()[0] == harness.candidate
    assert harness.store.load_candidate() is None


async def test_a_document_that_needs_no_confirmation_waits_for_none(tmp_path: Path) -> None:
    """Healthy is enough."""
    harness = RolloutHarness(tmp_path, rollback_s=0)

    assert await harness.steps() == ["Applying", "InEffect", "Applied"]


async def test_what_ran_before_is_applied_after_a_cancellation(tmp_path: Path) -> None:
    """The fallback, and the rollback is on the disk."""
    harness = RolloutHarness(tmp_path)
    harness.inputs = [harness.decision("cancel")]

    assert await harness.rolled_back() == ("cancel", None)
    assert harness.applied == [harness.candidate.config, FALLBACK]


async def test_a_document_that_loses_the_cameras_is_rolled_back(tmp_path: Path) -> None:
    """Nobody is asked to confirm it; without the centre the connection is blamed."""
    harness = RolloutHarness(tmp_path, wait_until_healthy=ill)
    assert await harness.rolled_back() == ("health_gate", "0 of 1 cameras")

    harness = RolloutHarness(
        tmp_path / "away", wait_until_healthy=ill, is_connected=lambda _: False
    )
    assert await harness.rolled_back() == ("connect_failed", "0 of 1 cameras")


async def test_a_newer_document_supersedes_it(tmp_path: Path) -> None:
    """It stays in effect and on the disk until the newer one is."""
    harness = RolloutHarness(tmp_path)
    newer = harness.stored(2)
    harness.inputs = [newer]

    assert (await harness.steps())[-1] == "Superseded"
    assert harness.outcome == Superseded(harness.candidate, by=newer)
    assert harness.applied == [harness.candidate.config]
    assert harness.store.load_candidate() == harness.candidate


async def test_an_extension_counts_from_now(tmp_path: Path) -> None:
    """The confirmation is awaited anew, with the deadline of the extension."""
    harness = RolloutHarness(tmp_path)
    harness.inputs = [harness.decision("extend", rollback_s=30)]

    steps = await harness.steps()

    assert steps == ["Applying", "InEffect", "PendingConfirm", "PendingConfirm", "RolledBack"]
    assert round(harness.took_s) == 30


async def test_a_secret_that_has_gone_undoes_the_document_and_no_more(tmp_path: Path) -> None:
    """It was there when the document was validated; nothing has been applied."""
    harness = RolloutHarness(tmp_path, apply=missing_secret)

    why, detail = await harness.rolled_back()

    assert why == "connect_failed"
    assert "secret.missing" in (detail or "")
    assert not harness.rollout.unconfirmed


async def test_a_disk_that_takes_nothing_ends_the_rollout(tmp_path: Path) -> None:
    """Nothing is applied that a power cut would forget."""
    (tmp_path / "state").write_bytes(b"")
    harness = RolloutHarness(tmp_path)
    harness.rollout.store = ConfigStore(tmp_path / "state")

    assert await harness.steps() == ["Applying", "RolledBack"]
    assert isinstance(harness.outcome, RolledBack)
    assert harness.outcome.report.why == "disk"
    assert harness.applied == []


async def test_a_connection_that_stays_away_is_not_waited_for(tmp_path: Path) -> None:
    """Its own limit ends the document, long before the deadline does."""
    harness = RolloutHarness(tmp_path, is_connected=lambda at_s: at_s < 100)

    assert await harness.rolled_back() == ("connect_failed", "not connected for 60 s")
    assert 155 <= harness.took_s <= 165


async def test_a_connection_that_comes_back_is_waited_with_to_the_deadline(tmp_path: Path) -> None:
    """It was away for less than its limit, twice."""
    harness = RolloutHarness(
        tmp_path, is_connected=lambda at_s: not (100 <= at_s < 150 or 200 <= at_s < 250)
    )

    assert await harness.rolled_back() == ("deadline", None)
    assert round(harness.took_s) == 600
