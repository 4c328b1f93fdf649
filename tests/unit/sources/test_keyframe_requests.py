"""Asking a camera for a keyframe: ONVIF by a device that is not ours, ISAPI, and refusals."""

from __future__ import annotations

import base64
import hashlib
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from gateway.model.errors import ConfigRejected, GatewayError, PermanentError
from gateway.model.reasons import Reason
from gateway.model.site_document import CameraConfig, StreamConfig
from gateway.rtsp.login import Account
from gateway.rtsp.login_limiter import MAX_ATTEMPTS, LoginLimiter
from gateway.rtsp.messages import Headers, Response
from gateway.runtime.clock import SystemClock, now_ms
from gateway.sources.camera_access import CameraAccess
from gateway.sources.http_client import MOST_ANSWER_BYTES, HttpClient
from gateway.sources.keyframe_requests import (
    KeyframeRequest,
    devices_of,
    keyframe_request,
    keyframe_url,
)
from gateway.sources.onvif import MEDIA2, is_same_stream, parse_answer
from gateway.sources.registry import url_policy
from tests.fixtures.http_camera import PASSWORD, USER, digest, http_camera
from tests.fixtures.onvif_device import MAIN_PATH, SUB_PATH, onvif_device

CLOCK = SystemClock()
SOAP = "application/soap+xml"


def request(
    port: int,
    protocol: str,
    *,
    path: str = MAIN_PATH,
    at: str = "/onvif/device_service",
    password: str | None = PASSWORD,
    token: str | None = None,
    limiter: LoginLimiter | None = None,
) -> KeyframeRequest:
    """Return a request of the stream at *path* to the server at *port*."""
    stream = StreamConfig.model_validate(
        {
            "url": f"rtsp://127.0.0.1:554{path}",
            "keyframe_requests": protocol,
            "keyframe_url": f"http://127.0.0.1:{port}{at}",
            "keyframe_token": token,
        }
    )
    user = None if password is None else USER
    camera = CameraConfig(id="c1", name="c", username=user, streams=(stream,))
    access = CameraAccess(
        camera,
        keyframe_url(stream),
        password=None if password is None else SecretStr(password),
        policy=url_policy((ip_network("127.0.0.0/8"),), (port,), opened=("http",)),
        login_limiter=limiter or LoginLimiter(CLOCK),
    )
    return keyframe_request(access, stream, CLOCK)


async def refusal(asked: KeyframeRequest) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await asked.ask()
    return caught.value


@pytest.mark.parametrize(
    ("path", "token"), [(MAIN_PATH, "Profile_Main"), (SUB_PATH, "Profile_Sub")]
)
async def test_a_foreign_onvif_device_is_asked_for_the_profile_of_the_stream(
    path: str, token: str
) -> None:
    """It checks the token of WS-Security itself; which profile it is, the path tells."""
    tokens: list[str] = []
    with onvif_device(USER, PASSWORD, tokens.append) as (port, _):
        await request(port, "onvif", path=path).ask()

    assert tokens == [token]


async def test_the_profile_is_looked_for_once() -> None:
    """From then on each request is one operation, as the device sees it."""
    with onvif_device(USER, PASSWORD) as (port, device):
        asked = request(port, "onvif")
        await asked.ask()
        device.asked.clear()
        await asked.ask()

    assert device.asked == ["SetSynchronizationPoint"]


async def test_a_configured_token_is_taken_as_it_is() -> None:
    """For devices whose streams have other paths than ONVIF says."""
    tokens: list[str] = []
    with onvif_device("", "", tokens.append) as (port, device):
        await request(port, "onvif", path="/elsewhere", token="p<7>").ask()

    assert tokens == ["p&lt;7&gt;"]  # as it stands in the XML, which that device does not parse
    assert device.asked == ["GetServices", "SetSynchronizationPoint", "GetSystemDateAndTime"]


async def test_a_stream_that_no_profile_has_is_named() -> None:
    """With what to do about it."""
    with onvif_device(USER, PASSWORD) as (port, _):
        error = await refusal(request(port, "onvif", path="/other"))

    assert error.reason is Reason.NOT_FOUND
    assert "keyframe_token" in error.detail


async def test_a_wrong_password_counts_with_those_of_rtsp_at_the_device() -> None:
    """One login per device: who asks for keyframes does not lock the camera by it."""
    limiter = LoginLimiter(CLOCK)
    with onvif_device(USER, "another") as (port, device):
        errors = [
            await refusal(request(port, "onvif", limiter=limiter)) for _ in range(MAX_ATTEMPTS + 1)
        ]

    assert {error.reason for error in errors} == {Reason.AUTH_FAILED}
    assert "not trying" in errors[-1].detail
    assert device.asked == []


def soap(body: str) -> web.Response:
    envelope = f'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>{body}'
    return web.Response(text=f"{envelope}</s:Body></s:Envelope>", content_type=SOAP)


def unauthorised() -> web.Response:
    code = "<s:Value>s:Sender</s:Value><s:Subcode><s:Value>ter:NotAuthorized</s:Value></s:Subcode>"
    response = soap(f"<s:Fault><s:Code>{code}</s:Code></s:Fault>")
    response.set_status(400)
    return response


def field(body: str, name: str) -> str:
    found = re.search(rf"<{name}\b[^>]*>([^<]*)</{name}>", body)
    return found[1] if found else ""


class Media2Device:
    """A device of Profile T with a clock of its own, which takes tokens of its own time only."""

    def __init__(self, ahead: timedelta) -> None:
        self.ahead = ahead
        self.keyframes = 0
        self.tokens: set[str] = set()
        self.told: list[float] = []

    def now(self) -> datetime:
        return datetime.fromtimestamp(now_ms() / 1000, UTC) + self.ahead

    async def handle(self, asked: web.Request) -> web.Response:
        body = await asked.text()
        if "GetSystemDateAndTime" in body:
            now = self.now()
            self.told.append(now.replace(microsecond=0).timestamp())
            return soap(
                f"<R><UTCDateTime><Time><Hour>{now.hour}</Hour><Minute>{now.minute}</Minute>"
                f"<Second>{now.second}</Second></Time><Date><Year>{now.year}</Year>"
                f"<Month>{now.month}</Month><Day>{now.day}</Day></Date></UTCDateTime></R>"
            )
        if not self._is_right(body):
            return unauthorised()
        if "GetServices" in body:
            inner = f"<Namespace>{MEDIA2}</Namespace><XAddr>http://8.8.8.8/onvif/media2</XAddr>"
            return soap(f"<R><Service>{inner}</Service></R>")
        assert asked.path == "/onvif/media2"
        if "GetProfiles" in body:
            return soap('<R><Profiles token="a"/><Profiles token="b"/></R>')
        if "GetStreamUri" in body:
            name = "101" if field(body, "ProfileToken") == "b" else "102"
            return soap(
                f"<R><Uri>rtsp://8.8.8.8/Streaming/Channels/{name}?transportmode=unicast</Uri></R>"
            )
        self.keyframes += field(body, "ProfileToken") == "b"
        return soap("<R/>")

    def _is_right(self, body: str) -> bool:
        nonce, created = base64.b64decode(field(body, "Nonce")), field(body, "Created")
        if not created or created in self.tokens:
            return False
        right = hashlib.sha1(nonce + created.encode() + PASSWORD.encode()).digest()
        at = datetime.strptime(created, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        fresh = abs(at - self.now()) < timedelta(seconds=60)
        return fresh and field(body, "Password") == base64.b64encode(right).decode()


@pytest.mark.parametrize("days", [0, 1000, -9000])
async def test_a_device_whose_clock_is_wrong_is_asked_in_its_own_time(days: int) -> None:
    """It refuses tokens of another; of the addresses that it names only the path is followed."""
    device = Media2Device(timedelta(days=days))
    async with http_camera(device.handle) as port:
        await request(port, "onvif", path="/Streaming/Channels/101").ask()

    assert device.keyframes == 1


@pytest.mark.parametrize("ahead", [timedelta(), timedelta(hours=7)])
async def test_a_device_that_is_asked_tells_its_time(ahead: timedelta) -> None:
    """To the second, by the way."""
    device = Media2Device(ahead)
    async with http_camera(device.handle) as port:
        asked = request(port, "onvif", path="/Streaming/Channels/101")
        await asked.ask()

    assert asked.clock_reading is not None
    assert asked.clock_reading.unix_s == device.told[-1]


@pytest.mark.parametrize("year", [1, 9999])
async def test_a_device_in_no_possible_year_is_asked_in_our_time(year: int) -> None:
    """Time that goes on from the last second of a calendar would be an error of ours."""
    created: list[str] = []

    async def handle(asked: web.Request) -> web.Response:
        body = await asked.text()
        if "GetSystemDateAndTime" in body:
            return soap(
                "<R><UTCDateTime><Time><Hour>23</Hour><Minute>59</Minute><Second>59</Second></Time>"
                f"<Date><Year>{year}</Year><Month>12</Month><Day>31</Day></Date></UTCDateTime></R>"
            )
        created.append(field(body, "Created"))
        return unauthorised()

    async with http_camera(handle) as port:
        await refusal(request(port, "onvif"))

    ours = datetime.fromtimestamp(now_ms() / 1000, UTC)
    theirs = datetime.strptime(created[-1], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert abs(theirs - ours) < timedelta(days=1)


@pytest.mark.parametrize(
    ("device", "counted"), [(None, {"10.0.0.1", "10.0.0.9"}), ("recorder", {"recorder"})]
)
def test_logins_are_counted_anew_wherever_a_changed_camera_is_asked(
    device: str | None, counted: set[str]
) -> None:
    """Also where only keyframes are asked for: else the old password locks out the new one."""
    stream = StreamConfig.model_validate(
        {
            "url": "rtsp://10.0.0.1/a",
            "keyframe_requests": "onvif",
            "keyframe_url": "http://10.0.0.9/onvif/device_service",
        }
    )
    camera = CameraConfig(id="c1", name="c", device=device, streams=(stream,))

    assert devices_of(camera) == counted


async def test_a_device_that_asks_for_http_digest_gets_it() -> None:
    """And no token besides."""
    device = Media2Device(timedelta())
    bodies: list[str] = []

    async def handle(asked: web.Request) -> web.StreamResponse:
        bodies.append(await asked.text())
        if "GetServices" in bodies[-1]:
            inner = f"<Namespace>{MEDIA2}</Namespace><XAddr>http://x/onvif/media2</XAddr>"
            return soap(f"<R><Service>{inner}</Service></R>")
        device.keyframes += "SetSynchronizationPoint" in bodies[-1]
        return soap("<R/>")

    seen: list[str] = []
    async with http_camera(digest(handle, seen)) as port:
        await request(port, "onvif", token="b").ask()

    assert device.keyframes == 1
    assert "UsernameToken" not in "".join(bodies)


async def test_a_hikvision_camera_is_asked_by_isapi() -> None:
    """PUT without a body, by Digest."""
    asked: list[tuple[str, str, bytes]] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        asked.append((request.method, request.raw_path, await request.read()))
        return web.Response(text="<ResponseStatus><statusCode>1</statusCode></ResponseStatus>")

    at = "/ISAPI/Streaming/channels/101/requestKeyFrame"
    async with http_camera(digest(handle, [])) as port:
        await request(port, "isapi", at=at).ask()

    assert asked == [("PUT", at, b"")]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (web.Response(status=404), Reason.NOT_FOUND),
        (web.Response(status=403), Reason.LOGIN_FORBIDDEN),
        (web.Response(status=503), Reason.BUSY_SESSIONS),
        (
            web.Response(status=307, headers={"Location": "http://8.8.8.8/"}),
            Reason.REDIRECT_REFUSED,
        ),
    ],
)
async def test_what_a_camera_answers_instead_is_told(answer: web.Response, reason: Reason) -> None:
    """By the reason that it would be over RTSP."""

    async def handle(_: web.Request) -> web.StreamResponse:
        return answer

    async with http_camera(handle) as port:
        error = await refusal(request(port, "isapi"))

    assert error.reason is reason


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>'


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"x" * (MOST_ANSWER_BYTES + 1), Reason.CORRUPT),
        (BOMB.encode(), Reason.ABUSIVE),
        (b"<a>" * 60_000, Reason.ABUSIVE),
        (b"<a>" * 30_000 + b"</a>" * 30_000, Reason.ABUSIVE),
        (b"\xff\xfe\x00", Reason.CORRUPT),
        (b'<?xml version="1.0" encoding="nonsense"?><a/>', Reason.CORRUPT),
        (b"", Reason.CORRUPT),
        (b"<html><body>login</body></html>", Reason.NOT_FOUND),
    ],
)
async def test_what_a_hostile_device_answers_is_bounded_and_refused(
    body: bytes, reason: Reason
) -> None:
    """Neither entities nor a DTD, no more than `MOST_ANSWER_BYTES`, not nested deeply."""

    async def handle(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type=SOAP)

    async with http_camera(handle) as port:
        error = await refusal(request(port, "onvif", password=None))

    assert error.reason is reason


async def test_answers_without_a_body_end() -> None:
    """Of the HTTP client's empty bodies all but its first have no end: they held the loop."""

    async def handle(_asked: web.Request) -> web.StreamResponse:
        return web.Response(status=204)

    async with http_camera(handle) as port:
        target = await url_policy((ip_network("127.0.0.0/8"),), (port,), opened=("http",)).resolve(
            f"http://127.0.0.1:{port}/"
        )
        nobody = Account("d", None, LoginLimiter(CLOCK))
        async with HttpClient(target, account=nobody, clock=CLOCK) as client:
            answers = [await client.send(each) for each in ("PUT", "PUT", "HEAD", "HEAD")]

    assert [(each.status, each.body) for each in answers] == [(204, b"")] * 4


async def test_a_fault_is_told_in_its_own_words() -> None:
    """Printable, and not without end."""

    async def handle(_: web.Request) -> web.StreamResponse:
        return soap(
            f"<s:Fault><s:Reason><s:Text>no\x85pe {'x' * 500}</s:Text></s:Reason></s:Fault>"
        )

    async with http_camera(handle) as port:
        error = await refusal(request(port, "onvif", password=None))

    assert isinstance(error, PermanentError)
    assert "no\\u0085pe x" in error.detail
    assert len(error.detail) < 200


HIKVISION = "/Streaming/Channels/101"
DAHUA = "/cam/realmonitor?channel=1&subtype=0"


@pytest.mark.parametrize(
    ("offered", "url", "same"),
    [
        (f"rtsp://1.2.3.4:554{HIKVISION}?transportmode=unicast", HIKVISION.lower(), True),
        (f"rtsp://x{DAHUA}&unicast=true&proto=Onvif", DAHUA, True),
        ("rtsp://x/cam/realmonitor?channel=1&subtype=1", DAHUA, False),
        ("rtsp://x/a", "/b", False),
        ("rtsp://[/a", "/a", False),
        ("", "/a", False),
    ],
)
def test_streams_are_the_same_by_path_and_query(offered: str, url: str, same: bool) -> None:
    """Whatever host the device calls itself, and whatever it adds."""
    assert is_same_stream(offered, f"rtsp://10.0.0.1{url}") is same


@pytest.mark.parametrize(
    ("protocol", "url", "expected"),
    [
        ("onvif", "rtsp://[fc00::1]:8554/x", "http://[fc00::1]/onvif/device_service"),
        (
            "isapi",
            "rtsp://10.0.0.1/Streaming/Channels/1602",
            "http://10.0.0.1/ISAPI/Streaming/channels/1602/requestKeyFrame",
        ),
    ],
)
def test_where_a_camera_is_asked_follows_from_its_url(
    protocol: str, url: str, expected: str
) -> None:
    """Port 80, whatever that of RTSP."""
    stream = StreamConfig.model_validate({"url": url, "keyframe_requests": protocol})

    assert keyframe_url(stream) == expected


def test_an_isapi_channel_that_the_url_does_not_tell_must_be_given() -> None:
    """Nothing is guessed."""
    stream = StreamConfig.model_validate(
        {"url": "rtsp://10.0.0.1/live", "keyframe_requests": "isapi"}
    )

    with pytest.raises(ConfigRejected, match="keyframe_url"):
        keyframe_url(stream)


@pytest.mark.parametrize(
    "extra",
    [
        {"keyframe_token": "a"},
        {"keyframe_url": "http://10.0.0.1/"},
        {"keyframe_requests": "onvif", "keyframe_url": "rtsp://10.0.0.1/"},
        {"keyframe_requests": "onvif", "keyframe_token": "a b"},
        {"keyframe_requests": "dahua"},
    ],
)
def test_what_makes_no_sense_is_refused(extra: dict[str, str]) -> None:
    """While the document is read."""
    with pytest.raises(ValidationError):
        StreamConfig.model_validate({"url": "rtsp://10.0.0.1/a", **extra})


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_address_of_a_device_can_be_compared(offered: str, path: str) -> None:
    """A device writes what it likes."""
    assert is_same_stream(offered, f"rtsp://10.0.0.1/{path}") in (True, False)


@given(st.binary(max_size=400), st.sampled_from([200, 400, 401, 404, 500]))
def test_any_answer_is_xml_or_refused(body: bytes, status: int) -> None:
    """With no other error than ours."""
    with suppress(GatewayError):
        parse_answer("GetProfiles", Response(status, "", Headers(), body))
