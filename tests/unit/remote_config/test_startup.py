"""What runs at the start: the centre's document, or else the installer's."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.load import load_settings
from gateway.model.errors import ConfigRejected
from gateway.mqtt.payloads.config import parse_desired
from gateway.remote_config.document import parse_config
from gateway.remote_config.startup import load_state
from gateway.remote_config.statuses import current
from gateway.remote_config.store import ConfigStore, StoredConfig
from tests.fixtures.desired import SigningHarness, site_tree
from tests.fixtures.site import write_settings


@pytest.fixture
def signing(tmp_path: Path) -> SigningHarness:
    return SigningHarness.trusted_in(tmp_path / "trusted")


def confirm(store: ConfigStore, signing: SigningHarness, version: int) -> None:
    """Confirm a document of *version* on the disk."""
    doc = {"site": site_tree("c01")}
    document = parse_desired(signing.sign(version, doc))
    store.save_candidate(StoredConfig.from_document(document, parse_config("config/2", doc)))
    store.confirm_candidate()


def test_it_is_told_why_the_newest_document_does_not_run(
    tmp_path: Path, signing: SigningHarness
) -> None:
    """D4: what runs is reported with what is wrong beside it, until something else is confirmed."""
    settings = load_settings(write_settings(tmp_path, 1883, ()))
    store = ConfigStore(tmp_path)
    confirm(store, signing, 5)
    confirm(store, signing, 6)
    (tmp_path / "config.json").write_bytes(b"{")

    report = current(load_state(settings, store))

    assert (report.version, report.state) == (5, "applied")
    assert [(each.code, each.message.split()[0]) for each in report.errors] == [
        ("file", "config.json")
    ]


def test_a_broken_site_document_does_not_stop_a_configured_gateway(
    tmp_path: Path, signing: SigningHarness
) -> None:
    """The centre's document runs; without one the installer is told instead."""
    settings = load_settings(write_settings(tmp_path, 1883, ()))
    (tmp_path / "site.json").write_bytes(b"{")
    with pytest.raises(ConfigRejected):
        load_state(settings, ConfigStore(tmp_path))
    store = ConfigStore(tmp_path)
    confirm(store, signing, 5)

    state = load_state(settings, store)

    assert state.version == 5
