"""The broker of config/broker: every line of its lists, by what comes through and what does not.

Mosquitto 2.0 grants a subscription to what may not be heard; so everybody subscribes to
everything, and what is delivered before a message that must come is all that was.
"""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.model.provinces import PROVINCES
from gateway.mqtt.client.broker import Tls
from gateway.mqtt.payloads.codec import PAYLOAD_BYTES
from gateway.mqtt.topic_tree import (
    CONTROL,
    ECHO,
    LEVELS,
    TOPIC_SPECS,
    VIEWER_SIGNALLING,
    TopicSpec,
)
from gateway.mqtt.topics import parse_topic
from tests.fixtures.access import FILES, Person, SecuredBroker, revoke
from tests.fixtures.broker import Authority

pytestmark = pytest.mark.live

README = (FILES / "README.md").read_text(encoding="utf-8")
OWN, NEXT, FAR = "cgw/v1/79/hcm-q1-01", "cgw/v1/79/hcm-q1-02", "cgw/v1/24/bacninh-01"
ANSWERS, SESSION = f"{OWN}/up/rtc", "01JD7Q3T8M0V"
_numbers = itertools.count()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    """One broker for the whole table."""
    built = SecuredBroker(tmp_path_factory.mktemp("broker") / "etc")
    built.start()
    yield built
    built.stop()


@pytest.fixture(scope="module")
def people(broker: SecuredBroker) -> Iterator[dict[str, Person]]:
    """Everybody there is, connected."""
    everybody = {
        "gateway": broker.gateway("79/hcm-q1-01"),
        "next": broker.gateway("79/hcm-q1-02"),
        "far": broker.gateway("24/bacninh-01"),
        "console": broker.gateway("console"),
        "op79": broker.gateway("op79"),
        "op24": broker.gateway("op24"),
        "viewer": broker.viewer("v-op17"),
        "other viewer": broker.viewer("v-op18"),
        "viewer 79": broker.viewer("79"),
        "viewer as gateway": broker.viewer("79/hcm-q1-01"),
        "bridge": Person(broker, broker.staff.issue("viewers"), "bridge-2", listener=8885),
        "relay": Person(broker, broker.staff.issue("relay"), "relay-2", listener=8885),
        "bridge at 8883": Person(broker, broker.staff.issue("viewers"), "bridge-3"),
        "gateway at 8885": Person(
            broker, broker.staff.issue("79/hcm-q1-01"), "gateway-3", listener=8885
        ),
    }
    yield everybody
    for each in everybody.values():
        each.leave()


def topic_of(channel: TopicSpec, gateway: str = OWN) -> str:
    """Return an example of *channel*."""
    examples = {
        "cam": "c07", "key": "cam.c07.down", "section": "cams", "requester": "v-op17", "cid": "c-1",
        "stream": "main", "viewer": "v-op17", "sid": SESSION, "name": "probe", "group": "all",
        "ver": "1",
    }  # fmt: skip
    name = channel.name.format(**examples)
    topic = name if name.startswith(CONTROL) else f"{gateway}/{name}"
    place = parse_topic(topic)
    assert place is not None
    assert place.spec is channel
    return topic


RELAYED = f"relay/{OWN}/up/rtc"
FENCES = {
    "gateway": ("console", f"{CONTROL}/state"),
    "next": ("console", f"{CONTROL}/state"),
    "far": ("console", f"{CONTROL}/state"),
    "console": ("gateway", f"{OWN}/up/event"),
    "op79": ("gateway", f"{OWN}/up/event"),
    "op24": ("far", f"{FAR}/up/event"),
    "viewer": ("gateway", f"{OWN}/up/rtc/v-op17/fence-0001"),
    "other viewer": ("gateway", f"{OWN}/up/rtc/v-op18/fence-0001"),
    "bridge": ("relay", f"{RELAYED}/v-op17/fence-0001"),
}
"""Reader -> who can say something that must come to them."""

AT_FRONT = {"viewer": "v-op17", "other viewer": "v-op18"}
"""Those at the viewers' broker: what they say comes to the centre's in order, but later."""


def hears(people: dict[str, Person], reader: str, writer: str, topic: str) -> bool:
    """Return whether what *writer* says on *topic*, which they may, comes to *reader*."""
    said, fence = f"said {next(_numbers)}".encode(), f"fence {next(_numbers)}".encode()
    assert people[writer].say(topic, said)
    if writer in AT_FRONT:
        passed = f"passed {next(_numbers)}".encode()
        assert people[writer].say(f"{OWN}/dn/rtc/{AT_FRONT[writer]}/passed-0001", passed)
        heard = people["gateway"].until(passed)
        if reader == "gateway":
            return (topic, said) in heard
    speaker, where = FENCES[reader]
    assert people[speaker].say(where, fence)
    return (topic, said) in people[reader].until(fence)


def own_topics() -> Iterator[tuple[str, str, str, bool]]:
    """Yield for each topic of a gateway that it may write there, and not beside it."""
    any_level = dict.fromkeys(LEVELS, "+")
    for spec in TOPIC_SPECS:
        if spec.name.startswith("up/"):
            rule = f"pattern write cgw/v1/%u/{spec.name.format(**any_level)}"
            yield (rule, "gateway", topic_of(spec), True)
            yield (rule, "gateway", f"{topic_of(spec)}/more", False)
            yield (rule, "gateway", topic_of(spec, NEXT), False)
            yield (rule, "gateway", topic_of(spec, FAR), False)
            yield (rule, "viewer as gateway", topic_of(spec), False)
            yield (rule, "gateway at 8885", topic_of(spec), False)


RELAY = "relay/cgw/v1/+/+/up/rtc/+/+"
WRITING = [
    # rule, who, where, whether
    *own_topics(),
    ("pattern write cgw/v1/%u/up/presence", "gateway", f"{OWN}/up/anything", False),
    ("topic deny cgw/v1/op79/#", "op79", "cgw/v1/op79/up/presence", False),
    ("topic deny cgw/v1/op79/#", "op79", "cgw/v1/op79/up/alarm/any", False),
    ("topic deny cgw/v1/op79/#", "gateway", f"{OWN}/up/presence", True),
    ("topic write cgw/v1/+/+/dn/rtc/+/+", "bridge", f"{OWN}/dn/rtc/v-op18/{SESSION}", True),
    ("topic write cgw/v1/+/+/dn/rtc/+/+", "bridge", f"{OWN}/dn/rtc/v-op18", False),
    ("topic write cgw/v1/+/+/dn/rtc/+/+", "bridge", f"{OWN}/dn/cmd/reboot", False),
    ("topic write cgw/v1/+/+/dn/rtc/+/+", "bridge", f"{OWN}/dn/config/desired", False),
    ("topic write cgw/v1/+/+/dn/rtc/+/+", "bridge", "cgw/v1/viewers/up/presence", False),
    ("topic write cgw/v1/+/+/dn/rtc/+/+", "bridge", "ctl/v1/viewing/revoked", False),
    ("topic write cgw/v1/+/+/dn/rtc/+/+", "bridge", f"{OWN}/up/rtc/v-op17/{SESSION}", False),
    (f"topic write {RELAY}", "relay", f"{RELAYED}/v-op17/{SESSION}", True),
    (f"topic write {RELAY}", "relay", f"{OWN}/dn/rtc/v-op17/{SESSION}", False),
    (f"topic write {RELAY}", "bridge", f"{RELAYED}/v-op17/{SESSION}", False),
    (f"topic write {RELAY}", "gateway", f"{RELAYED}/v-op17/{SESSION}", False),
    ("topic deny #", "bridge at 8883", f"{OWN}/dn/rtc/v-op17/{SESSION}", False),
    ("topic deny #", "bridge at 8883", "cgw/v1/viewers/up/presence", False),
    ("topic deny #", "bridge", f"{OWN}/dn/rtc/v-op17/{SESSION}", True),
    ("pattern write cgw/v1/%u/up/presence", "viewer 79", "cgw/v1/79/up/up/presence", False),
    ("pattern read cgw/v1/%u/dn/#", "gateway", f"{OWN}/dn/cmd/reboot", False),
    ("pattern read ctl/v1/#", "gateway", "ctl/v1/state", False),
    ("topic write cgw/v1/+/+/dn/#", "console", f"{OWN}/dn/cmd/probe", True),
    ("topic write cgw/v1/+/+/dn/#", "console", f"{FAR}/dn/config/desired", True),
    ("topic write cgw/v1/+/+/dn/#", "console", f"{OWN}/up/presence", False),
    ("topic write ctl/v1/#", "console", "ctl/v1/bcast/prov-79", True),
    ("topic write ctl/v1/#", "console", "ctl/v2/bcast/all", False),
    ("topic write ctl/v1/#", "gateway", "ctl/v1/viewing/revoked", False),
    ("topic write ctl/v1/#", "viewer", "ctl/v1/viewing/revoked", False),
    ("topic deny ctl/v1/viewing/revoked", "op79", "ctl/v1/viewing/revoked", False),
    ("topic read cgw/v1/+/+/up/#", "console", f"{OWN}/up/event", False),
    ("topic read cgw/v1/79/+/up/#", "op79", f"{OWN}/up/event", False),
    ("topic read cgw/v1/79/+/up/#", "op79", f"{OWN}/dn/cmd/probe", False),
    ("topic read cgw/v1/79/+/up/#", "op79", "ctl/v1/bcast/all", False),
    ("pattern write cgw/v1/+/+/dn/rtc/%u/+", "viewer", f"{OWN}/dn/rtc/v-op17/{SESSION}", True),
    ("pattern write cgw/v1/+/+/dn/rtc/%u/+", "viewer", f"{OWN}/dn/rtc/v-op18/{SESSION}", False),
    ("pattern write cgw/v1/+/+/dn/rtc/%u/+", "viewer", f"{OWN}/dn/cmd/reboot", False),
    ("pattern write cgw/v1/+/+/dn/rtc/%u/+", "viewer", f"{OWN}/dn/config/desired", False),
    ("pattern read cgw/v1/+/+/up/rtc/%u/+", "viewer", f"{OWN}/up/rtc/v-op17/{SESSION}", False),
    ("pattern read cgw/v1/+/+/up/rtc/%u/+", "viewer", "ctl/v1/state", False),
]

READING = [
    # rule, reader, who says it, where, whether
    ("pattern read cgw/v1/%u/up/echo", "gateway", "gateway", f"{OWN}/up/echo", True),
    ("pattern read cgw/v1/%u/up/echo", "gateway", "gateway", f"{OWN}/up/event", False),
    ("pattern read cgw/v1/%u/up/echo", "next", "gateway", f"{OWN}/up/echo", False),
    ("pattern read cgw/v1/%u/dn/#", "gateway", "console", f"{OWN}/dn/cmd/probe", True),
    ("pattern read cgw/v1/%u/dn/#", "gateway", "viewer", f"{OWN}/dn/rtc/v-op17/{SESSION}", True),
    ("pattern read cgw/v1/%u/dn/#", "next", "console", f"{OWN}/dn/cmd/probe", False),
    (f"topic read {RELAY}", "bridge", "relay", f"{RELAYED}/v-op18/{SESSION}", True),
    (f"topic read {RELAY}", "bridge", "gateway", f"{OWN}/up/presence", False),
    (f"topic read {RELAY}", "bridge", "console", "ctl/v1/viewing/revoked", False),
    (f"topic read {RELAY}", "bridge", "console", f"{OWN}/dn/cmd/probe", False),
    (f"topic read {RELAY}", "console", "relay", f"{RELAYED}/v-op18/{SESSION}", False),
    ("pattern read ctl/v1/#", "gateway", "console", "ctl/v1/bcast/prov-79", True),
    ("pattern read ctl/v1/#", "viewer", "console", "ctl/v1/bcast/prov-79", False),
    ("pattern read ctl/v1/#", "console", "console", "ctl/v1/viewing/revoked", True),
    ("pattern read ctl/v1/#", "gateway", "console", "ctl/v1/viewing/revoked", True),
    ("pattern read ctl/v1/#", "viewer", "console", "ctl/v1/viewing/revoked", False),
    ("topic deny ctl/v1/viewing/revoked", "op79", "console", "ctl/v1/viewing/revoked", False),
    ("topic deny ctl/v1/viewing/revoked", "op79", "console", "ctl/v1/bcast/all", True),
    ("topic read cgw/v1/+/+/up/#", "console", "far", f"{FAR}/up/inv/contacts", True),
    ("topic read cgw/v1/+/+/up/#", "console", "viewer", f"{OWN}/dn/rtc/v-op17/{SESSION}", False),
    ("topic read cgw/v1/79/+/up/#", "op79", "gateway", f"{OWN}/up/presence", True),
    ("topic read cgw/v1/79/+/up/#", "op79", "next", f"{NEXT}/up/inv/cams", True),
    ("topic read cgw/v1/79/+/up/#", "op79", "far", f"{FAR}/up/presence", False),
    ("topic read cgw/v1/79/+/up/#", "op79", "console", f"{OWN}/dn/config/desired", False),
    ("topic deny cgw/v1/79/+/up/inv/contacts", "op79", "gateway", f"{OWN}/up/inv/contacts", False),
    ("topic deny cgw/v1/79/+/up/inv/contacts", "op79", "gateway", f"{OWN}/up/inv/site", True),
    ("topic deny cgw/v1/79/+/up/rtc/#", "op79", "gateway", f"{OWN}/up/rtc/v-op17/{SESSION}", False),
    ("topic deny cgw/v1/79/+/up/rtc/#", "op79", "gateway", f"{OWN}/up/health/cams", True),
    ("topic deny cgw/v1/79/+/up/rsp/#", "op79", "gateway", f"{OWN}/up/rsp/op-1/c-1", False),
    ("topic deny cgw/v1/79/+/up/rsp/#", "op79", "gateway", f"{OWN}/up/alarm/cam.c07.down", True),
    ("topic deny cgw/v1/79/+/up/doc", "op79", "gateway", f"{OWN}/up/doc", False),
    ("topic deny cgw/v1/79/+/up/doc", "op79", "gateway", f"{OWN}/up/event", True),
    ("topic deny cgw/v1/79/+/up/log/#", "op79", "gateway", f"{OWN}/up/log/main", False),
    ("topic deny cgw/v1/79/+/up/log/#", "op79", "gateway", f"{OWN}/up/inv/log", True),
    ("pattern read cgw/v1/+/+/up/rtc/%u/+", "viewer", "gateway", f"{ANSWERS}/v-op17/s-01", True),
    ("pattern read cgw/v1/+/+/up/rtc/%u/+", "viewer", "gateway", f"{ANSWERS}/v-op18/s-01", False),
    ("pattern read cgw/v1/+/+/up/rtc/%u/+", "viewer", "gateway", f"{OWN}/up/presence", False),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "who", "topic", "allowed"), WRITING)
def test_who_may_say_it(
    people: dict[str, Person], rule: str, who: str, topic: str, allowed: bool
) -> None:
    """The broker acknowledges what a line allows, and refuses all else by its reason code."""
    assert people[who].say(topic, b"x") is allowed, rule


@pytest.mark.parametrize(("rule", "reader", "writer", "topic", "allowed"), READING)
def test_who_may_hear_it(
    people: dict[str, Person], rule: str, reader: str, writer: str, topic: str, allowed: bool
) -> None:
    """What a line allows is delivered, what none does is not, though it was subscribed to."""
    assert hears(people, reader, writer, topic) is allowed, rule


def rules() -> set[str]:
    """Return every rule there is, the provinces' as those of province 79."""
    lines = [
        line
        for name in ("acl", "acl.viewers", "acl.relay")
        for line in (FILES / name).read_text().splitlines()
    ]
    return {
        re.sub(r"cgw/v1/(op)?[0-9]{2}/", r"cgw/v1/\g<1>79/", line)
        for line in lines
        if line and not line.startswith(("#", "user "))
    }


MEMORY = "$SYS/broker/heap/current"


def test_every_line_is_tried_both_ways() -> None:
    """For each rule of the files there is something allowed and something denied in the tables."""
    tried = {(row[0], row[-1]) for row in (*WRITING, *READING)}
    tried |= {("topic read $SYS/broker/#", allowed) for allowed in (True, False)}  # the next test

    assert tried == {(rule, allowed) for rule in rules() for allowed in (True, False)}


@pytest.mark.parametrize(("name", "sees"), [("console", True), ("79/watch", False)])
def test_the_centre_alone_sees_how_much_memory_is_taken(
    broker: SecuredBroker, people: dict[str, Person], name: str, sees: bool
) -> None:
    """And so how near to its limit the broker is."""
    reader = Person(broker, broker.staff.issue(name), "watcher", filters=(MEMORY, "#"))

    assert people["console"].say(f"{CONTROL}/state", b"the end of the list")

    assert (MEMORY in [topic for topic, _ in reader.until(b"the end of the list")]) is sees
    reader.leave()


@pytest.mark.parametrize("channel", TOPIC_SPECS, ids=lambda channel: channel.name)
def test_every_channel_has_its_writer_and_its_reader(
    people: dict[str, Person], channel: TopicSpec
) -> None:
    """Those it is for, and nobody else who could do harm."""
    topic = topic_of(channel)
    if channel.name.startswith("up/"):
        writers, readers = {"gateway"}, {"console"} | ({"gateway"} if channel is ECHO else set())
    else:
        writers, readers = {"console"}, {"gateway"}
    if channel is VIEWER_SIGNALLING:
        writers |= {"viewer", "bridge"}

    for writer in sorted(writers):
        for reader in sorted(readers):
            assert hears(people, reader, writer, topic), f"{writer} to {reader}"
    for stranger in people.keys() - writers:
        assert not people[stranger].say(topic, b"forged"), stranger


def test_each_province_hears_its_own_and_nothing_else(
    broker: SecuredBroker, people: dict[str, Person]
) -> None:
    """All 34 operators at once: events yes; contacts, answers, pictures, logs and neighbours no."""
    kinds = ("inv/contacts", f"rtc/v-op17/{SESSION}", "rsp/op-1/c-1", "log/main", "event")
    operators = {
        code: broker.gateway(f"op{code}") for code in PROVINCES if code not in ("79", "24")
    }
    operators |= {"79": people["op79"], "24": people["op24"]}
    names = {code: f"cgw/v1/{code}/province-{code}" for code in PROVINCES}
    for code, prefix in names.items():
        gateway = broker.gateway(f"{code}/province-{code}")
        for kind in kinds:
            assert gateway.say(f"{prefix}/up/{kind}", f"{code} {kind}".encode())
        gateway.leave()

    assert people["console"].say(f"{CONTROL}/state", b"the end of it")
    for code, operator in operators.items():
        heard = operator.until(b"the end of it")
        assert [each for each in heard if "/province-" in each[0]] == [
            (f"{names[code]}/up/event", f"{code} event".encode())
        ]
    for code in operators.keys() - {"79", "24"}:
        operators[code].leave()


def test_the_lists_are_those_that_the_tree_gives(tmp_path: Path) -> None:
    """Nobody edits them by hand."""
    subprocess.run([sys.executable, "-m", "gateway.console.broker_acl", str(tmp_path)], check=True)

    for name in ("acl", "acl.viewers", "acl.relay"):
        assert (tmp_path / name).read_text() == (FILES / name).read_text()


def test_no_comment_stands_behind_a_rule() -> None:
    """It would become part of the topic."""
    for rule in rules():
        assert len(rule.split()) == 3, rule
        assert " #" not in rule or rule == "topic deny #"


def refused(person: Person) -> bool:
    """Return whether the broker has not let *person* in."""
    return person.gone and not person.subscribed


@pytest.mark.parametrize("listener", [8883, 8884, 8885, 443])
def test_without_a_certificate_nobody_comes_in(broker: SecuredBroker, listener: int) -> None:
    """Neither with a name nor without."""
    assert refused(Person(broker, Tls(), "nobody", listener=listener))


def test_a_strangers_certificate_is_refused(broker: SecuredBroker, tmp_path: Path) -> None:
    """A name is worth what the authority behind it is."""
    stranger = Authority.create(tmp_path / "stranger").issue("console")

    assert refused(Person(broker, stranger, "console-2"))
    assert refused(Person(broker, stranger, "console-2", listener=443))


def test_authorities_are_for_their_listener(broker: SecuredBroker) -> None:
    """A viewer cannot enter where gateways do, whatever its name; nor the other way round."""
    assert refused(Person(broker, broker.viewers.issue("console"), "console-3"))
    assert refused(Person(broker, broker.staff.issue("v-op19"), "v-op19", listener=8884))


def test_an_expired_certificate_is_refused(broker: SecuredBroker) -> None:
    """By its date."""
    expired = broker.staff.issue("79/hcm-q1-09", days=(-3, -1))

    assert refused(Person(broker, expired, "hcm-q1-09"))


def test_port_443_has_the_same_rules(broker: SecuredBroker) -> None:
    """Another way in, not another right."""
    ticket = broker.staff.issue("79/hcm-q1-05")
    gateway = Person(broker, ticket, "hcm-q1-05", listener=443)

    assert gateway.say("cgw/v1/79/hcm-q1-05/up/event", b"x")
    assert not gateway.say(f"{OWN}/up/event", b"x")
    gateway.leave()


def test_who_takes_anothers_client_id_gets_nothing_of_it(
    broker: SecuredBroker, people: dict[str, Person]
) -> None:
    """They can disturb, which the broker logs; they hear nothing that waited and nothing new."""
    victim = Person(broker, broker.staff.issue("79/hcm-q1-07"), "hcm-q1-07", clean=False)
    victim.leave()
    assert people["console"].say("cgw/v1/79/hcm-q1-07/dn/cmd/probe", b"waiting")

    thief = Person(broker, broker.staff.issue("79/hcm-q1-08"), "hcm-q1-07", clean=False)
    assert people["console"].say("cgw/v1/79/hcm-q1-07/dn/cmd/probe", b"new")
    assert people["console"].say("cgw/v1/79/hcm-q1-08/dn/cmd/probe", b"own")

    assert [payload for topic, payload in thief.until(b"own") if "hcm-q1-07" in topic] == []
    thief.leave()


def test_a_viewer_with_a_gateways_client_id_throws_nobody_out(broker: SecuredBroker) -> None:
    """Nor one with the console's: on the viewers' listener the certificate's name is the id."""
    victims = [
        Person(broker, broker.staff.issue(name), client_id)
        for name, client_id in (("79/hcm-q1-06", "hcm-q1-06"), ("console", "console-9"))
    ]
    ticket = broker.viewers.issue("v-op19")

    for client_id in ("hcm-q1-06", "console-9"):
        viewer = Person(broker, ticket, client_id, listener=8884)
        assert viewer.say(f"{OWN}/dn/rtc/v-op19/{SESSION}", b"x")
        viewer.leave()

    assert victims[0].say("cgw/v1/79/hcm-q1-06/up/event", b"still here")
    assert victims[1].say(f"{CONTROL}/state", b"still here")
    for each in victims:
        each.leave()


@pytest.mark.parametrize("clean", [True, False])
def test_what_waits_for_a_gateway_is_not_lost_by_a_viewer_with_its_client_id(
    broker: SecuredBroker, people: dict[str, Person], clean: bool
) -> None:
    """It would take over the session: the broker deletes what its new owner may not hear."""
    topic, ticket = "cgw/v1/79/hcm-q1-10/dn/cmd/probe", broker.staff.issue("79/hcm-q1-10")
    filters = ("cgw/v1/79/hcm-q1-10/dn/#",)
    Person(broker, ticket, "hcm-q1-10", filters=filters, clean=False).leave()
    assert people["console"].say(topic, b"waiting")

    Person(broker, broker.viewers.issue("v-op19"), "hcm-q1-10", listener=8884, clean=clean).leave()

    back = Person(broker, ticket, "hcm-q1-10", filters=filters, clean=False)
    assert people["console"].say(topic, b"the end of it")
    assert back.until(b"the end of it") == [(topic, b"waiting"), (topic, b"the end of it")]
    back.leave()


@pytest.mark.parametrize(("size", "taken"), [(PAYLOAD_BYTES, True), (2 * PAYLOAD_BYTES, False)])
def test_a_packet_is_as_large_as_ours_at_most(
    broker: SecuredBroker, size: int, taken: bool
) -> None:
    """The largest payload of the contract passes; who sends twice as much is thrown out."""
    viewer = broker.viewer("v-op20")

    assert viewer.tries_to_say(f"{OWN}/dn/rtc/v-op20/{SESSION}", bytes(size)) is taken
    assert viewer.gone is not taken
    viewer.leave()


STORE = "/var/lib/mosquitto/mosquitto.db"
(WHO_FILLS_IT,) = re.findall(rf"^sudo (grep .*{STORE}.*)$", README, re.MULTILINE)
"""Told by README.md: who has left how many messages, the most last."""


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[SecuredBroker]:
    """A broker that may be reloaded and restarted."""
    built = SecuredBroker(tmp_path / "etc")
    built.start()
    yield built
    built.stop()


def test_memory_ends_at_its_limit_and_begins_anew_as_the_readme_says(tmp_path: Path) -> None:
    """Here of 4 MiB: one gateway's retained messages end there, and without the store are gone."""
    broker = SecuredBroker(tmp_path / "etc", memory_limit=4 * 1024 * 1024, for_viewers=False)
    broker.start()
    hijacked = broker.gateway("79/hcm-q1-01")

    left = itertools.takewhile(
        lambda number: hijacked.tries_to_say(
            f"{OWN}/up/alarm/{number}", bytes(60_000), retain=True
        ),
        range(1000),
    )

    assert 0 < len(list(left)) * 60_000 < 4 * 1024 * 1024
    hijacked.until_gone()
    hijacked.leave()

    broker.stop()  # unless it has ended by itself, as Mosquitto 2.0.11 does at some allocations
    store = broker.folder / "state" / "mosquitto.db"
    told = subprocess.run(WHO_FILLS_IT.replace(STORE, str(store)), shell=True, capture_output=True)
    assert told.stdout.split()[-1] == OWN.encode()
    store.unlink()
    broker.start()
    gateway = broker.gateway("79/hcm-q1-02")
    assert gateway.say(f"{NEXT}/up/event", bytes(60_000))
    gateway.leave()
    broker.stop()


def eventually(refuses: Callable[[], bool]) -> None:
    """Return once the broker has read its files anew: a signal has no answer."""
    assert any(refuses() for _ in range(100))


def test_a_revoked_gateway_is_out_within_a_minute(fresh: SecuredBroker) -> None:
    """As README.md says: list, rule, SIGHUP; and the centre takes over its client id."""
    gateway = fresh.gateway("79/hcm-q1-01")
    assert gateway.say(f"{OWN}/up/event", b"before")
    revoke(fresh.staff, fresh.centre / "tls" / "staff-crl.pem", [gateway.ticket])
    with (fresh.centre / "acl").open("a") as acl:
        acl.write("\nuser 79/hcm-q1-01\ntopic deny #\n")

    fresh.reload()

    eventually(lambda: not gateway.say(f"{OWN}/up/event", b"after"))
    console = Person(fresh, fresh.staff.issue("console"), "hcm-q1-01", filters=("ctl/v1/state",))
    gateway.until_gone()
    assert refused(Person(fresh, gateway.ticket, "hcm-q1-01b"))
    assert refused(Person(fresh, gateway.ticket, "hcm-q1-01b", listener=443))
    console.leave()


def test_revocation_outlives_a_restart_on_every_listener(fresh: SecuredBroker) -> None:
    """For gateways and for viewers."""
    ticket, viewer = fresh.staff.issue("79/hcm-q1-01"), fresh.viewers.issue("v-op17")
    revoke(fresh.staff, fresh.centre / "tls" / "staff-crl.pem", [ticket])
    revoke(fresh.viewers, fresh.front / "tls" / "viewers-crl.pem", [viewer])
    fresh.stop()
    fresh.start()

    assert refused(Person(fresh, ticket, "hcm-q1-01"))
    assert refused(Person(fresh, ticket, "hcm-q1-01", listener=443))
    assert refused(Person(fresh, viewer, "v-op17", listener=8884))


def test_a_command_waits_for_a_gateway_that_is_away(fresh: SecuredBroker) -> None:
    """Over a restart of the broker too, though each listener has its own rules."""
    ticket = fresh.staff.issue("79/hcm-q1-01")
    Person(fresh, ticket, "hcm-q1-01", filters=(f"{OWN}/dn/#",), clean=False).leave()
    fresh.stop()
    fresh.start()
    console = fresh.gateway("console")
    assert console.say(f"{OWN}/dn/cmd/probe", b"waiting")

    back = Person(fresh, ticket, "hcm-q1-01", filters=(f"{OWN}/dn/#",), clean=False)

    assert back.until(b"waiting") == [(f"{OWN}/dn/cmd/probe", b"waiting")]
    back.leave()
    console.leave()
