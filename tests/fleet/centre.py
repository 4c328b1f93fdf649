"""A fake centre: receives every message, acts as a centre does, and counts what is wrong.

It accepts only registered gateways, ignores late wills, recognises records by their id and finds
the missing ones, compares the inventory with its digests, signs and confirms configurations,
publishes its own presence, and sends offers, commands and rebirth requests.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from jsonschema import Draft202012Validator
from ulid import ULID

from gateway.config.signing import SigningKey, digest, sign
from gateway.model.signalling import Bye, Offer, SessionKey
from gateway.mqtt import topic_tree
from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.client.client import MqttClient
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.codec import decode_tree, encode
from gateway.mqtt.payloads.signalling import encode_viewer_message
from gateway.mqtt.topic_tree import PLAIN
from gateway.mqtt.topics import CENTRE_SUBSCRIPTIONS, Topics, build_message, parse_topic
from gateway.ports import InboundMessage, OutboundMessage
from gateway.runtime.clock import SystemClock, now_ms
from gateway.runtime.supervise import supervise
from tests.contract.schemas import schemas
from tests.fleet.ledger import Ledger
from tests.fleet.scene import SDP

EXPIRY_S = 15
ROLLBACK_S = 300
REDELIVERED = 64
"""So many messages of one topic are known again; fewer are on their way at a time."""


@dataclass
class TrafficCounts:
    """Messages received since the last `take_counts`.

    Attributes:
        messages: By channel.
        payload_bytes: By channel.
        topic_bytes: All together.
    """

    messages: Counter[str] = field(default_factory=Counter)
    payload_bytes: Counter[str] = field(default_factory=Counter)
    topic_bytes: int = 0


class FakeCentre:
    """The national centre as one client of the broker.

    Args:
        register: The gateways that there are, each as ``{prov}/{gw}``.
        key: Signs configurations.

    Attributes:
        heard: See `Heard`; taken with `take`.
        online: Gateway -> epoch of its newest presence.
        births: Gateway -> how often it has told its birth.
        ledger: Events and changes.
        configured: Gateway -> version and state of its configuration.
        disorder: Messages of one topic and epoch that came behind a later one, for the first time:
            with QoS 1 those that nobody had acknowledged are delivered again.
        strangers: Messages of gateways that are in no register, or on no known topic.
        invalid: What did not fit its schema: one in a hundred messages is looked at, and the first
            of each kind.
    """

    def __init__(self, register: Iterable[str], key: SigningKey) -> None:
        self.link: MqttClient | None = None
        self.up = asyncio.Event()
        self.counts = TrafficCounts()
        self.online: dict[str, int] = {}
        self.births: Counter[str] = Counter()
        self.ledger = Ledger()
        self.configured: dict[str, tuple[int, str]] = {}
        self.disorder = self.strangers = self.asked = 0
        self._answered: set[str] = set()
        self.invalid: list[str] = []
        self._register = frozenset(register)
        self._provinces = {name.split("/")[1]: name.split("/")[0] for name in self._register}
        self._key = key
        self._epoch = 0
        self._last: dict[str, deque[tuple[int, int]]] = {}
        self._digests: dict[str, dict[str, str]] = {}
        self._held: dict[str, dict[str, str]] = {}
        self._schemas = {name: Draft202012Validator(each) for name, each in schemas().items()}
        self._seen: Counter[str] = Counter()

    def take_counts(self) -> TrafficCounts:
        """Return what was counted, and begin anew."""
        heard, self.counts = self.counts, TrafficCounts()
        return heard

    def deliver(self, message: InboundMessage) -> None:
        """Count and answer a message."""
        topic = parse_topic(message.topic)
        if topic is None or f"{topic.province}/{topic.gateway}" not in self._register:
            self.strangers += 1
            return
        channel, gateway = topic.spec, topic.gateway
        self.counts.messages[channel.name] += 1
        self.counts.payload_bytes[channel.name] += len(message.payload)
        self.counts.topic_bytes += len(message.topic)
        said = decode_tree(message.payload, message.content_type or PLAIN)
        if self._seen[channel.name] % 100 == 0:
            self._validate(channel.schema, said)
        self._seen[channel.name] += 1
        if channel in (topic_tree.REPLY, topic_tree.GATEWAY_SIGNALLING):
            if said.get("st") in (None, "succeeded"):
                self._answered.add(message.topic)
        else:
            self._understand(channel, gateway, said)
        self._order(message.topic, said)

    def _understand(
        self, channel: topic_tree.TopicSpec, gateway: str, said: dict[str, Any]
    ) -> None:
        if channel is topic_tree.PRESENCE:
            self._present(gateway, said)
        elif channel is topic_tree.BIRTH:
            self.births[gateway] += 1
            self._digests[gateway] = said["digest"]
        elif channel in (topic_tree.EVENT, topic_tree.INVENTORY_LOG):
            self.ledger.record(gateway, said)
        elif channel in topic_tree.INVENTORY.values():
            section = channel.name.rpartition("/")[2]
            self._held.setdefault(gateway, {})[section] = said["sha"]
        elif channel is topic_tree.CONFIG_REPORTED:
            self._reported(gateway, said)

    @property
    def answered(self) -> int:
        """How much of what was asked is answered; with QoS 1 an answer may come twice."""
        return len(self._answered)

    def ask(self, gateways: list[str], number: int) -> None:
        """Send a command, or an offer and its bye, to one of *gateways*."""
        own = Topics(*gateways[number % len(gateways)].split("/"))
        if number % 3 == 0:
            self._command(own, "config.get", {})
            return
        self.asked += 1
        key = SessionKey("v-fleet", f"session-{number:06d}")
        words: tuple[Offer | Bye, ...] = (Offer(key, "c01", SDP), Bye(key, "viewer"))
        for at, said in enumerate(words):
            encoded = encode_viewer_message(Stamp(0, 1, at), said)
            self._post(
                build_message(topic_tree.VIEWER_SIGNALLING, own.viewer_signalling(key), encoded)
            )

    def rebirth(self, spread_s: float) -> None:
        """Ask all for their births."""
        said = {"id": str(ULID()), "op": "rebirth", "spread_s": spread_s}
        self._post(build_message(topic_tree.BROADCAST, "ctl/v1/bcast/all", encode(said)))

    def configure(self, name: str, version: int, site: dict[str, object]) -> None:
        """Push *site* to the gateway *name*; it is confirmed once it waits for that."""
        own, doc = Topics(*name.split("/")), {"site": site}
        said: dict[str, Any] = {"ver": version, "gw": own.gateway, "schema": "config/2"}
        now = now_ms()
        said |= {
            "issued": now,
            "nbf_ms": now,
            "exp_ms": now + 3_600_000,
            "issuer": "fleet",
            "reason": "fleet",
        }
        said |= {"sha256": digest(doc), "rollback_s": ROLLBACK_S, "doc": doc}
        encoded = encode(sign(said, self._key))
        self._post(build_message(topic_tree.CONFIG_DESIRED, own.config_desired, encoded))

    def forget(self, gateways: Iterable[str]) -> None:
        """Lose the inventory of *gateways*."""
        for gateway in gateways:
            self._held.pop(gateway, None)

    def stale(self) -> dict[str, list[str]]:
        """Return for each gateway the sections that are held otherwise than its birth says."""
        found = {}
        for gateway, digests in self._digests.items():
            held = self._held.get(gateway, {})
            other = [name for name in topic_tree.INVENTORY if held.get(name) != digests.get(name)]
            if other:
                found[gateway] = other
        return found

    def ask_for_stale(self) -> int:
        """Ask for them; return how many gateways that are."""
        stale = self.stale()
        for gateway, sections in stale.items():
            own = Topics(self._provinces[gateway], gateway)
            self._command(own, "rebirth", {"sections": sections})
        return len(stale)

    def will(self) -> OutboundMessage:
        """What the broker says of the centre when it vanishes."""
        self._epoch = max(self._epoch + 1, now_ms())
        return self._state(online=False)

    def greeting(self) -> Iterator[OutboundMessage]:
        """Say that the centre is there."""
        self.up.set()
        yield self._state(online=True)

    def _state(self, *, online: bool) -> OutboundMessage:
        said = {"online": online, "ep": self._epoch, "t": now_ms()}
        return build_message(topic_tree.CENTRE_STATE, topic_tree.CENTRE_STATE.name, encode(said))

    def _command(self, own: Topics, name: str, args: dict[str, object]) -> None:
        self.asked += 1
        ident = str(ULID())
        encoded = encode({"id": ident, "actor": "fleet", "ttl_s": EXPIRY_S, "args": args})
        command = build_message(topic_tree.COMMAND, own.command(name), encoded, expiry_s=EXPIRY_S)
        self._post(replace(command, response_topic=f"{own.replies}fleet/{ident}"))

    def _post(self, said: OutboundMessage) -> None:
        assert self.link is not None
        self.link.publish(said)

    def _present(self, gateway: str, said: dict[str, Any]) -> None:
        if said["st"] == "online":
            self.online[gateway] = said["ep"]
        elif said["ep"] >= self.online.get(gateway, 0):
            self.online.pop(gateway, None)

    def _reported(self, gateway: str, said: dict[str, Any]) -> None:
        version, state = said.get("ver", 0), said["st"]
        before, self.configured[gateway] = self.configured.get(gateway), (version, state)
        if state == "pending_confirm" and before != (version, state):
            own = Topics(self._provinces[gateway], gateway)
            word = {key: said[key] for key in ("ver", "sha256", "nonce")}
            signed = encode(sign(word | {"gw": gateway, "act": "confirm"}, self._key))
            self._post(build_message(topic_tree.CONFIG_CONFIRM, own.config_confirm, signed))

    def _order(self, topic: str, said: dict[str, Any]) -> None:
        if "n" not in said:
            return
        now = (said["ep"], said["n"])
        last = self._last.setdefault(topic, deque(maxlen=REDELIVERED))
        if now in last:
            return
        if last and now < max(last):
            self.disorder += 1
        last.append(now)

    def _validate(self, schema: str, said: dict[str, Any]) -> None:
        for wrong in self._schemas[schema].iter_errors(said):
            self.invalid.append(f"{schema}: {wrong.json_path}: {wrong.message[:200]}")


@asynccontextmanager
async def centre(
    address: BrokerAddress, register: Iterable[str], key: SigningKey
) -> AsyncIterator[FakeCentre]:
    """Be the centre at the broker at *address*; come back when that does."""
    fake = FakeCentre(register, key)

    async def hold() -> None:
        assert fake.link is not None
        await supervise(fake.link.run, name="centre", clock=SystemClock())

    fake.link = MqttClient(
        address,
        client_id="fleet-centre",
        subscriptions=CENTRE_SUBSCRIPTIONS,
        on_message=fake.deliver,
        will=fake.will,
        greet=fake.greeting,
        clock=SystemClock(),
    )
    async with asyncio.TaskGroup() as group:
        holding = group.create_task(hold(), name="centre")
        await fake.up.wait()
        yield fake
        holding.cancel()
