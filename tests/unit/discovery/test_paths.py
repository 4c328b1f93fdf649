"""Devices that tell nothing over HTTP: the paths of their makers' templates, one DESCRIBE each."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_network

from pydantic import SecretStr

from gateway.demo.rtsp_server import Recorder
from gateway.demo.scripted_recorder import ACCOUNT, Style, cameras_of
from gateway.discovery.causes import CauseCode
from gateway.discovery.discovery import Discovery
from gateway.discovery.found import FoundDevice
from gateway.rtsp.auth import Login

RIGHT = Login(ACCOUNT.username, ACCOUNT.password)


def recorder(style: Style, channels: int = 3) -> Recorder:
    return Recorder(cameras_of(style, range(1, channels + 1), ACCOUNT))


async def examine(device: Recorder, login: Login | None = RIGHT) -> FoundDevice:
    discovery = Discovery((ip_network("127.0.0.0/8"),), extra_ports=(device.port,))
    return await discovery.examine("127.0.0.1", login)


def asked(device: Recorder) -> Counter[str]:
    return sum((each.counts.requests for each in device.cameras), Counter[str]())


async def test_channels_are_found_by_the_template() -> None:
    """Until the first that is not there; the size is that of the parameter sets."""
    async with recorder("isapi") as device:
        told = await examine(device)

    main, sub = told.channels[0].streams
    assert (told.origin, told.family, told.kind) == ("template", "hikvision", "recorder")
    assert [each.number for each in told.channels] == [1, 2, 3]
    assert (main.codec, main.width, sub.width) == ("h264", 640, 320)
    assert main.url == f"rtsp://127.0.0.1:{device.port}/Streaming/Channels/101"


async def test_another_family_is_tried_with_one_request() -> None:
    """Over the connection that has logged in."""
    async with recorder("dahua", 1) as device:
        told = await examine(device)
        answered = device.cameras[0].counts.log

    assert (told.family, len(told.channels)) == ("dahua", 1)
    assert [code for method, code in answered if method == "DESCRIBE"] == [404, 401, 200, 404]


async def test_a_refused_login_ends_all_paths() -> None:
    """Whatever the number of channels and templates."""
    async with recorder("isapi") as device:
        told = await examine(device, Login(ACCOUNT.username, SecretStr("sai")))

    assert told.reason is not None
    assert told.reason.code is CauseCode.WRONG_LOGIN
    assert sum(each.counts.refused_logins for each in device.cameras) == 1
    assert asked(device)["DESCRIBE"] == 2


async def test_without_an_account_no_login_is_guessed() -> None:
    """The first path that asks for one ends the questions."""
    async with recorder("isapi") as device:
        told = await examine(device, None)

    assert told.reason is not None
    assert told.reason.code is CauseCode.NO_ACCOUNT
    assert sum(each.counts.authorizations for each in device.cameras) == 0
