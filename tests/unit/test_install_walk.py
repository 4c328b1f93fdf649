"""What scripts/install-walk reads in docs/install.md and docs/console.md."""

from __future__ import annotations

import pytest

from tests.walk.console import QUICK as CONSOLE_QUICK
from tests.walk.documented import (
    CONSOLE,
    INSTALL,
    MOST_COMMANDS,
    centre_of,
    code_block,
    quick_commands,
    with_code,
)


def test_an_installer_types_few_commands_and_no_json() -> None:
    """The package, the code, the page, a look; for whichever processor."""
    commands = quick_commands(INSTALL.read_text())

    assert len(commands) <= MOST_COMMANDS
    assert commands[0] == "sudo apt install ./camera-gateway_*.deb"
    assert "sudo camera-gateway setup" in commands
    assert not [each for each in commands if "{" in each or "json" in each]


def test_an_administrator_types_few_commands() -> None:
    """The package, the settings, the authority, a look; as the walk finds them."""
    commands = code_block(CONSOLE.read_text(), CONSOLE_QUICK)

    assert commands[0] == "sudo apt install ./camera-console_*.deb"
    assert commands[-1] == "sudo systemctl enable --now camera-console"


def test_the_code_that_the_centre_gave_takes_the_examples_place() -> None:
    """All else is typed as it stands there."""
    commands = quick_commands(INSTALL.read_text())
    (enrol,) = [each for each in commands if " enrol " in each]
    address, port = centre_of(commands)

    typed = with_code(enrol, "AAAA-BBBB-CCCC-DDDD-EEEE")

    assert typed == f"sudo camera-gateway enrol https://{address}:{port} AAAA-BBBB-CCCC-DDDD-EEEE"


@pytest.mark.parametrize("commands", [0, MOST_COMMANDS + 1])
def test_a_way_without_commands_or_with_too_many_is_refused(commands: int) -> None:
    """The walk would prove nothing."""
    block = "\n".join("true" for _ in range(commands))

    with pytest.raises(ValueError, match="are not 1 to"):
        quick_commands(f"**Cài đặt trong 15 phút · In 15 minutes:**\n\n```\n{block}\n```\n")
