"""What address may be written down, and what its printing shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from gateway.model.errors import BrokerUnavailable
from gateway.model.reasons import Reason
from gateway.mqtt.client.broker import BrokerAddress, Tls, client_id_of, ssl_context


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


def test_the_client_id_follows_from_the_key_and_cannot_be_guessed(tmp_path: Path) -> None:
    """The same key, the same session; whoever has another key makes another id."""
    cert, key, other = (tmp_path / name for name in ("cert.pem", "key.pem", "other.pem"))
    key.write_bytes(b"the key")
    other.write_bytes(b"another")

    ours = client_id_of("hcm-q1-01", Tls(cert_file=cert, key_file=key))

    assert re.fullmatch(r"hcm-q1-01-[0-9a-f]{32}", ours)
    assert client_id_of("hcm-q1-01", Tls(cert_file=cert, key_file=key)) == ours
    assert client_id_of("hcm-q1-01", Tls(cert_file=cert, key_file=other)) != ours
    assert client_id_of("hcm-q1-02", Tls(cert_file=cert, key_file=key))[-32:] != ours[-32:]


def test_without_a_key_the_client_id_is_the_name(tmp_path: Path) -> None:
    """In plain, or while the file is not there: then nobody connects with it either."""
    missing = Tls(cert_file=tmp_path / "cert.pem", key_file=tmp_path / "key.pem")

    assert [client_id_of("hcm-q1-01", tls) for tls in (None, Tls(), missing)] == ["hcm-q1-01"] * 3
