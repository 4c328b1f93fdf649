"""How far each way to a real Mosquitto leads, and what the doctor says of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.app.doctor_broker import Way, findings_of, try_way
from gateway.demo.config_files import free_port
from gateway.model.errors import BrokerUnavailable
from gateway.model.reasons import Reason
from gateway.mqtt.client.broker import BrokerAddress, Tls
from gateway.mqtt.topics import Topics
from gateway.runtime.clock import SystemClock
from tests.fixtures.broker import Authority, Brokers, tls_lines
from tests.fixtures.tcp import tcp_server

pytestmark = pytest.mark.live

HOSTS = ("localhost", "127.0.0.1")
FILTER = Topics("79", "hcm-q1-01").config_desired


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The one that both ends trust."""
    return Authority.create(tmp_path / "ca")


async def tried(address: BrokerAddress, within_s: float = 10.0) -> Way:
    """Return how far the way to *address* leads."""
    return await try_way(address, "hcm-q1-01~t", FILTER, SystemClock(), within_s)


async def test_both_ways_are_told_step_by_step(brokers: Brokers, authority: Authority) -> None:
    """MQTT over TLS, and over WebSocket as HTTPS: name, TCP, TLS and the broker's consent each."""
    tls, web = tls_lines(authority.issue("broker", hosts=HOSTS)), free_port()
    listener = (f"listener {web} 127.0.0.1", "protocol websockets", *tls[:-1])
    broker = await brokers(*tls, *listener)
    trusting = Tls(ca_file=authority.ca_file)
    first = BrokerAddress(host="localhost", port=broker.port, tls=trusting)
    second = first.model_copy(update={"port": web, "transport": "websockets"})

    found = list(findings_of([await tried(first), await tried(second)], []))

    steps = ("dns", "tcp", "tls")
    names = [f"broker{each}" for each in ("", "_second")]
    expected = [name for each in names for name in (*(f"{each}.{step}" for step in steps), each)]
    assert [each.name for each in found] == expected
    assert {each.status for each in found} == {"ok"}
    assert "TLSv1.3" in found[2].vi


async def test_a_wrong_authority_fails_at_tls_and_not_before(
    brokers: Brokers, authority: Authority, tmp_path: Path
) -> None:
    """Name and TCP were all right: nobody has to look at the network."""
    broker = await brokers(*tls_lines(authority.issue("broker", hosts=HOSTS)))
    stranger = Tls(ca_file=Authority.create(tmp_path / "stranger").ca_file)

    way = await tried(BrokerAddress(host="localhost", port=broker.port, tls=stranger))

    assert way.failed == "tls"
    assert [each.status for each in findings_of([way], [])] == ["ok", "ok", "fail", "fail"]


async def test_somebody_who_speaks_no_tls_is_told(authority: Authority) -> None:
    """As a firewall that accepts and swallows: TCP works, TLS does not."""

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    tls = Tls(ca_file=authority.ca_file)
    async with tcp_server(swallow) as port:
        way = await tried(BrokerAddress(host="127.0.0.1", port=port, tls=tls), within_s=0.3)

    (*_, step, whole) = findings_of([way], [])
    assert way.failed == "tls"
    assert "không ai bắt tay TLS" in step.vi
    assert "bước TLS" in whole.vi


async def test_a_name_that_nobody_knows_fails_at_dns(authority: Authority) -> None:
    """With the cure for it."""
    tls = Tls(ca_file=authority.ca_file)
    way = await tried(BrokerAddress(host="mqtt.invalid", port=8883, tls=tls))

    assert way.failed == "dns"
    assert "resolvectl" in next(findings_of([way], [])).vi_todo


async def test_a_broker_that_refuses_the_account_is_reached(brokers: Brokers) -> None:
    """All steps are well; the account is not."""
    broker = await brokers("allow_anonymous false")
    way = await tried(broker.address)

    assert way.failed == "mqtt"
    (dns, tcp, whole) = findings_of([way], [])
    assert (dns.status, tcp.status) == ("ok", "ok")
    assert "sai tài khoản" in whole.vi


def test_one_way_is_enough() -> None:
    """That 8883 is closed is no fault that keeps a gateway from working where 443 is open."""
    refused = BrokerUnavailable(Reason.REFUSED, "refused")
    closed = Way(BrokerAddress(host="localhost"), {"dns": "127.0.0.1"}, "tcp", refused)
    open_way = Way(BrokerAddress(host="localhost", port=443, transport="websockets"))

    found = list(findings_of([closed, open_way], []))

    assert {each.status for each in found} == {"ok", "warn"}


def test_a_way_that_nobody_configured_is_proposed_where_it_helps() -> None:
    """And is no warning where the first leads there."""
    refused = BrokerUnavailable(Reason.REFUSED, "refused")
    closed = Way(BrokerAddress(host="localhost"), {"dns": "127.0.0.1"}, "tcp", refused)
    first = Way(BrokerAddress(host="localhost"))
    other = Way(BrokerAddress(host="localhost", port=443, transport="websockets"))

    *_, helps = findings_of([closed], [other])
    *_, needless = findings_of([first], [other])

    assert (helps.status, needless.status) == ("warn", "ok")
    assert "[broker.second] port = 443" in helps.vi_todo
