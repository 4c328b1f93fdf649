"""Commands about the whole: what is in force, tell it all again, start the machine anew."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any

from pydantic import BaseModel, Field

from gateway.commands.command import Command, CommandContext, Facts, Outcome, failed
from gateway.model.site_document import SiteConfig
from gateway.mqtt.payloads.command import Args, Sections
from gateway.ports import Clock
from gateway.runtime.spread import phase_s

DOWN_S = 120.0
"""How long a machine may take to go down."""


class NoArgs(Args):
    """Nothing to say."""


class RebirthArgs(Args):
    """What is to be told again.

    Attributes:
        sections: Which.
        spread_s: Over how long gateways that are asked together spread it.
    """

    sections: Sections = ("presence", "birth")
    spread_s: Annotated[float, Field(ge=0, le=300)] = 0.0


class RebootArgs(Args):
    """When.

    Attributes:
        delay_s: How long to wait before.
    """

    delay_s: Annotated[float, Field(ge=0, le=3600)] = 5.0


def rebirth_command(
    gateway: str, *, resend: Callable[[Iterable[str]], None], clock: Clock
) -> Command:
    """Return ``rebirth``; *resend* tells those sections again."""

    def plan(args: RebirthArgs) -> Facts:
        return {"sections": args.sections, "in_s": phase_s(gateway, args.spread_s)}

    async def run(args: RebirthArgs, _: CommandContext) -> Outcome:
        await clock.sleep(phase_s(gateway, args.spread_s))
        resend(args.sections)
        return Outcome(result={"sections": args.sections})

    return Command("rebirth", RebirthArgs, plan, run, ttl_s=300, limit_s=330, at_once=4)


def config_command(site: Callable[[], SiteConfig], digest: Callable[[object], str]) -> Command:
    """Return ``config.get``."""

    def plan(_: NoArgs) -> Facts:
        return {"ver": site().version}

    async def run(_: NoArgs, __: CommandContext) -> Outcome:
        now = site()
        tree = now.model_dump(mode="json", by_alias=True)
        result = {"ver": now.version, "sha256": digest(tree), "doc": tree}
        return Outcome(result={**result, "default": list(_defaults(now, ""))})

    return Command("config.get", NoArgs, plan, run, ttl_s=30, limit_s=20)


def reboot_command(argv: tuple[str, ...], *, clock: Clock) -> Command:
    """Return ``reboot``; it is answered by whoever comes up after it.

    Args:
        argv: What starts the machine anew.
        clock: Monotonic.
    """

    def plan(args: RebootArgs) -> Facts:
        return {"delay_s": args.delay_s}

    async def run(args: RebootArgs, context: CommandContext) -> Outcome:
        context.tell(None, {"in_s": args.delay_s})
        await clock.sleep(args.delay_s)
        try:
            child = await asyncio.create_subprocess_exec(
                *argv, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL
            )
        except OSError as error:
            return failed("reboot", detail=error.strerror or "cannot be started")
        try:
            status = await child.wait()
        finally:
            if child.returncode is None:
                child.terminate()
        if status != 0:
            return failed("reboot", status=status)
        await clock.sleep(DOWN_S)
        return failed("still_up")

    limit_s = 3600 + 2 * DOWN_S
    return Command(
        "reboot",
        RebootArgs,
        plan,
        run,
        ttl_s=60,
        limit_s=limit_s,
        signed=True,
        disruptive=True,
        at_once=1,
        survives_restart=True,
    )


def _defaults(document: BaseModel, at: str) -> Iterator[str]:
    """Yield where *document* holds what nobody has set, as JSON Pointers."""
    for name, field in type(document).model_fields.items():
        here = f"{at}/{field.alias or name}"
        if name not in document.model_fields_set:
            yield here
        else:
            yield from _defaults_within(getattr(document, name), here)


def _defaults_within(value: Any, at: str) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield from _defaults(value, at)
    elif isinstance(value, tuple):
        for index, each in enumerate(value):
            yield from _defaults_within(each, f"{at}/{index}")
