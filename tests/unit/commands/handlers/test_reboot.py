"""Reboots: what does not restart the machine has failed."""

from __future__ import annotations

import sys

import pytest

from gateway.commands.handlers.reboot import RebootArgs, create
from tests.fixtures.clock import FakeClock
from tests.fixtures.commands import command_context, fake_dependencies


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("/nonexistent/systemctl", "reboot"), "reboot"),
        ((sys.executable, "-c", "raise SystemExit(1)"), "reboot"),
        ((sys.executable, "-c", ""), "still_up"),
    ],
)
async def test_a_reboot_that_does_not_happen_has_failed(argv: tuple[str, ...], code: str) -> None:
    """Whoever is asked refuses, or nothing comes of it."""
    clock = FakeClock()
    outcome = await create(fake_dependencies(reboot=argv, clock=clock)).run(
        RebootArgs(delay_s=7), command_context()
    )

    assert (outcome.state, outcome.code) == ("failed", code)
    assert clock.slept[0] == 7


async def test_what_refuses_a_reboot_is_told_in_its_own_words() -> None:
    """Bounded, and printable."""
    refuses = "import sys; sys.stderr.write('Access denied\\n' + '\\x1b' * 9000); sys.exit(4)"
    outcome = await create(
        fake_dependencies(reboot=(sys.executable, "-c", refuses), clock=FakeClock())
    ).run(RebootArgs(), command_context())

    assert outcome.result["status"] == 4
    detail = str(outcome.result["detail"])
    assert detail.startswith("Access denied")
    assert detail.isprintable()
    assert len(detail) < 3000
