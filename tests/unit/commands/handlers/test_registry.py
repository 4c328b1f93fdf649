"""The rows of the registry, and what follows from them and the settings."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gateway.commands.handlers.registry import (
    COMMANDS,
    command_faults,
    create_commands,
    enabled_commands,
)
from gateway.config.settings import Commands, Settings
from gateway.config.update_settings import Updates
from tests.fixtures.commands import fake_dependencies

EXAMPLE = Path(__file__).parents[4] / "config" / "gateway.example.toml"
DEFAULT = tuple(spec.name for spec in COMMANDS if spec.default_allowed and spec.name != "update")


def settings_with(commands: Commands) -> Settings:
    return Settings.model_construct(commands=commands, updates=Updates())


def test_a_machine_that_names_no_host_has_no_update() -> None:
    """From where releases may come is said at the machine."""
    commands = Commands(allowed=("update",))
    named = Settings.model_construct(commands=commands, updates=Updates(hosts=("mirror.example",)))

    assert enabled_commands(settings_with(commands)) == ()
    assert enabled_commands(named) == ("update",)


def test_every_row_makes_a_command() -> None:
    """Under its own name, which no other row has."""
    commands = create_commands(fake_dependencies())

    assert [(name, each.spec) for name, each in commands.items()] == [
        (spec.name, spec) for spec in COMMANDS
    ]


def test_what_disturbs_viewers_must_be_signed() -> None:
    """Whoever may publish commands cannot darken the screens without a key."""
    assert all(spec.signed for spec in COMMANDS if spec.disruptive)


@pytest.mark.parametrize(
    ("commands", "enabled"),
    [
        (Commands(), DEFAULT),
        (Commands(allowed=()), ()),
        (Commands(allowed=("probe", "snapshot")), ("snapshot", "probe")),
        (Commands(allowed=("reboot",)), ()),
        (Commands(allowed=("reboot",), reboot=("reboot",)), ("reboot",)),
        (Commands(reboot=("reboot",)), DEFAULT),
    ],
)
def test_what_is_enabled_is_allowed_and_possible(
    commands: Commands, enabled: tuple[str, ...]
) -> None:
    """Without a list it is what the rows say; a machine that cannot reboot is not asked to."""
    assert enabled_commands(settings_with(commands)) == enabled


def test_the_settings_example_names_commands() -> None:
    """What an installer uncomments is right."""
    shown = re.search(r"^# allowed = (\[.*\])$", EXAMPLE.read_text(), re.MULTILINE)

    assert shown
    assert command_faults(settings_with(Commands(allowed=tuple(json.loads(shown[1]))))) == ()


def test_an_unknown_name_in_the_settings_is_a_fault() -> None:
    """With its place and the names that there are."""
    faults = command_faults(settings_with(Commands(allowed=("probe", "dance"))))

    assert [(each.at, each.code, each.args) for each in faults] == [
        ("/commands/allowed/1", "choice", {"got": "'dance'"})
    ]
    assert all(repr(spec.name) in faults[0].message for spec in COMMANDS)
    assert command_faults(settings_with(Commands())) == ()
