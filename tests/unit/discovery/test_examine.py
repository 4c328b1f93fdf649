"""One device, given by its address: what it has, who it is, or why it does not tell."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from pydantic import SecretStr

from gateway.demo.scripted_recorder import ACCOUNT, ScriptedRecorder
from gateway.discovery.causes import CauseCode
from gateway.discovery.discovery import Discovery
from gateway.discovery.found import FoundDevice
from gateway.discovery.limits import DiscoveryLimits
from gateway.rtsp.auth import Login

LOOPBACK = (ip_network("127.0.0.0/8"),)
LOGIN = Login(ACCOUNT.username, ACCOUNT.password)
WRONG = Login(ACCOUNT.username, SecretStr("sai-mat-khau"))
NAMES = {1: "Quầy 1 – Tiếp nhận hồ sơ", 16: "Sảnh chờ"}


async def examine(
    recorder: ScriptedRecorder, login: Login | None = LOGIN, device_s: float = 60.0
) -> FoundDevice:
    """Return what *recorder* tells."""
    limits = DiscoveryLimits(device_s=device_s)
    discovery = Discovery(LOOPBACK, extra_ports=recorder.ports, limits=limits)
    return await discovery.examine(recorder.host, login)


def code_of(device: FoundDevice) -> CauseCode | None:
    return None if device.reason is None else device.reason.code


async def test_hikvision_tells_its_channels_by_isapi() -> None:
    """Sixteen, with names in Vietnamese, codecs, sizes and rates as they are set."""
    async with ScriptedRecorder("isapi", names=NAMES) as recorder:
        told = await examine(recorder)

    first = told.channels[0]
    main, sub = first.streams
    assert (told.reason, told.origin, told.kind) == (None, "isapi", "recorder")
    assert (told.maker, told.model, told.family) == ("Hikvision", "DS-7216HQHI-K1", "hikvision")
    assert (told.mac, told.firmware) == ("44:19:b6:00:00:01", "V4.30.085 build 210312")
    assert [each.number for each in told.channels] == list(range(1, 17))
    assert (first.name, told.channels[15].name) == (NAMES[1], NAMES[16])
    assert (main.codec, main.width, main.height, main.fps) == ("h265", 1920, 1080, 25.0)
    assert (sub.codec, sub.kbps, sub.gop, sub.smart_codec) == ("h264", 512, 50, True)
    assert sub.url == "rtsp://127.0.0.1/Streaming/Channels/102"


async def test_analog_inputs_without_a_camera_are_told_from_live_ones() -> None:
    """By ``resDesc`` of ISAPI and by the event ``VideoLoss`` of Dahua's CGI."""
    for style in ("isapi", "dahua"):
        async with ScriptedRecorder(style, unplugged=(5, 12)) as recorder:
            told = await examine(recorder)

        lost = [each.number for each in told.channels if each.signal == "no_signal"]
        live = [each.number for each in told.channels if each.signal == "live"]
        assert (lost, len(live)) == ([5, 12], 14)


async def test_ip_channels_of_a_recorder_tell_name_and_state() -> None:
    """By ISAPI's InputProxy; a state of a channel that is not listed counts for nothing."""
    proxies = "/ISAPI/ContentMgmt/InputProxy/channels"
    listed = "".join(
        f"<InputProxyChannel><id>{number}</id><name>Quầy {number}</name></InputProxyChannel>"
        for number in (1, 2, 3)
    )
    states = "".join(
        f"<InputProxyChannelStatus><id>{number}</id><online>{online}</online>"
        "</InputProxyChannelStatus>"
        for number, online in ((1, "true"), (2, "false"), (9, "true"))
    )
    answers = {
        proxies: f"<InputProxyChannelList>{listed}</InputProxyChannelList>".encode(),
        f"{proxies}/status": f"<List>{states}</List>".encode(),
    }
    async with ScriptedRecorder("isapi", channels=3, answers=answers) as recorder:
        told = await examine(recorder)

    assert [(each.number, each.name, each.signal) for each in told.channels] == [
        (1, "Quầy 1", "live"),
        (2, "Quầy 2", "no_signal"),
        (3, "Quầy 3", "unknown"),
    ]
    assert (recorder.counts.logins, told.reason) == (1, None)


async def test_dahua_tells_its_channels_by_cgi() -> None:
    """Also as KBVision, whose recorders it makes."""
    async with ScriptedRecorder("dahua", names=NAMES) as recorder:
        told = await examine(recorder)

    main, sub = told.channels[0].streams
    assert (told.reason, told.origin, told.kind) == (None, "dahua", "recorder")
    assert (told.maker, told.model, told.family) == ("Dahua", "DH-XVR5116HS-I3", "dahua")
    assert (len(told.channels), told.channels[0].name) == (16, NAMES[1])
    assert (main.codec, main.width, sub.height, sub.fps) == ("h265", 1920, 576, 25.0)
    assert sub.url == "rtsp://127.0.0.1/cam/realmonitor?channel=1&subtype=1"


@pytest.mark.parametrize("style", ["isapi", "dahua"])
async def test_a_device_gets_one_login(style: str) -> None:
    """Whatever the number of its channels: one challenge is answered, for all requests."""
    async with ScriptedRecorder(style) as recorder:  # type: ignore[arg-type]
        await examine(recorder)

    assert (recorder.counts.logins, recorder.counts.refused) == (1, 0)


@pytest.mark.parametrize("style", ["isapi", "dahua"])
async def test_a_wrong_password_is_tried_once(style: str) -> None:
    """Then the device is left alone, so that it does not lock the account."""
    async with ScriptedRecorder(style) as recorder:  # type: ignore[arg-type]
        told = await examine(recorder, WRONG)

    assert (code_of(told), recorder.counts.refused) == (CauseCode.WRONG_LOGIN, 1)


async def test_without_an_account_nobody_logs_in() -> None:
    """The device is named by what it shows, and by its cause."""
    async with ScriptedRecorder("isapi") as recorder:
        told = await examine(recorder, None)

    assert (code_of(told), recorder.counts.logins) == (CauseCode.NO_ACCOUNT, 0)
    assert (told.maker, told.origin) == ("Hikvision", "banner")


async def test_a_locked_account_is_told_as_such() -> None:
    """Not as a wrong password: waiting helps."""
    async with ScriptedRecorder("isapi") as recorder:
        recorder.counts.refused = 5
        told = await examine(recorder)

    assert (code_of(told), recorder.counts.refused) == (CauseCode.LOCKED, 5)


async def test_a_device_that_never_answers_is_given_up() -> None:
    """After the time of one device, whatever it has accepted."""
    async with ScriptedRecorder("isapi", silent=True) as recorder:
        told = await examine(recorder, device_s=0.3)

    assert code_of(told) is CauseCode.SLOW


async def test_a_redirect_is_not_followed() -> None:
    """Another host inside the camera networks gets no login either."""
    async with ScriptedRecorder("isapi", host="127.0.0.2") as other:
        elsewhere = f"http://127.0.0.2:{other.http_port}/ISAPI/System/deviceInfo"
        async with ScriptedRecorder("isapi", redirect=elsewhere) as recorder:
            told = await examine(recorder)

    assert (code_of(told), other.counts.requests) == (CauseCode.REDIRECTS, [])


async def test_a_clock_in_the_time_zone_of_the_factory_is_an_hour_ahead() -> None:
    """By the time that it shows, which is the one in the pictures."""
    for style in ("isapi", "dahua"):
        async with ScriptedRecorder(style, zone_h=8) as recorder:
            told = await examine(recorder)

        assert told.clock_offset_s == pytest.approx(3600, abs=30)


async def test_an_address_outside_the_camera_networks_is_never_asked() -> None:
    """Nobody connects to it."""
    async with ScriptedRecorder("isapi") as recorder:
        discovery = Discovery((ip_network("127.0.1.0/24"),), extra_ports=recorder.ports)
        told = await discovery.examine("127.0.0.1", LOGIN)

    assert (code_of(told), recorder.counts.requests) == (CauseCode.OUTSIDE, [])


async def test_an_address_where_nothing_listens_is_not_reached() -> None:
    """With the advice to look at power, cable and ports."""
    told = await Discovery(LOOPBACK).examine("127.0.0.3", LOGIN)

    assert code_of(told) is CauseCode.UNREACHABLE


BOMB = (
    b'<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><DeviceInfo>&b;</DeviceInfo>'
)
DEEP = b"<DeviceInfo>" + b"<a>" * 100_000
INFO = "/ISAPI/System/deviceInfo"
STREAMS = "/ISAPI/Streaming/channels"


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        (INFO, BOMB, CauseCode.HOSTILE),
        (INFO, DEEP, CauseCode.HOSTILE),
        (STREAMS, BOMB, CauseCode.HOSTILE),
        (STREAMS, b"<a>" * 1000 + b"</a>" * 1000, CauseCode.HOSTILE),
        (STREAMS, b"<l>" + b"<a/>" * 100_000 + b"</l>", CauseCode.HOSTILE),
        (STREAMS, b"x" * 5_000_000, CauseCode.BROKEN),
        (INFO, b"<html>login</html>", CauseCode.BROKEN),
    ],
    ids=["entities", "deep", "entities later", "deep later", "many", "5 MB", "another page"],
)
async def test_hostile_answers_are_bounded_and_named(
    path: str, body: bytes, code: CauseCode
) -> None:
    """Entities, a DTD, depth, number and length; the device is known all the same."""
    async with ScriptedRecorder("isapi", answers={path: body}) as recorder:
        told = await examine(recorder)

    assert (code_of(told), told.maker) == (code, "Hikvision")


async def test_an_answer_without_end_is_cut_off() -> None:
    """No more than the bound is read of it, and what lies in sockets."""
    async with ScriptedRecorder("isapi", answers={STREAMS: None}) as recorder:
        told = await examine(recorder)

    assert code_of(told) is CauseCode.BROKEN
    assert recorder.counts.sent_bytes < 20_000_000
