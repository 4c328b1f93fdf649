"""What the centre may ask for, joined to the rooms that can do it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass

from gateway.app.broker import BrokerComponents
from gateway.app.cameras import CameraComponents
from gateway.commands.broadcast import BroadcastListener
from gateway.commands.dispatcher import CommandDispatcher
from gateway.commands.registry import CommandDependencies, command_desk
from gateway.config.secrets import Secrets
from gateway.config.settings import Settings
from gateway.config.signing import Keyring
from gateway.inventory.service import InventoryService
from gateway.mqtt.router import Receiver
from gateway.mqtt.topic_tree import BROADCAST, CENTRE_STATE, COMMAND, TopicSpec
from gateway.ports import Clock, OutboundMessage
from gateway.telemetry.reporter import Reporter


@dataclass(frozen=True, slots=True)
class CommandComponents:
    """The desk for commands, and the ear for what is said to all."""

    desk: CommandDispatcher
    centre: BroadcastListener

    @property
    def components(self) -> tuple[Callable[[], Coroutine[None, None, None]], ...]:
        """What has to run."""
        return self.desk.run, self.centre.run


def receivers_of(commanding: CommandComponents) -> dict[TopicSpec, Receiver]:
    """Return who takes the letters of *commanding*."""
    return {
        COMMAND: commanding.desk.deliver,
        BROADCAST: commanding.centre.deliver,
        CENTRE_STATE: commanding.centre.deliver,
    }


def command_components(
    settings: Settings,
    secrets: Secrets,
    keys: Keyring,
    showing: CameraComponents,
    reaching: BrokerComponents,
    reporter: Reporter,
    stocktaking: InventoryService,
    *,
    alarms: Callable[[], Iterator[OutboundMessage]],
    boot: str,
    clock: Clock,
) -> CommandComponents:
    """Return what takes commands and broadcasts.

    Args:
        settings: What may be asked for.
        secrets: For probes; its redactor is in front of every answer.
        keys: Whose signatures are good.
        showing: The cameras, their viewers and pictures.
        reaching: The way to the centre.
        reporter: Tells presence, birth, health and states again.
        stocktaking: Tells the inventory again.
        alarms: Tells the open alarms again.
        boot: Id of the machine's boot.
        clock: Monotonic.
    """
    bus = reaching.link

    def resend(sections: Iterable[str]) -> None:
        asked = tuple(sections)
        for again in reporter.again(asked):
            bus.post(again)
        stocktaking.resend(asked)
        if "alarms" in asked:
            for again in alarms():
                bus.post(again)

    rooms = CommandDependencies(
        site=lambda: showing.fleet.site,
        viewers=showing.desk.viewers,
        restart=showing.fleet.restart,
        resend=resend,
        photograph=showing.picture_monitor.snapshot,
        verify=lambda signed: keys.verify(signed, "cmd"),
    )
    desk = command_desk(
        settings,
        secrets,
        rooms,
        own=reaching.topics,
        stamp=reaching.epochs.stamp,
        bus=bus,
        events=reaching.outbox,
        boot=boot,
        clock=clock,
    )
    return CommandComponents(desk, BroadcastListener(reaching.topics, resend=resend, clock=clock))
