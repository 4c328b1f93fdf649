"""A restarted stream: who watched is told, and a camera that has gone is no success."""

from __future__ import annotations

import pytest

from gateway.commands.command import Facts
from gateway.commands.handlers.restart_stream import RestartArgs, create
from tests.fixtures.commands import command_context, fake_dependencies


@pytest.mark.parametrize(
    ("exists", "state", "code"), [(True, "succeeded", None), (False, "failed", "not_found")]
)
async def test_a_restart_says_how_many_watched(exists: bool, state: str, code: str | None) -> None:
    """Before it, since afterwards nobody does."""
    restarted: list[str] = []
    progress: list[Facts] = []

    def restart(camera: str) -> bool:
        restarted.append(camera)
        return exists

    handler = create(fake_dependencies(viewers=lambda _: 3, restart=restart))
    outcome = await handler.run(RestartArgs(camera="c07"), command_context(progress))

    assert (outcome.state, outcome.code) == (state, code)
    assert (progress, restarted) == ([{"viewers": 3}], ["c07"])
