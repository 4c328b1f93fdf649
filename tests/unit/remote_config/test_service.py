"""Documents and decisions as they come: verified, answered, or put into the slot."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.config.load import load_settings
from gateway.config.secrets import Secrets
from gateway.config.signing import Keyring
from gateway.model.site_document import SiteConfig
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.codec import encode
from gateway.mqtt.payloads.config import Reported, decode_reported, parse_desired
from gateway.ports import InboundMessage
from gateway.remote_config.document import DesiredConfig, parse_config
from gateway.remote_config.report import ConfigReporter
from gateway.remote_config.rollout import RolloutActions
from gateway.remote_config.service import BURST, RemoteConfig
from gateway.remote_config.startup import resume_candidate
from gateway.remote_config.state import ConfigState
from gateway.remote_config.statuses import current, rolled_back
from gateway.remote_config.store import ConfigStore, StoredConfig
from gateway.remote_config.validate import ConfigValidator
from gateway.runtime.redact import Redactor
from tests.fixtures.clock import HANG_S, FakeClock, trusted_time
from tests.fixtures.commands import FakeBus, RecordedEvents
from tests.fixtures.descriptors import none_free
from tests.fixtures.desired import SigningHarness, site_tree
from tests.fixtures.site import OWN, write_settings


async def nothing(*_: object) -> str:
    """Reach no broker and prove nothing: no document comes so far."""
    return ""


async def unreachable(_: DesiredConfig) -> None:
    """Likewise."""


class ServiceHarness:
    """A service that does not run: it only takes messages and answers them.

    Version 5 is confirmed and version 6 rolled back.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        settings = load_settings(write_settings(folder, 1883, ()))
        self.signing = SigningHarness.trusted_in(folder / "trusted")
        self.bus, self.clock, recorded = FakeBus(), FakeClock(), RecordedEvents()
        self.confirmed, self.undone = self.document(5), self.document(6)
        self.state = ConfigState(DesiredConfig(site=SiteConfig()), self.stored(self.confirmed))
        self.state.last_rollback = rolled_back(self.stored(self.undone), "deadline", "", 5)
        self.reporter = ConfigReporter(
            OWN,
            current(self.state),
            bus=self.bus,
            events=recorded,
            stamp=lambda: Stamp(0, 1, 1),
            clock=self.clock,
        )
        self.settings, self.recorded = settings, recorded
        self.service = self.serving()

    def serving(
        self, healthy: Callable[[frozenset[str], int], Awaitable[str]] = nothing
    ) -> RemoteConfig:
        """Return a service over what is there, which looks by *healthy* whether all works."""
        keys = Keyring(self.folder / "trusted")
        return RemoteConfig(
            self.state,
            validator=ConfigValidator(
                self.settings,
                Secrets(self.settings.secrets_folder, redactor=Redactor()),
                verify_signature=lambda tree: keys.verify(tree, "cfg"),
                time=trusted_time(),
            ),
            store=ConfigStore(self.folder),
            actions=RolloutActions(
                lambda _: (), unreachable, frozenset, healthy, lambda: True, 60.0
            ),
            reporter=self.reporter,
            events=self.recorded,
            clock=self.clock,
            calm_s=0.0,
        )

    def document(self, version: int) -> dict[str, Any]:
        return self.signing.sign(version, {"site": site_tree("c01", version=version)})

    def stored(self, document: dict[str, Any]) -> StoredConfig:
        config = parse_config("config/2", document["doc"])
        return StoredConfig.from_document(parse_desired(document), config)

    def desire(self, document: dict[str, Any]) -> None:
        content_type, payload = encode(document)
        message = InboundMessage(OWN.config_desired, payload, content_type=content_type)
        self.service.on_desired(message)

    def published(self) -> Iterator[Reported]:
        while not self.bus.posted.empty():
            posted = self.bus.posted.get_nowait()
            yield decode_reported(posted.payload, posted.content_type)

    async def until(self, state: str) -> Reported:
        """Return the next report of *state*."""
        while True:
            posted = await self.bus.posted.get()
            report = decode_reported(posted.payload, posted.content_type)
            if report.state == state:
                return report

    @asynccontextmanager
    async def pending(self, version: int) -> AsyncIterator[str]:
        """Let document *version* wait to be confirmed; yield the nonce of that."""
        running = asyncio.create_task(self.service.run())
        self.desire(self.document(version))
        async with asyncio.timeout(HANG_S):
            report = await self.until("pending_confirm")
            assert report.nonce is not None
            yield report.nonce
        running.cancel()
        await asyncio.wait([running])

    def decide(self, version: int, act: str = "confirm", **fields: Any) -> None:
        message = self.signing.confirmation(self.document(version), act, **fields)
        self.service.on_confirm(message)

    def codes(self) -> list[str]:
        """The codes of all that was published as rejected."""
        return [fault.code for each in self.published() for fault in each.errors]

    def states(self) -> list[tuple[str, int | None]]:
        return [(each.state, each.version) for each in self.published()]


@pytest.fixture
def harness(tmp_path: Path) -> ServiceHarness:
    return ServiceHarness(tmp_path)


def test_of_a_flood_only_so_many_are_read(harness: ServiceHarness) -> None:
    """The rest is answered unread, and soon another one is read."""
    message = InboundMessage(OWN.config_desired, b"{}", content_type="application/json")
    for _ in range(BURST + 10):
        harness.service.on_desired(message)
    harness.clock.time_s += 1.0
    harness.service.on_desired(message)

    answered = Counter(each.errors[0].code for each in harness.published())
    assert answered == {"sig.missing": BURST + 1, "rate_limited": 10}


def test_a_known_document_is_answered_for_itself(harness: ServiceHarness) -> None:
    """Whatever was rejected in the meantime: it runs, or it was rolled back."""
    harness.desire({})
    harness.desire(harness.confirmed)
    harness.desire(harness.undone)

    assert harness.states() == [("rejected", None), ("applied", 5), ("rolled_back", 6)]


def test_the_report_of_a_candidate_stays_current(harness: ServiceHarness) -> None:
    """Also when a document comes again, or one that cannot be read."""
    harness.state.candidate = harness.stored(harness.document(7))
    harness.reporter.publish(current(harness.state))
    harness.desire(harness.undone)
    harness.desire({})

    assert harness.states() == [
        ("applying", 7),
        ("rolled_back", 6),
        ("applying", 7),
        ("rejected", None),
        ("applying", 7),
    ]


def test_without_a_free_descriptor_a_document_is_not_called_unsigned(
    harness: ServiceHarness,
) -> None:
    """Nor a decision; both may be sent again."""
    with none_free():
        harness.desire(harness.document(7))
        harness.service.on_confirm(harness.signing.confirmation(harness.document(7)))

    assert set(harness.codes()) == {"DESCRIPTORS_LOW"}


def test_only_the_newest_document_waits(harness: ServiceHarness) -> None:
    """The one before is superseded at once, an older one rejected, the same again passed over."""
    for version in (7, 9, 8, 9):
        harness.desire(harness.document(version))

    assert harness.states() == [("superseded", 7), ("rejected", 8)]


def test_a_refused_decision_leaves_the_current_report(harness: ServiceHarness) -> None:
    """It is not about that document."""
    harness.desire(harness.confirmed)
    harness.service.on_confirm(harness.signing.confirmation(harness.document(4)))

    assert [state for state, _ in harness.states()] == ["applied", "rejected", "applied"]


async def test_a_confirmation_that_comes_twice_is_answered_with_what_runs(
    harness: ServiceHarness,
) -> None:
    """QoS 1 may deliver it again; another decision on what has been decided is refused."""
    async with harness.pending(7) as nonce:
        harness.decide(7, nonce=nonce)
        await harness.until("applied")

        harness.decide(7, nonce=nonce)
        harness.decide(7, "cancel", nonce=nonce)
        harness.decide(7, nonce="B" * 22)

        published = list(harness.published())
        assert [each.state for each in published] == ["applied"] + ["rejected", "applied"] * 2
        assert {each.code for said in published for each in said.errors} == {"confirm.stale"}


async def test_a_stranger_can_neither_confirm_nor_refuse(harness: ServiceHarness) -> None:
    """Unsigned, signed by another, for another gateway: the document waits on."""
    stranger = SigningHarness.trusted_in(harness.folder / "elsewhere")
    async with harness.pending(7) as nonce:
        document = harness.document(7)
        unsigned = harness.signing.decision(document, nonce=nonce)
        del unsigned["sig"]
        for act in ("confirm", "cancel", "extend"):
            payload = json.dumps(unsigned | {"act": act}).encode()
            kind = "application/json"
            harness.service.on_confirm(InboundMessage("", payload, content_type=kind))
            harness.service.on_confirm(stranger.confirmation(document, act, nonce=nonce))
            harness.decide(7, act, nonce=nonce, gw="other-site")

        assert Counter(harness.codes()) == {"sig.missing": 3, "sig.value": 3, "gw.other": 3}
        harness.decide(7, nonce=nonce)
        await harness.until("applied")


async def test_a_decision_counts_once(harness: ServiceHarness) -> None:
    """Who has kept an extension cannot extend for ever; the next report has another nonce."""
    async with harness.pending(7) as nonce:
        harness.decide(7, "extend", nonce=nonce)
        harness.decide(7, "extend", nonce=nonce)
        assert harness.codes() == ["confirm.nonce"]
        second = await harness.until("pending_confirm")
        assert second.nonce not in (None, nonce)

        harness.decide(7, "extend", nonce=nonce)
        harness.decide(7, "cancel", nonce=nonce)
        assert harness.codes() == ["confirm.nonce"] * 2

        harness.decide(7, "cancel", nonce=second.nonce)
        assert (await harness.until("rolled_back")).why == "cancel"


async def test_strangers_decisions_do_not_keep_out_the_centres(harness: ServiceHarness) -> None:
    """A flood is not all answered, but all of it is read."""
    async with harness.pending(7) as nonce:
        for _ in range(BURST + 10):
            harness.service.on_confirm(InboundMessage("", b"{}", content_type="application/json"))
        assert harness.codes() == ["sig.missing"] * BURST

        harness.decide(7, nonce=nonce)
        await harness.until("applied")


async def test_a_document_that_brings_a_bug_to_light_is_rolled_back_at_the_third_start(
    harness: ServiceHarness,
) -> None:
    """The bug ends the program each time, on purpose: what half of it has done is not known."""

    async def fail(_cameras: frozenset[str], _percent: int) -> str:
        raise ZeroDivisionError

    store = ConfigStore(harness.folder)
    store.save_candidate(harness.stored(harness.document(7)))
    candidates = []
    for _start in range(3):
        candidate = resume_candidate(store, harness.state.confirmed, crashes=3)
        candidates.append(candidate)
        if candidate is not None:
            harness.state.candidate = candidate
            with pytest.raises(ZeroDivisionError):
                async with asyncio.timeout(HANG_S):
                    await harness.serving(fail).run()

    report = store.load_last_rollback()
    assert [each and each.version for each in candidates] == [7, 7, None]
    assert report is not None
    assert (report.version, report.state, report.why) == (7, "rolled_back", "crash_loop")
