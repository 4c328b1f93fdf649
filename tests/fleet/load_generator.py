"""One process of simulated gateways: `python -m tests.fleet.load_generator`, its task as JSON."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

from gateway.mqtt.client.broker import BrokerAddress, Tls
from gateway.mqtt.topics import Topics
from gateway.runtime.clock import SystemClock
from tests.fleet.gateway import SimulatedGateway
from tests.fleet.scene import Pace


async def run(task: dict[str, Any]) -> None:
    """Run the gateways of *task* until SIGTERM; print their counts at the end."""
    clock = SystemClock()
    pace = Pace(**task["pace"])
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    gateways: list[SimulatedGateway] = []
    for name in task["gateways"]:
        province, gateway = name.split("/")
        folder = Path(task["folder"]) / gateway
        folder.mkdir(parents=True)
        gateways.append(
            SimulatedGateway(
                Topics(province, gateway),
                _address(task, gateway),
                folder,
                keys=Path(task["keys"]),
                cameras=task["cameras"],
                pace=pace,
                clock=clock,
            )
        )
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each.run(), name="gateway") for each in gateways]
        await stop.wait()
        told = {each.client.sample.connects for each in gateways}
        json.dump(
            {
                "events": {
                    name: (each.outbox.last_number, each.outbox.pending)
                    for name, each in zip(task["gateways"], gateways, strict=True)
                },
                "connects": sorted(told),
                "dropped": sum(each.client.sample.dropped for each in gateways),
                "refused": sum(each.client.sample.refused for each in gateways),
            },
            sys.stdout,
        )
        sys.stdout.flush()
        for each in tasks:
            each.cancel()


def _address(task: dict[str, Any], gateway: str) -> BrokerAddress:
    tickets = Path(task["tickets"])
    ticket = Tls(
        ca_file=tickets / "ca.pem",
        cert_file=tickets / f"{gateway}.pem",
        key_file=tickets / f"{gateway}.key",
    )
    return BrokerAddress(host="localhost", port=task["port"], tls=ticket)


def main(arguments: Sequence[str] = sys.argv) -> None:
    """Read the task from standard input and run it."""
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    assert len(arguments) == 1
    asyncio.run(run(json.load(sys.stdin)))


if __name__ == "__main__":
    main()
