"""The doctor's look at a TURN server, a real coturn: what it says of each outcome."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.app.doctor import turn_finding
from gateway.demo.config_files import free_port
from gateway.model.reasons import Reason
from gateway.webrtc.turn_trial import try_turn
from tests.fixtures.broker import Authority
from tests.fixtures.turn import Turn, own_address, turn, turn_server

__all__ = ["turn"]  # a fixture

pytestmark = pytest.mark.live


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_server_that_relays_is_told_with_its_time(turn: Turn, transport: str) -> None:
    """An allocation is made and given back."""
    server = turn.server(transport)
    trial = await try_turn(server, server.urls[0])

    assert trial.reason is Reason.OK
    assert turn.host in trial.detail
    assert "chuyển tiếp được" in turn_finding(server.urls[0], trial).vi


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The one that has signed the server's certificate."""
    return Authority.create(tmp_path / "ca")


@pytest.fixture
def secure(tmp_path: Path, authority: Authority) -> Iterator[Turn]:
    """Listens by TLS, too."""
    address = own_address()
    issued = authority.issue("turn", hosts=(address,))
    with turn_server(tmp_path, f"allowed-peer-ip={address}", tls=issued) as running:
        yield running


async def test_by_tls_it_relays_where_the_machine_trusts_its_authority(
    secure: Turn, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Debian keeps it: the file that OpenSSL reads by default has the authority in it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    server = secure.server("tls")

    trial = await try_turn(server, server.urls[0])

    assert trial.reason is Reason.OK
    assert turn_finding(server.urls[0], trial).status == "ok"


async def test_by_tls_a_stranger_is_told_from_a_dead_server(secure: Turn) -> None:
    """The cure is to have the machine trust the authority of the centre."""
    server = secure.server("tls")
    trial = await try_turn(server, server.urls[0])
    finding = turn_finding(server.urls[0], trial)

    assert trial.reason is Reason.TLS_FAILED
    assert finding.status == "warn"
    assert "update-ca-certificates" in finding.vi_todo


async def test_a_wrong_secret_is_no_dead_server(turn: Turn) -> None:
    """The cure is another: the secret, or the server's clock."""
    server = turn.server("udp", secret="another")
    finding = turn_finding(server.urls[0], await try_turn(server, server.urls[0]))

    assert finding.status == "warn"
    assert "shared_secret" in finding.vi_todo


async def test_a_server_that_is_not_there_is_named(turn: Turn) -> None:
    """By TCP it is refused at once."""
    trial = await try_turn(turn.server("tcp"), f"turn:127.0.0.1:{free_port()}?transport=tcp")

    assert trial.reason is Reason.TURN_DOWN
