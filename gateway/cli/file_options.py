"""Files on the command line: the type of a path, and the option that names the settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from gateway.config.settings import DEFAULT_FILE

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)


def settings_option(
    name: str = "path", *, default: Path = DEFAULT_FILE, text: str = "Settings file (TOML)."
) -> Callable[[FunctionT], FunctionT]:
    """Return the decorator that adds ``--settings`` to a command.

    Args:
        name: Of the command's argument.
        default: The file that is read where the option is left out.
        text: For ``--help``.
    """
    return click.option(
        "--settings", name, type=PATH, default=default, show_default=True, help=text
    )
