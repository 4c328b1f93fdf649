"""The set-up at work, against a recorder."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.config.check import check_files
from gateway.config.site_store import SiteStore
from gateway.demo.faults import Frozen
from gateway.demo.scripted_recorder import ACCOUNT as ADMIN
from gateway.demo.scripted_recorder import ScriptedRecorder
from gateway.discovery.causes import WORDING as CAUSES
from gateway.discovery.causes import CauseCode
from gateway.discovery.refused_logins import MOST, MOST_WITH_CAMERAS
from gateway.model.contacts import ContactConfig
from gateway.model.reasons import Reason
from gateway.model.site_document import CameraConfig, SiteConfig, StreamConfig
from gateway.model.survey import CentreSurvey, Survey
from gateway.model.wording import WORDING
from gateway.runtime.redact import Redactor
from gateway.setup.model import Choice, SetupMistake
from gateway.setup.service import SetupService
from tests.fixtures.camera import ACCOUNT, SMALL
from tests.fixtures.setup_page import RTSP_PORT, make_service, recorder, working, write_box

PASSWORD = ACCOUNT.password.get_secret_value()


def add(service: SetupService, host: str, channels: int, password: str = PASSWORD) -> None:
    service.add_device(
        host,
        port=RTSP_PORT,
        maker="hikvision",
        channels=channels,
        username=ACCOUNT.username,
        password=password,
    )


async def test_a_recorder_becomes_cameras_on_the_disk(tmp_path: Path) -> None:
    """Pictures, tests, password and document, by the checks that the service makes."""
    settings = write_box(tmp_path)
    async with (
        recorder(3, empty=frozenset({2})) as device,
        working(make_service(settings)) as service,
    ):
        add(service, device.host, 3)
        await service.wait()
        channels = service.setup.channels
        assert channels["nvr1.1"].picture.startswith(b"\xff\xd8")
        assert channels["nvr1.2"].trouble == WORDING[Reason.NOT_FOUND]

        service.choose([Choice("nvr1.1", "Quầy 1"), Choice("nvr1.3", "Quầy 3", "Tầng 2")])
        await service.wait()
        tested = channels["nvr1.3"].tests
        assert [(each.profile, each.ok, each.wording) for each in tested] == [
            ("main", True, None),
            ("sub", True, None),
        ]
        assert tested[0].measured.startswith("H.264 · 320×180 · 25 fps · GOP 0.4 s")

        service.save()

    secret = tmp_path / "secrets" / "camera" / f"nvr1@{device.host}"
    assert secret.read_text() == PASSWORD + "\n"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    checked = check_files((settings,), redactor=Redactor())
    assert checked.faults == ()
    assert checked.site is not None
    assert [each.id for each in checked.site.cameras] == ["quay1", "quay3"]
    assert PASSWORD not in (tmp_path / "state" / "site.json").read_text()


async def test_a_picture_that_stands_still_is_warned_of(tmp_path: Path) -> None:
    """The stream works, and yet nobody would see what happens."""
    async with recorder(1, empty=frozenset(), large=replace(SMALL, gop_s=0.6)) as device:
        device.cameras[0].fault = Frozen()
        async with working(make_service(write_box(tmp_path))) as service:
            add(service, device.host, 1)
            await service.wait()
            service.choose([Choice("nvr1.1", "Quầy 1")])
            await service.wait()
            main, sub = service.setup.channels["nvr1.1"].tests

    assert (main.ok, main.wording) == (True, WORDING[Reason.PICTURE_FROZEN])
    assert (sub.ok, sub.wording) == (True, None)


async def test_a_wrong_password_is_sent_once_however_many_channels(tmp_path: Path) -> None:
    """Nobody is locked out: the first channel asks, the others learn from it."""
    async with recorder(8, empty=frozenset()) as device:
        async with working(make_service(write_box(tmp_path))) as service:
            add(service, device.host, 8, "wrong-password")
            await service.wait()

            troubles = {each.trouble for each in service.setup.channels.values()}
        refused = sum(each.counts.refused_logins for each in device.cameras)

    assert troubles == {WORDING[Reason.AUTH_FAILED]}
    assert refused == 1


async def test_a_login_is_tried_three_times_and_then_left_alone(tmp_path: Path) -> None:
    """Makers lock an account after five to seven."""
    async with recorder(1, empty=frozenset()) as device:
        async with working(make_service(write_box(tmp_path))) as service:
            for _ in range(MOST):
                add(service, device.host, 1, "wrong-password")
                await service.wait()

            with pytest.raises(SetupMistake):
                add(service, device.host, 1, "wrong-password")
        refused = sum(each.counts.refused_logins for each in device.cameras)

    assert refused == MOST


async def test_where_cameras_are_pulled_from_a_login_is_tried_once(tmp_path: Path) -> None:
    """The gateway that runs beside the set-up may have been refused three times itself."""
    async with recorder(1, empty=frozenset()) as device:
        url = f"rtsp://{device.host}:{RTSP_PORT}/Streaming/Channels/101"
        camera = CameraConfig(id="quay1", name="Quầy 1", streams=(StreamConfig(url=url),))
        settings = write_box(tmp_path)
        SiteStore(tmp_path / "state").save(SiteConfig(version=1, cameras=(camera,)))
        async with working(make_service(settings)) as service:
            add(service, device.host, 1, "wrong-password")
            await service.wait()

            with pytest.raises(SetupMistake):
                add(service, device.host, 1, "wrong-password")
        refused = sum(each.counts.refused_logins for each in device.cameras)

    assert refused == MOST_WITH_CAMERAS


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("10.9.9.9", "không thuộc dải mạng camera"),
        ("dau-ghi", "phải là địa chỉ IP"),
        ("127.0.0.1/x", "phải là địa chỉ IP"),
    ],
)
async def test_nothing_outside_the_camera_networks_is_asked(
    tmp_path: Path, host: str, said: str
) -> None:
    """By the settings of the box; names could lead anywhere."""
    service = make_service(write_box(tmp_path))

    with pytest.raises(SetupMistake) as refused:
        add(service, host, 1)

    assert said in refused.value.wording.vi
    assert service.setup.channels == {}


async def test_the_network_of_the_box_itself_is_offered(tmp_path: Path) -> None:
    """Most cameras are there; it is opened when the person says so, and no other can be."""
    own = (ip_network("192.168.50.0/24"), ip_network("127.0.9.0/24"))
    service = make_service(write_box(tmp_path), machine_networks=own)
    assert service.own_networks == own[:1]

    with pytest.raises(SetupMistake):
        service.add_network("192.168.51.0/24")
    service.add_network("192.168.50.0/24")

    assert service.networks == ("127.0.0.0/8", "192.168.50.0/24")
    assert not service.own_networks


async def test_a_box_that_was_enrolled_by_command_begins_with_its_recorder(tmp_path: Path) -> None:
    """Nobody is asked for a code that is used up; the site is called as the centre calls it."""
    settings = write_box(tmp_path)
    text = settings.read_text().replace('"24"', '"24"\nname = "Một cửa Bắc Ninh"')
    settings.write_text(text + '[enrolment]\nurl = "https://10.1.2.3:8443"\n')

    setup = make_service(settings).setup

    assert (setup.step, setup.enrolled) == ("account", "Một cửa Bắc Ninh")
    assert setup.site_name == "Một cửa Bắc Ninh"


async def test_one_thing_is_done_at_a_time(tmp_path: Path) -> None:
    """Who is impatient is told to wait."""
    service = make_service(write_box(tmp_path))
    add(service, "127.0.0.9", 1)

    with pytest.raises(SetupMistake) as refused:
        service.look()

    assert "hãy chờ" in refused.value.wording.vi


async def test_what_was_declared_goes_into_document_and_people_into_their_own_file(
    tmp_path: Path,
) -> None:
    """Contacts are personal: never in the document, readable by its owner only."""
    settings = write_box(tmp_path)
    async with recorder(1, empty=frozenset()) as device:
        async with working(make_service(settings)) as service:
            add(service, device.host, 1)
            await service.wait()
            service.choose([Choice("nvr1.1", "Quầy 1")])
            await service.wait()
            service.save()

        survey = Survey(centre=CentreSurvey(name="Trung tâm PVHCC"))
        service.declare(survey, [ContactConfig(name="Nguyễn Văn An", phone="0912 345 678")])

    document = (tmp_path / "state" / "site.json").read_text()
    contacts = tmp_path / "state" / "contacts.json"
    assert json.loads(document)["inventory"]["centre"]["name"] == "Trung tâm PVHCC"
    assert "Nguyễn" not in document
    assert "Nguyễn Văn An" in contacts.read_text()
    assert stat.S_IMODE(contacts.stat().st_mode) == 0o600


async def test_a_device_that_tells_what_it_has_needs_its_address_and_account_only(
    tmp_path: Path,
) -> None:
    """Model, names and empty inputs come from the recorder; it gets one login for them."""
    async with ScriptedRecorder(
        channels=3, unplugged=(2,), names={1: "Quầy 1"}, video=True
    ) as device:
        settings = write_box(tmp_path, device.ports)
        async with working(make_service(settings)) as service:
            service.add_device(
                device.host,
                username=ADMIN.username,
                password=ADMIN.password.get_secret_value(),
            )
            await service.wait()

    channels = service.setup.channels
    assert service.setup.devices["nvr1"].model == "DS-7216HQHI-K1"
    assert channels["nvr1.1"].found.name == "Quầy 1"
    assert channels["nvr1.1"].picture
    assert channels["nvr1.2"].trouble == WORDING[Reason.NO_SIGNAL]
    assert (device.counts.logins, device.counts.refused) == (1, 0)


async def test_what_a_device_refuses_is_said_and_asked_once(tmp_path: Path) -> None:
    """A wrong password at its interface is not tried again at its streams."""
    async with ScriptedRecorder(channels=3, video=True) as device:
        async with working(make_service(write_box(tmp_path, device.ports))) as service:
            service.add_device(device.host, username=ADMIN.username, password="wrong-password")
            await service.wait()
        assert device.rtsp is not None
        refused = sum(each.counts.refused_logins for each in device.rtsp.cameras)

    assert service.notice == CAUSES[CauseCode.WRONG_LOGIN]
    assert (service.setup.channels, device.counts.refused, refused) == ({}, 1, 0)
