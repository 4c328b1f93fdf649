"""Running what the composition root has joined, and leaving it from the inside out.

Cameras and viewers end first, so that every session is torn down and every viewer told; then the
link to the centre, so that it can say that we are offline; the outbox last.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterable

from gateway.agent.systemd import Systemd
from gateway.aio.supervise import supervise
from gateway.mqtt.link import Link
from gateway.mqtt.outbox import Outbox
from gateway.mqtt.ways import Ways, delays
from gateway.ports import Clock


async def live(
    outbox: Outbox,
    link: Link,
    ways: Ways,
    clock: Clock,
    components: Iterable[Callable[[], Coroutine[None, None, None]]],
) -> None:
    """Run *components*, around them the link, around that the outbox: there before and after."""
    async with asyncio.TaskGroup() as outside:
        keeping = outside.create_task(outbox.run(), name="outbox")
        linking = outside.create_task(_linked(link, ways, clock), name="link")
        async with asyncio.TaskGroup() as inside:
            for run_component in (*components, Systemd(os.environ, clock=clock).run):
                name = run_component.__qualname__.split(".")[0].lower()
                inside.create_task(run_component(), name=name)
        linking.cancel()
        await asyncio.wait((linking,))
        keeping.cancel()


async def _linked(link: Link, ways: Ways, clock: Clock) -> None:
    """Keep *link*; when it has to go to another broker, at once and not after a pause."""
    while True:
        ways.turned.clear()
        async with asyncio.TaskGroup() as group:
            holding = group.create_task(
                supervise(link.run, name="broker", clock=clock, delays=delays), name="broker"
            )
            await ways.turned.wait()
            holding.cancel()
