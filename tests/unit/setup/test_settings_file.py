"""A network is added to the settings, and nothing else changes."""

from __future__ import annotations

import shutil
import tomllib
from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.setup.model import SetupMistake
from gateway.setup.settings_file import add_network, network_of

EXAMPLE = Path(__file__).parents[3] / "config" / "gateway.example.toml"
NETWORK = ip_network("192.168.77.0/24")


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
    ],
)
def test_a_list_may_be_empty_or_of_many_lines(
    tmp_path: Path, text: str, expected: list[str]
) -> None:
    """As people write it."""
    settings = tmp_path / "gateway.toml"
    settings.write_text(text)

    add_network(settings, NETWORK)

    assert tomllib.loads(settings.read_text())["cameras"]["networks"] == expected


@pytest.mark.parametrize(
    "text",
    [
        'cameras = { networks = ["10.0.0.0/8"] }\n',
        '[cameras]\nnetworks = ["10.0.0.0/8", # ]\n]\n',
        '[log]\nnetworks = ["10.0.0.0/8"]\n',
        '[cameras]\n[log]\nnetworks = ["10.0.0.0/8"]\n',
        '[cameras]\nnetworks = ["192.168.77.0/24"]\n',
    ],
)
def test_what_is_written_otherwise_is_left_to_a_person(tmp_path: Path, text: str) -> None:
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
