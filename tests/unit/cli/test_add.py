"""``camera-gateway add``: channels into the site document, without a line of JSON typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.main import main
from gateway.config.site_store import SiteStore

SETTINGS = """
[gateway]
id = "hcm-q1-01"
province = "79"
[broker]
host = "127.0.0.1"
[cameras]
networks = ["192.168.1.0/24"]
[state]
dir = "{state}"
"""
CANARY = "canary-Abc@123"

pytestmark = pytest.mark.usefixtures("isolated_logging")


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """A box with settings, and no cameras yet."""
    (tmp_path / "state").mkdir()
    (tmp_path / "gateway.toml").write_text(SETTINGS.format(state=tmp_path / "state"))
    return tmp_path


def add(box: Path, *words: str, maker: str = "hikvision", password: str = CANARY) -> Result:
    asked = ["add", "--settings", str(box / "gateway.toml"), "--maker", maker, *words]
    return CliRunner().invoke(main, asked, env={"CAMERA_PASSWORD": password})


def test_channels_become_cameras(box: Path) -> None:
    """With names, sub-streams, one device for all logins, and the password for that host only."""
    result = add(box, "--host", "192.168.1.10", "--channels", "1-16", "--account", "xem")

    site = SiteStore(box / "state").load().site
    first = site.cameras[0]
    secret = box / "secrets" / "camera" / "hikvision-192-168-1-10@192.168.1.10"
    assert result.exit_code == 0, result.output
    assert (len(site.cameras), first.id, first.name) == (16, "kenh1", "Kênh 1")
    assert [each.url for each in site.cameras[15].streams] == [
        "rtsp://192.168.1.10/Streaming/Channels/1601",
        "rtsp://192.168.1.10/Streaming/Channels/1602",
    ]
    assert {each.device for each in site.cameras} == {"hikvision-192-168-1-10"}
    assert (secret.read_text(), secret.stat().st_mode & 0o777) == (f"{CANARY}\n", 0o600)
    assert CANARY not in result.output
    assert len([line for line in result.output.splitlines() if line.startswith("+ ")]) == 16


def test_a_channel_that_is_there_already_is_refused(box: Path) -> None:
    """And then none is added."""
    add(box, "--host", "192.168.1.10", "--channels", "3")
    result = add(box, "--host", "192.168.1.10", "--channels", "1-4")

    assert result.exit_code == 2
    assert "channel 3 is the camera kenh3 already" in result.output
    assert len(SiteStore(box / "state").load().site.cameras) == 1


def test_channels_of_another_recorder_have_ids_of_their_own(box: Path) -> None:
    """Their numbers stay to be seen."""
    add(box, "--host", "192.168.1.10", "--channels", "1-2")
    result = add(box, "--host", "192.168.1.11", "--channels", "1-2", maker="dahua")

    site = SiteStore(box / "state").load().site
    assert result.exit_code == 0, result.output
    assert [each.id for each in site.cameras] == ["kenh1", "kenh2", "kenh1b", "kenh2b"]
    assert site.cameras[2].streams[0].url.endswith("/cam/realmonitor?channel=1&subtype=0")


def test_what_would_be_added_is_shown_only(box: Path) -> None:
    """Neither document nor password is written."""
    result = add(box, "--host", "192.168.1.10", "--account", "xem", "--dry-run")

    assert result.exit_code == 0, result.output
    assert "+ kenh1" in result.output
    assert not list((box / "state").iterdir())
    assert not (box / "secrets").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--host", "10.0.0.1"), "outside the camera networks"),
        (("--host", "192.168.1.10", "--channels", "5-2"), "the lower first"),
        (("--host", "192.168.1.10", "--channels", "1,1"), "twice"),
        (("--host", "192.168.1.10", "--channels", "1-999"), "1 to 256"),
        (("--host", "nvr.local"), "nvr.local"),
        (("--host", "192.168.1.10", "--port", "5544"), "5544"),
    ],
)
def test_what_makes_no_sense_is_refused(box: Path, words: tuple[str, ...], told: str) -> None:
    """Exit code 2, and nothing is written."""
    result = add(box, *words)

    assert result.exit_code == 2
    assert told in result.output
    assert not list((box / "state").iterdir())
