"""``discover``: which cameras and recorders there are in the camera networks of the site."""

from __future__ import annotations

import ipaddress
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from gateway.commands.command import (
    CommandContext,
    CommandDependencies,
    CommandHandler,
    Facts,
    Outcome,
    failed,
)
from gateway.discovery.addresses import Network, is_part
from gateway.discovery.found import FoundDevice, Progress
from gateway.model.errors import TransientError, refuse
from gateway.model.survey import NetworkText
from gateway.mqtt.payloads.command import Args

LIMIT_S = 900
MOST_DEVICES = 128
"""In one reply; the others are in the inventory."""

LOOKING_PERCENT = 30
"""Of a discovery, until all addresses were tried."""


class DiscoverArgs(Args):
    """Where to look.

    Attributes:
        networks: Parts of the site's camera networks; empty: all.
    """

    networks: Annotated[tuple[NetworkText, ...], Field(alias="nets", max_length=16)] = ()


def create(dependencies: CommandDependencies) -> CommandHandler:
    """Return the handler."""

    def plan(args: DiscoverArgs) -> Facts:
        allowed = dependencies.camera_networks
        for index, network in enumerate(_networks(args)):
            if not any(is_part(network, each) for each in allowed):
                refuse("outside", "it is outside the camera networks", f"/args/nets/{index}")
        return {"nets": list(args.networks) or [str(each) for each in allowed]}

    async def run(args: DiscoverArgs, context: CommandContext) -> Outcome:
        found = _Found()
        try:
            async with aclosing(dependencies.discover(_networks(args) or None)) as items:
                async for item in items:
                    if isinstance(item, FoundDevice):
                        found.add(item)
                    else:
                        _report(item, found.count, context)
        except TransientError:
            return failed("busy")
        return Outcome(result={"found": found.count, "devices": found.listed})

    return CommandHandler(plan, run)


@dataclass(slots=True)
class _Found:
    """What a reply says of the devices that were found; they themselves are large."""

    count: int = 0
    listed: list[Facts] = field(default_factory=list)

    def add(self, device: FoundDevice) -> None:
        self.count += 1
        if len(self.listed) < MOST_DEVICES:
            self.listed.append(_facts_of(device))


def _report(progress: Progress, found: int, context: CommandContext) -> None:
    share = progress.percent * LOOKING_PERCENT // 100
    if progress.stage != "looking":
        share = progress.percent * (100 - LOOKING_PERCENT) // 100 + LOOKING_PERCENT
    counts = {"stage": progress.stage, "done": progress.done, "of": progress.total}
    context.report_progress(min(99, share), {**counts, "found": found})


def _networks(args: DiscoverArgs) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(each) for each in args.networks)


def _facts_of(device: FoundDevice) -> Facts:
    """Return what a reply says of *device*; what is not known is left out."""
    facts = {
        "ip": device.address,
        "mac": device.mac,
        "manufacturer": device.maker,
        "model": device.model,
        "fw": device.firmware,
        "kind": device.kind,
        "chs": len(device.channels),
        "lost": sum(each.signal == "no_signal" for each in device.channels),
        "by": device.origin,
        "clk_s": device.clock_offset_s,
        "why": None if device.reason is None else device.reason.code.value,
    }
    return {key: value for key, value in facts.items() if value is not None}
