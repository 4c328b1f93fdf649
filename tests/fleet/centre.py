"""A fake centre: hears everything, checks order and loss, asks for things, counts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from jsonschema import Draft202012Validator
from ulid import ULID

from gateway.aio.clock import SystemClock
from gateway.aio.supervise import supervise
from gateway.model.signalling import Bye, Offer, SessionKey
from gateway.mqtt import tree
from gateway.mqtt.broker import BrokerAddress
from gateway.mqtt.link import Link
from gateway.mqtt.topics import CENTRE_INBOX, Topics, parse, publication
from gateway.mqtt.wire import PLAIN, Stamp, read, seal
from gateway.mqtt.wire_rtc import from_viewer
from gateway.ports import Letter
from tests.contract.schemas import schemas
from tests.fleet.gateway import SDP

EXPIRY_S = 15


@dataclass
class Heard:
    """What has been counted since the last look.

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

    Attributes:
        heard: See `Heard`; taken with `take`.
        online: Gateway -> epoch of its newest presence.
        births: Gateway -> how often it has told its birth.
        events: Gateway -> numbers of its events, each once.
        again: Events that came more than once.
        disorder: Messages of one topic and epoch that came behind a later one.
        invalid: What did not fit its schema: one in a hundred messages is looked at.
        answered: Replies and answers to what was asked.
    """

    def __init__(self) -> None:
        self.link: Link | None = None
        self.up = asyncio.Event()
        self.heard = Heard()
        self.online: dict[str, int] = {}
        self.births: Counter[str] = Counter()
        self.events: dict[str, set[int]] = {}
        self.again = self.disorder = self.answered = self.asked = 0
        self.invalid: list[str] = []
        self._last: dict[str, tuple[int, int]] = {}
        self._schemas = {name: Draft202012Validator(each) for name, each in schemas().items()}
        self._seen = 0

    def take(self) -> Heard:
        """Return what was counted, and begin anew."""
        heard, self.heard = self.heard, Heard()
        return heard

    def deliver(self, letter: Letter) -> None:
        """Take a letter."""
        place = parse(letter.topic)
        assert place is not None, letter.topic
        name = place.channel.name
        self.heard.messages[name] += 1
        self.heard.payload_bytes[name] += len(letter.payload)
        self.heard.topic_bytes += len(letter.topic)
        said = read(letter.payload, letter.content_type or PLAIN)
        gateway = place.gateway
        self._seen += 1
        if self._seen % 100 == 0:
            self._validate(place.channel.schema, said)
        if place.channel is tree.PRESENCE:
            self._present(gateway, said)
        elif place.channel is tree.BIRTH:
            self.births[gateway] += 1
        elif place.channel is tree.EVENT:
            self._happened(gateway, said)
        elif place.channel in (tree.REPLY, tree.GATEWAY_SAYS):
            self.answered += said.get("st") in (None, "succeeded")
        self._order(letter.topic, said)

    def ask(self, gateways: list[str], number: int) -> None:
        """Send a command, or an offer and its bye, to one of *gateways*."""
        province, gateway = gateways[number % len(gateways)].split("/")
        own = Topics(province, gateway)
        assert self.link is not None
        self.asked += 1
        if number % 3 == 0:
            ident = str(ULID())
            sealed = seal({"id": ident, "actor": "fleet", "ttl_s": EXPIRY_S, "args": {}})
            command = publication(
                tree.COMMAND, own.command("config.get"), sealed, expiry_s=EXPIRY_S
            )
            self.link.post(replace(command, response_topic=f"{own.replies}fleet/{ident}"))
            return
        key = SessionKey("v-fleet", f"session-{number:06d}")
        for at, said in enumerate((Offer(key, "c01", SDP), Bye(key, "viewer"))):
            sealed = from_viewer(Stamp(0, 1, at), said)
            self.link.post(publication(tree.VIEWER_SAYS, own.viewer_says(key), sealed))

    def rebirth(self, spread_s: float) -> None:
        """Ask all for their births."""
        assert self.link is not None
        said = {"id": str(ULID()), "op": "rebirth", "spread_s": spread_s}
        topic = "ctl/v1/bcast/all"
        self.link.post(publication(tree.BROADCAST, topic, seal(said)))

    def _present(self, gateway: str, said: dict[str, Any]) -> None:
        if said["st"] == "online":
            self.online[gateway] = said["ep"]
        elif said["ep"] >= self.online.get(gateway, 0):
            self.online.pop(gateway, None)

    def _happened(self, gateway: str, said: dict[str, Any]) -> None:
        known = self.events.setdefault(gateway, set())
        self.again += said["n"] in known
        known.add(said["n"])

    def _order(self, topic: str, said: dict[str, Any]) -> None:
        if "n" not in said:
            return
        now = (said["ep"], said["n"])
        if now < self._last.get(topic, (0, 0)):
            self.disorder += 1
        self._last[topic] = now

    def _validate(self, schema: str, said: dict[str, Any]) -> None:
        for wrong in self._schemas[schema].iter_errors(said):
            self.invalid.append(f"{schema}: {wrong.json_path}: {wrong.message[:200]}")


@asynccontextmanager
async def centre(address: BrokerAddress) -> AsyncIterator[FakeCentre]:
    """Be the centre at the broker at *address*; come back when that does."""
    fake = FakeCentre()

    def greet() -> tuple[()]:
        fake.up.set()
        return ()

    async def hold() -> None:
        assert fake.link is not None
        await supervise(fake.link.run, name="centre", clock=SystemClock())

    fake.link = Link(
        address,
        client_id="fleet-centre",
        subscriptions=CENTRE_INBOX,
        deliver=fake.deliver,
        greet=greet,
        clock=SystemClock(),
    )
    async with asyncio.TaskGroup() as group:
        holding = group.create_task(hold(), name="centre")
        await fake.up.wait()
        yield fake
        holding.cancel()
