"""The centre's commands: what they print, and with which code they end."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli.main import main
from tests.fixtures.desired import site_tree

pytestmark = pytest.mark.usefixtures("isolated_logging")


def say(*words: str | Path) -> Result:
    """The command, in this process."""
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A key and a site document."""
    assert say("keys", "make", "cfg-2026a", "--folder", tmp_path).exit_code == 0
    (tmp_path / "site.json").write_text(json.dumps(site_tree("c01")))
    return tmp_path


def signed(folder: Path, *more: str | Path, file: str = "site.json") -> Result:
    around = ("--gateway", "hcm-q1-01", "--version", "7", "-o", folder / "signed.json")
    key = ("--key", folder / "cfg-2026a.key")
    return say("config", "sign", folder / file, *key, *around, *more)


def test_what_is_signed_is_verified(folder: Path) -> None:
    """With who signed it, for whom."""
    assert signed(folder).exit_code == 0

    said = say("config", "verify", folder / "signed.json", "--keys", folder)

    assert said.exit_code == 0
    assert said.output == "OK: hcm-q1-01 version 7, config/1, signed by cfg-2026a\n"


def test_a_key_for_something_else_signs_no_configuration(folder: Path) -> None:
    """Said here at once, and not by the gateway that would refuse it."""
    say("keys", "make", "view-2026a", "--folder", folder)

    said = signed(folder, "--key", folder / "view-2026a.key")

    assert said.exit_code == 2
    assert "[key.purpose]" in said.output
    assert "→ Dùng tệp khóa có tên cfg-….key." in said.output
    assert not (folder / "signed.json").exists()


def test_what_was_changed_afterwards_is_refused(folder: Path) -> None:
    """In both languages, with code 2."""
    signed(folder)
    tree = json.loads((folder / "signed.json").read_text())
    (folder / "signed.json").write_text(json.dumps(tree | {"ver": 8}))

    said = say("config", "verify", folder / "signed.json", "--keys", folder)

    assert said.exit_code == 2
    assert "signed.json:1: sig.v [sig.value]" in said.output
    assert "Chữ ký không khớp với nội dung." in said.output


def test_a_wrong_document_is_not_signed(folder: Path) -> None:
    """All that is wrong is said, and nothing is written."""
    site = site_tree("c01", "c02")
    site["cameras"][0]["streams"][0]["url"] = "ftp://x"
    del site["cameras"][1]["name"]
    (folder / "wrong.json").write_text(json.dumps({"site": site}))

    said = signed(folder, file="wrong.json")

    assert said.exit_code == 2
    assert "/site/cameras/0/streams/0/url" in said.output
    assert "/site/cameras/1/name" in said.output
    assert not (folder / "signed.json").exists()


def test_the_difference_of_two_documents_is_said_by_place(folder: Path) -> None:
    """Signed or not."""
    signed(folder)
    site = site_tree("c01", name="Khác")
    site["cameras"][0]["enabled"] = False
    (folder / "new.json").write_text(json.dumps({"site": site}))

    said = say("config", "diff", folder / "signed.json", folder / "new.json")

    assert said.output.split() == ["/site/name", "/site/cameras/c01/enabled"]


def test_an_unsigned_document_is_not_sent(folder: Path) -> None:
    """It says what to do."""
    said = say("config", "push", folder / "site.json", "--province", "79")

    assert said.exit_code == 2
    assert "config sign" in said.output


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"gw": "HCM Q1"}, "/gw: "),
        ({"sha256": "0" * 64}, "/sha256: it is not that of doc"),
        ({"ver": None}, "/ver: "),
        ({"doc": 5}, "/doc: "),
        ({"sig": None, "gw": "#"}, "/gw: "),
    ],
)
def test_what_no_gateway_would_read_is_not_sent(
    folder: Path, change: dict[str, Any], said: str
) -> None:
    """It would stand at the broker, retained, and nobody would answer."""
    signed(folder)
    tree = json.loads((folder / "signed.json").read_text())
    (folder / "signed.json").write_text(json.dumps(tree | change))

    pushed = say("config", "push", folder / "signed.json", "--province", "79")

    assert pushed.exit_code == 2
    assert said in pushed.output


def test_a_signed_document_is_not_signed_again(folder: Path) -> None:
    """It is said once, not once for each of its keys."""
    signed(folder)

    said = signed(folder, file="signed.json")

    assert said.exit_code == 2
    assert said.output.startswith(f"{folder}/signed.json: [sig.there]")
    assert said.output.count("[") == 1


def test_a_fault_is_told_as_check_tells_it(folder: Path) -> None:
    """File, line, the camera by its name, cause and cure."""
    site = site_tree("c01")
    site["cameras"][0] |= {"name": "Quầy 3", "streams": [{"url": "rtsp://a:b@192.168.1.9/1"}]}
    (folder / "site.json").write_text(json.dumps(site, indent=1))

    lines = signed(folder).output.splitlines()

    assert re.search(
        r"site\.json:\d+: cameras\[0\] “Quầy 3” streams\[0\]\.url \[url\.userinfo\]$", lines[0]
    )
    assert lines[1] == "    Địa chỉ chứa tên đăng nhập hoặc mật khẩu."
    assert lines[2].startswith("    → Xóa phần đứng trước dấu @")


def test_a_file_that_is_not_there_is_told_with_its_cure(folder: Path) -> None:
    """Which one, in Vietnamese."""
    said = signed(folder, file="nowhere.json")

    assert f"Không có tệp {folder}/nowhere.json." in said.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--province", "abc"), "two digits"),
        (("--province", "79", "--broker", "::1"), "an IPv6 address stands in [ ]"),
        (("--province", "79", "--broker", "127.0.0.1:abc"), "HOST or HOST:PORT"),
        (("--province", "79", "--broker", ":1883"), "HOST or HOST:PORT"),
        (("--province", "79", "--broker", "127.0.0.1:99999"), "less than or equal to 65535"),
        (("--province", "79", "--cert", "x.pem"), "it takes --ca as well"),
        (("--province", "79", "--ca", "x.pem", "--cert", "x.pem"), "go together"),
    ],
)
def test_wrong_arguments_are_said_plainly(words: tuple[str, ...], said: str) -> None:
    """With code 2, before anything is sent."""
    answer = say("config", "status", "hcm-q1-01", *words)

    assert answer.exit_code == 2
    assert said in answer.output


def test_what_is_no_gateways_name_is_refused(folder: Path) -> None:
    """It would be signed for nobody, or be a filter for everybody."""
    outcomes = [
        signed(folder, "--gateway", "HCM Q1"),
        say("config", "status", "#", "--province", "79"),
    ]

    assert [each.exit_code for each in outcomes] == [2, 2]
    assert all("4 to 40 of a-z, 0-9 and -" in each.output for each in outcomes)
    assert not (folder / "signed.json").exists()


def test_documents_that_do_not_differ_are_said_so(folder: Path) -> None:
    """Silence could be anything."""
    said = say("config", "diff", folder / "site.json", folder / "site.json")

    assert (said.exit_code, said.output) == (0, "không khác / no difference\n")


def test_a_broker_that_is_not_there_is_said(folder: Path) -> None:
    """With code 1."""
    signed(folder)

    said = say(
        "config", "push", folder / "signed.json", "--province", "79", "--broker", "127.0.0.1:9"
    )

    assert said.exit_code == 1
    assert "REFUSED" in said.output
    assert "Không tới được máy chủ MQTT." in said.output


def test_a_broker_elsewhere_needs_tls() -> None:
    """Passwords and documents do not travel in clear."""
    said = say("config", "status", "hcm-q1-01", "--province", "79", "--broker", "10.0.0.1")

    assert said.exit_code == 2
    assert "without tls the broker must be on this machine" in said.output


def test_keys_are_listed_with_what_people_compare(folder: Path) -> None:
    """Those that cannot be used are said so."""
    (folder / "cmd-2026a.pem").write_text("junk")

    said = say("keys", "list", folder)

    good, bad = said.output.splitlines()
    assert re.fullmatch(r"cfg-2026a  [0-9a-f]{16}", good)
    assert bad == "cmd-2026a  không dùng được / cannot be used"


def test_a_key_is_made_once(folder: Path) -> None:
    """The second time it is refused."""
    said = say("keys", "make", "cfg-2026a", "--folder", folder)

    assert said.exit_code == 2
    assert "cfg-2026a.key: it is there already" in said.output


def test_a_folder_without_keys_is_said(folder: Path) -> None:
    """So is one that is none."""
    (folder / "empty").mkdir()

    empty, none = say("keys", "list", folder / "empty"), say("keys", "list", folder / "nowhere")

    assert (empty.exit_code, none.exit_code) == (0, 2)
    assert "không có khóa nào / no keys" in empty.output
    assert "nowhere: No such file or directory" in none.output


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        '{"a":1,"a":2}',
        '{"cameras":[],"name":"a","name":"b"}',
        '{"cameras":[],"name":"\\ud800"}',
        '{"cameras":[],"version":NaN}',
    ],
)
def test_a_file_that_is_no_document_is_said(folder: Path, content: str) -> None:
    """With code 2, never a traceback."""
    (folder / "x.json").write_text(content)
    outcomes: list[Any] = [
        signed(folder, file="x.json"),
        say("config", "verify", folder / "x.json", "--keys", folder),
        say("config", "diff", folder / "x.json", folder / "site.json"),
        say("config", "push", folder / "x.json", "--province", "79"),
    ]

    assert [each.exit_code for each in outcomes] == [2, 2, 2, 2]
    assert all(
        each.exception is None or isinstance(each.exception, SystemExit) for each in outcomes
    )
