"""A machine enrols at a centre over real TLS, and Mosquitto lets it in."""

from __future__ import annotations

import asyncio
import signal
import sys
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.centre.enrolment.authority import (
    import_authority,
    request_authority,
    sign_authority,
)
from gateway.centre.enrolment.broker_files import write_broker_files
from gateway.centre.enrolment.centre import ca_folder, open_authority, open_registry
from gateway.centre.enrolment.settings import load_enrolment_settings
from gateway.cli.main import main
from gateway.cli.setup_enrolment import BoxEnrolment
from gateway.config.check import check_files
from gateway.config.load import load_settings
from gateway.config.signing import Keyring, make_key
from gateway.demo.config_files import free_port
from gateway.enrolment.client import trusting
from gateway.enrolment.code import make_code
from gateway.enrolment.enrol import enrol
from gateway.enrolment.errors import EnrolmentError, EnrolmentReason
from gateway.enrolment.messages import ENROL_PATH, SERVER_NAME
from gateway.model.errors import BrokerUnavailable
from gateway.mqtt.client.broker import BrokerAddress, Tls
from gateway.runtime.redact import Redactor
from gateway.setup.model import SetupMistake
from tests.fixtures.broker import Broker, Brokers
from tests.fixtures.clock import HANG_S, wait_until
from tests.fixtures.enrolment import (
    SITE,
    EnrolmentCentre,
    enrolled,
    make_box,
    make_centre,
    secured,
    serving,
)
from tests.fixtures.presence import TOPICS, PresenceGateway, connected

pytestmark = pytest.mark.live


async def test_a_code_gives_the_box_its_identity(centre: EnrolmentCentre, tmp_path: Path) -> None:
    """Settings, key and certificate are there, and all else is as the installer wrote it."""
    box = make_box(tmp_path / "box")

    steps = await enrolled(centre.url, centre.code(), box)

    assert steps[-1].identity == SITE
    settings = load_settings(box)
    assert (settings.gateway.id, settings.gateway.province) == (SITE.id, "24")
    assert settings.broker.host == "localhost"
    assert settings.enrolment.url == centre.url
    assert "# Mã thiết bị, duy nhất trên cả nước" in box.read_text()
    assert (box.parent / "tls" / "gateway.key").stat().st_mode & 0o777 == 0o640
    assert not list((box.parent / "tls").glob(".*key"))


async def test_the_same_command_again_gives_the_same_certificate(
    centre: EnrolmentCentre, tmp_path: Path
) -> None:
    """An answer that was lost, or a technician who is not sure, is no other machine."""
    box, code = make_box(tmp_path / "box"), centre.code()
    await enrolled(centre.url, code, box)
    first = (box.parent / "tls" / "gateway.pem").read_text()

    await enrolled(centre.url, code, box)

    assert (box.parent / "tls" / "gateway.pem").read_text() == first
    assert not centre.registry.sites()[0].reused


async def test_another_machine_with_the_same_code_is_refused_and_told(
    centre: EnrolmentCentre, tmp_path: Path
) -> None:
    """The centre sees that somebody else has the code; the other machine is as it was."""
    code = centre.code()
    await enrolled(centre.url, code, make_box(tmp_path / "box"))
    other = make_box(tmp_path / "other")
    before = other.read_bytes()

    with pytest.raises(EnrolmentError) as caught:
        await enrolled(centre.url, code, other)

    assert caught.value.reason is EnrolmentReason.CODE_USED
    assert other.read_bytes() == before
    assert centre.registry.sites()[0].reused


async def test_the_code_goes_to_no_other_centre(centre: EnrolmentCentre, tmp_path: Path) -> None:
    """A server whose authority the code does not name gets nothing but a request for its root."""
    elsewhere = make_centre(tmp_path / "elsewhere")
    code = elsewhere.code()

    with pytest.raises(EnrolmentError) as caught:
        await enrolled(centre.url, code, make_box(tmp_path / "box"))

    assert caught.value.reason is EnrolmentReason.WRONG_CA


async def address_of(centre: EnrolmentCentre, broker: Broker, box: Path) -> BrokerAddress:
    """Enrol *box* as the site that the fixtures speak for; return how it reaches *broker*."""
    site = SITE.model_copy(update={"id": TOPICS.gateway, "province": "79"})
    await enrolled(centre.url, centre.code(site), box)
    tls = box.parent / "tls"
    files = Tls(ca_file=tls / "ca.pem", cert_file=tls / "gateway.pem", key_file=tls / "gateway.key")
    return BrokerAddress(host="localhost", port=broker.port, tls=files)


async def reload(broker: Broker) -> None:
    """Return once *broker* has read its files anew."""
    before = broker.log.count("Reloading config")
    broker.send(signal.SIGHUP)
    await asyncio.to_thread(
        wait_until,
        lambda: broker.log.count("Reloading config") > before,
        "the broker has reloaded",
        said=lambda: broker.log,
    )


async def test_mosquitto_lets_the_box_in_until_it_is_revoked(
    centre: EnrolmentCentre, brokers: Brokers, tmp_path: Path
) -> None:
    """The certificate that was issued opens the broker; one command later it does not."""
    broker = await secured(centre, brokers)
    address = await address_of(centre, broker, make_box(tmp_path / "box"))
    async with connected(PresenceGateway(address)):
        pass

    centre.registry.revoke(TOPICS.gateway, client="test")
    write_broker_files(centre.settings, centre.registry, centre.authority)
    await reload(broker)

    async with asyncio.timeout(HANG_S):
        with pytest.raises(BrokerUnavailable):
            await PresenceGateway(address).client.run()
    assert f"user 79/{TOPICS.gateway}\ntopic deny #\n" in (tmp_path / "centre" / "acl").read_text()


async def test_a_new_issuing_authority_shuts_nobody_out(
    centre: EnrolmentCentre, brokers: Brokers, tmp_path: Path
) -> None:
    """Under the same root: certificates of the former one are good until they are renewed."""
    broker = await secured(centre, brokers)
    address = await address_of(centre, broker, make_box(tmp_path / "box"))
    folder = ca_folder(centre.settings)
    (folder / "issuing.key").unlink()
    request = request_authority(folder, "Test")
    chain = tmp_path / "chain.pem"
    chain.write_text(sign_authority(request, folder / "root.pem", folder / "root.key"))
    write_broker_files(centre.settings, centre.registry, import_authority(folder, chain))
    await reload(broker)

    async with connected(PresenceGateway(address)):
        pass


async def test_a_wrong_clock_is_told_before_anything_is_written(
    centre: EnrolmentCentre, tmp_path: Path
) -> None:
    """A board without a battery begins in 1970: the certificate would not be valid there."""
    box = make_box(tmp_path / "box")
    before = box.read_bytes()

    with pytest.raises(EnrolmentError) as caught:
        async for _ in enrol(centre.url, str(centre.code()), settings=box, wall_ms=lambda: 0):
            pass

    assert caught.value.reason is EnrolmentReason.CLOCK
    assert box.read_bytes() == before


async def test_another_server_is_told_from_no_server(tmp_path: Path, broker: Broker) -> None:
    """A port that is closed, and a port where something else answers."""
    box = make_box(tmp_path / "box")
    code = make_code(b"a root")

    for port, reason in (
        (free_port(), EnrolmentReason.UNREACHABLE),
        (broker.port, EnrolmentReason.NOT_ENROLMENT),
    ):
        with pytest.raises(EnrolmentError) as caught:
            await enrolled(f"https://127.0.0.1:{port}", code, box)
        assert caught.value.reason is reason


async def test_a_dry_run_leaves_code_and_box_alone(centre: EnrolmentCentre, tmp_path: Path) -> None:
    """It says whether code and centre fit."""
    box = make_box(tmp_path / "box")
    code = centre.code()

    steps = [step.name async for step in enrol(centre.url, str(code), settings=box, dry_run=True)]

    assert steps == ["code", "centre"]
    assert [path.name for path in box.parent.iterdir()] == ["gateway.toml"]
    assert centre.registry.sites()[0].code_state == "open"


async def test_the_commands_do_it(tmp_path: Path) -> None:
    """As people type them: an authority, a code, the box; and its check finds no fault."""
    console = tmp_path / "console.toml"
    console.write_text(
        f'[enrolment]\nfolder = "{tmp_path / "centre"}"\nnames = ["127.0.0.1"]\n'
        'address = "127.0.0.1"\nport = 0\n[enrolment.broker]\nhost = "localhost"\n'
    )
    run = partial(CliRunner().invoke, main, catch_exceptions=False)
    centre_options = ("--settings", str(console))
    assert run(["centre", "ca", "init", *centre_options]).exit_code == 0
    site = ("--site", SITE.id, "--name", SITE.name, "--province", "24")
    made = run(["centre", "enrol", *site, *centre_options])
    code = made.output.splitlines()[0]
    settings = load_enrolment_settings(console)
    box = make_box(tmp_path / "box")
    async with serving(
        EnrolmentCentre(settings, open_registry(settings), open_authority(settings))
    ) as url:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "enrol", url, code.lower(), "--settings", str(box)),
            stdout=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(HANG_S):
            said, _ = await process.communicate()

    assert process.returncode == 0
    assert "Đăng ký xong" in said.decode()
    assert check_files((box,), redactor=Redactor()).faults == ()
    assert "mã đã dùng" in run(["centre", "sites", *centre_options]).output


async def test_keys_and_secrets_of_the_centre_come_along(tmp_path: Path) -> None:
    """Where the installer's settings want them; nobody but root reads the secret."""
    keys, secret = tmp_path / "keys", tmp_path / "turn.secret"
    make_key(keys, "cfg-2026a")
    secret.write_text("s3cret\n")
    secret.chmod(0o600)
    centre = make_centre(
        tmp_path / "centre",
        trusted=keys,
        ice=[{"urls": ["turn:127.0.0.1:3478"], "shared_secret_file": secret}],
    )
    box = make_box(tmp_path / "box")
    box.write_text(box.read_text().replace('# keys = "trusted"', 'keys = "of-the-centre"'))
    async with serving(centre) as url:
        await enrolled(url, centre.code(), box)

    settings = load_settings(box)
    assert Keyring(box.parent / "of-the-centre").ids() == ("cfg-2026a",)
    assert settings.webrtc.ice[0].shared_secret is not None
    stored = box.parent / "secrets" / "turn"
    assert (stored.read_text(), stored.stat().st_mode & 0o777) == ("s3cret\n", 0o600)


async def test_the_set_up_page_enrols_by_the_same_way(
    centre: EnrolmentCentre, tmp_path: Path
) -> None:
    """An address without its scheme will do; what is wrong is said in Vietnamese."""
    box = BoxEnrolment(make_box(tmp_path / "box"))
    address, code = centre.url.removeprefix("https://"), str(centre.code())

    with pytest.raises(SetupMistake) as caught:
        await box.enrol(address, code[:-1] + ("2" if code[-1] == "1" else "1"))

    assert "nhóm 5" in caught.value.wording.vi
    assert await box.enrol(address, code) == SITE.name


async def test_half_a_request_holds_no_place(tmp_path: Path) -> None:
    """A body that does not come is given up: nobody fills the listener by being slow."""
    centre = make_centre(tmp_path / "centre")
    async with serving(centre, request_s=0.2) as url, asyncio.timeout(HANG_S):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            int(url.rpartition(":")[2]),
            ssl=trusting(centre.authority.root_pem),
            server_hostname=SERVER_NAME,
        )
        writer.write(
            f"POST {ENROL_PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{{".encode()
        )
        answer = await reader.readline()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 408 ")
