"""Where secrets may go: by the settings, by the installer's document, by what ran before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.load import load_settings
from gateway.config.secret_bindings import (
    FILE,
    EnteredHosts,
    bindings_of,
    host_of,
    remembered_hosts,
)
from gateway.model.site_document import SecretRef, SiteConfig

SETTINGS = """
[gateway]
id = "hcm-q1-01"
province = "79"
[broker]
host = "127.0.0.1"
username = "u"
password = "secret:broker"
[[webrtc.ice]]
urls = ["turn:turn.example:3478"]
username = "x"
credential = "secret:turn"
[cameras]
networks = ["10.0.0.0/8"]
basic_hosts = ["10.9.0.0/16"]
secrets = { nvr2 = ["10.0.2.0/24"] }
"""


def site(**hosts: str) -> SiteConfig:
    """Return a site with a camera at each of *hosts*, by the name of its password."""
    cameras: list[dict[str, Any]] = [
        {
            "id": name,
            "name": name,
            "username": "u",
            "password": f"secret:{name}",
            "allow_basic": name == "old",
            "streams": [{"url": f"rtsp://{host}/1"}, {"url": f"rtsp://{host}/2", "profile": "sub"}],
        }
        for name, host in hosts.items()
    ]
    return SiteConfig.model_validate({"cameras": cameras})


def test_settings_and_documents_are_joined(tmp_path: Path) -> None:
    """Each says where a password may go, and the settings what is not for cameras."""
    (tmp_path / "gateway.toml").write_text(SETTINGS)

    bindings = bindings_of(
        load_settings(tmp_path / "gateway.toml"), EnteredHosts.of(site(nvr1="10.0.0.1"))
    )

    assert bindings.reserved == {"broker", "turn"}
    assert bindings.allows_camera("nvr1", "10.0.0.1")
    assert bindings.allows_camera("nvr2", "10.0.2.77")
    assert not bindings.allows_camera("nvr2", "10.0.0.1")
    assert bindings.allows_broker("broker", "127.0.0.1")
    assert not bindings.allows_broker("turn", "127.0.0.1")
    assert bindings.allows_basic("nvr1", "10.9.3.3")
    assert not bindings.allows_basic("nvr1", "10.0.0.1")


def test_what_runs_at_the_first_start_is_trusted_once(tmp_path: Path) -> None:
    """An update must not lose the cameras that the centre has set up; later nothing is added."""
    before = EnteredHosts.of(
        site(nvr1="10.0.0.1", old="10.0.0.2"),
        broker=(SecretRef.model_validate("secret:b"), "MQTT.example"),
    )

    first = remembered_hosts(tmp_path, [before])
    second = remembered_hosts(tmp_path, [EnteredHosts.of(site(nvr1="10.66.6.6"))])

    assert first == second == before
    assert second.camera == {"nvr1": {"10.0.0.1"}, "old": {"10.0.0.2"}}
    assert second.basic == {"old": {"10.0.0.2"}}
    assert second.broker == {"b": {"mqtt.example"}}
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"camera": {"x": 1}}', b"\xff"])
def test_a_file_that_cannot_be_read_binds_nothing(tmp_path: Path, content: bytes) -> None:
    """To trust again whatever runs then would let a broken card undo the rule."""
    (tmp_path / FILE).write_bytes(content)

    assert remembered_hosts(tmp_path, [EnteredHosts.of(site(nvr1="10.0.0.1"))]) == EnteredHosts()
    assert (tmp_path / FILE).read_bytes() == content


def test_looking_without_starting_writes_nothing(tmp_path: Path) -> None:
    """`camera-gateway check` may be anybody's."""
    assert remembered_hosts(tmp_path, None) == EnteredHosts()
    assert list(tmp_path.iterdir()) == []


@given(st.ip_addresses())
def test_an_address_has_one_spelling(address: Any) -> None:
    """However it stands in a URL."""
    shown = f"[{address.exploded}]" if address.version == 6 else str(address)

    assert host_of(f"rtsp://{shown}:554/x") == str(address)


def test_a_password_is_also_for_where_keyframes_are_asked_for() -> None:
    """As the installer's document says; a document of the centre cannot send it elsewhere."""
    document = site(nvr1="10.0.0.1")
    asked = {"keyframe_requests": "onvif", "keyframe_url": "http://10.0.0.9/onvif/device_service"}
    stream = {"url": "rtsp://10.0.0.1/1", **asked}
    camera = document.cameras[0].model_dump(by_alias=True) | {"streams": [stream]}

    entered = EnteredHosts.of(SiteConfig.model_validate({"cameras": [camera]}))

    assert entered.camera == {"nvr1": {"10.0.0.1", "10.0.0.9"}}
