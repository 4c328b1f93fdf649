"""A second way in, and certificates that are replaced while the gateway runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from itertools import repeat
from pathlib import Path

import pytest

from gateway.mqtt.client.broker import BrokerAddress, Tls, own_certificate_info
from gateway.mqtt.client.certificates import CertificateWatcher
from gateway.mqtt.client.failover import TRIES, BrokerFailover
from gateway.mqtt.client.preflight import preflight_connect
from gateway.mqtt.topics import CENTRE_SUBSCRIPTIONS
from gateway.runtime.clock import SystemClock
from gateway.runtime.supervise import supervise
from tests.fixtures.broker import Authority, Brokers, cable, observing, tls_lines
from tests.fixtures.clock import HANG_S
from tests.fixtures.presence import EventLog, PresenceGateway, connected, is_presence, read_presence

pytestmark = pytest.mark.live

HOSTS = ("localhost", "127.0.0.1")


async def test_when_the_first_way_is_closed_the_second_is_taken_and_left_again(
    brokers: Brokers, ports: Callable[[], int]
) -> None:
    """Over a websocket after three tries; back on the first way soon after it is open again."""
    port = ports()
    broker = await brokers(
        "allow_anonymous true", f"listener {port} 127.0.0.1", "protocol websockets"
    )
    first, told = BrokerAddress(host="127.0.0.1", port=ports()), EventLog()
    second = BrokerAddress(host="127.0.0.1", port=port, transport="websockets")
    ways = BrokerFailover(
        first, second, clock=SystemClock(), back_s=0.2, reconnect=lambda why: renew(why)
    )
    site = PresenceGateway(ways, events=told)
    renew = site.client.reconnect
    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
        linking = group.create_task(
            supervise(
                site.client.run, name="broker", clock=SystemClock(), delays=lambda: repeat(0.02)
            )
        )
        looking = group.create_task(ways.run())
        up = await told.until("link", st="up", broker=str(second))
        async with cable(broker, port=first.port):
            await told.until("link", st="up", broker=str(first))
            linking.cancel()
            looking.cancel()
            await asyncio.wait((linking, looking))

    assert up.facts["tries"] == TRIES
    assert up.facts["why"] == "REFUSED"


def replace_files(old: Tls, new: Tls) -> None:
    """Put the files of *new* in the place of *old*."""
    for before, after in ((old.key_file, new.key_file), (old.cert_file, new.cert_file)):
        assert before is not None
        assert after is not None
        os.replace(after, before)


async def test_a_replaced_certificate_is_used_without_a_restart(
    brokers: Brokers, tmp_path: Path
) -> None:
    """The gateway comes back with the new one at once, and nobody hears that it was gone."""
    authority = Authority.create(tmp_path / "ca")
    broker = await brokers(
        *tls_lines(
            authority.issue("broker", hosts=HOSTS),
            "require_certificate true",
            "use_identity_as_username true",
        )
    )
    tls, told = authority.issue("79/hcm-q1-01"), EventLog()
    before = own_certificate_info(tls)
    address = BrokerAddress(host="localhost", port=broker.port, tls=tls)
    site = PresenceGateway(address, events=told)
    certificates = CertificateWatcher(
        tls, events=told, reconnect=site.client.reconnect, clock=SystemClock(), check_s=0.1
    )
    console = BrokerAddress(host="localhost", port=broker.port, tls=authority.issue("console"))
    async with (
        asyncio.timeout(HANG_S),
        observing(console, *CENTRE_SUBSCRIPTIONS) as centre,
        asyncio.TaskGroup() as group,
    ):
        tasks = [
            group.create_task(
                supervise(
                    site.client.run, name="broker", clock=SystemClock(), delays=lambda: repeat(0.02)
                )
            ),
            group.create_task(certificates.run()),
        ]
        first = read_presence(await centre.until(is_presence("online")))
        replace_files(tls, authority.issue("79/renewed"))
        message = await centre.until(
            lambda message: is_presence("online")(message) or is_presence("offline")(message)
        )
        for task in tasks:
            task.cancel()
    after = certificates.birth_certificate()

    assert read_presence(message).epoch > first.epoch
    assert before is not None
    assert after is not None
    assert after.serial != before.serial
    assert "79/renewed" in broker.log
    assert [each.kind for each in told.events if each.kind != "cert.ends"][1] == "cert.renewed"


async def test_a_certificate_without_its_key_is_not_taken(brokers: Brokers, tmp_path: Path) -> None:
    """Somebody is still copying: the connection stays as it is."""
    authority = Authority.create(tmp_path / "ca")
    broker = await brokers(*tls_lines(authority.issue("broker", hosts=HOSTS)))
    tls, other, told = authority.issue("79/hcm-q1-01"), authority.issue("79/other"), EventLog()
    assert tls.cert_file is not None
    assert other.cert_file is not None
    clock = SystemClock()
    site = PresenceGateway(BrokerAddress(host="localhost", port=broker.port, tls=tls))
    renewed: list[str] = []
    certificates = CertificateWatcher(
        tls, events=told, reconnect=renewed.append, clock=clock, check_s=0.01
    )
    async with connected(site) as running, asyncio.TaskGroup() as group:
        watching = group.create_task(certificates.run())
        os.replace(other.cert_file, tls.cert_file)
        async with asyncio.timeout(HANG_S):
            while not certificates._rejected_digest:  # noqa: ASYNC110 (what it sees it only logs)
                await asyncio.sleep(0.01)
        watching.cancel()
        assert not running.done()

    assert renewed == []
    assert "cert.renewed" not in [each.kind for each in told.events]


async def test_a_new_certificate_that_the_broker_refuses_does_not_cost_the_connection(
    brokers: Brokers, tmp_path: Path
) -> None:
    """It is tried beside it first, and told; one that the broker takes is used then."""
    authority, told = Authority.create(tmp_path / "ca"), EventLog()
    server = authority.issue("broker", hosts=HOSTS)
    ours = ("require_certificate true", "use_identity_as_username true")
    broker = await brokers(*tls_lines(server, *ours))
    tls = authority.issue("79/hcm-q1-01")
    address, clock = BrokerAddress(host="localhost", port=broker.port, tls=tls), SystemClock()
    site = PresenceGateway(address)
    certificates = CertificateWatcher(
        tls,
        events=told,
        reconnect=site.client.reconnect,
        preflight=lambda: preflight_connect(
            address, client_id="hcm-q1-01~t", subscription="x", clock=clock
        ),
        clock=clock,
        check_s=0.05,
    )
    async with connected(site) as running, asyncio.TaskGroup() as group:
        watching = group.create_task(certificates.run())
        replace_files(tls, Authority.create(tmp_path / "stranger").issue("79/hcm-q1-01"))
        refused = await told.until("cert.refused")
        assert not running.done()
        replace_files(tls, authority.issue("79/renewed"))
        await told.until("cert.renewed")
        watching.cancel()

    assert refused.facts["why"] in {"TLS_FAILED", "UPLINK_DOWN"}


async def test_the_brokers_certificate_is_looked_at_on_each_connection(
    brokers: Brokers, tmp_path: Path
) -> None:
    """One that ends within a day is told, with its date and whose it is."""
    authority, told = Authority.create(tmp_path / "ca"), EventLog()
    broker = await brokers(*tls_lines(authority.issue("broker", hosts=HOSTS, days=(-5, 1))))
    tls = Tls(ca_file=authority.ca_file)
    address = BrokerAddress(host="localhost", port=broker.port, tls=tls)
    clock = SystemClock()
    certificates = CertificateWatcher(tls, events=told, reconnect=lambda _: None, clock=clock)
    site = PresenceGateway(
        BrokerFailover(address, on_peer_certificate=certificates.on_peer_certificate, clock=clock)
    )
    for _ in range(2):
        site.up.clear()
        async with connected(site):
            pass

    (event,) = told.events
    assert event.kind == "cert.ends"
    assert (event.facts["whose"], event.facts["days"]) == ("broker", 0)
