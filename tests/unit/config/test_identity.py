"""One gateway has one name, in all places where it stands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.centre.enrolment.authority import Authority, init_authority, load_authority, new_key
from gateway.centre.enrolment.authority import private_pem as pem_of
from gateway.config.check import check_files
from gateway.config.identity import province_mistake
from gateway.runtime.redact import Redactor

SETTINGS = """
[gateway]
id = "bacninh-01"
province = "24"
[broker]
host = "mqtt.example"
[broker.tls]
ca = "ca.pem"
cert = "gateway.pem"
key = "gateway.key"
[state]
dir = "{folder}"
[cameras]
networks = ["10.0.0.0/8"]
"""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Of the centre."""
    init_authority(tmp_path / "ca", "Test")
    return load_authority(tmp_path / "ca")


def write(folder: Path, authority: Authority, name: str, settings: str = SETTINGS) -> Path:
    """Write settings, certificate for *name* and its key; return the settings' file."""
    key = new_key()
    (folder / "ca.pem").write_text(authority.root_pem)
    (folder / "gateway.pem").write_text(authority.issue_gateway(key.public_key(), name).chain)
    (folder / "gateway.key").write_bytes(pem_of(key))
    path = folder / "gateway.toml"
    path.write_text(settings.format(folder=folder))
    return path


def codes(path: Path, *more: Path) -> set[str]:
    checked = check_files((path, *more), redactor=Redactor())
    return {fault.code for _, fault in checked.faults if fault.code.startswith("identity.")}


def test_a_box_as_it_was_enrolled_has_no_fault(tmp_path: Path, authority: Authority) -> None:
    """Certificate, key, authority and settings are of one gateway."""
    assert codes(write(tmp_path, authority, "24/bacninh-01")) == set()


def test_a_province_that_is_none_is_a_fault(tmp_path: Path, authority: Authority) -> None:
    """99 has never been one; a code of the former list is told with today's."""
    settings = SETTINGS.replace('"24"', '"99"')

    assert codes(write(tmp_path, authority, "99/bacninh-01", settings)) == {"identity.province"}
    assert "today it is 24" in (province_mistake("27", "vn-2025") or "")
    assert province_mistake("27", "vn-2020") is None


def test_a_foreign_certificate_is_a_fault(tmp_path: Path, authority: Authority) -> None:
    """The broker would take us for the other gateway, and refuse every topic of ours."""
    assert codes(write(tmp_path, authority, "24/bacninh-02")) == {"identity.certificate"}


def test_a_foreign_key_or_authority_is_a_fault(tmp_path: Path, authority: Authority) -> None:
    """Each would end every connection, and say little why."""
    path = write(tmp_path, authority, "24/bacninh-01")
    (tmp_path / "gateway.key").write_bytes(pem_of(new_key()))
    init_authority(tmp_path / "other", "Test")
    os.replace(tmp_path / "other" / "root.pem", tmp_path / "ca.pem")

    assert codes(path) == {"identity.key", "identity.authority"}


def test_a_former_province_elsewhere_is_a_fault(tmp_path: Path, authority: Authority) -> None:
    """The site document says where the centre belonged before; it is part of one province today."""
    path = write(tmp_path, authority, "24/bacninh-01")
    site = tmp_path / "site.json"
    site.write_text('{"version": 1, "inventory": {"centre": {"former_province": "01"}}}')

    assert codes(path, site) == {"identity.province"}


def test_another_user_at_the_broker_is_a_fault(tmp_path: Path, authority: Authority) -> None:
    """Without certificates the user's name pins the topics."""
    host = 'host = "mqtt.example"'
    settings = SETTINGS.replace(host, host + '\nusername = "24/bacninh-02"')

    assert codes(write(tmp_path, authority, "24/bacninh-01", settings)) == {"identity.user"}
