"""``camera-gateway centre documents``: who has delivered, in the terminal; and a box's own view."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.main import main
from gateway.model.provinces import PROVINCES
from tests.fixtures.delivery import MONTH, Delivery
from tests.fixtures.documents import GOOD_CSV, kind, kinds_toml
from tests.fixtures.enrolment import SITE


@pytest.fixture
async def delivery(tmp_path: Path) -> Delivery:
    """A centre that has one document of one site."""
    made = Delivery(tmp_path, kind())
    made.put(GOOD_CSV)
    await made.until(lambda: made.stored_state() == "kept")
    (tmp_path / "console.toml").write_text(
        f'[enrolment]\nfolder = "{tmp_path / "centre"}"\nnames = ["127.0.0.1"]\n'
        f'broker = {{host = "localhost"}}\n'
        f'[documents]\nkey = "{made.settings.key}"\n{kinds_toml()}'
    )
    return made


def run(*command: str) -> Result:
    return CliRunner().invoke(main, command)


def centre(delivery: Delivery, *more: str) -> Result:
    settings = str(delivery.folder / "console.toml")
    return run("centre", "documents", "--settings", settings, *more)


async def test_each_province_has_a_line(delivery: Delivery) -> None:
    """The one that has delivered names file and site; the others miss."""
    lines = centre(delivery).output.splitlines()

    assert lines[0].endswith(f"1/{len(PROVINCES)}")
    (own,) = [line for line in lines if line.startswith(f"  {SITE.province} ")]
    assert "đã nhận / received" in own
    assert SITE.name in own
    assert sum("chưa có / missing" in line for line in lines) == len(PROVINCES) - 1


async def test_programs_read_the_same_as_json(delivery: Delivery) -> None:
    """What is missing has no file."""
    tree = json.loads(centre(delivery, "--json", "--month", MONTH).output)

    assert [each["kept"] for each in tree["kinds"]] == [1]
    states = {row["province"]: row["state"] for row in tree["rows"]}
    assert states.pop(SITE.province) == "kept"
    assert set(states.values()) == {"missing"}


async def test_files_are_written_under_names_of_ours(delivery: Delivery, tmp_path: Path) -> None:
    """Whatever a site calls them."""
    folder = tmp_path / "out"
    assert centre(delivery, "--save", str(folder)).exit_code == 0

    name = f"{SITE.province}-{SITE.id}-chi-so-{MONTH}.csv"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {name: GOOD_CSV}


@pytest.mark.parametrize("month", ["2026-13", "05/2026", "../x"])
async def test_another_spelling_of_a_month_is_refused(delivery: Delivery, month: str) -> None:
    """With an example."""
    result = centre(delivery, "--month", month)

    assert result.exit_code == 2
    assert "2026-05" in result.output


async def test_a_centre_without_the_table_says_where_one_is(delivery: Delivery) -> None:
    """Off by default."""
    settings = delivery.folder / "console.toml"
    settings.write_text(settings.read_text().partition("[documents]")[0])
    result = centre(delivery)

    assert result.exit_code == 2
    assert "docs/documents.md" in result.output


@pytest.mark.usefixtures("delivery")
async def test_a_box_says_how_its_documents_stand(tmp_path: Path) -> None:
    """What the centre has, and what is missing, with the day that it is due."""
    state = tmp_path / "box-state"
    state.mkdir()
    (tmp_path / "state").rename(state / "documents")
    settings = tmp_path / "gateway.toml"
    settings.write_text(
        f'[gateway]\nid = "{SITE.id}"\nprovince = "{SITE.province}"\n'
        '[broker]\nhost = "localhost"\n[broker.tls]\ncert = "a.pem"\nkey = "a.key"\n'
        f'[cameras]\nnetworks = ["192.168.1.0/24"]\n[state]\ndir = "{state}"\n'
        f'[documents]\nfolder = "{tmp_path}"\n{kinds_toml()}'
    )

    lines = run("documents", "status", "--config", str(settings)).output.splitlines()
    tree = json.loads(run("documents", "status", "--config", str(settings), "--json").output)

    assert "trung tâm đã nhận / received by the centre" in lines[0]
    assert ["chưa có / missing" in line for line in lines] == [False, True, True]
    assert [each["state"] for each in tree["documents"]] == ["kept", "missing", "missing"]
