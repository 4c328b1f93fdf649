"""When the inventory is told; time is moved by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.config.documents import parse_site
from gateway.inventory.contacts import ContactsFile
from gateway.inventory.sections import Sources
from gateway.inventory.service import CHECK_S, InventoryService
from gateway.inventory.store import InventoryStore
from gateway.model.event import Event
from gateway.model.inventory import Observations, StreamSnapshot
from gateway.model.site_document import SiteConfig
from gateway.mqtt.epoch import Epochs
from gateway.mqtt.payloads.codec import decode_tree
from gateway.mqtt.topics import Topics
from gateway.ports import InboundMessage, OutboundMessage
from tests.fixtures.clock import FakeClock
from tests.fixtures.reports import MACHINE

TOPICS = Topics("79", "hcm-q1-01")
RETAINED = {TOPICS.inventory(name) for name in ("site", "nvr", "cams", "net", "ioc")}
PHONE = "0222 000 0001"


def site(*names: str, **inventory: Any) -> SiteConfig:
    cameras = [
        {"id": name, "name": name, "streams": [{"url": "rtsp://10.0.0.1/1"}]} for name in names
    ]
    return parse_site(json.dumps({"cameras": cameras, "inventory": inventory}).encode())


class Ended(BaseException):
    """The time of the test is over."""


class Harness:
    """A inventory service with everything it needs; a bus and events that remember."""

    connected = True

    def __init__(self, folder: Path, *, contacts: bool = False) -> None:
        self.folder = folder
        self.contacts = contacts
        self.site = site("c1", "c2")
        self.streams: tuple[StreamSnapshot, ...] = ()
        self.clock = FakeClock()
        self.posted: list[OutboundMessage] = []
        self.events: list[Event] = []
        self.inventory_service = self._new_service()

    def _new_service(self) -> InventoryService:
        def known(seen: Observations) -> Sources:
            return Sources(self.site, (), MACHINE, seen)

        file = ContactsFile(self.folder / "contacts.json", allowed=self.contacts)
        return InventoryService(
            TOPICS,
            sources=known,
            streams=lambda: self.streams,
            contacts=file.load,
            store=InventoryStore(self.folder),
            epochs=Epochs(None),
            bus=self,
            events=self,
            clock=self.clock,
        )

    def publish(self, message: OutboundMessage) -> None:
        self.posted.append(message)

    def acknowledge(self, message: InboundMessage) -> None:
        raise AssertionError(message)

    def record(self, event: Event) -> None:
        self.events.append(event)

    def restart(self) -> None:
        """The process ends and another one begins."""
        self.posted.clear()
        self.events.clear()
        self.inventory_service = self._new_service()

    def greet(self) -> list[OutboundMessage]:
        return list(self.inventory_service.greeting())

    async def run_for(self, seconds: float = 3 * CHECK_S) -> None:
        """Let so much time pass."""
        end_s = self.clock.time_s + seconds
        sleep = FakeClock.sleep

        async def until(delay_s: float) -> None:
            if self.clock.time_s >= end_s:
                raise Ended
            await sleep(self.clock, delay_s)

        self.clock.sleep = until  # type: ignore[method-assign]
        with pytest.raises(Ended):
            await self.inventory_service.run()

    def write_contacts(self, phone: str = PHONE, mode: int = 0o600) -> None:
        """Write the contacts file."""
        path = self.folder / "contacts.json"
        path.touch()
        path.write_text(json.dumps({"contacts": [{"name": "Nguyễn Văn A", "phone": phone}]}))
        path.chmod(mode)


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    """A site of two cameras; nobody may hear of contacts."""
    return Harness(tmp_path)


def test_the_first_connection_hears_everything(harness: Harness) -> None:
    """All sections, retained; the next connection knows them by their digests."""
    first, second = harness.greet(), harness.greet()

    assert {each.topic for each in first} == RETAINED
    assert all(each.retain and each.path == "conflated" for each in first)
    assert second == []


def test_a_section_has_its_digest(harness: Harness) -> None:
    """The same as the birth says."""
    digests = harness.inventory_service.digests()
    told = {
        each.topic.rpartition("/")[2]: decode_tree(each.payload, each.content_type)
        for each in harness.greet()
    }

    assert {name: tree["sha"] for name, tree in told.items()} == digests
    assert {tree["rev"] for tree in told.values()} == {1}


async def test_a_quiet_site_is_silent(harness: Harness) -> None:
    """Nothing changed means nothing said, nothing logged."""
    harness.greet()

    await harness.run_for(3600)

    assert (harness.posted, harness.events) == ([], [])


async def test_a_change_is_told_and_logged(harness: Harness) -> None:
    """Its section alone, with the next revision; one record with both values."""
    harness.greet()
    harness.site = site(
        "c1", "c2", cameras=[{"id": "c1", "firmware": "V5.7.3"}], surveyed="2026-03-02"
    )

    await harness.run_for()
    (told,) = harness.posted
    tree = decode_tree(told.payload, told.content_type)

    assert told.topic == TOPICS.inventory("cams")
    assert (tree["rev"], tree["sha"]) == (2, harness.inventory_service.digests()["cams"])
    assert [(each.kind, each.weight) for each in harness.events] == [("inventory", "event")]
    facts = dict(harness.events[0].facts)
    assert facts.pop("t")
    assert facts == {"sec": "cams", "rev": 2, "at": "/cams/c1/fw", "new": "V5.7.3", "src": "survey"}


async def test_a_restart_is_no_change(harness: Harness) -> None:
    """Revisions and times go on; the broker is told anew, the log is not."""
    before = {each.topic: decode_tree(each.payload, each.content_type) for each in harness.greet()}
    await harness.run_for()

    harness.restart()
    await harness.run_for()
    after = {each.topic: decode_tree(each.payload, each.content_type) for each in harness.greet()}

    assert harness.events == []
    for topic, tree in after.items():
        assert {**tree, "t": 0, "n": 0} == {**before[topic], "t": 0, "n": 0}


async def test_a_change_while_we_were_away_is_logged(harness: Harness) -> None:
    """A site document that was replaced between two processes is compared with the kept one."""
    await harness.run_for()
    harness.site = site("c1")

    harness.restart()
    await harness.run_for()

    assert [(each.facts["sec"], each.facts["at"]) for each in harness.events] == [
        ("site", "/camera_count/configured"),
        ("cams", "/cams/c2"),
    ]


async def test_what_is_seen_is_told_when_it_has_been_so_for_ten_minutes(harness: Harness) -> None:
    """And survives the process."""
    harness.greet()
    harness.streams = (StreamSnapshot("c1", "main", True, "h264", 1280, 720),)

    await harness.run_for(590)
    assert harness.posted == []
    await harness.run_for(60)
    places = {each.facts["at"] for each in harness.events}
    harness.restart()
    await harness.run_for()

    assert places == {
        "/camera_count/observed",
        "/cams/c1/streams/main/codec",
        "/cams/c1/streams/main/res",
    }
    assert harness.events == []


async def test_a_flickering_stream_is_not_told(harness: Harness) -> None:
    """Neither sections nor records, however long it goes on."""
    harness.greet()
    still = StreamSnapshot("c1", "main", True, "h264", 1280, 720)
    for number in range(60):
        harness.streams = (
            replace(still, codec="h265" if number % 2 else "h264", width=1280 + number),
        )
        await harness.run_for(30)

    assert (harness.posted, harness.events) == ([], [])


async def test_sections_are_told_again_when_asked(harness: Harness) -> None:
    """Once each; names that mean nothing are nothing."""
    harness.greet()

    harness.inventory_service.resend(["cams", "net", "cams", "weather", "presence"])

    assert [each.topic for each in harness.posted] == [
        TOPICS.inventory("cams"),
        TOPICS.inventory("net"),
    ]


async def test_contacts_are_not_sent_without_the_setting(harness: Harness) -> None:
    """Without the setting: not when asked, not in birth, kept file or log."""
    harness.write_contacts()
    harness.greet()
    harness.inventory_service.resend(["contacts"])
    await harness.run_for()

    assert harness.posted == []
    assert "contacts" not in harness.inventory_service.digests()
    assert PHONE not in (harness.folder / "inventory.json").read_text()


async def test_contacts_are_told_when_asked_and_not_kept(tmp_path: Path) -> None:
    """With the setting: one message that is not retained; a change says that, not how."""
    harness = Harness(tmp_path, contacts=True)
    harness.write_contacts("0333")
    await harness.run_for()
    greeted = harness.greet()
    harness.write_contacts(PHONE)
    await harness.run_for()
    changed = [dict(each.facts) for each in harness.events]
    harness.posted.clear()

    harness.inventory_service.resend(["contacts"])
    (told,) = harness.posted
    tree = decode_tree(told.payload, told.content_type)

    assert TOPICS.contacts not in {each.topic for each in greeted}
    assert (told.topic, told.retain) == (TOPICS.contacts, False)
    assert tree["items"] == [{"src": "survey", "name": "Nguyễn Văn A", "phone": PHONE}]
    assert (tree["rev"], tree["sha"]) == (2, harness.inventory_service.digests()["contacts"])
    assert [(each["sec"], each["at"]) for each in changed] == [("contacts", "")]
    assert not {"old", "new"} & changed[0].keys()
    assert PHONE not in (tmp_path / "inventory.json").read_text()


@pytest.mark.parametrize(
    ("content", "mode"),
    [
        ('{"contacts": [{"name": "A"}]}', 0o644),
        ('{"contacts": [{"nmae": "A"}]}', 0o600),
        ("{", 0o600),
    ],
    ids=["readable by others", "unknown key", "broken"],
)
async def test_a_bad_contacts_file_is_as_good_as_none(
    tmp_path: Path, content: str, mode: int
) -> None:
    """Nothing crashes and nothing is told."""
    harness = Harness(tmp_path, contacts=True)
    harness.write_contacts()
    (tmp_path / "contacts.json").write_text(content)
    (tmp_path / "contacts.json").chmod(mode)

    harness.inventory_service.resend(["contacts"])
    await harness.run_for()

    assert harness.posted == []


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        '{"sections": {"cams": 1}}',
        '{"sections": {"cams": {"rev": 1, "sha": "a", "tree": {"cams": 5}}}}',
        "\x00",
    ],
)
async def test_a_broken_stored_inventory_is_as_good_as_none(harness: Harness, content: str) -> None:
    """The inventory is told anew; a power cut or a worn card costs the history only."""
    (harness.folder / "inventory.json").write_text(content)

    harness.restart()
    await harness.run_for()

    assert {each.topic for each in harness.greet()} == RETAINED
    assert InventoryStore(harness.folder).load().keys() == {"site", "nvr", "cams", "net", "ioc"}


def test_the_graph_explains_a_camera(harness: Harness) -> None:
    """For the alarms: what takes the camera away if it fails."""
    links = [["c1", "sw1"], ["c2", "sw1"], ["sw1", "gateway"]]
    harness.site = site("c1", "c2", nodes=[{"id": "sw1", "kind": "switch"}], links=links)
    harness.restart()

    assert harness.inventory_service.upstream("c1") == ("sw1",)


def test_the_stored_file_is_private(harness: Harness) -> None:
    """Addresses of cameras are nobody's business."""
    InventoryStore(harness.folder).save({})

    assert (harness.folder / "inventory.json").stat().st_mode & 0o777 == 0o600
