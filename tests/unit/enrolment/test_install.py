"""What an enrolment writes: all of it or nothing, and nothing that is the installer's."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from gateway.enrolment.errors import EnrolmentError, EnrolmentReason
from gateway.enrolment.identity_settings import turn_secrets, with_identity
from gateway.enrolment.install import NewFile, install
from gateway.enrolment.messages import EnrolAnswer

EXAMPLE = Path(__file__).parents[3] / "config" / "gateway.example.toml"
PEM = "-----BEGIN CERTIFICATE-----\n"
URL = "https://10.1.2.3:8443"


def answer(**more: object) -> EnrolAnswer:
    given = {
        "certificate": PEM,
        "ca": PEM,
        "now_ms": 0,
        "gateway": {"id": "hue-01", "province": "46", "name": "Huế"},
        "broker": {"host": "10.1.2.3"},
    }
    return EnrolAnswer.model_validate(given | more)


def test_a_file_that_cannot_be_written_leaves_all_as_it_was(tmp_path: Path) -> None:
    """Those that were written before it are put back."""
    first, second = tmp_path / "first", tmp_path / "folder" / "second"
    first.write_text("old")
    second.mkdir(parents=True)  # a folder stands where the file should be
    (second / "x").touch()

    with pytest.raises(EnrolmentError) as caught:
        install((NewFile(first, b"new"), NewFile(tmp_path / "third", b"new"), NewFile(second, b"")))

    assert caught.value.reason is EnrolmentReason.DISK
    assert first.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "folder"]


def test_the_former_files_stay_beside_the_new(tmp_path: Path) -> None:
    """Somebody may want to go back."""
    path = tmp_path / "gateway.toml"
    path.write_text("old")

    install((NewFile(path, b"new"),))

    assert (path.read_text(), (tmp_path / "gateway.toml.previous").read_text()) == ("new", "old")


def test_comments_and_other_settings_stay(tmp_path: Path) -> None:
    """Every comment line of the installer's is there, and every table but what is the centre's."""
    before = EXAMPLE.read_text()
    after, _ = with_identity(before, answer(), URL, folder=tmp_path)

    comments = {line for line in before.splitlines() if line.startswith("#")}
    assert comments - set(after.splitlines()) == {
        '# credential = "secret:turn"   # with a username'
    }
    assert tomllib.loads(after)["cameras"] == tomllib.loads(before)["cameras"]
    assert tomllib.loads(after)["gateway"]["id"] == "hue-01"
    assert "password" not in tomllib.loads(after)["broker"]


def test_it_can_be_done_twice(tmp_path: Path) -> None:
    """The same answer changes nothing any more."""
    once, _ = with_identity(EXAMPLE.read_text(), answer(), URL, folder=tmp_path)

    assert with_identity(once, answer(), URL, folder=tmp_path)[0] == once


def test_second_broker_and_turn_are_written(tmp_path: Path) -> None:
    """As the settings spell them; the secret stands in a file."""
    given = answer(
        broker={"host": "10.1.2.3", "second": {"port": 443, "transport": "tcp"}},
        ice=[{"urls": ["turn:10.1.2.3:3478"], "shared_secret": "s3cret"}],
    )
    text, _ = with_identity(EXAMPLE.read_text(), given, URL, folder=tmp_path)
    tree = tomllib.loads(text)

    assert tree["broker"]["second"] == {"port": 443, "transport": "tcp"}
    assert tree["webrtc"]["ice"] == [
        {"urls": ["turn:10.1.2.3:3478"], "shared_secret": "secret:turn"}
    ]
    assert turn_secrets(given) == {"turn": "s3cret"}
    assert "s3cret" not in text


def test_servers_of_the_installers_own_stay(tmp_path: Path) -> None:
    """Without any from the centre; the example's are nobody's and go."""
    own = EXAMPLE.read_text().replace("turn.trungtam.example", "10.9.9.9")

    kept = tomllib.loads(with_identity(own, answer(), URL, folder=tmp_path)[0])
    gone = tomllib.loads(with_identity(EXAMPLE.read_text(), answer(), URL, folder=tmp_path)[0])

    assert kept["webrtc"]["ice"][0]["urls"] == ["turn:10.9.9.9:3478?transport=udp"]
    assert "ice" not in gone["webrtc"]


def test_settings_that_are_broken_stay_as_they_are(tmp_path: Path) -> None:
    """With the reason, before anything is written."""
    for text in ("[gateway", "[cameras]\nnetworks = 5\n", "gateway = 1\n"):
        with pytest.raises(EnrolmentError) as caught:
            with_identity(text, answer(), URL, folder=tmp_path)
        assert caught.value.reason is EnrolmentReason.SETTINGS
