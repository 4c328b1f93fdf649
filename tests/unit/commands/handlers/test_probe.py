"""A remote probe: its steps are counted, and it says which was the first that failed."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from gateway.cameras.probe import Step
from gateway.commands.command import Facts
from gateway.commands.handlers.probe import STEPS, ProbeArgs, create
from gateway.model.errors import MessageRejected
from gateway.model.reasons import Reason
from gateway.model.site_document import CameraConfig
from tests.fixtures.commands import command_context, fake_dependencies


async def test_steps_are_reported_while_they_come() -> None:
    """A host is probed as it was named; what failed makes the whole fail."""
    targets: list[CameraConfig | str] = []
    progress: list[Facts] = []

    async def probe(target: CameraConfig | str) -> AsyncGenerator[Step, None]:
        targets.append(target)
        yield Step("resolve", Reason.OK, 1.0, "10.0.0.7")
        yield Step("connect", Reason.UNREACHABLE, 9.0, "refused")

    handler = create(fake_dependencies(probe=probe))
    outcome = await handler.run(ProbeArgs(host="10.0.0.7:554"), command_context(progress))

    assert targets == ["10.0.0.7:554"]
    assert progress == [{"step": "resolve"}, {"step": "connect"}]
    assert not outcome.result["ok"]
    assert [each["why"] for each in outcome.result["steps"]] == ["OK", "UNREACHABLE"]
    assert len(outcome.result["steps"]) < STEPS


async def test_a_camera_that_is_not_there_is_not_probed() -> None:
    """Refused when it is planned; one that goes in between is not found."""
    handler = create(fake_dependencies())

    with pytest.raises(MessageRejected):
        handler.plan(ProbeArgs(camera="c77"))
    outcome = await handler.run(ProbeArgs(camera="c77"), command_context())
    assert (outcome.state, outcome.code) == ("failed", "not_found")
