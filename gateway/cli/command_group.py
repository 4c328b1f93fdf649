"""A group of commands whose modules are imported when they are called: no daemon needs them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from gateway.model.fault_text import PROGRAM


def program_name() -> str:
    """Return what this program was called by: two have some of their commands in common."""
    context = click.get_current_context(silent=True)
    name = None if context is None else context.find_root().info_name
    return name or PROGRAM


class CommandGroup(click.Group):
    """Commands of its own, and some that stand in modules.

    Args:
        modules: By the command's name the module, which has it as ``NAME_group``.
        given: For `click.Group`.
    """

    def __init__(self, *, modules: Mapping[str, str], **given: Any) -> None:
        super().__init__(**given)
        self._modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all."""
        return sorted([*super().list_commands(ctx), *self._modules])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name; None if there is none."""
        module = self._modules.get(cmd_name)
        if module is None:
            return super().get_command(ctx, cmd_name)
        group: click.Group = getattr(importlib.import_module(module), f"{cmd_name}_group")
        return group
