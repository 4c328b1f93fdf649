"""What the centre may ask for, joined to the rooms that can do it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass

from gateway.agent.centre import Centre
from gateway.agent.commands.catalogue import Rooms, command_desk
from gateway.agent.commands.desk import CommandDesk
from gateway.agent.fleet import Fleet
from gateway.agent.inbox import Receiver
from gateway.agent.reporter import Reporter
from gateway.agent.secrets import Secrets
from gateway.agent.settings import Settings
from gateway.agent.signing import Keyring
from gateway.agent.stocktaking import Stocktaking
from gateway.mqtt.epoch import Epochs
from gateway.mqtt.topics import Topics
from gateway.mqtt.tree import BROADCAST, CENTRE_STATE, COMMAND, Channel
from gateway.ports import Bus, Clock, Events, Publication


@dataclass(frozen=True, slots=True)
class Commanding:
    """The desk for commands, and the ear for what is said to all."""

    desk: CommandDesk
    centre: Centre

    @property
    def components(self) -> tuple[Callable[[], Coroutine[None, None, None]], ...]:
        """What has to run."""
        return self.desk.run, self.centre.run


def receivers_of(commanding: Callable[[], Commanding]) -> dict[Channel, Receiver]:
    """Return who takes the letters of *commanding*, which is made later than the inbox."""
    return {
        COMMAND: lambda place, letter: commanding().desk.deliver(place, letter),
        BROADCAST: lambda place, letter: commanding().centre.deliver(place, letter),
        CENTRE_STATE: lambda place, letter: commanding().centre.deliver(place, letter),
    }


def commanding_of(
    settings: Settings,
    secrets: Secrets,
    *,
    topics: Topics,
    keys: Keyring,
    fleet: Fleet,
    viewers: Callable[[str], int],
    photograph: Callable[[str, int], Awaitable[bytes]],
    reporter: Reporter,
    stocktaking: Stocktaking,
    alarms: Callable[[], Iterator[Publication]],
    boot: str,
    epochs: Epochs,
    bus: Bus,
    events: Events,
    clock: Clock,
) -> Commanding:
    """Return what takes commands and broadcasts.

    Args:
        settings: What may be asked for.
        secrets: For probes; its redactor is in front of every answer.
        topics: Of this gateway.
        keys: Whose signatures are good.
        fleet: The cameras.
        viewers: Returns how many watch a camera.
        photograph: Returns a JPEG of a camera so wide, or raises NoPicture.
        reporter: Tells presence, birth, health and states again.
        stocktaking: Tells the inventory again.
        alarms: Tells the open alarms again.
        boot: Id of the machine's boot.
        epochs: Numbers messages.
        bus: Takes the answers.
        events: Is told who asked for what.
        clock: Monotonic.
    """

    def resend(sections: Iterable[str]) -> None:
        asked = tuple(sections)
        for again in reporter.again(asked):
            bus.post(again)
        stocktaking.resend(asked)
        if "alarms" in asked:
            for again in alarms():
                bus.post(again)

    rooms = Rooms(
        site=lambda: fleet.site,
        viewers=viewers,
        restart=fleet.restart,
        resend=resend,
        photograph=photograph,
        verify=lambda signed: keys.verify(signed, "cmd"),
    )
    desk = command_desk(
        settings,
        secrets,
        rooms,
        own=topics,
        stamp=epochs.stamp,
        bus=bus,
        events=events,
        boot=boot,
        clock=clock,
    )
    return Commanding(desk, Centre(topics, resend=resend, clock=clock))
