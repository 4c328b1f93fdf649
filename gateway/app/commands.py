"""What the centre may ask for, joined to the dependencies that can do it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass

from gateway.app.broker import BrokerComponents
from gateway.app.cameras import CameraComponents
from gateway.commands.broadcast import BroadcastListener
from gateway.commands.dispatcher import CommandDispatcher
from gateway.commands.registry import CommandDependencies, command_dispatcher
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
    """The dispatcher for commands, and the ear for what is said to all."""

    dispatcher: CommandDispatcher
    centre: BroadcastListener

    @property
    def components(self) -> tuple[Callable[[], Coroutine[None, None, None]], ...]:
        """What has to run."""
        return self.dispatcher.run, self.centre.run


def receivers_of(commanding: CommandComponents) -> dict[TopicSpec, Receiver]:
    """Return who takes the messages of *commanding*."""
    return {
        COMMAND: commanding.dispatcher.deliver,
        BROADCAST: commanding.centre.deliver,
        CENTRE_STATE: commanding.centre.deliver,
    }


def command_components(
    settings: Settings,
    secrets: Secrets,
    keys: Keyring,
    camera_parts: CameraComponents,
    broker_parts: BrokerComponents,
    reporter: Reporter,
    inventory_service: InventoryService,
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
        camera_parts: The cameras, their viewers and pictures.
        broker_parts: The way to the centre.
        reporter: Tells presence, birth, health and states again.
        inventory_service: Tells the inventory again.
        alarms: Tells the open alarms again.
        boot: Id of the machine's boot.
        clock: Monotonic.
    """
    bus = broker_parts.link

    def resend(sections: Iterable[str]) -> None:
        asked = tuple(sections)
        for again in reporter.again(asked):
            bus.post(again)
        inventory_service.resend(asked)
        if "alarms" in asked:
            for again in alarms():
                bus.post(again)

    dependencies = CommandDependencies(
        site=lambda: camera_parts.manager.site,
        viewers=camera_parts.session_manager.viewer_count,
        restart=camera_parts.manager.restart,
        resend=resend,
        take_snapshot=camera_parts.picture_monitor.snapshot,
        verify=lambda signed: keys.verify(signed, "cmd"),
    )
    dispatcher = command_dispatcher(
        settings,
        secrets,
        dependencies,
        own=broker_parts.topics,
        stamp=broker_parts.epochs.stamp,
        bus=bus,
        events=broker_parts.outbox,
        boot=boot,
        clock=clock,
    )
    return CommandComponents(
        dispatcher, BroadcastListener(broker_parts.topics, resend=resend, clock=clock)
    )
