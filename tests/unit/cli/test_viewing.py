"""``camera-gateway viewing``: tokens by hand, and what cannot be revoked."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.main import main
from gateway.config.signing import Keyring
from gateway.demo.config_files import free_port
from gateway.runtime.clock import now_ms
from gateway.viewing.token import verify
from tests.fixtures.viewing import key_in

PLACE = ("--province", "24", "--gateway", "bacninh-01", "--camera", "c01")


def say(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["viewing", *map(str, arguments)])


def test_a_token_can_be_issued_by_hand(tmp_path: Path) -> None:
    """For tests of a gateway, and for programs of others."""
    key_in(tmp_path)
    who = ("--actor", "an.nguyen", "--purpose", "thử", "--max-s", 90)

    result = say("token", "--key", tmp_path / "view-2026a.key", *who, *PLACE)

    claims = verify(
        result.output.strip(),
        Keyring(tmp_path),
        audience="24/bacninh-01",
        camera="c01",
        viewer="v-anybody",
        now_s=now_ms() / 1000,
    )
    assert (claims.actor, claims.purpose, claims.max_s) == ("an.nguyen", "thử", 90)


@pytest.mark.parametrize("who", [("--actor", "an\u202e"), ("--actor", "a" * 200)])
def test_what_cannot_stand_in_a_token_is_exit_code_2(tmp_path: Path, who: tuple[str, str]) -> None:
    """The gateway would refuse it."""
    key_in(tmp_path)

    result = say("token", "--key", tmp_path / "view-2026a.key", *who, "--purpose", "x", *PLACE)

    assert result.exit_code == 2


def test_a_key_for_configurations_issues_nothing(tmp_path: Path) -> None:
    """And says which one does."""
    key_in(tmp_path, "cfg-2026a")
    who = ("--actor", "an", "--purpose", "x")

    result = say("token", "--key", tmp_path / "cfg-2026a.key", *who, *PLACE)

    assert result.exit_code == 2
    assert "view-" in result.output


@pytest.mark.parametrize("line", ["a" * 129, "an\u202e", "Nguye\u0302\u0303n"])
def test_a_list_that_gateways_would_refuse_is_not_published(tmp_path: Path, line: str) -> None:
    """The broker is not asked."""
    key_in(tmp_path)
    (tmp_path / "revoked.txt").write_text(f"binh\n{line}\n", encoding="utf-8")

    result = say("revoke", tmp_path / "revoked.txt", "--key", tmp_path / "view-2026a.key")

    assert result.exit_code == 2


def test_a_broker_that_is_not_there_is_exit_code_1(tmp_path: Path) -> None:
    """Nothing is revoked then."""
    key_in(tmp_path)
    (tmp_path / "revoked.txt").write_text("binh\n")
    broker = ("--broker", f"127.0.0.1:{free_port()}")

    result = say("revoke", tmp_path / "revoked.txt", "--key", tmp_path / "view-2026a.key", *broker)

    assert result.exit_code == 1
