"""A rebirth: this gateway's own moment, then the sections that were asked for."""

from __future__ import annotations

from gateway.commands.handlers.rebirth import RebirthArgs, create
from gateway.runtime.spread import phase_s
from tests.fixtures.clock import FakeClock
from tests.fixtures.commands import OWN, command_context, fake_dependencies


async def test_sections_are_published_again_at_our_own_moment() -> None:
    """The plan says when; nothing is published before."""
    resent: list[tuple[str, ...]] = []
    clock = FakeClock()
    handler = create(
        fake_dependencies(resend=lambda sections: resent.append(tuple(sections)), clock=clock)
    )
    args = RebirthArgs(sections=("birth", "cams"), spread_s=300)
    plan = handler.plan(args)
    assert resent == []
    await handler.run(args, command_context())

    assert plan["in_s"] == phase_s(OWN.gateway, 300)
    assert clock.slept == [plan["in_s"]]
    assert resent == [("birth", "cams")]
