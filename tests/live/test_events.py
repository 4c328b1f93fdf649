"""What a real gateway tells as events: once, in order, and also of the time before a kill."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.mqtt.payloads.event import EventRecord, decode_event
from gateway.mqtt.payloads.presence import decode_birth
from gateway.ports import InboundMessage, OutboundMessage
from tests.fixtures.broker import Broker
from tests.fixtures.site import OWN, Site, bye, cameras, site, tree

pytestmark = pytest.mark.live


async def until(running: Site, kind: str, **facts: object) -> EventRecord:
    """Return the first event of *kind* with *facts*."""

    def wanted(message: InboundMessage) -> bool:
        if message.topic != OWN.event:
            return False
        told = tree(message)
        return told["type"] == kind and facts.items() <= told.items()

    message = await running.until(wanted)
    return decode_event(message.payload, message.content_type)


async def test_who_watched_what_and_who_wrote_to_whom_is_told(
    tmp_path: Path, broker: Broker
) -> None:
    """The link, each session from begin to end, and messages that are for nobody here."""
    async with site(tmp_path, broker, cameras(1)) as running:
        birth = await running.until(lambda message: message.topic == OWN.birth)
        up = await until(running, "link", st="up")
        await running.watch(0)
        running.say(bye(1))
        end = await until(running, "session", act="end", why="viewer")
        running.centre.client.publish(OutboundMessage(OWN.config_desired + "/misrouted", b"{}"))
        misrouted = await until(running, "message.misrouted")
        former = await until(running, "letter.strange")
        begin = [
            decode_event(each.payload, each.content_type)
            for each in running.heard
            if each.topic == OWN.event and tree(each).get("act") == "begin"
        ]
        assert await running.terminate() == 0

    outbox = decode_birth(birth.payload, birth.content_type).outbox
    assert outbox is not None
    assert outbox.lost == 0
    assert up.late is False
    assert [each.facts["cam"] for each in begin] == ["c00"]
    assert (end.facts["viewer"], end.facts["cam"]) == ("v-test", "c00")
    assert misrouted.facts["count"] == 1
    assert (former.kind, former.alias_of) == ("message.misrouted", "message.misrouted")
    numbers = [tree(each)["n"] for each in running.heard if each.topic == OWN.event]
    assert numbers == sorted(numbers)
