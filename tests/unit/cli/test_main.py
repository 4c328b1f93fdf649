"""The command line: what is printed, and with which code it ends."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.main import WRONG_PAUSE_S, main
from gateway.config.signing import make_key
from gateway.runtime.build import FULL_VERSION
from gateway.runtime.clock import SystemClock
from gateway.runtime.redact import HIDDEN
from tests.fixtures.clock import HANG_S
from tests.unit.rtsp.scripted import Request, camera

CANARY = "canary-Abc@123"

SETTINGS = """
[gateway]
id = "hcm-q1-01"
province = "79"
[broker]
host = "127.0.0.1"
username = "gateway"
password = "secret:broker"
[cameras]
networks = ["192.168.1.0/24"]
"""

CAMERA = {
    "id": "quay7",
    "name": "Quầy 7",
    "username": "admin",
    "password": "secret:nvr1",
    "streams": [{"url": "rtsp://192.168.1.9/1"}],
}

Say = Callable[..., Result]


@pytest.fixture
def say(isolated_logging: None) -> Say:  # noqa: ARG001
    """The command, in this process."""

    def run(*words: str | Path, **how: str) -> Result:
        return CliRunner().invoke(main, [str(word) for word in words], **how)  # type: ignore[arg-type]

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Settings, a site document and both secrets, all of them right."""
    (tmp_path / "gateway.toml").write_text(SETTINGS)
    (tmp_path / "site.json").write_text(json.dumps({"cameras": [CAMERA]}))
    (tmp_path / "secrets").mkdir()
    for name in ("broker", "nvr1"):
        (tmp_path / "secrets" / name).touch(mode=0o600)
        (tmp_path / "secrets" / name).write_text(CANARY)
    return tmp_path


def test_what_is_right_is_summed_up(say: Say, folder: Path) -> None:
    """Exit code 0, and what was found."""
    result = say("check", folder / "gateway.toml", folder / "site.json")

    checked, encoder, first, *others = result.stdout.splitlines()
    assert (result.exit_code, checked) == (0, "OK: gateway hcm-q1-01, 1 cameras, 1 streams")
    assert encoder == "transcoding / chuyển mã: libx264"
    assert first.startswith("  - h264_v4l2m2m: ")
    assert all(line.startswith("  - ") for line in others)


def test_a_gateway_that_nobody_could_watch_is_told_where_the_key_goes(
    say: Say, folder: Path
) -> None:
    """No fault, since it runs; but there is no viewing key, and tokens are required."""
    result = say("check", folder / "gateway.toml", folder / "site.json")

    assert result.exit_code == 0
    *_, english, vietnamese = result.stderr.splitlines()
    assert english.startswith(f"{folder / 'gateway.toml'}: /webrtc/require_token: nobody may watch")
    assert f"{folder / 'trusted'}/view-" in english
    assert f"{folder / 'trusted'}/view-" in vietnamese


@pytest.mark.parametrize("way", ["a key", "no tokens"])
def test_a_gateway_that_can_be_watched_is_not_warned_of(say: Say, folder: Path, way: str) -> None:
    """With a key for viewing; or where tokens are not required."""
    if way == "a key":
        make_key(folder / "trusted", "view-2026a")
    else:
        (folder / "gateway.toml").write_text(f"{SETTINGS}[webrtc]\nrequire_token = false\n")

    result = say("check", folder / "gateway.toml", folder / "site.json")

    assert "viewing.key" not in result.stderr


def test_every_fault_of_every_file_is_told_in_both_languages(say: Say, folder: Path) -> None:
    """Exit code 2; each on its own line with file, place and code, Vietnamese below."""
    (folder / "gateway.toml").write_text(SETTINGS.replace("hcm-q1-01", "X"))
    (folder / "site.json").write_text('{"cameras": [], "nmae": "x"}')

    result = say("check", folder / "gateway.toml", folder / "site.json")

    assert result.exit_code == 2
    first, vietnamese, cure, english, second, *_ = result.stderr.splitlines()
    assert first == f"{folder / 'gateway.toml'}:3: gateway.id [pattern]"
    assert vietnamese.startswith("    'X': chỉ được 4 đến 40 ký tự a-z, 0-9 và -")
    assert cure == '    → Viết, ví dụ: "x"'
    assert english.startswith("    /gateway/id: 'X': it must be")
    assert second == f"{folder / 'site.json'}:1: nmae [unknown_key]"


def test_secrets_and_policy_are_checked_with_the_settings(say: Say, folder: Path) -> None:
    """A missing secret and a camera outside the networks are found before anything runs."""
    outside = {**CAMERA, "streams": [{"url": "rtsp://8.8.8.8/1"}]}
    (folder / "site.json").write_text(json.dumps({"cameras": [outside]}))
    (folder / "secrets" / "nvr1").unlink()

    result = say("check", folder / "gateway.toml", folder / "site.json")

    assert "/cameras/0/password: no secret nvr1" in result.stderr
    assert "/cameras/0/streams/0/url: 8.8.8.8 is outside the camera networks" in result.stderr


def test_where_keyframes_are_asked_for_is_checked_like_a_stream(say: Say, folder: Path) -> None:
    """HTTP must be open, and the path be told."""
    streams = [
        {"url": "rtsp://10.0.0.1/1", "keyframe_requests": "onvif"},
        {"profile": "sub", "url": "rtsp://10.0.0.1/2", "keyframe_requests": "isapi"},
    ]
    (folder / "site.json").write_text(json.dumps({"cameras": [{**CAMERA, "streams": streams}]}))

    result = say("check", folder / "gateway.toml", folder / "site.json")

    at = "/cameras/0/streams"
    assert f"{at}/0/keyframe_url: http is closed here; the settings open it" in result.stderr
    assert f"{at}/1/keyframe_url: give keyframe_url" in result.stderr


@pytest.mark.parametrize("command", [("check",), ("run", "--settings")])
def test_a_command_that_does_not_exist_cannot_be_allowed(
    say: Say, folder: Path, command: tuple[str, ...]
) -> None:
    """A misspelt name is found before anything runs, with the names that there are."""
    (folder / "gateway.toml").write_text(SETTINGS + '\n[commands]\nallowed = ["snapshto"]\n')

    result = say(*command, folder / "gateway.toml")

    assert result.exit_code == 2
    assert "/commands/allowed/0: 'snapshto': it must be 'stream.restart', 'snap" in result.stderr


def test_a_missing_file_is_a_fault(say: Say, tmp_path: Path) -> None:
    """And not a traceback."""
    result = say("check", tmp_path / "gateway.toml", tmp_path / "site.json")

    assert result.exit_code == 2
    assert result.stderr.count("[file]") == 2


def test_run_refuses_wrong_settings(say: Say, folder: Path) -> None:
    """Exit code 2, before anything is opened."""
    (folder / "gateway.toml").write_text(SETTINGS.replace("hcm-q1-01", "X"))

    result = say("run", "--settings", folder / "gateway.toml")

    assert result.exit_code == 2
    assert "/gateway/id" in result.stderr


def test_a_service_with_wrong_settings_says_so_to_systemd_and_waits(
    say: Say, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that it is not started again at once; the log has all faults, the status the first."""
    (folder / "gateway.toml").write_text(SETTINGS.replace("hcm-q1-01", "X"))
    waited: list[float] = []

    async def sleep(_: SystemClock, seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(SystemClock, "sleep", sleep)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(folder / "notify"))
        manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(folder / "notify"))

        result = say("run", "--settings", folder / "gateway.toml")

        told = manager.recv(4096).decode()
    assert result.exit_code == 2
    assert told.startswith("STATUS=cấu hình sai / wrong configuration")
    assert "/gateway/id" in told
    assert waited == [WRONG_PAUSE_S]


def test_run_refuses_a_broken_site_by_its_own_name(say: Say, folder: Path) -> None:
    """The fault names site.json, not the settings."""
    state = f'[state]\ndir = "{folder}"\n'
    (folder / "gateway.toml").write_text(SETTINGS + state)
    (folder / "site.json").write_text("{")

    result = say("run", "--settings", folder / "gateway.toml")

    assert result.exit_code == 2
    assert f"{folder / 'site.json'}:1: [syntax]" in result.stderr
    assert "/: line 1, column 2: the file ends" in result.stderr


@pytest.mark.parametrize("command", [("run", "--settings"), ("check",)], ids=["run", "check"])
def test_an_older_version_is_refused_where_a_newer_one_has_run(
    say: Say, folder: Path, command: tuple[str, ...]
) -> None:
    """T19: exit code 2, in both languages, with the file that an installer may remove."""
    state = folder / "state"
    (folder / "gateway.toml").write_text(SETTINGS + f'[state]\ndir = "{state}"\n')
    state.mkdir()
    (state / "minimum-version").write_text("999.0.0\n")

    result = say(*command, folder / "gateway.toml")

    assert result.exit_code == 2
    where, vietnamese, english, *_ = result.stderr.splitlines()
    assert where == f"{state / 'minimum-version'}: [release.old]"
    assert "nothing below 999.0.0" in english
    assert vietnamese.startswith("    Bản này quá cũ")


def test_a_run_says_at_its_start_whether_there_is_a_fast_path(folder: Path) -> None:
    """One line, so that it is known why a box takes more of a processor than its neighbour."""
    state = f'[state]\ndir = "{folder}"\n'
    (folder / "gateway.toml").write_text(
        SETTINGS.replace("[cameras]", "port = 1\n[cameras]") + state
    )
    (folder / "site.json").write_text('{"cameras": []}')
    command = [sys.executable, "-m", "gateway", "run", "--settings", str(folder / "gateway.toml")]

    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        assert process.stderr
        starting = next(line for line in process.stderr if b'"starting"' in line)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=HANG_S)

    assert json.loads(starting)["fast_path"] == "compiled"


def test_a_url_with_a_password_is_not_probed_nor_repeated(say: Say) -> None:
    """Exit code 1; what others could read in the process list is at least not printed as well."""
    result = say("probe", f"rtsp://admin:{CANARY}@127.0.0.1/")

    assert result.exit_code == 1
    assert "POLICY_DENIED" not in result.stdout
    assert "put user and password in their own fields" in result.stdout
    assert "canary" not in result.output


@pytest.mark.parametrize(
    ("url", "code", "cure"),
    [
        (f"rtsp://admin:{CANARY}@127.0.0.1/", "url.userinfo", "--username TÊN --password-file TỆP"),
        ("192.168.1.10", "url.scheme", "rtsp://192.168.1.10/"),
        ("ftp://192.168.1.10/x", "url.scheme", "“ftp”; được phép: rtsp"),
        ("rtsp://192.168.1.10:99999/x", "url.port", "từ 1 đến 65535"),
        ("rtsp://8.8.8.8/x", "url.network", "--network DẢI"),
    ],
)
def test_a_probe_tells_of_a_url_what_a_check_tells(
    say: Say, url: str, code: str, cure: str
) -> None:
    """The code of the rule, and what to type instead; the networks only where it is about them."""
    result = say("probe", url)

    assert result.exit_code == 1
    assert f"[{code}]" in result.stdout
    assert cure in result.stdout
    assert ("dải mạng" in result.stdout) == (code == "url.network")
    assert CANARY not in result.output


def test_a_refused_network_is_told_beside_those_that_are_open(say: Say) -> None:
    """Whoever stands at the machine sees what to widen."""
    result = say("probe", "rtsp://8.8.8.8/x", "--network", "10.0.0.0/8")

    assert "8.8.8.8 is outside the camera networks; open are 10.0.0.0/8" in result.stdout


def test_what_only_a_probe_opens_is_told_with_the_settings_line(say: Say) -> None:
    """A probe opens HTTP and any port; a gateway only what its settings name."""
    result = say("probe", "http://127.0.0.1:9/x")

    assert 'schemes = ["http"]' in result.stdout
    assert "ports = [9]" in result.stdout


def test_a_camera_outside_the_networks_is_not_probed(say: Say) -> None:
    """The first step says so, in both languages."""
    result = say("probe", "rtsp://127.0.0.1:9/", "--network", "10.0.0.0/8", "--json")

    (line,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert (result.exit_code, line["step"], line["reason"]) == (1, "resolve", "POLICY_DENIED")


def test_what_is_no_network_is_a_wrong_argument(say: Say) -> None:
    """Exit code 2, as for any wrong argument."""
    assert say("probe", "rtsp://127.0.0.1/", "--network", "10.0.0.1/33").exit_code == 2


def test_a_closed_port_is_told_with_advice(say: Say) -> None:
    """Nobody listens on port 9: the connect step fails and says what to do."""
    result = say(
        "probe", "rtsp://127.0.0.1:9/", "-u", "admin", "--password-file", "-", input=CANARY
    )

    assert result.exit_code == 1
    assert "NO  connect" in result.stdout
    assert CANARY not in result.output


@pytest.mark.parametrize("password", ["wrong", "user", "answered", "attempt", "camera"])
async def test_a_password_that_is_a_word_is_hidden_only_where_a_camera_says_it(
    say: Say, password: str
) -> None:
    """`wrong user or password` helps; what a banner or an answer repeats is hidden."""

    def repeats_it(request: Request) -> bytes:
        if request.method == "OPTIONS":
            return request.answer(200, Server=f"Cam/{password}")
        return request.answer(401, WWW_Authenticate='Digest realm="x", nonce="y"')

    async with camera(repeats_it) as made:
        how = ("-u", "admin", "--password-file", "-")
        result = await asyncio.to_thread(say, "probe", made.url, *how, input=password)

    assert "DESCRIBE answered 401: wrong user or password; this was attempt 1" in result.stdout
    assert f"Cam/{HIDDEN}" in result.stdout


def test_no_option_takes_a_password(say: Say) -> None:
    """Arguments stand in the process list for all to read."""
    assert "--password " not in say("probe", "--help").stdout
    assert say("probe", "rtsp://127.0.0.1/", "--password", CANARY).exit_code == 2


def test_the_version_is_told(say: Say) -> None:
    """As other tools do; and whether the fast path is compiled."""
    first, second = say("--version").stdout.splitlines()

    assert first == f"camera-gateway, version {FULL_VERSION}"
    assert second == "fast path: compiled"


def test_the_module_is_the_command() -> None:
    """``python -m gateway`` works where the command is not on the path."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "--version"], capture_output=True, check=True, text=True
    )

    assert done.stdout.startswith("camera-gateway")


LINGERING = """
import asyncio, sys
from gateway.app import lifecycle
from gateway.runtime.logging import configure_logging
from gateway.runtime.redact import Redactor

async def main():
    print("up", flush=True)
    try:
        await asyncio.sleep(60)
    finally:
        if sys.argv[1] == "hangs":
            await asyncio.sleep(60)

lifecycle.STOP_TIMEOUT_S = 0.2 if sys.argv[1] == "hangs" else 60
configure_logging(Redactor())
lifecycle.run_until_signal(main())
"""


@pytest.mark.parametrize(
    ("how", "code", "event"), [("leaves", 0, "stopped"), ("hangs", 1, "stop_overdue")]
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_within_the_deadline(
    how: str, code: int, event: str, number: signal.Signals
) -> None:
    """In good order with exit code 0; whoever hangs is named and left behind."""
    command = [sys.executable, "-c", LINGERING, how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"up\n"
        process.send_signal(number)
        _, said = process.communicate(timeout=HANG_S)

    assert process.returncode == code
    assert json.loads(said.splitlines()[-1])["event"] == event
