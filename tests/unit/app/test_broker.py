"""What the composition root makes of the settings."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from gateway.app.broker import broker_address
from gateway.config.load import load_settings
from gateway.config.secrets import Secrets
from gateway.mqtt.client.broker import ssl_context
from gateway.runtime.redact import Redactor

HEAD = """
[gateway]
id = "hcm-q1-01"
province = "79"
[cameras]
networks = ["192.168.1.0/24"]
[broker]
host = "mqtt.centre.example"
"""


@pytest.mark.parametrize(
    ("tls", "files"),
    [
        ("", (None, None, None)),
        ('ca = "ca.pem"', ("ca.pem", None, None)),
        (
            'ca = "ca.pem"\ncert = "tls/own.pem"\nkey = "/keys/own.key"',
            ("ca.pem", "tls/own.pem", "/keys/own.key"),
        ),
    ],
)
def test_the_brokers_files_lie_beside_the_settings(
    tmp_path: Path, tls: str, files: tuple[str | None, ...]
) -> None:
    """Relative paths are the settings file's, absolute ones are left, and each may be absent."""
    path = tmp_path / "gateway.toml"
    path.write_text(f"{HEAD}[broker.tls]\n{tls}\n")

    address = broker_address(load_settings(path), Secrets(tmp_path, redactor=Redactor()))

    assert address.tls is not None
    found = (address.tls.ca_file, address.tls.cert_file, address.tls.key_file)
    assert found == tuple(None if each is None else tmp_path / each for each in files)
    assert address.port == 8883


def test_without_an_authority_the_machines_own_are_trusted(tmp_path: Path) -> None:
    """And the chain and the name are verified all the same."""
    path = tmp_path / "gateway.toml"
    path.write_text(f"{HEAD}[broker.tls]\n")
    address = broker_address(load_settings(path), Secrets(tmp_path, redactor=Redactor()))
    assert address.tls is not None

    context = ssl_context(address.tls)

    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
