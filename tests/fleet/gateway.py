"""A gateway without cameras: the real link, reports, events and answers over invented pictures."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.agent.centre import Centre
from gateway.agent.inbox import Inbox
from gateway.agent.reporter import Reporter
from gateway.aio.supervise import supervise
from gateway.model.event import Event
from gateway.model.health import CameraSnapshot, HostSample, Machine, RelaySample
from gateway.model.media import SourceCounters
from gateway.model.reasons import Reason
from gateway.model.signalling import Answer, Offer
from gateway.mqtt import tree
from gateway.mqtt.broker import BrokerAddress
from gateway.mqtt.epoch import Epochs
from gateway.mqtt.link import Link
from gateway.mqtt.outbox import Outbox
from gateway.mqtt.outbox_store import OutboxStore
from gateway.mqtt.outbox_writer import OutboxWriter
from gateway.mqtt.topics import Place, Topics, is_journalled, publication
from gateway.mqtt.ways import delays
from gateway.mqtt.wire_command import Reply, asked, read_tree, reply
from gateway.mqtt.wire_rtc import from_gateway, read_viewer
from gateway.mqtt.wire_site import Abilities, RtcAbilities, Standing, echo
from gateway.ports import Clock, Letter

SDP = "v=0\r\n" + "a=candidate:1 1 udp 2130706431 10.24.8.7 50000 typ host\r\n" * 60
"""As long as an answer is: 3.4 kB."""

STREAMS = 5.0
"""Of ten cameras so many are being watched or warm."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How much happens at one gateway.

    Attributes:
        health_s: Between two health reports.
        changes_per_hour: Cameras that change their state, all together.
        events_per_hour: Events told.
        spread_s: Over how long the gateways begin.
    """

    health_s: float = 60.0
    changes_per_hour: float = 5.3
    events_per_hour: float = 5.0
    spread_s: float = 60.0


class SimulatedGateway:
    """One gateway of the country.

    Args:
        topics: Whose.
        address: Of the broker.
        folder: Its state: epoch and outbox.
        cameras: How many.
        pace: How much happens.
        clock: Monotonic.
    """

    def __init__(
        self,
        topics: Topics,
        address: BrokerAddress,
        folder: Path,
        *,
        cameras: int,
        pace: Pace,
        clock: Clock,
    ) -> None:
        self._topics = topics
        self._pace = pace
        self._clock = clock
        self._chance = random.Random(topics.gateway)
        self._cameras = {name: _camera(name, clock) for name in _names(cameras)}
        self._begun_s = clock.now()
        epochs = self._epochs = Epochs(folder / "epoch")
        machine = Machine("1.4.2", "Debian 12", "aarch64", "Raspberry Pi 5", "6f1c9e0a", "b827eb")
        self.outbox = Outbox(
            OutboxWriter(OutboxStore(folder / "outbox.db"), clock=clock),
            topics=topics,
            epochs=epochs,
            boot="6f1c9e0a",
            ready=lambda: self.link.pump(),
            clock=clock,
        )
        self.link = Link(
            address,
            client_id=topics.gateway,
            subscriptions=topics.inbox,
            deliver=lambda letter: self._inbox.deliver(letter),
            will=lambda: self._reporter.will(),
            greet=lambda: self._reporter.greeting(),
            farewell=lambda: self._reporter.farewell(),
            clock=clock,
            outbox=self.outbox,
            journalled=is_journalled,
            echo=lambda: publication(tree.ECHO, topics.echo, echo(epochs.stamp())),
        )
        self._centre = Centre(topics, resend=self._resend, clock=clock)
        self._inbox = Inbox(
            topics,
            {
                tree.VIEWER_SAYS: self._answer_viewer,
                tree.COMMAND: self._answer_command,
                tree.BROADCAST: self._centre.deliver,
                tree.CENTRE_STATE: self._centre.deliver,
            },
            clock=clock,
        )
        self._reporter = Reporter(
            topics,
            machine=machine,
            site=lambda: f"Trung tâm {topics.gateway}",
            abilities=Abilities(rtc=RtcAbilities(codecs=("h264", "h265"), max_sessions=32)),
            epochs=epochs,
            snapshots=self._snapshots,
            relay=lambda: RelaySample(2, 1, 4096.0),
            link=lambda: self.link.sample,
            host=_host,
            bus=self.link,
            clock=clock,
            standing=lambda: Standing({"cfg": "9f2b6c01d4"}, self.outbox.standing()),
            heard=lambda: self._centre.online,
            every_s=pace.health_s,
        )

    async def run(self) -> None:
        """Live until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name, work in (
                ("outbox", self.outbox.run()),
                ("reports", self._later(self._reporter.run)),
                ("centre", self._centre.run()),
                ("change", self._every(self._pace.changes_per_hour, self._change)),
                ("event", self._every(self._pace.events_per_hour, self._happen)),
                ("link", self._later(self._linked)),
            ):
                group.create_task(work, name=f"{self._topics.gateway}:{name}")

    async def _linked(self) -> None:
        await supervise(self.link.run, name="broker", clock=self._clock, delays=delays)

    async def _later(self, begin: Callable[[], Coroutine[None, None, None]]) -> None:
        spread_s = self._pace.spread_s
        await self._clock.sleep(random.Random(f"{self._topics.gateway}!").uniform(0, spread_s))
        await begin()

    async def _every(self, per_hour: float, act: Callable[[], None]) -> None:
        while True:
            await self._clock.sleep(self._chance.expovariate(per_hour / 3600))
            act()

    def _snapshots(self) -> tuple[CameraSnapshot, ...]:
        """Return the cameras as they would be now, had they sent since the beginning."""
        now_s = self._clock.now()
        units = round((now_s - self._begun_s) * 25)
        return tuple(
            replace(
                camera,
                counters=SourceCounters(units=units, received_bytes=units * 10_240),
                last_unit_s=now_s - 0.04,
            )
            if camera.reason is Reason.OK
            else camera
            for camera in self._cameras.values()
        )

    def _change(self) -> None:
        name = self._chance.choice(tuple(self._cameras))
        camera = self._cameras[name]
        reason = Reason.TIMEOUT if camera.reason is not Reason.TIMEOUT else Reason.OK
        self._cameras[name] = replace(camera, reason=reason, since_s=self._clock.now())

    def _happen(self) -> None:
        name = self._chance.choice(tuple(self._cameras))
        facts = {"key": f"cam.{name}.down", "act": "raise", "cause": "TIMEOUT", "sev": "major"}
        self.outbox.record(Event("alarm", facts))

    def _resend(self, sections: Iterable[str]) -> None:
        for again in self._reporter.again(sections):
            self.link.post(again)

    def _answer_viewer(self, place: Place, letter: Letter) -> None:
        assert place.key is not None
        said = read_viewer(place.key, letter.payload, letter.content_type)
        if isinstance(said, Offer):
            sealed = from_gateway(self._epochs.stamp(), Answer(place.key, SDP))
            topic = self._topics.gateway_says(place.key)
            self.link.post(publication(tree.GATEWAY_SAYS, topic, sealed))

    def _answer_command(self, _: Place, letter: Letter) -> None:
        command = asked(read_tree(letter.payload, letter.content_type))
        self.link.acknowledge(letter)
        for state in ("accepted", "running", "succeeded"):
            said = reply(
                self._epochs.stamp(), Reply.model_validate({"id": command.id, "st": state})
            )
            assert letter.response_topic is not None
            self.link.post(publication(tree.REPLY, letter.response_topic, said))


def _names(cameras: int) -> tuple[str, ...]:
    return tuple(f"c{number:02d}" for number in range(1, cameras + 1))


def _camera(name: str, clock: Clock) -> CameraSnapshot:
    streaming = int(name[1:]) % 10 < STREAMS
    return CameraSnapshot(
        id=name,
        name=f"Quầy {name[1:]}",
        enabled=True,
        reason=Reason.OK if streaming else Reason.IDLE,
        since_s=clock.now(),
        location="Sảnh A, tầng 1",
        profiles=("main", "sub"),
        viewers=int(streaming),
        codec="h264",
        width=1920,
        height=1080,
        gop_s=2.0,
    )


def _host() -> HostSample:
    return HostSample(
        uptime_s=864_321.0,
        cpu_percent=41.5,
        load=(1.2, 1.1, 0.9),
        temperature_c=61.2,
        throttled=0,
        memory_percent=63.1,
        rss_mib=112.0,
        disk_percent=44.0,
        disk_read_only=False,
        clock_source="ntp",
        clock_offset_ms=-12,
        interface="eth0",
        sent_kbps=5120.0,
        received_kbps=48_000.0,
    )
