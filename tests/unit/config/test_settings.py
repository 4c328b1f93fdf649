"""Bootstrap settings: file and environment in, values or every fault out."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from aiortc import RTCIceServer
from aiortc.rtcicetransport import connection_kwargs
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.app.broker import broker_addresses
from gateway.config.documents import parse_toml
from gateway.config.load import load_settings, policy_of
from gateway.config.settings import PictureChecks, Settings
from gateway.model.errors import ConfigRejected
from gateway.model.names import is_loopback
from gateway.model.signalling import ICE_URL
from gateway.mqtt.client.broker import BrokerAddress, Tls

SMALL = """
[gateway]
id = "hcm-q1-01"
province = "79"
[broker]
host = "127.0.0.1"
[cameras]
networks = ["192.168.1.0/24"]
"""


def settings_of(folder: Path, text: str) -> Settings:
    path = folder / "gateway.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path)


def faults_of(folder: Path, text: str) -> dict[str, str]:
    """Place and code of each fault of *text*."""
    with pytest.raises(ConfigRejected) as caught:
        settings_of(folder, text)
    return {fault.at: fault.code for fault in caught.value.faults}


def test_three_tables_are_enough(tmp_path: Path) -> None:
    """Identity, broker and networks have no default; all else has."""
    settings = settings_of(tmp_path, SMALL)

    assert settings.gateway.id == "hcm-q1-01"
    assert settings.broker.effective_port == 1883
    assert settings.state.dir == Path("/var/lib/camera-gateway")


def test_every_fault_comes_at_once_with_its_place(tmp_path: Path) -> None:
    """An installer mends the file once, not once per mistake."""
    text = """
    [gateway]
    id = "X"
    provinse = "79"
    [broker]
    host = "mqtt.example"
    port = 70000
    transport = "udp"
    [cameras]
    networks = ["192.168.1.0/33"]
    [log]
    level = "loud"
    """

    assert faults_of(tmp_path, text) == {
        "/gateway/id": "pattern",
        "/gateway/province": "missing",
        "/gateway/provinse": "unknown_key",
        "/broker/port": "range",
        "/broker/transport": "choice",
        "/cameras/networks/0": "network",
        "/log/level": "choice",
    }


def test_a_typo_is_answered_with_the_right_word(tmp_path: Path) -> None:
    """An unknown key names its nearest neighbour."""
    with pytest.raises(ConfigRejected, match=r"did you mean province\?"):
        settings_of(tmp_path, SMALL.replace("province", "provinse"))


def test_a_figure_out_of_range_is_told_both_bounds(tmp_path: Path) -> None:
    """What was given and what is allowed stand in the message and, for machines, in the args."""
    with pytest.raises(ConfigRejected) as caught:
        settings_of(tmp_path, SMALL.replace('host = "127', 'port = 70000\nhost = "127'))

    (fault,) = caught.value.faults
    assert fault.message == "70000: the value must be from 1 to 65535"
    assert fault.args == {"got": "70000", "min": 1, "max": 65535}


def test_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable replaces the file's value; lists are JSON."""
    monkeypatch.setenv("CAMERA_GATEWAY__BROKER__HOST", "::1")
    monkeypatch.setenv("CAMERA_GATEWAY__CAMERAS__NETWORKS", '["10.0.0.0/8"]')

    settings = settings_of(tmp_path, SMALL)

    assert settings.broker.host == "::1"
    assert [str(network) for network in settings.cameras.networks] == ["10.0.0.0/8"]


def test_a_variable_that_sets_nothing_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A typo in the environment is as bad as one in the file."""
    monkeypatch.setenv("CAMERA_GATEWAY__BROKR__HOST", "::1")

    assert faults_of(tmp_path, SMALL) == {"/brokr": "unknown_key"}


def test_a_variable_that_is_no_json_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says which table, and not what was given: it might be a secret."""
    monkeypatch.setenv("CAMERA_GATEWAY__CAMERAS__NETWORKS", "canary-1234")

    with pytest.raises(ConfigRejected, match="cameras") as caught:
        settings_of(tmp_path, SMALL)

    assert "canary" not in str(caught.value)


def test_the_old_name_of_a_table_is_read_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For one version, in the file as in the environment, which wins."""
    monkeypatch.setenv("CAMERA_GATEWAY__EYES__EVERY_S", "60")
    with capture_logs() as logs:
        settings = settings_of(tmp_path, SMALL + "[eyes]\nenabled = false\nevery_s = 20\n")

    assert settings.picture_checks == PictureChecks(enabled=False, every_s=60)
    assert [(line["event"], line["old"], line["new"]) for line in logs] == [
        ("settings_deprecated", "[eyes]", "[picture_checks]"),
        ("settings_deprecated", "CAMERA_GATEWAY__EYES", "CAMERA_GATEWAY__PICTURE_CHECKS"),
    ]


def test_a_fault_below_an_old_name_is_found_below_the_new_one(tmp_path: Path) -> None:
    """The warning says which is which."""
    text = SMALL + "[eyes]\nevery_s = 0.5\n"

    assert faults_of(tmp_path, text) == {"/picture_checks/every_s": "range"}


def test_an_old_and_a_new_name_of_a_table_are_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody guesses which of them is meant."""
    text = SMALL + "[eyes]\nenabled = false\n[picture_checks]\nenabled = true\n"
    assert faults_of(tmp_path, text) == {"/eyes": "duplicate"}

    monkeypatch.setenv("CAMERA_GATEWAY__EYES__ENABLED", "false")
    monkeypatch.setenv("CAMERA_GATEWAY__PICTURE_CHECKS__ENABLED", "true")
    assert faults_of(tmp_path, SMALL) == {"/eyes": "duplicate"}


def test_plain_mqtt_stays_inside_this_machine(tmp_path: Path) -> None:
    """Without TLS any other host is refused."""
    text = SMALL.replace("127.0.0.1", "10.1.1.1")

    assert faults_of(tmp_path, text) == {"/broker/host": "plain_broker"}


def test_tls_lets_the_broker_be_anywhere(tmp_path: Path) -> None:
    """An empty table is enough: the system's authorities, port 8883."""
    settings = settings_of(tmp_path, SMALL.replace("127.0.0.1", "mq.example") + "[broker.tls]\n")

    assert settings.broker.effective_port == 8883


def test_a_second_way_is_the_first_but_for_what_it_says(tmp_path: Path) -> None:
    """An empty table is enough: the same host, by a websocket on port 443."""
    secure = SMALL.replace("127.0.0.1", "mq.example") + "[broker.tls]\n"
    settings = settings_of(tmp_path, secure + "[broker.second]\n")
    broker = BrokerAddress(host="mq.example", port=8883, tls=Tls())

    first, second = broker_addresses(broker, settings)

    assert first is broker
    assert (second.host, second.port, second.transport) == ("mq.example", 443, "websockets")
    assert second.tls == broker.tls


def test_a_second_way_is_no_way_round_tls(tmp_path: Path) -> None:
    """Without TLS it leads nowhere but to this machine."""
    text = SMALL + '[broker.second]\nhost = "10.1.1.1"\n'

    assert faults_of(tmp_path, text) == {"/broker/second/host": "plain_broker"}


def test_a_certificate_needs_its_key(tmp_path: Path) -> None:
    """One without the other is a fault, not a late surprise."""
    assert faults_of(tmp_path, SMALL + '[broker.tls]\ncert = "a.pem"\n') == {"/broker/tls": "tls"}


def test_a_password_in_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    """Where a reference belongs, a password is a mistake that the fault does not spread."""
    text = SMALL.replace("[cameras]", 'username = "u"\npassword = "canary-1234"\n[cameras]')

    with pytest.raises(ConfigRejected) as caught:
        settings_of(tmp_path, text)

    assert [fault.at for fault in caught.value.faults] == ["/broker/password/$ref"]
    assert "canary" not in str(caught.value) + repr(caught.value.faults)


def test_broken_toml_says_line_and_column(tmp_path: Path) -> None:
    """A syntax error is found by its place."""
    with pytest.raises(ConfigRejected, match="line 3, column 6"):
        settings_of(tmp_path, "[gateway]\nid = 'a'\nport : 1\n")


def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    """It says which path was looked at."""
    with pytest.raises(ConfigRejected, match="nowhere"):
        load_settings(tmp_path / "nowhere.toml")


def test_secrets_lie_beside_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless systemd hands over credentials, which come first."""
    settings = settings_of(tmp_path, SMALL)
    assert settings.secrets_folder == tmp_path / "secrets"

    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x")

    assert settings.secrets_folder == Path("/run/credentials/x")


def test_the_policy_knows_the_extra_ports(tmp_path: Path) -> None:
    """What the settings allow is what may be opened."""
    policy = policy_of(settings_of(tmp_path, SMALL + "ports = [9554]\n"))

    assert policy.check("rtsp://192.168.1.9:9554/") is None
    assert policy.check("rtsp://192.168.2.9:9554/") is not None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_is_loopback(host: str) -> None:
    """The spellings of this machine."""
    assert is_loopback(host)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_toml_reader(raw: bytes) -> None:
    """Whatever stands in the file, the answer is a table or a rejection."""
    with contextlib.suppress(ConfigRejected):
        assert isinstance(parse_toml(raw), dict)


def test_a_turn_server_has_one_kind_of_credential(tmp_path: Path) -> None:
    """A shared secret makes username and password; a password needs its username."""
    ice = '[[webrtc.ice]]\nurls = ["turn:t.example"]\n'

    settings = settings_of(tmp_path, f'{SMALL}{ice}shared_secret = "secret:turn"\n')
    assert settings.webrtc.ice[0].shared_secret is not None
    for more in (
        'shared_secret = "secret:turn"\nusername = "u"\ncredential = "secret:turn"\n',
        'username = "u"\n',
        'credential = "secret:turn"\n',
    ):
        assert faults_of(tmp_path, SMALL + ice + more) == {"/webrtc/ice/0": "turn_credentials"}


@pytest.mark.parametrize(
    "url",
    ["stun:a:b:c", "turn:[::1]:1", "turn:t:0", "turn:t:65536", "turn:t?transport=sctp",
     "turns:t?transport=udp", "stun:t?transport=udp", "stuns:t", "http://t", "turn:", "turn:u@t"],
)  # fmt: skip
def test_a_server_that_aiortc_cannot_use_is_a_fault(tmp_path: Path, url: str) -> None:
    """Its parser raises on some; the gateway ended with exit code 1 at the first offer."""
    text = f'{SMALL}[[webrtc.ice]]\nurls = ["{url}"]\n'

    assert faults_of(tmp_path, text) == {"/webrtc/ice/0/urls/0": "pattern"}


@given(st.from_regex(ICE_URL, fullmatch=True))
def test_what_the_settings_allow_aiortc_can_use(url: str) -> None:
    """Every URL: parsed, and then connected to as it says."""
    (key, *_) = connection_kwargs([RTCIceServer(urls=url)])

    assert key in ("stun_server", "turn_server")
    assert 0 < connection_kwargs([RTCIceServer(urls=url)])[key][1] < 65_536
