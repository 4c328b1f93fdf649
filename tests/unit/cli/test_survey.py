"""``camera-gateway survey``: the files it writes, and what it refuses."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.main import main
from gateway.demo.config_files import CameraFiles, ConfigFiles
from gateway.discovery.detected_store import DetectedStore
from gateway.model.detected import DetectedDevice


def say(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["survey", *map(str, arguments)])


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """The settings of a machine whose gateway has never run."""
    files = ConfigFiles(tmp_path)
    return files.write_gateway([CameraFiles("c01", "Quầy 1", "rtsp://127.20.0.1:8554/1")])


def export(box: Path, *arguments: object) -> Result:
    return say("export", "--settings", box, "--runtime", box.parent / "none", *arguments)


def test_a_site_exports_itself(box: Path) -> None:
    """Each value with its source; nothing measured before the gateway has run."""
    result = export(box, "--format", "json")

    tree = json.loads(result.stdout)
    by_number = {each["number"]: each for each in tree["answers"]}
    assert result.exit_code == 0
    assert tree["completeness"] == {"filled": 14, "fields": 14, "missing": []}
    assert by_number["II.I.4"]["text"] == "khai báo 12"
    assert by_number["II.I.3"]["said"][0]["source_vi"] == "khai báo"


def test_what_the_weekly_discovery_has_found_is_in_it(box: Path) -> None:
    """From the machine's own file, without being named."""
    camera = DetectedDevice("192.168.1.99", "onvif", 5, manufacturer="Dahua", kind="camera")
    DetectedStore(box.parent / "state").keep((camera,), 5)

    tree = json.loads(export(box, "--format", "json").stdout)

    counted = next(each for each in tree["answers"] if each["number"] == "II.I.4")
    assert "chưa khai báo: 192.168.1.99 Dahua" in counted["mismatch"]


@pytest.mark.parametrize("kind", ["docx", "xlsx", "csv", "md"])
def test_only_the_owner_can_read_an_exported_file(box: Path, kind: str) -> None:
    """It may hold the telephone numbers of people."""
    out = box.parent / f"form.{kind}"

    assert export(box, "--format", kind, "--out", out).exit_code == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_contacts_that_others_can_read_are_refused(box: Path) -> None:
    """With the cure; --no-contacts does without them."""
    (box.parent / "state" / "contacts.json").chmod(0o644)

    assert "chmod 600" in export(box).output
    assert export(box).exit_code == 2
    assert "0222 000" not in export(box, "--no-contacts").output
    assert export(box, "--no-contacts").exit_code == 0


def test_an_office_file_needs_a_name(box: Path) -> None:
    """A terminal cannot show it."""
    assert export(box, "--format", "docx").exit_code == 2


def test_a_wrong_file_is_named_and_the_others_are_merged(box: Path, tmp_path: Path) -> None:
    """Exit code 2, the place, the cure in Vietnamese, and the document all the same."""
    good, bad = tmp_path / "a.json", tmp_path / "b.json"
    export(box, "--format", "json", "--out", good)
    bad.write_text('{"form": "10362/VPCP-KSTT", "provinc": "24"}')

    result = say("merge", good, bad)

    assert result.exit_code == 2
    assert "Tổng hợp 1 tỉnh" in result.stdout
    assert "b.json:1: provinc [unknown_key]" in result.stderr
    assert "Có phải ý bạn là “province”?" in result.stderr
    assert "Không có mục nào tên “provinc”." in result.stderr


def test_coverage_begins_with_the_dispatch(tmp_path: Path) -> None:
    """Nine of 63 in 2020, none of them connected to a new file."""
    db = ("--db", tmp_path / "coverage.db", "--format", "json")

    history = json.loads(say("coverage", *db, "--history").stdout)
    footnote = json.loads(say("coverage", *db).stdout)

    assert history["rows"][0] == ["2020-12-10", "8", "9", ""]
    assert len(footnote["rows"]) == 9
    assert footnote["text"].startswith("0/34")
