"""Changes a settings file (``gateway.toml``) and leaves all else as it was written.

Comments, order and other tables stay as the installer has them. What comes of a change is read as
the service would read it before anything is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import tomlkit
from pydantic import ValidationError
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AbstractTable, AoT, Array

from gateway.config.documents import faults_of
from gateway.config.settings import Settings
from gateway.model.errors import ConfigRejected, Fault


@dataclass(frozen=True, slots=True)
class Appended:
    """In place of a value: the list that is there, or an empty one, with *item* in it."""

    item: str


@dataclass(frozen=True, slots=True)
class Tables:
    """In place of a value: an array of *tables*, which replaces the one that is there."""

    tables: tuple[Mapping[str, object], ...]


Change = Mapping[str, object]
"""What to set, by name. A mapping goes into the table of that name, which is made if need be; None
takes out what is there."""


def with_changes(text: str, *changes: Change, folder: Path) -> tuple[str, Settings]:
    """Return the settings *text* with *changes* in turn, and those settings as they are read.

    Args:
        text: Of the settings file.
        changes: Each from the top of the file.
        folder: Where the file lies.

    Raises:
        ConfigRejected: It is no TOML, is written in a way that cannot be changed by a program, or
            would not be valid.
    """
    try:
        document = tomlkit.parse(text)
        for change in changes:
            _apply(document, change)
        result = tomlkit.dumps(document)
        settings = Settings.from_table(tomlkit.parse(result).unwrap(), folder=folder)
    except ValidationError as error:
        raise ConfigRejected(tuple(faults_of(error, Settings))) from None
    except (TOMLKitError, TypeError) as error:
        raise ConfigRejected((Fault("", "syntax", str(error)),)) from None
    return result, settings


def _apply(table: AbstractTable | tomlkit.TOMLDocument, change: Change) -> None:
    for name, value in change.items():
        if value is None:
            table.pop(name, None)
        elif isinstance(value, Mapping):
            _apply(_table(table, name), value)
        elif isinstance(value, Appended):
            _append(table, name, value.item)
        elif isinstance(value, Tables):
            table.pop(name, None)
            table[name] = _tables(value.tables)
        else:
            table[name] = value  # a comment on its line stays


def _table(table: AbstractTable | tomlkit.TOMLDocument, name: str) -> AbstractTable:
    found = table.get(name)
    if found is None:
        found = table[name] = tomlkit.table()
    if not isinstance(found, AbstractTable):
        raise TypeError(f"{name} is no table")
    return found


def _append(table: AbstractTable | tomlkit.TOMLDocument, name: str, item: str) -> None:
    found = table.get(name)
    if found is None:
        table[name] = [item]
        return
    if not isinstance(found, Array):
        raise TypeError(f"{name} is no list")
    if item not in found:
        found.append(item)


def _tables(values: Iterable[Mapping[str, object]]) -> AoT:
    result = tomlkit.aot()
    for each in values:
        made = tomlkit.table()
        made.update(each)
        result.append(made)
    return result
