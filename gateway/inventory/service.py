"""Builds the inventory when its sources change, stores it and publishes what is new.

What a section holds is in `sections` and `mqtt.payloads.inventory`. All sections are sent on the
first connection after a start, then only those that have changed. The birth has their digests; a
centre that holds another one asks for the section. Every change of a value is an event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import structlog

from gateway.inventory.debounce import STEADY_S, Debouncer
from gateway.inventory.diff import carry_timestamps, changes, digest
from gateway.inventory.sections import Sources, build_inventory
from gateway.inventory.store import InventoryStore
from gateway.inventory.topology import NetworkTopology, topology_of
from gateway.model.contacts import Contacts
from gateway.model.errors import MessageRejected
from gateway.model.event import Event
from gateway.model.inventory import CONTACTS, SECTIONS, Change, Observations, StreamSnapshot
from gateway.mqtt import topic_tree
from gateway.mqtt.epoch import Epochs
from gateway.mqtt.payloads import inventory as inventory_payload
from gateway.mqtt.payloads.inventory import SectionRevision
from gateway.mqtt.topics import Topics, build_message
from gateway.ports import Bus, Clock, Events, OutboundMessage
from gateway.runtime.bugs import report_bug
from gateway.runtime.clock import now_ms

CHECK_S = 10.0
"""Between two checks of the streams and the site document."""

Revisions = Mapping[str, SectionRevision]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Update:
    """The inventory as it is now: its sections, what has changed, and the network."""

    revisions: Revisions = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    topology: NetworkTopology = field(default_factory=lambda: NetworkTopology((), {}))


class InventoryService:
    """Keeps the inventory up to date and publishes it.

    Args:
        topics: Of this gateway.
        sources: Returns what the inventory is built from, given the accepted observations.
        streams: Returns the streams as they are now.
        contacts: Returns the contacts; None: there are none, or they may not be sent.
        store: Holds the sections over a restart.
        epochs: Numbers messages.
        bus: Publishes the sections.
        events: Records the changes; None: they are logged only.
        clock: Monotonic.
        steady_s: How long an observation must stay to be accepted.
    """

    def __init__(
        self,
        topics: Topics,
        *,
        sources: Callable[[Observations], Sources],
        streams: Callable[[], Iterable[StreamSnapshot]],
        contacts: Callable[[], Contacts | None],
        store: InventoryStore,
        epochs: Epochs,
        bus: Bus,
        clock: Clock,
        events: Events | None = None,
        steady_s: float = STEADY_S,
    ) -> None:
        self._topics = topics
        self._sources = sources
        self._streams = streams
        self._contacts = contacts
        self._store = store
        self._epochs = epochs
        self._bus = bus
        self._events = events
        self._clock = clock
        stored = store.load()
        self._stored: Revisions = stored
        self._debouncer = Debouncer(_observed(stored), steady_s=steady_s)
        self._known = sources(self._debouncer.accepted)
        self._current = _compare(self._known, contacts(), stored)
        self._announced = False

    def digests(self) -> dict[str, str]:
        """Return section -> digest, for the birth."""
        return {name: each.sha for name, each in self._current.revisions.items()}

    def upstream(self, camera: str) -> tuple[str, ...]:
        """Return the nodes whose failure takes *camera* away: see `gateway.inventory.topology`."""
        return self._current.topology.upstream(camera)

    def recorders(self) -> frozenset[str]:
        """Return the names of the recorders that cameras are pulled from."""
        return self._current.topology.recorders

    def greeting(self, *, remembered: bool = True) -> Iterator[OutboundMessage]:
        """Yield all sections on the first connection, then none.

        Args:
            remembered: Whether the broker still had our session. If not, it may have lost what
                it retained, or be another broker: all sections are sent again.
        """
        if not self._announced or not remembered:
            self._announced = True
            yield from map(self._section_message, SECTIONS)

    def resend(self, sections: Iterable[str]) -> None:
        """Publish *sections* again, contacts only where allowed; unknown names are ignored."""
        for name in dict.fromkeys(sections):
            if name in SECTIONS:
                self._bus.publish(self._section_message(name))
            elif name == CONTACTS:
                self._publish_contacts()

    async def run(self) -> None:
        """Keep the inventory up to date until cancelled."""
        await self._apply(self._current)
        while True:
            await self._clock.sleep(CHECK_S)
            try:
                await self._update()
            except Exception as error:  # ends this round only
                report_bug("report", error, "inventory")

    async def _update(self) -> None:
        """Apply what has changed since the last round."""
        self._debouncer.observe(self._streams(), self._clock.now(), now_ms())
        known, contacts = self._sources(self._debouncer.accepted), self._contacts()
        before = self._current.revisions
        if known == self._known and _sha_of(contacts) == _sha(before.get(CONTACTS)):
            return
        self._known = known
        # 512 cameras take half a second on a small machine: on a thread.
        await self._apply(await asyncio.to_thread(_compare, known, contacts, before))

    async def _apply(self, update: _Update) -> None:
        """Make *update* the current inventory: record its changes, publish and store it."""
        before, self._current = self._current.revisions, update
        for change in update.changes:
            facts = inventory_payload.change_facts(change)
            log.info("inventory_changed", sec=change.section, at=change.at, src=change.origin)
            if self._events is not None:
                self._events.record(Event("inventory", facts))
        if self._announced:
            for name in SECTIONS:
                if before[name].sha != update.revisions[name].sha:
                    self._bus.publish(self._section_message(name))
        if update.revisions != self._stored:
            await asyncio.to_thread(self._store.save, update.revisions)
            self._stored = update.revisions

    def _section_message(self, name: str) -> OutboundMessage:
        payload = inventory_payload.encode_section(
            self._epochs.stamp(), self._current.revisions[name]
        )
        return build_message(topic_tree.INVENTORY[name], self._topics.inventory(name), payload)

    def _publish_contacts(self) -> None:
        """Publish the contacts as they are in the file now; they are kept nowhere else."""
        contacts = self._contacts()
        revision = self._current.revisions.get(CONTACTS)
        if contacts is not None and revision is not None:
            tree = inventory_payload.contacts_tree(contacts)
            with_contacts = SectionRevision(revision.rev, digest(tree), tree)
            payload = inventory_payload.encode_section(self._epochs.stamp(), with_contacts)
            self._bus.publish(build_message(topic_tree.CONTACTS, self._topics.contacts, payload))


def _compare(sources: Sources, contacts: Contacts | None, before: Revisions) -> _Update:
    """Build the inventory of *sources* and compare it with *before*. May run on a thread."""
    time_ms = now_ms()
    inventory = build_inventory(sources, time_ms)
    revisions: dict[str, SectionRevision] = {}
    found: list[Change] = []
    for name, fresh in inventory_payload.section_trees(inventory).items():
        old = before.get(name)
        now = carry_timestamps(fresh, {} if old is None else old.tree)
        assert isinstance(now, dict)
        sha = digest(now)
        if old is not None and old.sha == sha:
            revisions[name] = old
            continue
        revisions[name] = SectionRevision(1 if old is None else old.rev + 1, sha, now)
        if old is not None:
            found += changes(name, revisions[name].rev, old.tree, now, time_ms)
    if contacts is not None:
        old, sha = before.get(CONTACTS), _sha_of(contacts)
        revisions[CONTACTS] = SectionRevision(
            1 if old is None else old.rev + (old.sha != sha), sha, {}
        )
        if old is not None and old.sha != sha:  # says that they have changed, not how
            rev = revisions[CONTACTS].rev
            found.append(Change(CONTACTS, rev, "", origin="survey", time_ms=time_ms))
    return _Update(revisions, tuple(found), topology_of(inventory))


def _observed(stored: Revisions) -> Observations:
    """Return the observations in *stored*; empty if they cannot be read."""
    if "cams" not in stored:
        return {}
    try:
        return inventory_payload.parse_observations(stored["cams"].tree)
    except MessageRejected:
        return {}


def _sha_of(contacts: Contacts | None) -> str:
    return "" if contacts is None else digest(inventory_payload.contacts_tree(contacts))


def _sha(revision: SectionRevision | None) -> str:
    return "" if revision is None else revision.sha
