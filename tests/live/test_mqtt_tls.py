"""Who the broker must be, and who we must be, before a word is said."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.model.errors import BrokerUnavailable
from gateway.model.reasons import Reason
from gateway.mqtt.client.broker import BrokerAddress, Tls
from gateway.mqtt.topics import CENTRE_SUBSCRIPTIONS, Topics
from gateway.ports import OutboundMessage
from tests.fixtures.broker import Authority, Broker, Brokers, observing, tls_lines
from tests.fixtures.clock import HANG_S
from tests.fixtures.presence import TOPICS, PresenceGateway, connected, is_presence

pytestmark = pytest.mark.live

HOSTS = ("localhost", "127.0.0.1")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The one that both ends trust."""
    return Authority.create(tmp_path / "ca")


def secure(broker: Broker, tls: Tls, host: str = "localhost") -> BrokerAddress:
    return BrokerAddress(host=host, port=broker.port, tls=tls)


async def refusal(address: BrokerAddress) -> BrokerUnavailable:
    """Return how the link is refused."""
    async with asyncio.timeout(HANG_S):
        with pytest.raises(BrokerUnavailable) as caught:
            await PresenceGateway(address).client.run()
    return caught.value


async def test_the_right_certificate_is_accepted(brokers: Brokers, authority: Authority) -> None:
    """TLS with a trusted broker, by name and by address, large payloads included."""
    broker = await brokers(*tls_lines(authority.issue("broker", hosts=HOSTS)))
    tls = Tls(ca_file=authority.ca_file)
    async with observing(secure(broker, tls, "127.0.0.1"), *CENTRE_SUBSCRIPTIONS) as centre:
        site = PresenceGateway(secure(broker, tls))
        async with connected(site):
            await centre.until(is_presence("online"))
            for number in range(20):
                payload = bytes([number]) * 60_000
                site.client.publish(OutboundMessage(TOPICS.birth, payload))
                got = await centre.until(lambda message: message.topic == TOPICS.birth)
                assert got.payload == payload


async def test_another_authority_is_refused(
    brokers: Brokers, authority: Authority, tmp_path: Path
) -> None:
    """A certificate that somebody else has signed is not the broker's."""
    broker = await brokers(*tls_lines(authority.issue("broker", hosts=HOSTS)))
    stranger = Authority.create(tmp_path / "stranger")

    error = await refusal(secure(broker, Tls(ca_file=stranger.ca_file)))

    assert error.reason is Reason.TLS_FAILED


async def test_another_name_is_refused(brokers: Brokers, authority: Authority) -> None:
    """A trusted certificate for another host is not the broker's."""
    broker = await brokers(*tls_lines(authority.issue("broker", hosts=("elsewhere.example",))))

    error = await refusal(secure(broker, Tls(ca_file=authority.ca_file)))

    assert error.reason is Reason.TLS_FAILED


@pytest.mark.parametrize(
    ("days", "reason"),
    [((-3, -1), Reason.TLS_EXPIRED), ((1, 3), Reason.TLS_NOT_YET_VALID)],
    ids=["expired", "not yet valid"],
)
async def test_the_brokers_dates_are_checked(
    brokers: Brokers, authority: Authority, days: tuple[int, int], reason: Reason
) -> None:
    """Outside its dates a certificate is refused; the reason says which end, and the dates."""
    broker = await brokers(*tls_lines(authority.issue("broker", hosts=HOSTS, days=days)))

    error = await refusal(secure(broker, Tls(ca_file=authority.ca_file)))

    assert error.reason is reason
    assert re.search(r"valid 20\S+Z to 20\S+Z", error.detail)


async def test_we_show_our_certificate_and_may_write_our_topics_only(
    brokers: Brokers, authority: Authority, tmp_path: Path
) -> None:
    """The common name pins province and gateway; another gateway's topics are refused."""
    acl = tmp_path / "acl"
    acl.write_text(
        "pattern write cgw/v1/%u/up/#\npattern read cgw/v1/%u/dn/#\n"
        "user console\ntopic read cgw/v1/+/+/up/#\ntopic write cgw/v1/+/+/dn/#\n"
    )
    broker = await brokers(
        *tls_lines(
            authority.issue("broker", hosts=HOSTS),
            "require_certificate true",
            "use_identity_as_username true",
            f"acl_file {acl}",
        )
    )
    console = secure(broker, authority.issue("console"))
    async with observing(console, *CENTRE_SUBSCRIPTIONS, client_id="console") as centre:
        site = PresenceGateway(secure(broker, authority.issue("79/hcm-q1-01")))
        async with connected(site):
            await centre.until(is_presence("online"))
            site.client.publish(OutboundMessage(Topics("79", "hcm-q1-02").presence, b"forged"))
            site.client.publish(OutboundMessage(TOPICS.birth, b"ours"))
            got = await centre.until(lambda message: message.payload in (b"ours", b"forged"))

    assert got.payload == b"ours"
    assert site.client.sample.refused == 1


async def test_without_a_certificate_the_broker_refuses_us(
    brokers: Brokers, authority: Authority
) -> None:
    """A broker that wants a certificate is not spoken to without one."""
    lines = tls_lines(authority.issue("broker", hosts=HOSTS), "require_certificate true")
    broker = await brokers(*lines)

    error = await refusal(secure(broker, Tls(ca_file=authority.ca_file)))

    assert error.reason in {Reason.TLS_FAILED, Reason.UPLINK_DOWN}


async def test_our_own_expired_certificate_is_named_with_its_date(
    brokers: Brokers, authority: Authority
) -> None:
    """A broker that turns us away for it says little; the reason says that it is ours."""
    lines = tls_lines(authority.issue("broker", hosts=HOSTS), "require_certificate true")
    broker = await brokers(*lines)

    error = await refusal(secure(broker, authority.issue("79/hcm-q1-01", days=(-3, -1))))

    assert error.reason is Reason.TLS_EXPIRED
    assert "our certificate ended 20" in error.detail


async def test_plain_text_is_not_taken_for_tls(broker: Broker, authority: Authority) -> None:
    """A broker that speaks plain MQTT on a TLS port is refused; nothing is sent in clear."""
    error = await refusal(secure(broker, Tls(ca_file=authority.ca_file)))

    assert error.reason is Reason.TLS_FAILED


async def test_a_wrong_password_is_not_hammered(brokers: Brokers, tmp_path: Path) -> None:
    """The reason is the account, and the next try is a minute away."""
    passwords = tmp_path / "passwords"
    tool = shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd"
    subprocess.run([tool, "-b", "-c", str(passwords), "gw", "right"], check=True)  # noqa: ASYNC221
    passwords.chmod(0o644)
    broker = await brokers("allow_anonymous false", f"password_file {passwords}")

    def account(password: str) -> BrokerAddress:
        return BrokerAddress(
            host="127.0.0.1", port=broker.port, username="gw", password=SecretStr(password)
        )

    error = await refusal(account("wrong"))
    async with connected(PresenceGateway(account("right"))):
        pass

    assert error.reason is Reason.NOT_AUTHORISED
    assert error.pause_s >= 60


async def test_websockets_carry_it_too(
    brokers: Brokers, authority: Authority, ports: Callable[[], int]
) -> None:
    """Over TLS and websocket, as a firewall that lets only HTTPS through wants it."""
    server = authority.issue("broker", hosts=HOSTS)
    port = ports()
    # Mosquitto 2.0.11 does not start with a websocket listener alone.
    await brokers(
        "allow_anonymous true",
        f"listener {port} 127.0.0.1",
        "protocol websockets",
        *tls_lines(server),
    )
    address = BrokerAddress(
        host="localhost",
        port=port,
        tls=Tls(ca_file=authority.ca_file),
        transport="websockets",
    )
    async with observing(address, *CENTRE_SUBSCRIPTIONS) as centre:
        site = PresenceGateway(address)
        async with connected(site):
            await centre.until(is_presence("online"))
            for number in range(3):  # 2.0.11 takes 0.1 s for each 4 KB
                payload = bytes([number]) * 10_000
                site.client.publish(OutboundMessage(TOPICS.birth, payload))
                got = await centre.until(lambda message: message.topic == TOPICS.birth)
                assert got.payload == payload
        await centre.until(is_presence("offline"))
