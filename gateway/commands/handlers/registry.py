"""Every command there is, one row each.

The settings' default, the capabilities in the birth, the schemas and the table of docs/mqtt.md come
from these rows.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.commands.command import Command, CommandDependencies, CommandSpec
from gateway.commands.handlers import (
    discover,
    get_config,
    probe,
    rebirth,
    reboot,
    restart_stream,
    snapshot,
    tail_logs,
    update,
)
from gateway.config.settings import Settings
from gateway.model.errors import Fault

COMMANDS: tuple[CommandSpec, ...] = (
    CommandSpec(
        "stream.restart",
        restart_stream.RestartArgs,
        restart_stream.create,
        ttl_s=30,
        limit_s=30,
        signed=True,
        disruptive=True,
        max_concurrent=1,
    ),
    CommandSpec("snapshot", snapshot.SnapshotArgs, snapshot.create, ttl_s=20, limit_s=20),
    CommandSpec("probe", probe.ProbeArgs, probe.create, ttl_s=60, limit_s=45),
    CommandSpec(
        "discover",
        discover.DiscoverArgs,
        discover.create,
        ttl_s=60,
        limit_s=discover.LIMIT_S,
        signed=True,
        max_concurrent=1,
    ),
    CommandSpec(
        "rebirth", rebirth.RebirthArgs, rebirth.create, ttl_s=300, limit_s=330, max_concurrent=4
    ),
    CommandSpec("config.get", get_config.GetConfigArgs, get_config.create, ttl_s=30, limit_s=20),
    CommandSpec("logs.tail", tail_logs.TailArgs, tail_logs.create, ttl_s=30, limit_s=660),
    CommandSpec(
        "update",
        update.UpdateArgs,
        update.create,
        ttl_s=update.TTL_S,
        limit_s=30,
        signed=True,
        max_concurrent=1,
        is_available=update.is_available,
    ),
    CommandSpec(
        "reboot",
        reboot.RebootArgs,
        reboot.create,
        ttl_s=60,
        limit_s=reboot.LIMIT_S,
        signed=True,
        default_allowed=False,
        disruptive=True,
        max_concurrent=1,
        survives_restart=True,
        is_available=reboot.is_available,
    ),
)


def create_commands(dependencies: CommandDependencies) -> Mapping[str, Command]:
    """Return every command by its name."""
    return {spec.name: Command(spec, spec.create(dependencies)) for spec in COMMANDS}


def enabled_commands(settings: Settings) -> tuple[str, ...]:
    """Return the names that may be asked for on this machine: allowed, and possible here."""
    allowed = settings.commands.allowed
    return tuple(
        spec.name
        for spec in COMMANDS
        if (spec.default_allowed if allowed is None else spec.name in allowed)
        and spec.is_available(settings)
    )


def command_faults(settings: Settings) -> tuple[Fault, ...]:
    """Return a fault for each name in ``[commands] allowed`` that no command has."""
    known = [spec.name for spec in COMMANDS]
    choices = ", ".join(map(repr, known[:-1])) + f" or {known[-1]!r}"
    return tuple(
        Fault(
            f"/commands/allowed/{index}",
            "choice",
            f"{name!r}: it must be {choices}",
            {"got": repr(name)},
        )
        for index, name in enumerate(settings.commands.allowed or ())
        if name not in known
    )
