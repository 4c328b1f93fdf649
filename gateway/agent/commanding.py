"""What the centre may ask for, joined to the rooms that can do it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass

from gateway.agent.centre import Centre
from gateway.agent.commands.catalogue import Rooms, command_desk
from gateway.agent.commands.desk import CommandDesk
from gateway.agent.inbox import Receiver
from gateway.agent.reaching import Reaching
from gateway.agent.reporter import Reporter
from gateway.agent.secrets import Secrets
from gateway.agent.settings import Settings
from gateway.agent.showing import Showing
from gateway.agent.signing import Keyring
from gateway.agent.stocktaking import Stocktaking
from gateway.mqtt.tree import BROADCAST, CENTRE_STATE, COMMAND, Channel
from gateway.ports import Clock, Publication


@dataclass(frozen=True, slots=True)
class Commanding:
    """The desk for commands, and the ear for what is said to all."""

    desk: CommandDesk
    centre: Centre

    @property
    def components(self) -> tuple[Callable[[], Coroutine[None, None, None]], ...]:
        """What has to run."""
        return self.desk.run, self.centre.run


def receivers_of(commanding: Commanding) -> dict[Channel, Receiver]:
    """Return who takes the letters of *commanding*."""
    return {
        COMMAND: commanding.desk.deliver,
        BROADCAST: commanding.centre.deliver,
        CENTRE_STATE: commanding.centre.deliver,
    }


def commanding_of(
    settings: Settings,
    secrets: Secrets,
    keys: Keyring,
    showing: Showing,
    reaching: Reaching,
    reporter: Reporter,
    stocktaking: Stocktaking,
    *,
    alarms: Callable[[], Iterator[Publication]],
    boot: str,
    clock: Clock,
) -> Commanding:
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

    rooms = Rooms(
        site=lambda: showing.fleet.site,
        viewers=showing.desk.viewers,
        restart=showing.fleet.restart,
        resend=resend,
        photograph=showing.eyes.photograph,
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
    return Commanding(desk, Centre(reaching.topics, resend=resend, clock=clock))
