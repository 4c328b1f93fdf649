"""The forms of all sites from what the broker retains: their inventories, and their health now.

Contacts are not among it: they are personal, and never retained.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

from gateway.centre.connection import CentreConnection
from gateway.model.errors import MessageRejected
from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.payloads.health import decode_cameras_health, decode_site_health
from gateway.mqtt.payloads.inventory import SECTIONS, decode_section
from gateway.mqtt.topic_tree import CAMERAS_HEALTH, INVENTORY, ROOT, SITE_HEALTH
from gateway.mqtt.topics import ParsedTopic, parse_topic
from gateway.ports import InboundMessage
from gateway.survey.answers import SiteForm
from gateway.survey.fill import SiteFacts, fill_form

MOST_SITES = 20_000
"""Viet Nam has about 3,300 communes; invented names must not fill the memory."""

CALM_S = 2.0
"""Retained messages come at once; after so long without one they have all come."""


class SiteCollector:
    """Takes what sites say, and fills their forms.

    Attributes:
        rejected: ``{province}/{gateway}`` -> what of it could not be read, the newest.
        arrived: Set whenever something has come.
    """

    def __init__(self) -> None:
        self._sites: dict[tuple[str, str], SiteFacts] = {}
        self.rejected: dict[str, str] = {}
        self.arrived = asyncio.Event()

    def on_message(self, message: InboundMessage) -> None:
        """Take one message; one that cannot be read costs its site that part of its form."""
        topic = parse_topic(message.topic)
        if topic is None or not message.payload or not topic.province:
            return
        self.arrived.set()
        key = (topic.province, topic.gateway)
        if key not in self._sites and len(self._sites) >= MOST_SITES:
            return
        facts = self._sites.get(key) or SiteFacts(*key, made_ms=0)
        try:
            self._sites[key] = _with_message(facts, topic, message)
        except MessageRejected as error:
            fault = error.faults[0]
            self.rejected["/".join(key)] = f"{topic.spec.name}: {fault.at} {fault.code}"

    def forms(self, now_ms: int) -> list[SiteForm]:
        """Return the form of each site that has told its inventory, made at *now_ms*."""
        return [
            fill_form(replace(facts, made_ms=now_ms))
            for facts in self._sites.values()
            if facts.has_inventory
        ]


async def collect_sites(address: BrokerAddress, *, within_s: float) -> SiteCollector:
    """Return what the broker at *address* retains of all sites.

    Args:
        address: Of the broker.
        within_s: How long to wait at most for what is retained.

    Raises:
        BrokerUnavailable: The broker does not accept us, does not answer, or has dropped us.
    """
    collector = SiteCollector()
    rows = (*INVENTORY.values(), CAMERAS_HEALTH, SITE_HEALTH)
    connection = CentreConnection(
        address,
        name="survey",
        subscriptions=tuple(f"{ROOT}/+/+/{row.name}" for row in rows),
        on_message=collector.on_message,
    )
    async with connection.opened():
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await _calm(collector.arrived)
    return collector


async def _calm(arrived: asyncio.Event) -> None:
    """Wait until nothing has come for `CALM_S`."""
    while True:
        arrived.clear()
        try:
            async with asyncio.timeout(CALM_S):
                await arrived.wait()
        except TimeoutError:
            return


def _with_message(facts: SiteFacts, topic: ParsedTopic, message: InboundMessage) -> SiteFacts:
    payload, kind = message.payload, message.content_type
    if topic.spec is CAMERAS_HEALTH:
        stamp, cameras = decode_cameras_health(payload, kind)
        return replace(facts, health=cameras, health_ms=stamp.time_ms)
    if topic.spec is SITE_HEALTH:
        _, site = decode_site_health(payload, kind)
        return replace(facts, rtt_ms=site.link.rtt_ms)
    for name in SECTIONS:
        if topic.spec is INVENTORY.get(name):
            return facts.with_section(decode_section(name, payload, kind))
    return facts
