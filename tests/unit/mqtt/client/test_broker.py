"""What address may be written down, and what its printing shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from gateway.model.errors import BrokerUnavailable
from gateway.model.reasons import Reason
from gateway.mqtt.client.broker import BrokerAddress, Tls, ssl_context


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_plain_text_stays_on_this_machine(host: str) -> None:
    """The loopback needs no TLS."""
    assert BrokerAddress(host=host).tls is None


@pytest.mark.parametrize(
    "host", ["mqtt.example", "10.0.0.1", "localhost.example", "0.0.0.0", "::ffff:10.0.0.1"]
)
def test_plain_text_to_elsewhere_is_refused(host: str) -> None:
    """There is no option to allow it."""
    with pytest.raises(ValidationError) as caught:
        BrokerAddress(host=host)

    assert caught.value.errors()[0]["type"] == "broker.plain"


def test_a_certificate_needs_its_key() -> None:
    """One without the other is a mistake."""
    with pytest.raises(ValidationError):
        Tls(ca_file=Path("ca.pem"), cert_file=Path("gw.pem"))


def test_a_password_needs_a_username() -> None:
    """One without the other is a mistake."""
    with pytest.raises(ValidationError):
        BrokerAddress(host="localhost", password=SecretStr("canary"))


def test_the_password_is_never_printed() -> None:
    """Neither by str nor by repr."""
    address = BrokerAddress(host="localhost", username="gw", password=SecretStr("canary"))

    assert "canary" not in f"{address} {address!r}"


def test_missing_certificate_files_are_waited_for(tmp_path: Path) -> None:
    """Somebody may be replacing them at this moment."""
    with pytest.raises(BrokerUnavailable) as caught:
        ssl_context(Tls(ca_file=tmp_path / "ca.pem"))

    assert caught.value.reason is Reason.TLS_FAILED
    assert caught.value.pause_s > 0
