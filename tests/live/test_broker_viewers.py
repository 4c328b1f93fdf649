"""The viewers' broker of config/broker, bridged to the centre's: what passes, and what does not."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.model.signalling import Candidates, Extend, RemoteCandidate, SessionKey
from gateway.mqtt.client.broker import Tls
from tests.fixtures.access import Person, SecuredBroker
from tests.fixtures.broker import observing
from tests.fixtures.site import OWN as SITE
from tests.fixtures.site import bye, cameras, site, tree

pytestmark = pytest.mark.live

OWN = "cgw/v1/79/hcm-q1-01"
RETAIN_NOT_SUPPORTED = 0x9A
CANDIDATE = RemoteCandidate("candidate:1 1 udp 1 192.0.2.1 9 typ host")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[SecuredBroker]:
    """Both, which may be stopped and started."""
    built = SecuredBroker(tmp_path / "etc")
    built.start()
    yield built
    built.stop()


@pytest.mark.parametrize("taken", [8883, 443, 8885, 8884])
def test_a_port_that_is_anothers_is_told_and_nothing_is_left(tmp_path: Path, taken: int) -> None:
    """Whichever of them: that somebody listens there does not tell that it is this broker."""
    secured = SecuredBroker(tmp_path / "etc")
    with socket.create_server(("127.0.0.1", 0)) as other:
        secured.ports[taken] = other.getsockname()[1]

        with pytest.raises(AssertionError, match=r"(?s)has ended.*Address already in use"):
            secured.start()

    assert secured.runs == {}


def session(number: int, viewer: str = "v-op17") -> str:
    """The topic by which *viewer* speaks in a session."""
    return f"{OWN}/dn/rtc/{viewer}/session-{number}"


def retained(broker: SecuredBroker) -> list[str]:
    """Return what the centre's broker keeps for the gateway, which comes for the first time."""
    gateway, viewer = broker.gateway("79/hcm-q1-01"), broker.viewer("v-last")
    assert viewer.say(session(0, "v-last"), b"the end of it")
    kept = [topic for topic, _ in gateway.until(b"the end of it")]
    gateway.leave()
    viewer.leave()
    return kept[:-1]


def test_a_viewers_retained_message_throws_it_out_and_nothing_stays(broker: SecuredBroker) -> None:
    """Reason code 0x9A, retain not supported; a retained will does not even come in."""
    viewer = broker.viewer("v-op17")

    assert not viewer.tries_to_say(session(1), b"x", retain=True)
    viewer.until_gone()
    assert viewer.code == RETAIN_NOT_SUPPORTED
    willing = Person(
        broker, broker.viewers.issue("v-op17"), "v-op17", listener=8884, will=session(2)
    )
    assert (willing.connected, willing.code) == (False, RETAIN_NOT_SUPPORTED)
    assert retained(broker) == []


def test_a_flood_of_retained_messages_leaves_none_at_the_centre(broker: SecuredBroker) -> None:
    """20,000 in 20 connections, of 16 kB: 320 MB, of which nothing is kept or comes later."""
    ticket = broker.viewers.issue("v-op17")

    for round_ in range(20):
        viewer = Person(broker, ticket, "v-op17", listener=8884)
        viewer.floods((session(1000 * round_ + each) for each in range(1000)), bytes(16_384))
        viewer.until_gone()
        viewer.leave()

    assert retained(broker) == []


def test_what_a_viewer_says_does_not_wait_for_a_gateway_that_is_away(broker: SecuredBroker) -> None:
    """It would fill the centre's memory; a command waits as ever."""
    ticket, filters = broker.staff.issue("79/hcm-q1-01"), (f"{OWN}/dn/#",)
    Person(broker, ticket, "hcm-q1-01", filters=filters, clean=False).leave()
    viewer, console = broker.viewer("v-op17"), broker.gateway("console")
    for number in range(100):
        assert viewer.say(session(number), bytes(1000))
    broker.until_connected()  # the last of them has come to the centre as well
    assert console.say(f"{OWN}/dn/cmd/probe", b"waiting")

    back = Person(broker, ticket, "hcm-q1-01", filters=filters, clean=False)

    assert back.until(b"waiting") == [(f"{OWN}/dn/cmd/probe", b"waiting")]
    for each in (viewer, console, back):
        each.leave()


def test_a_gateways_retained_message_does_not_cut_off_the_viewers(broker: SecuredBroker) -> None:
    """It comes as an ordinary one, now and after the viewers' broker has been away."""
    gateway, viewer = broker.gateway("79/hcm-q1-01"), broker.viewer("v-op17")
    answer = f"{OWN}/up/rtc/v-op17/session-1"

    assert gateway.tries_to_say(answer, b"left behind", retain=True)
    assert gateway.say(answer, b"answer")
    assert viewer.until(b"answer") == [(answer, b"left behind"), (answer, b"answer")]

    broker.stop_one(broker.front)
    broker.start_front()
    broker.until_connected()
    broker.stop_one(broker.centre)
    broker.start_centre()
    broker.until_connected()
    viewer.leave()
    gateway.leave()


def test_a_viewer_throws_out_neither_the_bridge_nor_anybody_else(broker: SecuredBroker) -> None:
    """Whatever client id it says, its own is the name in its certificate."""
    ids = ("viewers-local-CHANGE-ME", "viewers-CHANGE-ME", "relay-CHANGE-ME", "hcm-q1-01", "v-op18")
    gateway, other = broker.gateway("79/hcm-q1-01"), broker.viewer("v-op18")
    ticket = broker.viewers.issue("v-op17")

    for number, client_id in enumerate(ids):
        viewer = Person(broker, ticket, client_id, listener=8884)
        assert viewer.say(session(number), client_id.encode())
        gateway.until(client_id.encode())
        viewer.leave()

    assert gateway.say(f"{OWN}/up/rtc/v-op18/session-1", b"answer")
    other.until(b"answer")
    assert not gateway.gone
    assert not other.gone
    gateway.leave()
    other.leave()


@pytest.mark.parametrize("away", ["centre", "front"])
def test_the_bridge_is_back_when_either_end_is(broker: SecuredBroker, away: str) -> None:
    """Without anybody's help."""
    folder = broker.centre if away == "centre" else broker.front
    broker.stop_one(folder)

    if away == "centre":
        broker.start_centre()
    else:
        broker.start_front()

    broker.until_connected()


def test_the_bridge_outlives_a_reload(broker: SecuredBroker) -> None:
    """By which lists of revoked certificates are read anew."""
    broker.reload()

    broker.until_connected()


def settings(ticket: Tls) -> str:
    """What stands in the settings of a gateway that has *ticket*."""
    files = {"ca": ticket.ca_file, "cert": ticket.cert_file, "key": ticket.key_file}
    return "[broker.tls]\n" + "".join(f'{name} = "{file}"\n' for name, file in files.items())


async def test_another_gateways_certificate_does_not_throw_ours_out(
    broker: SecuredBroker, tmp_path: Path
) -> None:
    """Nor the trial connection: our ids follow from our key, which nobody else has."""
    name = f"{SITE.province}/{SITE.gateway}"
    console = broker.address(broker.staff.issue("console"))
    other = broker.staff.issue("79/hcm-q1-08")

    more = settings(broker.staff.issue(name))
    async with site(tmp_path, broker, cameras(1), address=console, more=more):
        for client_id in (SITE.gateway, f"{SITE.gateway}~t", name):
            thief = await asyncio.to_thread(Person, broker, other, client_id)
            assert thief.subscribed
            await asyncio.to_thread(thief.leave)

        assert f"as {SITE.gateway}-" in broker.log
        assert "already connected" not in broker.log


async def test_a_viewing_passes_through_the_bridge(broker: SecuredBroker, tmp_path: Path) -> None:
    """Offer, answer, candidates, pictures, a fresh token, the end; with the gateway that runs."""
    ticket = broker.staff.issue(f"{SITE.province}/{SITE.gateway}")
    console = broker.address(broker.staff.issue("console"))
    viewer = broker.address(broker.viewers.issue("v-test"), listener=8884)
    answers = f"cgw/v1/{SITE.province}/{SITE.gateway}/up/rtc/v-test/+"

    async with (
        site(tmp_path, broker, cameras(1), address=console, more=settings(ticket)) as running,
        observing(viewer, answers, client_id="v-test") as theirs,
    ):
        there = dataclasses.replace(running, centre=theirs)
        watching = await there.watch(0)
        key = SessionKey("v-test", "session-1")
        there.say(Candidates(key, (CANDIDATE,)))
        there.say(Extend(key, 600.0, there.token(0, max_s=3600)))

        async def until(act: str) -> dict[str, object]:
            return tree(
                await running.until(
                    lambda message: message.topic == SITE.event and tree(message).get("act") == act
                )
            )

        assert (await until("begin"))["actor"] == "an.nguyen"
        assert (await until("renew"))["actor"] == "an.nguyen"
        await watching.until(len(watching.packets) + 10)
        there.say(bye(1))
        assert (await until("end"))["why"] == "viewer"
