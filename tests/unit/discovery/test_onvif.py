"""A device of somebody else's: ipycam's ONVIF service and its WS-Discovery."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network

import pytest
from ipycam.discovery import WSDiscoveryServer
from pydantic import SecretStr

from gateway.discovery.causes import CauseCode
from gateway.discovery.discovery import Discovery
from gateway.discovery.found import FoundDevice
from gateway.discovery.limits import DiscoveryLimits
from gateway.discovery.onvif import path_of
from gateway.rtsp.auth import Login
from tests.fixtures.onvif_device import MAIN_PATH, SUB_PATH, Device, onvif_device

USER, PASSWORD = "admin", "onvif-7"
LOOPBACK = (ip_network("127.0.0.0/8"),)


async def examine(port: int, password: str | None = PASSWORD) -> FoundDevice:
    login = None if password is None else Login(USER, SecretStr(password))
    return await Discovery(LOOPBACK, extra_ports=(port,)).examine("127.0.0.1", login)


async def test_an_onvif_device_tells_its_profiles() -> None:
    """Who made it, sizes and rates, and where the streams are."""
    with onvif_device(USER, PASSWORD) as (port, device):
        device.open_clock = True
        told = await examine(port)

    (channel,) = told.channels
    main, sub = channel.streams
    assert (told.reason, told.origin, told.kind, told.maker) == (
        None,
        "onvif",
        "camera",
        "PythonCam",
    )
    assert (main.url, sub.url) == (f"rtsp://127.0.0.1{MAIN_PATH}", f"rtsp://127.0.0.1{SUB_PATH}")
    assert (main.codec, main.width, sub.codec, sub.height) == ("h264", 1920, "h264", 360)
    assert told.clock_offset_s == pytest.approx(0, abs=30)


async def test_the_clock_is_asked_before_anybody_logs_in() -> None:
    """So that the login is of the device's own time."""
    with onvif_device(USER, PASSWORD) as (port, device):
        device.open_clock = True
        await examine(port)

    asked = device.asked
    assert asked[0] == "GetSystemDateAndTime"
    assert asked.index("GetSystemDateAndTime") < asked.index("GetDeviceInformation")


async def test_a_wrong_password_reaches_an_onvif_device_once() -> None:
    """It is told, and nothing more is asked."""
    with onvif_device(USER, PASSWORD) as (port, device):
        told = await examine(port, "sai")

    assert told.reason is not None
    assert told.reason.code is CauseCode.WRONG_LOGIN
    assert device.refused == 1


@contextmanager
def answering_probes(device: Device) -> Iterator[int]:
    """Have *device* answer WS-Discovery; yield the port."""
    server = type("Server", (WSDiscoveryServer,), {"MULTICAST_PORT": 0})(device)
    server.start()
    try:
        yield server.sock.getsockname()[1]
    finally:
        server.stop()
        server.join()


async def test_an_onvif_device_is_found_by_ws_discovery() -> None:
    """Its device service lies where its answer says."""
    with onvif_device(USER, PASSWORD) as (port, device), answering_probes(device) as ws_port:
        discovery = Discovery(
            (ip_network("127.0.0.1/32"),),
            extra_ports=(port,),
            limits=DiscoveryLimits(wait_s=0.5),
            ws_port=ws_port,
        )
        found = [
            each
            async for each in discovery.discover(
                accounts=lambda _: Login(USER, SecretStr(PASSWORD))
            )
            if isinstance(each, FoundDevice)
        ]

    assert [(each.address, each.origin, len(each.channels)) for each in found] == [
        ("127.0.0.1", "onvif", 1)
    ]


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("rtsp://192.0.0.64:554/a?b=1&c=2", "/a?b=1&c=2"),
        ("rtsp://admin:12345@10.0.0.1/a", "/a"),
        (
            "rtsp://10.0.0.1/user=admin&password=tl123&channel=1&stream=0.sdp?",
            "/user={username}&password={password}&channel=1&stream=0.sdp",
        ),
        (
            "rtsp://10.0.0.1/user=admin_password=tl123_channel=1_stream=0.sdp?real_stream",
            "/user={username}_password={password}_channel=1_stream=0.sdp?real_stream",
        ),
        ("rtsp://10.0.0.1/a b", None),
        ("rtsp://10.0.0.1/a\nb", "/ab"),
        ("rtsp://10.0.0.1", None),
        ("rtsp://[/a", None),
        (None, None),
    ],
)
def test_of_a_uri_the_path_is_taken_without_a_login(uri: str | None, path: str | None) -> None:
    """Wherever a device writes it."""
    assert path_of(uri) == path
