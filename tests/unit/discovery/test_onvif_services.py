"""An encoder with four inputs, built from ONVIF's own WSDL files: Media2, HTTP Digest."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from pydantic import SecretStr

from gateway.demo.auth import Account, Scheme
from gateway.discovery.causes import CauseCode
from gateway.discovery.discovery import Discovery
from gateway.discovery.found import FoundDevice
from gateway.rtsp.auth import Login
from tests.fixtures.onvif_schema_device import (
    DEVICE,
    MEDIA,
    MEDIA2,
    RECORDING,
    Profile,
    SchemaDevice,
    four_inputs,
    serve,
)

ACCOUNT = Account("admin", SecretStr("so-7-onvif"), realm="AXIS_ACCC8E000001")
BOTH = (DEVICE, MEDIA, MEDIA2)


async def ask(device: SchemaDevice, password: str | None = None) -> FoundDevice:
    """Return what *device* tells whoever logs in with *password*, by default the right one."""
    secret = ACCOUNT.password if password is None else SecretStr(password)
    async with serve(device):
        discovery = Discovery((ip_network("127.0.0.0/8"),), extra_ports=(device.port,))
        return await discovery.examine("127.0.0.1", Login(ACCOUNT.username, secret))


@pytest.mark.parametrize("services", [BOTH, (DEVICE, MEDIA2)], ids=["beside Media", "alone"])
async def test_media2_tells_the_streams_of_each_input(services: tuple[str, ...]) -> None:
    """Four inputs with their names; H.265, for which Media has no word; sizes and rates."""
    device = SchemaDevice(ACCOUNT, services=services)
    told = await ask(device)

    assert (told.reason, told.origin, told.kind, told.maker) == (None, "onvif", "encoder", "Axis")
    assert [(each.number, each.name) for each in told.channels] == [
        (n, f"Quầy {n}") for n in range(1, 5)
    ]
    for number, channel in enumerate(told.channels, 1):
        main, sub = channel.streams
        assert main.url == f"rtsp://127.0.0.1/main_{number}"
        assert sub.url == f"rtsp://127.0.0.1/sub_{number}"
        assert channel.picture_url == f"http://127.0.0.1:{device.port}/picture/main_{number}"
        assert (main.codec, main.width, main.height) == ("h265", 1920, 1080)
        assert (sub.codec, sub.fps, sub.kbps, sub.gop) == ("h264", 25.0, 2048, 50)
    assert device.counts["invalid"] == 0


async def test_media_is_asked_where_there_is_no_media2() -> None:
    """An H.265 stream has no codec there: it is left open, not guessed."""
    device = SchemaDevice(ACCOUNT, services=(DEVICE, MEDIA))
    told = await ask(device)

    streams = [stream for channel in told.channels for stream in channel.streams]
    assert (told.reason, len(told.channels), len(streams)) == (None, 4, 8)
    assert {(each.profile, each.codec, each.gop) for each in streams} == {
        ("sub", None, None),
        ("main", "h264", 50),
    }
    assert device.counts["invalid"] == 0


async def test_a_media2_that_does_not_work_is_passed_over() -> None:
    """Firmware names it and answers its first question with a fault."""
    device = SchemaDevice(ACCOUNT, services=BOTH, broken=((MEDIA2, "GetProfiles"),))
    told = await ask(device)

    assert (told.reason, len(told.channels)) == (None, 4)
    assert (MEDIA, "GetProfiles") in device.asked


async def test_who_stores_pictures_is_a_recorder() -> None:
    """By the services that it names."""
    told = await ask(SchemaDevice(ACCOUNT, services=(*BOTH, RECORDING)))

    assert told.kind == "recorder"


@pytest.mark.parametrize("services", [BOTH, (DEVICE, MEDIA)], ids=["Media2", "Media"])
async def test_a_profile_of_sound_alone_is_no_channel(services: tuple[str, ...]) -> None:
    """Though it has a source, too."""
    profiles = (Profile("sound", ""), *four_inputs())
    told = await ask(SchemaDevice(ACCOUNT, profiles, services))

    assert [each.name for each in told.channels] == ["Quầy 1", "Quầy 2", "Quầy 3", "Quầy 4"]


@pytest.mark.parametrize(
    ("schemes", "qop"),
    [(("MD5",), True), (("MD5",), False), (("SHA-256", "MD5"), True)],
    ids=["RFC 2617", "RFC 2069", "RFC 7616"],
)
async def test_digest_over_http_is_one_login(schemes: tuple[Scheme, ...], *, qop: bool) -> None:
    """For all services and operations; none of it in the message."""
    account = Account(ACCOUNT.username, ACCOUNT.password, schemes, ACCOUNT.realm, qop)
    device = SchemaDevice(account)
    told = await ask(device)

    assert (told.reason, len(told.channels)) == (None, 4)
    assert (device.counts["challenges"], device.counts["refused"]) == (1, 0)


async def test_a_nonce_for_one_request_is_no_refusal() -> None:
    """Each 401 with ``stale=true`` is answered by the same login with the new nonce."""
    account = Account(ACCOUNT.username, ACCOUNT.password, nonce_uses=1)
    device = SchemaDevice(account)
    told = await ask(device)

    assert (told.reason, len(told.channels), device.counts["refused"]) == (None, 4, 0)


async def test_a_wrong_password_by_digest_is_sent_once() -> None:
    """Neither again over HTTP nor in a message."""
    device = SchemaDevice(ACCOUNT)
    told = await ask(device, "sai-mat-khau")

    assert told.reason is not None
    assert (told.reason.code, device.counts["refused"]) == (CauseCode.WRONG_LOGIN, 1)
