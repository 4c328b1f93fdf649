"""Secrets: read by name from files that only the owner can read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from gateway.config.secret_bindings import SecretBindings
from gateway.config.secrets import Secrets
from gateway.model.errors import ConfigRejected
from gateway.model.site_document import CameraConfig, SecretRef
from gateway.runtime.redact import Redactor

NVR = SecretRef.model_validate("secret:nvr1")


def put(folder: Path, content: bytes, mode: int = 0o600) -> None:
    path = folder / "nvr1"
    path.write_bytes(content)
    path.chmod(mode)


def code(folder: Path) -> str:
    with pytest.raises(ConfigRejected) as caught:
        Secrets(folder, redactor=Redactor()).load(NVR, at="/cameras/2/password")
    (fault,) = caught.value.faults
    assert fault.at == "/cameras/2/password"
    return fault.code


@pytest.mark.parametrize("content", [b"Abc@123", b"Abc@123\n", b"Abc@123\r\n"])
def test_a_line_end_is_no_part_of_it(tmp_path: Path, content: bytes) -> None:
    """Editors add one; cameras do not expect it."""
    put(tmp_path, content)

    assert Secrets(tmp_path, redactor=Redactor()).load(NVR).get_secret_value() == "Abc@123"


def test_the_redactor_knows_what_was_read(tmp_path: Path) -> None:
    """From the moment it is read, no line can hold it."""
    put(tmp_path, b"Abc@123")
    redactor = Redactor()

    Secrets(tmp_path, redactor=redactor).load(NVR)

    assert redactor.redact_text("login with Abc@123") == "login with ***"


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o644])
def test_others_must_not_read_it(tmp_path: Path, mode: int) -> None:
    """The fault says which command mends it."""
    put(tmp_path, b"Abc@123", mode)

    assert code(tmp_path) == "secret.permissions"


def test_systemd_hands_secrets_over_its_own_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder's name goes before each; its ACL for our user shows as the group's read bit."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    put(tmp_path, b"Abc@123", 0o440)
    (tmp_path / "nvr1").rename(tmp_path / "secrets_nvr1")

    assert Secrets(tmp_path, redactor=Redactor()).load(NVR).get_secret_value() == "Abc@123"


def test_a_missing_secret_names_its_file(tmp_path: Path) -> None:
    """The fault stands where the reference stands."""
    assert code(tmp_path) == "secret.missing"


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines\n", b"\xff\xfe", b"nul\x00"])
def test_what_cannot_be_a_password_is_refused(tmp_path: Path, content: bytes) -> None:
    """A camera would only lock us out for it."""
    put(tmp_path, content)

    assert code(tmp_path) == "secret.content"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Whatever stands at that name, reading returns at once."""
    os.mkfifo(tmp_path / "nvr1", 0o600)

    assert code(tmp_path) == "secret.content"


CAMERA_FILES = ["camera/nvr1@10.0.0.7", "camera/nvr1", "nvr1"]
"""Where a camera's password may be, the first first."""


def camera(url: str = "rtsp://10.0.0.7/1", secret: str = "nvr1", **more: Any) -> CameraConfig:
    fields = {"id": "c01", "name": "x", "username": "u", "password": f"secret:{secret}"}
    return CameraConfig.model_validate({**fields, "streams": [{"url": url}], **more})


def put_all(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(f"value of {name}")


def password(folder: Path, config: CameraConfig, **bindings: Any) -> str:
    """Return what *config* gets, or the pointer and code of the refusal."""
    secrets = Secrets(folder, redactor=Redactor(), bindings=SecretBindings(**bindings))
    try:
        value = secrets.load_for_camera(config, config.streams[0].url, at="/cameras/0")
    except ConfigRejected as error:
        return " ".join(f"{fault.at} {fault.code}" for fault in error.faults)
    assert value is not None
    return value.get_secret_value()


HOST = "/cameras/0/password secret.host"
BOUND = {"camera": {"nvr1": frozenset({"10.0.0.7"})}}


def test_a_device_has_no_login(tmp_path: Path) -> None:
    """No file is proposed for it: nothing would ever be sent."""
    device = camera("v4l2:///dev/video0")
    secrets = Secrets(tmp_path, redactor=Redactor())

    with pytest.raises(ConfigRejected) as caught:
        secrets.load_for_camera(device, device.streams[0].url, at="/cameras/0")

    (fault,) = caught.value.faults
    assert (fault.at, fault.code) == ("/cameras/0/password", "secret.use")
    assert "a device has no login" in fault.message
    assert "@" not in fault.message


def test_a_file_that_names_the_host_is_enough(tmp_path: Path) -> None:
    """The installer need not write it anywhere else."""
    put_all(tmp_path, "camera/nvr1@10.0.0.7")

    assert password(tmp_path, camera()) == "value of camera/nvr1@10.0.0.7"
    assert password(tmp_path, camera("rtsp://10.0.0.8/1")) == HOST
    assert password(tmp_path, camera("rtsp://10.0.0.70/1")) == HOST


@pytest.mark.parametrize("number", range(len(CAMERA_FILES)))
def test_a_bound_password_is_found_in_its_folder_or_the_old_way(
    tmp_path: Path, number: int
) -> None:
    """The most precise file wins; flat files are read for one more version."""
    put_all(tmp_path, *CAMERA_FILES[number:])

    assert password(tmp_path, camera(), **BOUND) == f"value of {CAMERA_FILES[number]}"
    if number:
        assert password(tmp_path, camera("rtsp://10.0.0.8/1"), **BOUND) == HOST
        assert password(tmp_path, camera()) == HOST


def test_what_the_settings_use_is_no_cameras(tmp_path: Path) -> None:
    """Even where somebody has bound it; a file of the same name for cameras is another secret."""
    put_all(tmp_path, "nvr1")
    reserved = {**BOUND, "reserved": frozenset({"nvr1"})}

    assert password(tmp_path, camera(), **reserved) == "/cameras/0/password secret.use"
    put_all(tmp_path, "camera/nvr1")
    assert password(tmp_path, camera(), **reserved) == "value of camera/nvr1"


def test_the_settings_read_no_cameras_password(tmp_path: Path) -> None:
    """Their names and the cameras' do not meet."""
    put_all(tmp_path, "camera/nvr1", "camera/nvr1@10.0.0.7")

    assert code(tmp_path) == "secret.missing"


@pytest.mark.parametrize("host", ["10.0.0.0/29", "10.0.0.7", "0:0:0:0:0:ffff::/96"])
def test_a_network_in_the_settings_binds_addresses_only(tmp_path: Path, host: str) -> None:
    """A name inside it may lead anywhere."""
    put_all(tmp_path, "camera/nvr1")
    bound = {"camera": {"nvr1": frozenset({host, "nvr.hall"})}}

    assert password(tmp_path, camera(), **bound) == (
        "value of camera/nvr1" if "." in host else HOST
    )
    assert password(tmp_path, camera("rtsp://NVR.hall/1"), **bound) == "value of camera/nvr1"
    assert password(tmp_path, camera("rtsp://x.nvr.hall/1"), **bound) == HOST


def test_basic_is_allowed_on_the_machine(tmp_path: Path) -> None:
    """A document cannot have a password sent in clear that was entered for Digest."""
    put_all(tmp_path, "camera/nvr1@10.0.0.7")
    basic = camera(allow_basic=True)

    assert password(tmp_path, basic) == "/cameras/0/allow_basic secret.basic"
    assert password(tmp_path, basic, basic=BOUND["camera"]) == "value of camera/nvr1@10.0.0.7"
    hosts = frozenset({"10.0.0.0/8"})
    assert password(tmp_path, basic, basic_hosts=hosts) == "value of camera/nvr1@10.0.0.7"


def test_another_broker_gets_what_was_entered_for_it(tmp_path: Path) -> None:
    """Not the settings' password, nor a camera's."""
    put_all(tmp_path, "nvr1", "camera/nvr1", "broker/nvr1@mqtt.new")
    own = SecretBindings(broker={"nvr1": frozenset({"mqtt.old"})})
    secrets = Secrets(tmp_path, redactor=Redactor(), bindings=own)

    assert secrets.load_for_broker(NVR, "mqtt.new").get_secret_value().endswith("@mqtt.new")
    assert secrets.load_for_broker(NVR, "MQTT.old").get_secret_value() == "value of nvr1"
    with pytest.raises(ConfigRejected, match=r"not entered for mqtt\.evil"):
        secrets.load_for_broker(NVR, "mqtt.evil")


def test_systemds_names_keep_the_uses_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It joins folder and name by an underscore, which a name may hold as well."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    put_all(tmp_path, "secrets_camera_nvr1@10.0.0.7", "secrets_broker_b1", "secrets_turn")
    anywhere = dict.fromkeys(("nvr1", "broker_b1", "turn"), frozenset({"0.0.0.0/0"}))
    reserved = frozenset({"turn"})

    found = [
        password(tmp_path, camera(secret=name), camera=anywhere, reserved=reserved)
        for name in ("nvr1", "broker_b1", "turn")
    ]

    assert found[0].startswith("value of")
    assert found[1:] == ["/cameras/0/password secret.missing", "/cameras/0/password secret.use"]


def test_its_repr_says_nothing(tmp_path: Path) -> None:
    """Not even a debugger's line gives it away."""
    put(tmp_path, b"Abc@123")

    assert "Abc" not in repr(Secrets(tmp_path, redactor=Redactor()).load(NVR))
