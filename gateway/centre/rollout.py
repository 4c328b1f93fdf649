"""Sends a release to the sites of a rollout, ring by ring, and stops at the first that fails.

A site is sent one signed command, with a lifetime. What becomes of it is read from its replies and
from its reports: ``applied`` is the only good end. ``rolled_back``, a refusal, or silence past the
deadline end the rollout: nothing more is sent, and those that are under way are waited for.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Annotated

from pydantic import StringConstraints

from gateway.centre.connection import CentreConnection
from gateway.centre.rings import Offer, Rollout, Site, SiteState
from gateway.config.signing import SigningKey, sign
from gateway.model.errors import MessageRejected
from gateway.model.names import new_id
from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.payloads.codec import encode
from gateway.mqtt.payloads.command import FINAL, decode_reply
from gateway.mqtt.payloads.presence import decode_birth, decode_presence
from gateway.mqtt.payloads.update import decode_update_reported
from gateway.mqtt.topic_tree import BIRTH, COMMAND, LEVELS, PRESENCE, REPLY, ROOT, UPDATE_REPORTED
from gateway.mqtt.topics import Topics, build_message, parse_topic
from gateway.ports import Clock, InboundMessage, OutboundMessage
from gateway.runtime.clock import SystemClock, now_ms
from gateway.updates.bundle import Architecture

COMMAND_NAME = "update"
ARCHITECTURES: Mapping[str, Architecture] = {"aarch64": "arm64", "x86_64": "amd64"}
"""What a gateway calls its machine -> what Debian does."""

Requester = Annotated[str, StringConstraints(pattern=rf"^{LEVELS['requester']}$")]
"""Who asks; it stands in the topic of the replies."""

Progress = Callable[[Site, str], None]
"""Is told of a site and what it says on the way: ``downloading 40 %``; empty: see its state."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How a rollout is done.

    Attributes:
        key: For commands.
        actor: Who is responsible; of a-z, 0-9 and hyphens, since it stands in a topic.
        reason: Why, for the audit.
        ttl_s: Lifetime of a command.
        deadline_s: So long after its command a site may take until it is ``applied``.
        at_once: So many sites are under way at most, for the sake of the mirror.
        settle_s: How long retained messages are waited for, before a site counts as absent.
    """

    key: SigningKey
    actor: str
    reason: str = ""
    ttl_s: int = 3600
    deadline_s: float = 7200.0
    at_once: int = 20
    settle_s: float = 10.0


@dataclass(slots=True)
class _Known:
    """What a site has said of itself."""

    online: bool = False
    version: str = ""
    arch: str = ""


@dataclass(slots=True)
class RolloutRun:
    """One run of a rollout; another may go on with it later.

    Args:
        rollout: Is changed while it runs.
        terms: How it is done.
        save: Writes the rollout; called before anything is sent and after each change.
        publish: Sends a message.
        progress: Is told of each change.
        clock: Monotonic.
        wall_ms: Unix time in milliseconds.
    """

    rollout: Rollout
    terms: Terms
    save: Callable[[], None]
    publish: Callable[[OutboundMessage], None]
    progress: Progress
    clock: Clock
    wall_ms: Callable[[], int] = now_ms
    _sites: dict[tuple[str, str], Site] = field(init=False)
    _known: dict[tuple[str, str], _Known] = field(default_factory=dict)
    _ends_s: dict[str, float] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _reply_to: str = field(init=False)

    def __post_init__(self) -> None:
        self._sites = {(site.province, site.gateway): site for site in self.rollout.sites}
        self._reply_to = f"{self.terms.actor}/{secrets.token_hex(8)}"

    async def run(self) -> bool:
        """Do what is left to do; return whether all sites that were there have it.

        It begins once retained messages have come, or `Terms.settle_s` is over.
        """
        await self._settle()
        for ring in self.rollout.rings():
            await self._run_ring(ring)
            if self.rollout.failures():
                return False
            if all(site.state == "absent" for site in ring):
                return False  # a ring that proves nothing
        return True

    def on_message(self, message: InboundMessage) -> None:
        """Take what a site says. What cannot be read is ignored: its deadline goes on."""
        place = parse_topic(message.topic)
        site = None if place is None else self._sites.get((place.province, place.gateway))
        if place is None or site is None:
            return
        with suppress(MessageRejected):
            if place.spec is PRESENCE:
                self._on_presence(site, message)
            elif place.spec is BIRTH:
                birth = decode_birth(message.payload, message.content_type)
                known = self._known_of(site)
                known.version, known.arch = birth.version, birth.arch
            elif site.state == "sent" and place.spec is REPLY:
                self._on_reply(site, message)
            elif site.state == "sent" and place.spec is UPDATE_REPORTED:
                self._on_report(site, message)
            self._changed.set()

    def _on_presence(self, site: Site, message: InboundMessage) -> None:
        presence = decode_presence(message.payload, message.content_type)
        known = self._known_of(site)
        known.online = presence.state == "online"
        known.version = presence.version or known.version

    def _on_reply(self, site: Site, message: InboundMessage) -> None:
        reply = decode_reply(message.payload, message.content_type)
        if reply.id != site.command:
            return
        if reply.state in FINAL and reply.state != "succeeded":
            faults = "; ".join(f"{each.at} {each.message}" for each in reply.errors or ())
            self._end(site, "failed", f"{reply.state}: {reply.code or ''} {faults}".strip())
        else:
            self.progress(
                site, reply.state + ("" if reply.percent is None else f" {reply.percent} %")
            )

    def _on_report(self, site: Site, message: InboundMessage) -> None:
        report = decode_update_reported(message.payload, message.content_type)
        if report.id != site.command:
            return
        said = " ".join(filter(None, (report.state, report.why, report.reason, report.detail)))
        if report.state == "applied":
            self._end(site, "applied", "")
        elif report.state in ("rolled_back", "rejected"):
            self._end(site, "failed", said)
        else:
            self.progress(site, said)

    async def _settle(self) -> None:
        async with asyncio.TaskGroup() as group:
            pause = group.create_task(self.clock.sleep(self.terms.settle_s), name="settle")
            while not pause.done() and any(
                not self._known_of(site).online or not self._known_of(site).arch
                for site in self.rollout.sites
                if site.state in ("waiting", "sent")
            ):
                await self._wait_for_change(pause)
            pause.cancel()

    async def _run_ring(self, ring: list[Site]) -> None:
        for site in ring:
            if site.state == "sent":
                self._go_on(site)
        waiting = [site for site in ring if site.state == "waiting"]
        while True:
            self._end_overdue(ring)
            under_way = [site for site in ring if site.state == "sent"]
            if self.rollout.failures():
                waiting.clear()
            while waiting and len(under_way) < self.terms.at_once:
                site = waiting.pop(0)
                self._begin(site)
                under_way += [site] * (site.state == "sent")
                if site.state == "failed":
                    waiting.clear()
            if not under_way:
                return
            left_s = min(self._ends_s[site.name] for site in under_way) - self.clock.now()
            await self._wait(max(left_s, 0.0))

    def _begin(self, site: Site) -> None:
        """Send *site* its command, if it is there and has not got the release already."""
        known = self._known_of(site)
        if known.version == self.rollout.version:
            self._end(site, "applied", "it has this version already")
        elif not known.online:
            self._end(site, "absent", "not connected")
        elif self._offer_for(site) is None:
            self._end(site, "failed", f"there is no bundle for its machine ({known.arch or '?'})")
        else:
            site.command, site.sent_ms = new_id(), self.wall_ms()
            site.state = "sent"
            self.save()
            self._ends_s[site.name] = self.clock.now() + self.terms.deadline_s
            self.progress(site, "")
            self._send(site)

    def _go_on(self, site: Site) -> None:
        """Wait for *site* again, which an earlier run has sent its command."""
        past_s = max(0.0, (self.wall_ms() - site.sent_ms) / 1000)
        left_s = min(
            max(self.terms.deadline_s - past_s, self.terms.settle_s), self.terms.deadline_s
        )
        self._ends_s[site.name] = self.clock.now() + left_s
        if past_s < self.terms.ttl_s:  # that run may have ended before it was out
            self._send(site)

    def _send(self, site: Site) -> None:
        """Send the command of *site*; the same bytes each time, so that it is done once."""
        terms, offer = self.terms, self._offer_for(site)
        left_s = terms.ttl_s - (self.wall_ms() - site.sent_ms) // 1000
        if offer is None or left_s < 1:
            return
        args = {"version": self.rollout.version, **offer.model_dump()}
        tree = {
            "id": site.command,
            "name": COMMAND_NAME,
            "gw": site.gateway,
            "args": args,
            "actor": terms.actor,
            "reason": terms.reason,
            "ttl_s": terms.ttl_s,
            "nbf_ms": site.sent_ms,
            "exp_ms": site.sent_ms + 1000 * terms.ttl_s,
        }
        topics = Topics(site.province, site.gateway)
        message = build_message(
            COMMAND,
            topics.command(COMMAND_NAME),
            encode(sign(tree, terms.key)),
            expiry_s=min(left_s, terms.ttl_s),
        )
        self.publish(replace(message, response_topic=topics.replies + self._reply_to))

    def _end_overdue(self, ring: list[Site]) -> None:
        now_s = self.clock.now()
        for site in ring:
            if site.state == "sent" and now_s >= self._ends_s[site.name]:
                self._end(site, "failed", f"silent for {self.terms.deadline_s:g} s")

    def _offer_for(self, site: Site) -> Offer | None:
        arch = ARCHITECTURES.get(self._known_of(site).arch)
        return None if arch is None else self.rollout.offers.get(arch)

    def _end(self, site: Site, state: SiteState, why: str) -> None:
        site.state, site.why = state, why[:400]
        self.save()
        self.progress(site, "")
        self._changed.set()

    async def _wait(self, most_s: float) -> None:
        """Return when a site has said something, after *most_s* at the latest."""
        async with asyncio.TaskGroup() as group:
            pause = group.create_task(self.clock.sleep(most_s), name="deadline")
            await self._wait_for_change(pause)
            pause.cancel()

    async def _wait_for_change(self, pause: asyncio.Task[None]) -> None:
        """Return when a site has said something, or *pause* has ended."""
        async with asyncio.TaskGroup() as group:
            change = group.create_task(self._changed.wait(), name="change")
            await asyncio.wait((pause, change), return_when=asyncio.FIRST_COMPLETED)
            change.cancel()
        self._changed.clear()

    def _known_of(self, site: Site) -> _Known:
        return self._known.setdefault((site.province, site.gateway), _Known())


async def run_rollout(
    address: BrokerAddress,
    rollout: Rollout,
    terms: Terms,
    *,
    save: Callable[[], None],
    progress: Progress,
) -> bool:
    """Run *rollout* through the broker at *address*; see `RolloutRun.run`.

    Raises:
        BrokerUnavailable: The broker does not accept us, does not answer, or has dropped us; what
            was sent is known.
    """
    connection = CentreConnection(
        address,
        name="rollout",
        subscriptions=tuple(
            f"{ROOT}/+/+/{each}"
            for each in (PRESENCE.name, BIRTH.name, UPDATE_REPORTED.name, f"up/rsp/{terms.actor}/+")
        ),
        on_message=lambda message: run.on_message(message),
    )
    publish = connection.client.publish
    run = RolloutRun(rollout, terms, save, publish, progress, SystemClock())
    async with connection.opened():
        return await run.run()
