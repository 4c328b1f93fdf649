"""``config.get``: the site document in force, and which of its values nobody has set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from gateway.commands.command import (
    CommandContext,
    CommandDependencies,
    CommandHandler,
    Facts,
    Outcome,
)
from gateway.config.signing import digest
from gateway.mqtt.payloads.command import Args


class GetConfigArgs(Args):
    """Nothing to say."""


def create(dependencies: CommandDependencies) -> CommandHandler:
    """Return the handler."""

    def plan(_: GetConfigArgs) -> Facts:
        return {"ver": dependencies.site().version}

    async def run(_: GetConfigArgs, __: CommandContext) -> Outcome:
        site = dependencies.site()
        tree = site.model_dump(mode="json", by_alias=True)
        result = {"ver": site.version, "sha256": digest(tree), "doc": tree}
        return Outcome(result={**result, "default": list(_unset(site, ""))})

    return CommandHandler(plan, run)


def _unset(document: BaseModel, at: str) -> Iterator[str]:
    """Yield JSON Pointers to the fields of *document* that have their default."""
    for name, field in type(document).model_fields.items():
        here = f"{at}/{field.alias or name}"
        if name not in document.model_fields_set:
            yield here
        else:
            yield from _unset_within(getattr(document, name), here)


def _unset_within(value: Any, at: str) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield from _unset(value, at)
    elif isinstance(value, tuple):
        for index, each in enumerate(value):
            yield from _unset_within(each, f"{at}/{index}")
