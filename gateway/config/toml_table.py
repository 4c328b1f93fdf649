"""Reads one table of a settings file that has others, too.

Such as the console's, of which commands of the centre need a part.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from gateway.config.faults import fault_of
from gateway.model.document import Document
from gateway.model.errors import ConfigRejected, Fault, unreadable

TableT = TypeVar("TableT", bound=Document)


def load_table(path: Path, name: str, kind: type[TableT]) -> TableT:
    """Return the table *name* of the settings file *path*.

    Args:
        path: TOML.
        name: Of the table, at the top of the file; the document of that name has an example.
        kind: What the table is read as.

    Raises:
        ConfigRejected: There is none, or it is wrong; every fault is listed.
    """
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _rejected("", unreadable(path, error)) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _rejected("", f"{path}: {error}") from None
    table = tree.get(name)
    if table is None:
        raise _rejected(f"/{name}", f"{path} has no table [{name}]: docs/{name}.md has one")
    try:
        return kind.model_validate(table)
    except ValidationError as error:
        faults = (fault_of(each, kind) for each in error.errors(include_url=False))
        raise ConfigRejected(
            tuple(Fault(f"/{name}{each.at}", each.code, each.message) for each in faults)
        ) from None


def _rejected(at: str, message: str) -> ConfigRejected:
    return ConfigRejected((Fault(at, "file", message),))
