"""The command `update`: takes an order, or says why it cannot be had."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.commands.handlers.update import UpdateArgs, create
from gateway.model.errors import MessageRejected, refuse
from gateway.model.reasons import Reason
from gateway.updates.wanted import WantedRelease
from tests.fixtures.commands import FakeUpdates, command_context, fake_dependencies

GOOD = {"version": "0.2.0+g1a2b3c4", "url": "https://h/x", "sha256": "0" * 64, "bytes": 9}


async def test_an_order_is_taken() -> None:
    """Under the command's id; what becomes of it is reported elsewhere."""
    updates, context = FakeUpdates(), command_context()
    handler = create(fake_dependencies(updates=updates))

    outcome = await handler.run(UpdateArgs.model_validate(GOOD), context)

    assert (outcome.state, outcome.result["st"]) == ("succeeded", "downloading")
    assert updates.orders == [WantedRelease.model_validate({**GOOD, "id": context.request.id})]


async def test_what_cannot_be_had_fails_with_its_reason() -> None:
    """A trial run says so as well."""
    handler = create(fake_dependencies())
    args = UpdateArgs.model_validate({**GOOD, "version": "9.9.9"})

    outcome = await handler.run(args, command_context())

    assert (outcome.state, outcome.code) == ("failed", "UPDATE_BUSY")
    assert handler.plan(args)["refused"] == Reason.UPDATE_BUSY


def test_a_url_that_is_not_allowed_is_refused_at_once() -> None:
    """Before the command is accepted."""

    class Strict(FakeUpdates):
        def refusal(self, wanted: WantedRelease) -> Reason | None:
            refuse("url.host", f"not {wanted.version}", "/args/url")

    with pytest.raises(MessageRejected):
        create(fake_dependencies(updates=Strict())).plan(UpdateArgs.model_validate(GOOD))


@pytest.mark.parametrize(
    "change",
    [
        {"version": "latest"},
        {"version": "../0.2.0"},
        {"sha256": "x" * 64},
        {"bytes": 0},
        {"bytes": 1 << 40},
        {"url": ""},
        {"force": True},
    ],
)
def test_arguments_are_exact(change: dict[str, object]) -> None:
    """Nothing is guessed, nothing unknown is passed over."""
    with pytest.raises(ValidationError):
        UpdateArgs.model_validate({**GOOD, **change})
