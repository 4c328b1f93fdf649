"""What waits for a browser that reads slowly."""

from __future__ import annotations

import asyncio
import json

from gateway.console.send_queue import MAX_SIGNALS, SendQueue
from gateway.console.site_registry import Change
from gateway.console.views import BrokerView
from gateway.model.reasons import Reason
from tests.fixtures.clock import HANG_S
from tests.unit.console.centre import Site, seen


def prepared() -> tuple[Site, SendQueue]:
    site = Site()
    site.online()
    site.birth("c01", "c02")
    site.cameras(seen("c01"), seen("c02"))
    return site, SendQueue(site.registry)


async def test_the_first_thing_told_is_everything() -> None:
    """A snapshot, marked as such, also when there is nothing yet."""
    _, outbox = prepared()
    outbox.enqueue_snapshot()

    told = json.loads(await outbox.next_message())
    empty = json.loads(await SendQueue(Site().registry).next_message())

    assert told["full"]
    assert [each["id"] for each in told["sites"][0]["cams"]] == ["c01", "c02"]
    assert empty == {"k": "sites", "full": True, "sites": [], "gone": []}


async def test_changes_are_merged_until_they_are_read() -> None:
    """A hundred changes of two cameras are one message with two cameras, as they are now."""
    site, outbox = prepared()
    outbox.enqueue_snapshot()
    await outbox.next_message()

    for number in range(100):
        camera = f"c0{number % 2 + 1}"
        change = site.camera(seen(camera, "off", Reason.STALLED))
        assert change is not None
        outbox.enqueue_change(change)
    told = json.loads(await outbox.next_message())

    assert not told["full"]
    assert {each["st"] for each in told["sites"][0]["cams"]} == {"off"}
    assert len(told["sites"][0]["cams"]) == 2


async def test_signalling_overtakes_states() -> None:
    """A picture does not wait behind the list."""
    _, outbox = prepared()
    outbox.enqueue_snapshot()

    outbox.enqueue_signal('{"k":"answer"}')

    assert await outbox.next_message() == '{"k":"answer"}'


async def test_signalling_that_nobody_reads_overflows() -> None:
    """Bounded: the connection is then given up."""
    _, outbox = prepared()

    for _ in range(MAX_SIGNALS + 1):
        outbox.enqueue_signal("{}")

    assert outbox.overflowed


async def test_waiting_ends_with_news() -> None:
    """Nothing to say: `take` waits, and is woken by the broker's going."""
    _, outbox = prepared()
    outbox.enqueue_snapshot()
    await outbox.next_message()

    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
        waiting = group.create_task(outbox.next_message())
        outbox.enqueue_broker(BrokerView(up=False, since_ms=7))

    assert json.loads(waiting.result()) == {"k": "broker", "up": False, "since_ms": 7}


async def test_a_site_that_is_gone_is_told_so() -> None:
    """It is taken off the page."""
    _, outbox = prepared()
    outbox.enqueue_snapshot()
    await outbox.next_message()

    outbox.enqueue_change(Change("24/bacninh-01", gone=True))

    assert json.loads(await outbox.next_message())["gone"] == ["24/bacninh-01"]
