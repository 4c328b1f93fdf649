"""What the console's settings allow."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.console.settings import SECRETS, Ice, load
from gateway.model.errors import ConfigRejected
from gateway.web.http_security import host_name

DOCUMENT = Path(__file__).parents[3] / "docs/console.md"
BROKER = '[broker]\nhost = "127.0.0.1"\nport = 1883\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "console.toml"
    path.write_text(text)
    return path


def test_the_least_is_a_broker(tmp_path: Path) -> None:
    """Then the page is on this machine only."""
    settings = load(written(tmp_path, BROKER))

    assert settings.listen.address == "127.0.0.1"
    assert settings.listen.allowed_hosts == {"127.0.0.1", "localhost", "::1"}


def test_the_settings_that_the_document_shows_fit_the_broker_that_we_ship(tmp_path: Path) -> None:
    """That one has TLS only, and knows the console by its certificate."""
    shown = DOCUMENT.read_text(encoding="utf-8").partition("```toml\n")[2].partition("```")[0]

    broker = load(written(tmp_path, shown)).broker

    assert broker.port == 8883
    assert broker.tls is not None
    assert None not in (broker.tls.ca_file, broker.tls.cert_file, broker.tls.key_file)


def test_secrets_are_read_where_systemd_has_put_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the settings name one; other files stay."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    for name in ("secrets_console.key", "secrets_turn"):
        (tmp_path / name).touch()
    tls = '[broker.tls]\ncert_file = "/etc/camera-console/console.pem"\n'
    tls += f'key_file = "{SECRETS}/console.key"\n'
    ice = f'[[ice]]\nurls = ["turn:turn.example"]\nshared_secret_file = "{SECRETS}/turn"\n'

    settings = load(written(tmp_path, f"{BROKER}{tls}{ice}"))

    assert settings.broker.tls is not None
    assert settings.broker.tls.key_file == tmp_path / "secrets_console.key"
    assert settings.broker.tls.cert_file == Path("/etc/camera-console/console.pem")
    assert settings.ice[0].shared_secret_file == tmp_path / "secrets_turn"


def test_a_secret_that_was_not_handed_over_is_a_fault_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service cannot see into the folder, so no other message would be true."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    ice = f'[[ice]]\nurls = ["turn:turn.example"]\nshared_secret_file = "{SECRETS}/turn"\n'

    with pytest.raises(ConfigRejected) as caught:
        load(written(tmp_path, f"{BROKER}{ice}"))

    (fault,) = caught.value.faults
    assert (fault.at, fault.code) == ("/ice/0/shared_secret_file", "secret.missing")


def test_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a password need not stand in the file; it is never shown."""
    monkeypatch.setenv("CAMERA_CONSOLE__BROKER__USERNAME", "console")
    monkeypatch.setenv("CAMERA_CONSOLE__BROKER__PASSWORD", "canary")

    settings = load(written(tmp_path, BROKER))

    assert settings.broker.password is not None
    assert settings.broker.password.get_secret_value() == "canary"
    assert "canary" not in repr(settings)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("[broker\n", ""),
        (f'{BROKER}[listen]\naddress = "0.0.0.0"\n', "/listen"),
        (f'{BROKER}[listen]\naddress = "page.example"\n', "/listen"),
        (f"{BROKER}[listen]\nport = 70000\n", "/listen/port"),
        (f"{BROKER}[[ice]]\nurls = ['http://t']\n", "/ice/0/urls/0"),
        (f"{BROKER}[[ice]]\nurls = ['stun:a:b:c']\n", "/ice/0/urls/0"),
        (
            f"{BROKER}[[ice]]\nurls = ['turn:t']\nusername = 'u'\nshared_secret_file = 'x'\n",
            "/ice/0",
        ),
        (f"{BROKER}[extra]\n", "/extra"),
        ("", "/broker"),
    ],
)
def test_a_mistake_has_its_place(tmp_path: Path, text: str, at: str) -> None:
    """Wrong settings are refused with a pointer."""
    with pytest.raises(ConfigRejected) as caught:
        load(written(tmp_path, text))

    assert [fault.at for fault in caught.value.faults][:1] == [at]


@pytest.mark.parametrize(
    ("authority", "name"),
    [
        ("localhost:8090", "localhost"),
        ("[::1]:8090", "::1"),
        ("LOCALHOST", "localhost"),
        ("evil@localhost", ""),
        ("localhost:99999999", ""),
        ("localhost/..", ""),
        ("[::1", ""),
        ("", ""),
    ],
)
def test_a_host_is_read_strictly(authority: str, name: str) -> None:
    """What is malformed has no name, and so no entry."""
    assert host_name(authority) == name


@pytest.mark.parametrize(
    ("content", "mode", "code"),
    [(None, 0o600, "file"), (b"north\n", 0o644, "mode"), (b"\n", 0o600, "empty"),
     (b"\xff", 0o600, "file")],
)  # fmt: skip
def test_a_shared_secret_that_cannot_be_used_is_a_fault(
    tmp_path: Path, content: bytes | None, mode: int, code: str
) -> None:
    """Missing, readable by others, empty, no text: said with its place."""
    path = tmp_path / "turn"
    if content is not None:
        path.write_bytes(content)
        path.chmod(mode)
    server = Ice(urls=("turn:t.example",), shared_secret_file=path)

    with pytest.raises(ConfigRejected) as caught:
        server.configured(at="/ice/0")

    assert [(each.at, each.code) for each in caught.value.faults] == [
        ("/ice/0/shared_secret_file", code)
    ]
