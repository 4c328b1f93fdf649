"""A network is added to the settings, and nothing else changes."""

from __future__ import annotations

import shutil
import tomllib
from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.setup.camera_networks import add_network, network_of
from gateway.setup.model import SetupMistake

EXAMPLE = Path(__file__).parents[3] / "config" / "gateway.example.toml"
NETWORK = ip_network("192.168.77.0/24")
BOX = '[gateway]\nid = "test-box"\nprovince = "24"\n[broker]\nhost = "127.0.0.1"\n'


def test_the_example_gets_one_network_more_and_keeps_every_comment(tmp_path: Path) -> None:
    """One line differs; the file before lies beside it."""
    settings = tmp_path / "gateway.toml"
    shutil.copy(EXAMPLE, settings)

    add_network(settings, NETWORK)

    before, after = EXAMPLE.read_text().splitlines(), settings.read_text().splitlines()
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 1
    networks = tomllib.loads(settings.read_text())["cameras"]["networks"]
    assert networks == ["192.168.1.0/24", "10.24.8.0/22", "192.168.77.0/24"]
    assert (tmp_path / "gateway.toml.prev").read_text() == EXAMPLE.read_text()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[cameras]\nnetworks = []\n[log]\nlevel = "info"\n', ["192.168.77.0/24"]),
        ('[cameras]\nnetworks = [\n  "10.0.0.0/8",\n]\n', ["10.0.0.0/8", "192.168.77.0/24"]),
        (
            '[cameras]\nnetworks = [\n  "10.0.0.0/8" # ]\n]\n',
            ["10.0.0.0/8", "192.168.77.0/24"],
        ),
        ("[cameras]\nports = [5544]\n", ["192.168.77.0/24"]),
        ('[cameras]\nnetworks = ["192.168.77.0/24"]\n', ["192.168.77.0/24"]),
        (
            '[[webrtc.ice]]\nurls = ["stun:10.1.1.1"]\n[cameras]\nnetworks = ["10.0.0.0/8"]\n',
            ["10.0.0.0/8", "192.168.77.0/24"],
        ),
    ],
)
def test_a_list_may_be_written_as_people_write_it(
    tmp_path: Path, text: str, expected: list[str]
) -> None:
    """Empty, of many lines, with comments, missing, or with the network in it already."""
    settings = tmp_path / "gateway.toml"
    settings.write_text(BOX + text)

    add_network(settings, NETWORK)

    after, before = tomllib.loads(settings.read_text()), tomllib.loads(BOX + text)
    assert after["cameras"].pop("networks") == expected
    before["cameras"].pop("networks", None)
    assert after == before


@pytest.mark.parametrize("text", ["[cameras]\nnetworks = 3\n", "cameras = 3\n", "[cameras"])
def test_what_a_program_cannot_change_is_left_to_a_person(tmp_path: Path, text: str) -> None:
    """Unchanged, with what to do."""
    settings = tmp_path / "gateway.toml"
    settings.write_text(text)

    with pytest.raises(SetupMistake):
        add_network(settings, NETWORK)

    assert settings.read_text() == text


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.168.77.20", "192.168.77.0/24"),
        ("fd12::7", "fd12::/64"),
        ("8.8.8.8", None),
        ("dau-ghi", None),
    ],
)
def test_only_a_local_network_can_be_added(host: str, network: str | None) -> None:
    """The smallest usual one around the device."""
    found = network_of(host)

    assert (None if found is None else str(found)) == network
