"""``camera-gateway documents``: what a person reads of a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli.main import main
from tests.fixtures.documents import GOOD_CSV, kinds_toml


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(
        '[gateway]\nid = "bacninh-ttpvhcc-01"\nprovince = "24"\n'
        '[broker]\nhost = "localhost"\n[broker.tls]\ncert = "a.pem"\nkey = "a.key"\n'
        '[cameras]\nnetworks = ["192.168.1.0/24"]\n'
        f'[documents]\nfolder = "{tmp_path}"\n{kinds_toml()}'
    )
    return path


def run(settings: Path, name: str, content: bytes, *more: str) -> tuple[int, str]:
    file = settings.with_name(name)
    file.write_bytes(content)
    command = ["documents", "check", str(file), "--config", str(settings), *more]
    result = CliRunner().invoke(main, command)
    return result.exit_code, result.output


def test_a_good_file_is_told_as_such(settings: Path) -> None:
    """Its kind follows from its name."""
    assert run(settings, "chi-so-2026-05.csv", GOOD_CSV) == (
        0,
        "OK: chi-so-2026-05.csv  Chỉ số tháng\n",
    )


def test_a_wrong_cell_is_told_in_both_languages(settings: Path) -> None:
    """File, cell, what is wrong, and what is wanted."""
    code, said = run(settings, "chi-so-2026-05.csv", "Xã;Hồ sơ;Tỷ lệ\na;mười;5\n".encode())

    assert code == 2
    assert said == (
        'chi-so-2026-05.csv B2: cột "Hồ sơ" phải là số nguyên, đang là "mười"\n'
        '    the column "Hồ sơ" must be a whole number, it is "mười" [value.integer]\n'
    )


def test_programs_read_the_same_as_json(settings: Path) -> None:
    """With stable codes."""
    code, said = run(settings, "x.csv", b"", "--kind", "chi-so", "--json")

    assert code == 2
    assert [each["code"] for each in json.loads(said)["faults"]] == ["empty"]


def test_a_file_of_no_kind_asks_for_one(settings: Path) -> None:
    """And says which there are."""
    code, said = run(settings, "khac.csv", GOOD_CSV)

    assert code == 2
    assert "--kind chi-so" in said
