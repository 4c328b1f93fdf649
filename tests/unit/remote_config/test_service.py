"""Documents and confirmations as they come in: read while there is time for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from gateway.config.load import load_settings
from gateway.config.secrets import Secrets
from gateway.config.signing import Keyring
from gateway.model.site_document import SiteConfig
from gateway.mqtt.payloads.codec import Stamp
from gateway.mqtt.payloads.config import Reported, desired_of, read_reported
from gateway.ports import InboundMessage
from gateway.remote_config.document import DesiredConfig, parse_config
from gateway.remote_config.report import ConfigReporter
from gateway.remote_config.rollout import RolloutActions
from gateway.remote_config.service import BURST, RemoteConfig
from gateway.remote_config.state import ConfigState
from gateway.remote_config.store import ConfigStore, StoredConfig
from gateway.remote_config.validate import ConfigValidator
from gateway.runtime.redact import Redactor
from tests.fixtures.clock import FakeClock
from tests.fixtures.commands import Bus, Told
from tests.fixtures.desired import SigningHarness, confirmation, site_tree
from tests.fixtures.site import OWN, write_settings


async def nothing(*_: object) -> str:
    """Reach no broker and prove nothing: no document comes so far."""
    return ""


async def unreached(_: DesiredConfig) -> None:
    """Likewise."""


class Desk:
    """A configuration that is never run: it only reads and answers."""

    def __init__(self, folder: Path, confirmed: StoredConfig | None = None) -> None:
        settings = load_settings(write_settings(folder, 1883, ()))
        self.bus, self.clock, told = Bus(), FakeClock(), Told()
        standing = ConfigState(DesiredConfig(site=SiteConfig()), confirmed)
        self.configuration = RemoteConfig(
            standing,
            validator=ConfigValidator(
                settings,
                Secrets(settings.secrets_folder, redactor=Redactor()),
                verify_signature=lambda tree: Keyring(folder).verify(tree, "cfg"),
            ),
            store=ConfigStore(folder),
            actions=RolloutActions(lambda _: (), unreached, frozenset, nothing, lambda: True, 60.0),
            reporter=ConfigReporter(
                OWN,
                standing,
                bus=self.bus,
                events=told,
                stamp=lambda: Stamp(0, 1, 1),
                clock=self.clock,
            ),
            events=told,
            clock=self.clock,
        )

    def heard(self) -> Iterator[Reported]:
        while not self.bus.posted.empty():
            posted = self.bus.posted.get_nowait()
            yield read_reported(posted.payload, posted.content_type)


def test_of_a_flood_only_so_many_are_read(tmp_path: Path) -> None:
    """The rest is answered without a look, and soon another one is read."""
    desk = Desk(tmp_path)
    letter = InboundMessage(OWN.config_desired, b"{}", content_type="application/json")
    for _ in range(BURST + 10):
        desk.configuration.on_desired(letter)
    desk.clock.time_s += 1.0
    desk.configuration.on_desired(letter)

    answered = Counter(said.errors[0].code for said in desk.heard())
    assert answered == {"sig.missing": BURST + 1, "rate_limited": 10}


def test_a_confirmation_that_comes_twice_is_answered_with_what_runs(tmp_path: Path) -> None:
    """QoS 1 may deliver it again; another word on what has been decided is refused."""
    doc = {"site": site_tree("c01")}
    document = SigningHarness.trusted_in(tmp_path / "trusted").sign(5, doc)
    kept = StoredConfig.from_document(desired_of(document), parse_config("config/2", doc))
    desk = Desk(tmp_path, kept)
    desk.configuration.on_confirm(confirmation(document))
    desk.configuration.on_confirm(confirmation(document, "cancel"))

    said = list(desk.heard())

    assert [each.state for each in said] == ["applied", "rejected", "applied"]
    assert said[1].errors[0].code == "confirm.stale"
