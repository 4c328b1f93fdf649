"""Secrets: read by name from files that only the owner can read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.config.secrets import Secrets
from gateway.model.errors import ConfigRejected
from gateway.model.site_document import SecretRef
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


def test_its_repr_says_nothing(tmp_path: Path) -> None:
    """Not even a debugger's line gives it away."""
    put(tmp_path, b"Abc@123")

    assert "Abc" not in repr(Secrets(tmp_path, redactor=Redactor()).load(NVR))
