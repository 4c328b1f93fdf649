"""A gateway without cameras. All that talks to the centre is the real code, over invented cameras.

Real: the MQTT client, reports, outbox, inventory, configuration and the answers to broadcasts.
Alarms have the real format, without damping. A viewer's offer gets an invented answer.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable, Iterator
from itertools import chain
from pathlib import Path

from gateway.app.cameras import inventory_sources
from gateway.commands.broadcast import BroadcastListener
from gateway.config.secrets import Secrets
from gateway.config.settings import Settings
from gateway.config.signing import Keyring
from gateway.inventory.service import InventoryService
from gateway.inventory.store import InventoryStore
from gateway.model.alarm import Alarm
from gateway.model.event import Event
from gateway.model.health import RelaySample
from gateway.model.inventory import SECTIONS
from gateway.model.names import new_id
from gateway.model.reasons import Reason
from gateway.model.signalling import Answer, Offer
from gateway.model.site_document import SiteConfig
from gateway.mqtt import topic_tree
from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.client.client import MqttClient
from gateway.mqtt.client.failover import reconnect_delays
from gateway.mqtt.epoch import Epochs
from gateway.mqtt.outbox.outbox import Outbox
from gateway.mqtt.outbox.store import OutboxStore
from gateway.mqtt.outbox.writer import OutboxWriter
from gateway.mqtt.payloads import alarm as alarm_payload
from gateway.mqtt.payloads.command import Reply, decode_command_tree, encode_reply, parse_request
from gateway.mqtt.payloads.presence import BirthStatus, Capabilities, RtcCapabilities, encode_echo
from gateway.mqtt.payloads.signalling import decode_viewer_message, encode_gateway_message
from gateway.mqtt.router import MessageRouter
from gateway.mqtt.topics import ParsedTopic, Topics, build_message, is_journalled
from gateway.ports import Clock, InboundMessage, OutboundMessage
from gateway.remote_config import statuses
from gateway.remote_config.document import DesiredConfig
from gateway.remote_config.report import ConfigReporter
from gateway.remote_config.rollout import RolloutActions
from gateway.remote_config.service import RemoteConfig
from gateway.remote_config.state import ConfigState as Governed
from gateway.remote_config.store import ConfigStore
from gateway.remote_config.validate import ConfigValidator
from gateway.runtime.clock import now_ms
from gateway.runtime.redact import Redactor
from gateway.runtime.strict_json import dumps
from gateway.runtime.supervise import supervise
from gateway.telemetry.reporter import Reporter
from tests.fixtures.clock import trusted_time
from tests.fixtures.reports import MACHINE, SITE
from tests.fleet.scene import NETWORK, SDP, Pace, SimulatedSite, site_tree

_RELAY = RelaySample(2, 1, 4096.0)
_ABILITIES = Capabilities(rtc=RtcCapabilities(codecs=("h264", "h265"), max_sessions=32))


class SimulatedGateway:
    """One gateway of the country.

    Args:
        topics: Whose.
        address: Of the broker.
        folder: Its state.
        keys: Folder of the keys that may sign its configuration.
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
        keys: Path,
        cameras: int,
        pace: Pace,
        clock: Clock,
    ) -> None:
        self._topics = topics
        self._pace = pace
        self._clock = clock
        self._chance = random.Random(topics.gateway)
        self._alarms: dict[str, Alarm] = {}
        site = SiteConfig.model_validate_json(dumps(site_tree(topics.gateway, cameras)))
        self._scene = SimulatedSite(site, self._chance, clock.now())
        governed = Governed(DesiredConfig(site=site))
        settings = _settings(topics, folder, keys)
        epochs = self._epochs = Epochs(folder / "epoch")
        self.outbox = Outbox(
            OutboxWriter(OutboxStore(folder / "outbox.db"), clock=clock),
            topics=topics,
            epochs=epochs,
            boot=MACHINE.boot,
            on_ready=lambda: self.client.send_pending(),
            clock=clock,
        )
        self.client = MqttClient(
            address,
            client_id=topics.gateway,
            subscriptions=topics.subscriptions,
            on_message=lambda message: self._router.route(message),
            will=lambda: self._reporter.will(),
            greet=self._greeting,
            farewell=lambda: self._reporter.farewell(),
            clock=clock,
            outbox=self.outbox,
            events=self.outbox,
            journalled=is_journalled,
            echo=lambda: build_message(topic_tree.ECHO, topics.echo, encode_echo(epochs.stamp())),
        )
        self._config_reporter = ConfigReporter(
            topics,
            statuses.current(governed),
            bus=self.client,
            events=self.outbox,
            stamp=epochs.stamp,
            clock=clock,
        )
        self._remote_config = RemoteConfig(
            governed,
            validator=ConfigValidator(
                settings,
                Secrets(folder / "secrets", redactor=Redactor()),
                verify_signature=lambda said: Keyring(keys).verify(said, "cfg"),
                time=trusted_time(),
            ),
            store=ConfigStore(folder),
            actions=RolloutActions(
                self._apply,
                _nowhere,
                self._scene.working,
                _proven,
                lambda: self.client.connected,
                settings.remote.connect_s,
            ),
            reporter=self._config_reporter,
            events=self.outbox,
            clock=clock,
        )
        self._inventory = InventoryService(
            topics,
            sources=inventory_sources(settings, lambda: governed.running.site, MACHINE),
            streams=tuple,
            contacts=lambda: None,
            store=InventoryStore(folder),
            epochs=epochs,
            bus=self.client,
            clock=clock,
            events=self.outbox,
        )
        self._centre = BroadcastListener(topics, resend=self._resend, clock=clock)
        self._router = MessageRouter(
            topics,
            {
                topic_tree.VIEWER_SIGNALLING: self._answer_viewer,
                topic_tree.COMMAND: self._answer_command,
                topic_tree.CONFIG_DESIRED: lambda _, message: self._remote_config.on_desired(
                    message
                ),
                topic_tree.CONFIG_CONFIRM: lambda _, message: self._remote_config.on_confirm(
                    message
                ),
                topic_tree.BROADCAST: self._centre.deliver,
                topic_tree.CENTRE_STATE: self._centre.deliver,
            },
            clock=clock,
        )
        self._reporter = Reporter(
            topics,
            machine=MACHINE,
            site=lambda: governed.running.site.name,
            capabilities=_ABILITIES,
            epochs=epochs,
            snapshots=lambda: self._scene.snapshots(clock.now()),
            relay=lambda: _RELAY,
            link=lambda: self.client.sample,
            host=lambda: SITE.host,
            bus=self.client,
            clock=clock,
            status=lambda: BirthStatus(
                {**self._inventory.digests(), "cfg": governed.digest}, self.outbox.birth_status()
            ),
            centre_online=lambda: self._centre.online,
            every_s=pace.health_s,
        )

    async def run(self) -> None:
        """Live until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name, work in (
                ("outbox", self.outbox.run()),
                ("reports", self._later(self._reporter.run)),
                ("inventory", self._later(self._inventory.run)),
                ("configuration", self._remote_config.run()),
                ("centre", self._centre.run()),
                ("change", self._every(self._pace.changes_per_hour, self._change)),
                ("event", self._every(self._pace.events_per_hour, self._happen)),
                ("link", self._later(self._run_client)),
            ):
                group.create_task(work, name=f"{self._topics.gateway}:{name}")

    async def _run_client(self) -> None:
        await supervise(self.client.run, name="broker", clock=self._clock, delays=reconnect_delays)

    async def _later(self, begin: Callable[[], Coroutine[None, None, None]]) -> None:
        spread_s = self._pace.spread_s
        await self._clock.sleep(random.Random(f"{self._topics.gateway}!").uniform(0, spread_s))
        await begin()

    async def _every(self, per_hour: float, act: Callable[[], None]) -> None:
        while True:
            await self._clock.sleep(self._chance.expovariate(per_hour / 3600))
            act()

    def _greeting(self) -> Iterator[OutboundMessage]:
        return chain(
            self._reporter.greeting(),
            self._config_reporter.greeting(),
            self._inventory.greeting(),
            map(self._alarm, self._alarms.values()),
        )

    def _resend(self, sections: Iterable[str]) -> None:
        for again in self._reporter.messages_of(sections):
            self.client.publish(again)
        self._inventory.resend(each for each in sections if each in SECTIONS)

    def _apply(self, wanted: DesiredConfig) -> tuple[str, ...]:
        self._scene.show(wanted.site)
        return ()

    def _change(self) -> None:
        name = self._scene.random_camera()
        key = f"cam.{name}.down"
        gone = self._scene.toggle(name, self._clock.now())
        known = self._alarms.pop(key, None)
        alarm = Alarm(
            key=key,
            id=new_id() if known is None else known.id,
            raised=gone,
            severity="major",
            since_ms=now_ms() if known is None else known.since_ms,
            cause=Reason.TIMEOUT,
            arguments={"cam": name},
        )
        if gone:
            self._alarms[key] = alarm
        self.client.publish(self._alarm(alarm))
        facts: dict[str, object] = {"key": key, "act": "raise" if gone else "clear"}
        facts["alarm"] = alarm.id
        facts |= {"cause": alarm.cause.value, "sev": alarm.severity, "since": alarm.since_ms}
        self.outbox.record(Event("alarm", facts))

    def _alarm(self, alarm: Alarm) -> OutboundMessage:
        encoded = alarm_payload.encode_alarm(self._epochs.stamp(), alarm)
        expiry_s = None if alarm.raised else alarm_payload.CLEARED_S
        topic = self._topics.alarm(alarm.key)
        return build_message(topic_tree.ALARM, topic, encoded, expiry_s=expiry_s)

    def _happen(self) -> None:
        who = {"viewer": "v-fleet", "sid": "session-000001", "cam": self._scene.random_camera()}
        self.outbox.record(Event("session", {"act": "begin", **who}, "audit"))

    def _answer_viewer(self, topic: ParsedTopic, message: InboundMessage) -> None:
        assert topic.key is not None
        said = decode_viewer_message(topic.key, message.payload, message.content_type)
        if isinstance(said, Offer):
            encoded = encode_gateway_message(self._epochs.stamp(), Answer(topic.key, SDP))
            answer_topic = self._topics.gateway_signalling(topic.key)
            self.client.publish(build_message(topic_tree.GATEWAY_SIGNALLING, answer_topic, encoded))

    def _answer_command(self, topic: ParsedTopic, message: InboundMessage) -> None:
        command = parse_request(decode_command_tree(message.payload, message.content_type))
        self.client.acknowledge(message)
        assert message.response_topic is not None
        for state in ("accepted", "running", "succeeded"):
            said = Reply.model_validate({"id": command.id, "st": state})
            encoded = encode_reply(self._epochs.stamp(), said)
            self.client.publish(build_message(topic_tree.REPLY, message.response_topic, encoded))
        if topic.levels["name"] == "rebirth":
            sections = command.args["sections"]
            assert isinstance(sections, list)
            self._resend([str(each) for each in sections])


def _settings(topics: Topics, folder: Path, keys: Path) -> Settings:
    table: dict[str, object] = {
        "gateway": {"id": topics.gateway, "province": topics.province},
        "broker": {"host": "127.0.0.1"},
        "cameras": {"networks": [NETWORK]},
        "state": {"dir": folder},
        "remote": {"keys": keys},
    }
    return Settings.from_table(table, folder=folder)


async def _nowhere(_: DesiredConfig) -> None:
    """Reach the broker: it stays the same."""


async def _proven(_: frozenset[str], __: int) -> str:
    return ""
