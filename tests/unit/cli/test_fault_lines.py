"""Faults as an installer reads them: the cause in Vietnamese with its values, place and cure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.test_main import CAMERA, CANARY, SETTINGS, Say, folder, say

__all__ = ["folder", "say"]  # fixtures

URL = "rtsp://192.168.1.9/1"


def site(**changed: object) -> str:
    """Return a site document with one camera, changed."""
    return json.dumps({"cameras": [CAMERA | changed]})


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('["192.168.1.0/24"]', '"192.168.1.0/24"', 'Viết: ["192.168.1.0/24"]'),
        ('"79"', "24", 'Viết: "24"'),
        ('"192.168.1.0/24"', '"192.168.1.0"', "Viết 192.168.1.0/24 (mạng 255.255.255.0)"),
        ('"192.168.1.0/24"]', '"192.168.1.0/24" "x"]', "dòng 10, cột 30: thiếu dấu phẩy"),
        ('id = "', "id = “", "dòng 3, cột 6: dấu nháy cong"),
        ('province = "79"', 'province "79"', "dòng 4, cột 10: thiếu dấu bằng"),
        ("\n[gateway]", "\ufeff[gateway]", "Notepad"),
    ],
)
def test_a_mistake_in_the_settings_is_told_with_its_cure(
    say: Say, folder: Path, before: str, after: str, said: str
) -> None:
    """Once, and nothing that only follows from it: no camera is called outside the networks."""
    (folder / "gateway.toml").write_text(SETTINGS.replace(before, after, 1))

    result = say("check", folder / "gateway.toml", folder / "site.json")

    assert result.exit_code == 2
    assert said.lower() in result.stderr.lower()
    assert result.stderr.endswith("1 faults / lỗi\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"cameras": [\n],}', "Dòng 2, cột 3: thừa dấu phẩy"),
        ('{"cameras": [] "a": 1}', "cột 16: thiếu dấu phẩy"),
        ('{"cameras": []\n// quầy\n}', "JSON không có chú thích"),
        ("{'cameras': []}", "dấu nháy đơn"),
        ("{“cameras”: []}", "dấu nháy cong"),
        ('\ufeff{"cameras": []}', "dấu BOM"),
        ('{"cameras": [', "chưa đóng hết ngoặc"),
    ],
)
def test_a_mistake_in_the_document_is_told_with_its_place(
    say: Say, folder: Path, text: str, said: str
) -> None:
    """Commas, quotes, comments and the mark of Notepad."""
    (folder / "site.json").write_text(text)

    assert said in say("check", folder / "site.json").stderr


def test_the_line_is_quoted_without_what_may_be_secret(say: Say, folder: Path) -> None:
    """An installer sees the line; a password in a URL, or behind a key of that name, is hidden."""
    for line in (f'"url": "rtsp://a:{CANARY} x@h/1" "b"', f'"password": "{CANARY}" "b"'):
        (folder / "site.json").write_text('{"cameras": [{\n' + line)
        said = say("check", folder / "site.json").stderr

        assert f"2 | {line[:5]}" in said
        assert "canary" not in said
        assert "x@h" not in said


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (b"\xef\xbb\xbfAbc@1234", "dấu BOM"),
        (b"Abc@1234\r\nmore\r\n", "có 2 dòng"),
        (b"Abc\t1234", "dấu tab"),
        (b"\n", "trống"),
        ("Abc@1234".encode("utf-16"), "UTF-8"),
    ],
)
def test_a_secret_file_that_is_none_says_why(
    say: Say, folder: Path, held: bytes, said: str
) -> None:
    """Each has its own cure."""
    (folder / "secrets" / "nvr1").write_bytes(held)

    result = say("check", folder / "gateway.toml", folder / "site.json")

    assert result.exit_code == 2
    assert said in result.stderr
    assert "Abc" not in result.stderr


def test_a_space_around_a_password_is_doubted_and_no_fault(say: Say, folder: Path) -> None:
    """It may be meant; mostly it was not."""
    (folder / "secrets" / "nvr1").write_text(f"{CANARY} \n")

    result = say("check", folder / "gateway.toml", folder / "site.json")

    assert result.exit_code == 0
    assert "[secret.space]" in result.stderr


def test_many_faults_of_one_cause_are_told_once_with_their_cameras(say: Say, folder: Path) -> None:
    """By their names and numbers; as JSON each has its pointer and line."""
    away = [CAMERA | {"id": f"c{n}", "name": f"Quầy {n}"} for n in range(3)]
    for number, each in enumerate(away):
        each["streams"] = [{"url": f"rtsp://10.9.9.{number}/1"}]
    (folder / "site.json").write_text(json.dumps({"cameras": away}, indent=1, ensure_ascii=False))

    paths = folder / "gateway.toml", folder / "site.json"
    told = say("check", *paths).stderr
    lines = [json.loads(line) for line in say("check", "--json", *paths).stdout.splitlines()]

    assert told.count("[url.network]") == 1
    assert "cameras[0] “Quầy 0” streams[0].url [url.network]" in told
    assert "cameras[2] “Quầy 2” streams[0].url (10.9.9.2)" in told
    assert [each["pointer"] for each in lines] == [f"/cameras/{n}/streams/0/url" for n in range(3)]
    assert [each["params"]["got"] for each in lines] == [f"10.9.9.{n}" for n in range(3)]
    assert len({each["line"] for each in lines}) == 3
    assert all(each["vi"] and each["cure_vi"] for each in lines)


def test_a_password_that_is_a_word_leaves_the_places_readable(say: Say, folder: Path) -> None:
    """`camera` stands in every pointer."""
    (folder / "secrets" / "nvr1").write_text("camera")
    (folder / "site.json").write_text(site(streams=[{"url": "rtsp://10.9.9.9/camera"}]))
    paths = folder / "gateway.toml", folder / "site.json"

    assert "cameras[0] “Quầy 7” streams[0].url [url.network]" in say("check", *paths).stderr
    assert (
        "/cameras/0/streams/0/url: 10.9.9.9 is outside the camera n" in say("check", *paths).stderr
    )


def test_a_port_that_is_closed_names_the_setting(say: Say, folder: Path) -> None:
    """And what is open."""
    (folder / "site.json").write_text(site(streams=[{"url": "rtsp://192.168.1.9:5544/1"}]))

    said = say("check", folder / "gateway.toml", folder / "site.json").stderr

    assert "Cổng 5544 chưa được mở trên máy này; đang mở: 322, 554, 8554, 10554" in said
    assert "thêm 5544 vào ports của mục [cameras]" in said
