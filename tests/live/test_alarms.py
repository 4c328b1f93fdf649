"""Alarms of a real gateway at a real broker: raised, explained, cleared, kept over a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.demo.config_files import free_port
from gateway.model.alarm import Alarm
from gateway.model.reasons import Reason
from gateway.mqtt.payloads.alarm import decode_alarm
from gateway.mqtt.payloads.event import decode_event
from gateway.mqtt.topic_tree import ALARM
from gateway.mqtt.topics import parse_topic
from gateway.ports import InboundMessage
from tests.fixtures.broker import Broker, observing
from tests.fixtures.clock import HANG_S
from tests.fixtures.site import OWN, Site, cameras, site

pytestmark = pytest.mark.live


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alarms that are raised and cleared within a second or two."""
    for name, value in (
        ("CHECK_S", "0.2"),
        ("RAISE_CHECKS", "2"),
        ("RAISE_S", "0.5"),
        ("CLEAR_S", "1"),
    ):
        monkeypatch.setenv(f"CAMERA_GATEWAY__ALARMS__{name}", value)


def alarm_in(message: InboundMessage) -> Alarm | None:
    place = parse_topic(message.topic)
    if place is None or place.spec is not ALARM:
        return None
    return decode_alarm(message.payload, message.content_type)[1]


def event_about(message: InboundMessage) -> tuple[object, object]:
    """What an event says of an alarm: what has become of it, and its id."""
    if message.topic != OWN.event:
        return None, None
    facts = decode_event(message.payload, message.content_type).facts
    return facts.get("act"), facts.get("alarm")


async def until_alarm(running: Site, key: str, *, raised: bool) -> Alarm:
    """Return the alarm under *key* once it is told as wanted."""

    def wanted(message: InboundMessage) -> bool:
        alarm = alarm_in(message)
        return alarm is not None and (alarm.key, alarm.raised) == (key, raised)

    alarm = alarm_in(await running.until(wanted))
    assert alarm is not None
    return alarm


async def until_alarms(running: Site, *keys: str, raised: bool) -> dict[str, Alarm]:
    """Return the alarms under *keys* once each is told as wanted, in whatever order."""
    found: dict[str, Alarm] = {}

    def all_told(message: InboundMessage) -> bool:
        alarm = alarm_in(message)
        if alarm is not None and alarm.key in keys and alarm.raised is raised:
            found[alarm.key] = alarm
        return len(found) == len(keys)

    await running.until(all_told)
    return found


@pytest.mark.usefixtures("hasty")
async def test_a_dead_camera_is_an_alarm_until_it_is_back(tmp_path: Path, broker: Broker) -> None:
    """With its cause and an event; who connects later reads it; cleared under the same id."""
    async with site(tmp_path, broker, cameras(2)) as running:
        await running.watch(0)
        await running.until_state(0, "OK")

        running.recorders[0].kill()
        raised = await until_alarm(running, "cam.c00.down", raised=True)
        async with observing(broker.address, OWN.alarm("#"), client_id="late") as late:
            kept = await late.until(lambda each: each.topic == OWN.alarm("cam.c00.down"))
        await running.until(lambda each: event_about(each) == ("raise", raised.id))
        await running.recorders[0].open_port()
        cleared = await until_alarm(running, "cam.c00.down", raised=False)

        assert (raised.severity, raised.arguments["cam"], raised.parent) == ("major", "c00", None)
        assert raised.cause in (Reason.REFUSED, Reason.STALLED, Reason.UNREACHABLE)
        assert kept.retain
        assert cleared.id == raised.id
        told = {alarm.key for each in running.heard if (alarm := alarm_in(each)) is not None}
        assert not told & {"cam.c01.down", "nvr.box-0.down", "uplink.down"}


@pytest.mark.usefixtures("hasty")
async def test_a_dead_recorder_explains_its_cameras(tmp_path: Path, broker: Broker) -> None:
    """One alarm that says so; a camera that had one already names it as its parent."""
    async with site(tmp_path, broker, cameras(2), device="nvr1", keep="warm") as running:
        await running.until_states(2, "OK")

        running.recorders[0].kill()
        await until_alarm(running, "cam.c00.down", raised=True)
        running.recorders[1].kill()
        recorder = await until_alarm(running, "nvr.nvr1.down", raised=True)
        camera = await until_alarm(running, "cam.c00.down", raised=True)

        assert recorder.cause is Reason.RECORDER_DOWN
        assert recorder.arguments == {"nvr": "nvr1", "cams": 2}
        assert camera.parent == "nvr.nvr1.down"
        told = {alarm.key for each in running.heard if (alarm := alarm_in(each)) is not None}
        assert "cam.c01.down" not in told


@pytest.mark.usefixtures("hasty")
async def test_an_alarm_of_before_is_cleared_after_a_restart(
    tmp_path: Path, broker: Broker
) -> None:
    """The broker has kept it while nobody was there; the camera is well again, and it goes."""
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    after.mkdir()
    shown = cameras(1)
    async with site(before, broker, shown, keep="warm") as running:
        await running.until_state(0, "OK")
        running.recorders[0].kill()
        raised = await until_alarm(running, "cam.c00.down", raised=True)
        await until_stored(before / "alarms.json", raised.id)
        running.process.kill()
        await running.process.wait()
    (after / "alarms.json").write_bytes((before / "alarms.json").read_bytes())

    async with site(after, broker, shown, keep="warm") as running:
        cleared = await until_alarm(running, "cam.c00.down", raised=False)

    assert cleared.id == raised.id


async def until_stored(path: Path, wanted: str) -> None:
    """Return once the file names the alarm; it is written right after it is told."""
    async with asyncio.timeout(HANG_S):
        while not names(path, wanted):  # noqa: ASYNC110 (another process writes it)
            await asyncio.sleep(0.02)


def names(path: Path, wanted: str) -> bool:
    return path.exists() and wanted in path.read_text()


async def test_metrics_are_served_on_this_machine(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real gateway tells its cameras and its machine, and refuses another site's name."""
    port = free_port()
    monkeypatch.setenv("CAMERA_GATEWAY__METRICS__PORT", str(port))
    async with site(tmp_path, broker, cameras(1)) as running:
        await running.until_state(0, "IDLE")
        page = await fetch_metrics(port, "127.0.0.1")
        refused = await fetch_metrics(port, "rebound.example")

    assert page.startswith("HTTP/1.1 200 ")
    assert 'camera_gateway_camera_up{camera="c00"} 1.0' in page
    assert "camera_gateway_link_up 1.0" in page
    assert "camera_gateway_process_resident_bytes " in page
    assert refused.startswith("HTTP/1.1 421 ")
    assert "camera_gateway" not in refused


async def fetch_metrics(port: int, host: str) -> str:
    """What the gateway answers to somebody who calls it *host*."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    said = await reader.read()
    writer.close()
    return said.decode()


@pytest.mark.usefixtures("hasty")
async def test_files_that_cannot_be_written_are_alarms_until_they_can(
    tmp_path: Path, broker: Broker
) -> None:
    """Why, and without a viewer who finds it out; nobody else is hindered."""
    files = ("viewing.db", "audit.db", "outbox.db", "commands.db")
    stores = ("store.tokens", "store.audit", "store.outbox", "store.journal")
    for name in files:
        (tmp_path / name).mkdir()
    async with site(tmp_path, broker, cameras(1)) as running:
        raised = await until_alarms(running, *stores, raised=True)
        for name in files:
            (tmp_path / name).rmdir()
        await until_alarms(running, *stores, raised=False)

        assert {key: each.severity for key, each in raised.items()} == {
            "store.tokens": "critical",
            "store.audit": "major",
            "store.outbox": "major",
            "store.journal": "major",
        }
        assert {each.cause for each in raised.values()} == {Reason.DISK_READONLY}
        assert running.process.returncode is None
