"""Rings are planned by hash or by list, and a rollout stops at the first site that fails."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.centre.rings import (
    Offer,
    Rollout,
    load_rollout,
    parse_percents,
    plan_rings,
    read_names,
    rolling_out,
    save_rollout,
)
from gateway.centre.rollout import RolloutRun, Terms
from gateway.config.signing import Keyring, SigningKey, load_key, make_key
from gateway.model.errors import ConfigRejected
from gateway.mqtt.payloads.codec import decode_tree, encode
from gateway.mqtt.topics import Topics, parse_topic
from gateway.ports import InboundMessage, OutboundMessage
from tests.fixtures.clock import FakeClock

NEW, OLD = "0.2.0+g1a2b3c4", "0.1.0+g0000001"
OFFER = Offer(url="https://anh.example/x.update", sha256="0" * 64, bytes=1000)
NAMES = [("79", f"hcm-q{number:03}") for number in range(200)]


def test_one_rolls_out_at_a_time(tmp_path: Path) -> None:
    """Two would send each site a command, and the second one's is refused: a failure."""
    path = tmp_path / "plan.json"

    with (
        rolling_out(path),
        pytest.raises(ConfigRejected, match="another is rolling"),
        rolling_out(path),
    ):
        pass


def sizes(percents: tuple[int, ...], count: int) -> list[int]:
    rings = Counter(site.ring for site in plan_rings(NEW, NAMES[:count], percents))
    return [rings[number] for number in range(len(percents))]


def test_rings_grow_by_their_percentages() -> None:
    """The first has one site at least; of few sites a ring may be empty."""
    assert sizes((1, 10, 50, 100), 200) == [2, 18, 80, 100]
    assert sizes((1, 10, 50, 100), 3) == [1, 0, 1, 1]
    assert sizes((100,), 3) == [3]


def test_the_canaries_are_others_with_each_release() -> None:
    """The same for one release wherever and however it is planned; by list as listed."""
    first = [site.name for site in plan_rings(NEW, NAMES, (10, 100))]
    again = [site.name for site in plan_rings(NEW, NAMES[::-1], (10, 100))]
    other = [site.name for site in plan_rings(OLD, NAMES, (10, 100))]
    listed = [site.gateway for site in plan_rings(NEW, NAMES, (10, 100), by_list=True)]

    assert first == again
    assert set(first[:20]) != set(other[:20])
    assert listed == [gateway for _, gateway in NAMES]


@pytest.mark.parametrize("text", ["", "1,10", "10,1,100", "0,100", "1,1,100", "a", "1,,100"])
def test_percentages_that_do_not_grow_to_all_are_refused(text: str) -> None:
    """Or somebody would never get it."""
    with pytest.raises(ConfigRejected, match="growing percentages"):
        parse_percents(text)


@pytest.mark.parametrize(
    "text", ["", "hcm-q001", "79/hcm-q001\n79/hcm-q001", "79/../x", "79/+", "xx/hcm-q001"]
)
def test_what_names_no_site_is_refused(tmp_path: Path, text: str) -> None:
    """It would become part of a topic."""
    path = tmp_path / "sites"
    path.write_text(text)
    with pytest.raises(ConfigRejected):
        plan_rings(NEW, read_names(path), (100,))


def test_a_list_may_have_comments(tmp_path: Path) -> None:
    """And empty lines."""
    path = tmp_path / "sites"
    path.write_text("# thử trước\n79/hcm-q001  # gần\n\n24/bacninh-01\n")

    assert read_names(path) == [("79", "hcm-q001"), ("24", "bacninh-01")]


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"v":2}', b"\xff"])
def test_a_damaged_state_file_is_told(tmp_path: Path, raw: bytes) -> None:
    """It is not begun anew in silence."""
    path = tmp_path / "state"
    path.write_bytes(raw)
    with pytest.raises(ConfigRejected):
        load_rollout(path)


@dataclass
class Gateways:
    """Gateways that answer as they are told, and a rollout among them.

    Attributes:
        folder: Has keys and the state file.
        behaves: Gateway -> ``applied`` (default), ``rolled_back``, ``refused``, ``silent``.
        offline: Gateways that are not connected.
        asked: Commands in the order in which they came.
        told: Progress.
    """

    folder: Path
    count: int = 10
    percents: tuple[int, ...] = (10, 50, 100)
    behaves: dict[str, str] = field(default_factory=dict)
    offline: set[str] = field(default_factory=set)
    runs: dict[str, str] = field(default_factory=dict)
    arch: str = "aarch64"
    asked: list[dict[str, Any]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    before_each: Callable[[], None] = lambda: None
    wall_ms: int = 1_790_000_000_000

    def __post_init__(self) -> None:
        sites = plan_rings(NEW, NAMES[: self.count], self.percents, by_list=True)
        offers = {"arm64": OFFER}
        self.rollout = Rollout(version=NEW, offers=offers, percents=self.percents, sites=sites)

    @property
    def state(self) -> Path:
        return self.folder / "rollout.json"

    def key(self) -> SigningKey:
        path = self.folder / "cmd-2026a.key"
        return load_key(path if path.exists() else make_key(self.folder, "cmd-2026a")[0], "cmd")

    async def run(self, **terms: Any) -> bool:
        """Go on with what the state file says."""
        self.rollout = load_rollout(self.state) or self.rollout
        self.made = RolloutRun(
            self.rollout,
            Terms(self.key(), "release", **terms),
            lambda: save_rollout(self.state, self.rollout),
            self._on_command,
            lambda site, said: self.told.append(f"{site.gateway} {said or site.state}"),
            FakeClock(),
            lambda: self.wall_ms,
        )
        for _, gateway in NAMES[: self.count]:
            online = "offline" if gateway in self.offline else "online"
            facts = {"t": 1, "ep": 1, "n": 1, "v": self.runs.get(gateway, OLD)}
            self._say(gateway, "up/presence", facts | {"st": online})
            self._say(gateway, "up/birth", facts | {"arch": self.arch})
        return await self.made.run()

    def states(self) -> str:
        """A sign for each site, in order: what its state is."""
        signs = {"waiting": "w", "absent": "-", "sent": "s", "applied": "a", "failed": "f"}
        return "".join(signs[site.state] for site in self.rollout.sites)

    def _on_command(self, message: OutboundMessage) -> None:
        place = parse_topic(message.topic)
        tree = decode_tree(message.payload, message.content_type)
        assert place is not None
        assert place.gateway == tree["gw"]
        assert Keyring(self.folder).verify(tree, "cmd") == "cmd-2026a"
        assert message.expiry_s is not None
        assert not message.retain
        self.asked.append(tree)
        self.before_each()
        behaviour = self.behaves.get(place.gateway, "applied")
        reply = str(message.response_topic).partition(f"{place.gateway}/")[2]
        if behaviour == "refused":
            refusal = {"id": tree["id"], "st": "rejected", "code": "forbidden"}
            self._say(place.gateway, reply, refusal)
        elif behaviour != "silent":
            self._say(place.gateway, reply, {"id": tree["id"], "st": "accepted"})
            for state in ("applying", behaviour):
                said = {"id": tree["id"], "st": state, "ver": NEW, "why": "health_gate"}
                self._say(place.gateway, "up/update/reported", {"t": 1, "ep": 1, "n": 1, **said})

    def _say(self, gateway: str, rest: str, tree: dict[str, Any]) -> None:
        kind, payload = encode(tree)
        topic = Topics("79", gateway).presence.removesuffix("up/presence") + rest
        self.made.on_message(InboundMessage(topic, payload, content_type=kind))


async def test_ring_after_ring_gets_it(tmp_path: Path) -> None:
    """Nothing is sent before all of the former ring has applied it."""
    gateways = Gateways(tmp_path)
    before: list[tuple[int, set[str]]] = []

    def look() -> None:
        ring = gateways.rollout.sites[len(gateways.asked) - 1].ring
        before.append((ring, {site.state for site in gateways.rollout.sites if site.ring < ring}))

    gateways.before_each = look
    assert await gateways.run()

    assert gateways.states() == "a" * 10
    assert [ring for ring, _ in before] == [0, 1, 1, 1, 1, 2, 2, 2, 2, 2]
    assert all(states <= {"applied"} for _, states in before)
    assert gateways.asked[0]["args"] == {"version": NEW, **OFFER.model_dump()}
    assert gateways.asked[0]["exp_ms"] - gateways.asked[0]["nbf_ms"] == 3_600_000


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [("rolled_back", "health_gate"), ("refused", "forbidden"), ("silent", "silent for")],
)
async def test_the_first_failure_stops_it(tmp_path: Path, behaviour: str, why: str) -> None:
    """Later rings are sent nothing, nor the rest of its own; the file says why."""
    gateways = Gateways(tmp_path, behaves={"hcm-q002": behaviour})
    assert not await gateways.run(at_once=1)
    stored = load_rollout(gateways.state)

    assert gateways.states() == "aaf" + "w" * 7
    assert len(gateways.asked) == 3
    assert stored is not None
    assert why in stored.failures()[0].why


async def test_those_under_way_are_waited_for(tmp_path: Path) -> None:
    """Whoever has been sent it before the failure."""
    gateways = Gateways(tmp_path, behaves={"hcm-q001": "silent", "hcm-q004": "silent"})
    assert not await gateways.run(at_once=3)

    assert gateways.states()[:6] == "afaafw"


async def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    """One that was sent it gets the same bytes again, so that it is done once; no other twice."""
    gateways = Gateways(tmp_path)

    def die() -> None:
        if len(gateways.asked) == 4:
            raise KeyError("the centre's machine dies")

    gateways.before_each = die
    with pytest.raises(KeyError):
        await gateways.run(at_once=1)
    gateways.before_each = lambda: None
    gateways.wall_ms += 60_000
    assert await gateways.run(at_once=1)

    assert gateways.states() == "a" * 10
    assert gateways.asked[3] == gateways.asked[4]
    assert len({each["id"] for each in gateways.asked}) == 10


async def test_who_is_absent_is_sent_nothing(tmp_path: Path) -> None:
    """It stops nobody, and is tried when asked for."""
    gateways = Gateways(tmp_path, offline={"hcm-q003", "hcm-q009"})
    assert await gateways.run()
    absent = gateways.states()
    gateways.offline.clear()
    gateways.runs = {gateway: NEW for _, gateway in NAMES[:10] if gateway != "hcm-q003"}
    rollout = load_rollout(gateways.state)
    assert rollout is not None
    rollout.retry()
    save_rollout(gateways.state, rollout)
    asked = len(gateways.asked)
    assert await gateways.run()

    assert absent == "aaa-aaaaa-"
    assert gateways.rollout.count("applied") == 10
    assert len(gateways.asked) == asked + 1  # the other has it already


async def test_a_ring_of_absent_sites_proves_nothing(tmp_path: Path) -> None:
    """The next is not begun."""
    gateways = Gateways(tmp_path, offline={"hcm-q000"})
    assert not await gateways.run()

    assert gateways.asked == []


async def test_a_machine_without_a_bundle_is_a_failure(tmp_path: Path) -> None:
    """It is told before anything is sent to it."""
    gateways = Gateways(tmp_path, arch="x86_64")
    assert not await gateways.run()

    assert gateways.asked == []
    assert "no bundle for its machine (x86_64)" in gateways.rollout.failures()[0].why


async def test_what_others_say_changes_nothing(tmp_path: Path) -> None:
    """A report of an earlier command, one that cannot be read, one of a stranger."""
    gateways = Gateways(tmp_path, count=1, percents=(100,), behaves={"hcm-q000": "silent"})

    def disturb() -> None:
        for tree in ({"id": "01EARLIER", "st": "applied"}, {"st": "?"}, {}):
            gateways._say("hcm-q000", "up/update/reported", {"t": 1, "ep": 1, "n": 1, **tree})
        gateways._say("hcm-q999", "up/update/reported", json.loads("{}"))

    gateways.before_each = disturb
    assert not await gateways.run()

    assert "silent" in gateways.rollout.failures()[0].why
