"""The client against cameras that answer by the book, by habit, and badly."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.model.errors import GatewayError
from gateway.model.reasons import Reason
from gateway.rtmp import amf0, flv
from gateway.rtmp.chunks import MessageType
from gateway.rtmp.client import RtmpClient
from gateway.rtmp.session import VERSION, address_of
from gateway.rtsp.auth import Login
from gateway.rtsp.login import Account
from gateway.rtsp.login_limiter import MAX_ATTEMPTS, LoginLimiter
from gateway.runtime.clock import SystemClock
from gateway.runtime.url_policy import Target
from tests.fixtures.clock import HANG_S
from tests.fixtures.rtmp_camera import (
    CONNECTED,
    HANDSHAKE,
    KEYFRAME,
    PICTURE,
    PICTURES,
    SEQUENCE_HEADER,
    STARTED,
    chunks,
    command,
    rtmp_camera,
    status,
    video,
)
from tests.fixtures.tcp import tcp_server
from tests.unit.rtsp.scripted import self_signed

CLOCK = SystemClock()
ADOBE = "[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ]"
REDIRECT = {"code": 302, "redirect": "rtmp://10.9.9.9/x?secret"}
LOGIN = Login("viewer", SecretStr("xem-camera-7"), allow_basic=True)


def target(port: int, path: str = "/live/cam") -> Target:
    url = f"rtmp://127.0.0.1:{port}{path}"
    return Target("rtmp", "127.0.0.1", "127.0.0.1", port, path, url, 1935)


def client(port: int, *, stall_s: float = HANG_S, h265: bool = False) -> RtmpClient:
    account = Account("device", None, LoginLimiter(CLOCK))
    return RtmpClient(target(port), account=account, clock=CLOCK, stall_s=stall_s, offers_h265=h265)


async def received(port: int, count: int = 4, stall_s: float = HANG_S) -> list[bytes]:
    """Return the first *count* tags of the camera at *port*. Raises what the client does."""
    data = b""
    async with client(port, stall_s=stall_s) as pulled, asyncio.timeout(HANG_S):
        await pulled.open()
        async with aclosing(pulled.receive()) as pieces:
            async for piece in pieces:
                data += piece
                tags = tags_of(data)
                if len(tags) >= count:
                    return tags
    raise AssertionError


def tags_of(data: bytes) -> list[bytes]:
    """Return the bodies of the tags in the FLV file *data*."""
    assert data.startswith(flv.HEADER)
    found, at = [], len(flv.HEADER)
    while at + 11 < len(data):
        size = int.from_bytes(data[at + 1 : at + 4])
        found.append(data[at + 11 : at + 11 + size])
        assert int.from_bytes(data[at + 11 + size : at + 15 + size]) == 11 + size
        at += 15 + size
    return found


def rejected(code: str, description: str = "", name: str = "_error", **more: object) -> bytes:
    """Return a refusal of `connect`."""
    info = {"level": "error", "code": f"NetConnection.Connect.{code}", "description": description}
    return command(name, 1, None, {**info, **more})


async def failure(
    answers: Mapping[str, bytes], *, hangs_up: bool = False, stall_s: float = 0.05
) -> GatewayError:
    """Return what ends a session with a camera that says *answers*."""
    async with rtmp_camera(answers, hangs_up=hangs_up) as camera:
        with pytest.raises(GatewayError) as caught:
            await received(camera.port, count=1_000, stall_s=stall_s)
        return caught.value


@pytest.mark.parametrize(
    ("path", "app", "name"),
    [
        ("/live/cam", "live", "cam"),
        (
            "/bcs/channel0_main.bcs?channel=0&stream=0&user=u&password=p",
            "bcs",
            "channel0_main.bcs?channel=0&stream=0&user=u&password=p",
        ),
        ("/app/instance/cam/1?a=/b", "app/instance", "cam/1?a=/b"),
        ("/vod/mp4:a/b.mp4", "vod", "mp4:a/b.mp4"),
        ("/cam?user=u", "cam?user=u", ""),
        ("", "", ""),
    ],
)
def test_a_url_is_cut_as_ffmpeg_cuts_it(path: str, app: str, name: str) -> None:
    """Cameras were tried with that."""
    address = address_of(target(1935, path))

    assert (address.app, address.name) == (app, name)
    assert address.url == f"rtmp://127.0.0.1/{app}"


async def test_a_live_stream_is_played() -> None:
    """Commands in their order; the video comes as a file."""
    async with rtmp_camera() as camera:
        tags = await received(camera.port, 3)
        await camera.ended.wait()

    assert tags == [SEQUENCE_HEADER, KEYFRAME, PICTURE]
    assert [each[0] for each in camera.commands] == [
        "connect",
        "createStream",
        "play",
        "deleteStream",
    ]
    about = camera.commands[0][2]
    assert isinstance(about, dict)
    assert about["app"] == "live"
    assert about["tcUrl"] == f"rtmp://127.0.0.1:{camera.port}/live"
    assert "fourCcList" not in about
    assert camera.commands[2][3] == "cam"


async def test_rtmps_is_rtmp_within_tls(tmp_path: Path) -> None:
    """The certificate is not verified: cameras sign their own."""
    self_signed("camera.lan", tmp_path / "cam.pem", tmp_path / "cam.key")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "cam.pem", tmp_path / "cam.key")
    async with rtmp_camera(tls=tls) as camera:
        account = Account("device", None, LoginLimiter(CLOCK))
        secured = replace(target(camera.port), scheme="rtmps")
        async with RtmpClient(secured, account=account, clock=CLOCK, stall_s=HANG_S) as pulled:
            await pulled.open()

    assert camera.commands[2][0] == "play"


async def test_h265_is_offered_where_it_is_wanted() -> None:
    """As Enhanced RTMP has it: an array, which some servers cannot read."""
    async with rtmp_camera() as camera, client(camera.port, h265=True) as pulled:
        await pulled.open()

    about = camera.commands[0][2]
    assert isinstance(about, dict)
    assert about["fourCcList"] == ["hvc1"]


async def test_video_without_a_word_before_it_is_a_start() -> None:
    """Some cameras never say NetStream.Play.Start; what came early is not lost."""
    async with rtmp_camera({"play": PICTURES}) as camera:
        assert len(await received(camera.port, 3)) == 3


async def test_what_the_camera_calls_itself_is_fit_to_be_shown() -> None:
    """Cut, and nothing in it steers a terminal."""
    named = {"fmsVer": "\x1b[2J" + "x" * 60_000}
    connected = command("_result", 1, named, {"code": "NetConnection.Connect.Success"})
    async with rtmp_camera({"connect": connected}) as camera, client(camera.port) as pulled:
        await pulled.open()

    assert pulled.session.server.startswith("\\u001b[2Jx")
    assert len(pulled.session.server) <= 100


async def test_h265_of_vendors_becomes_that_of_enhanced_rtmp() -> None:
    """Number 12, which FFmpeg does not know."""
    body = bytes.fromhex("1c01000028") + b"abcd"
    async with rtmp_camera({"play": STARTED + video(body)}) as camera:
        assert await received(camera.port, 1) == [b"\x91hvc1\x00\x00\x28abcd"]


async def test_aggregates_are_taken_apart() -> None:
    """Times count from the message's own; sound is left out (§7.1.6)."""
    tags = flv.video_tag(7_000, KEYFRAME) + b"\x08" + flv.video_tag(7_010, b"so")[1:]
    tags += flv.video_tag(7_040, PICTURE)
    whole = chunks(MessageType.AGGREGATE, tags, stream=1, time_ms=500)

    assert list(flv.tags_of_aggregate(500, tags)) == [
        (9, 500, KEYFRAME), (8, 510, b"so"), (9, 540, PICTURE),
    ]  # fmt: skip
    async with rtmp_camera({"play": STARTED + whole}) as camera:
        assert await received(camera.port, 2) == [KEYFRAME, PICTURE]


async def test_a_ping_and_a_full_window_are_answered() -> None:
    """Else some cameras hang up (§5.4.3, §7.1.7)."""
    ping = chunks(MessageType.USER_CONTROL, b"\x00\x06\x01\x02\x03\x04", number=2)
    window = chunks(MessageType.WINDOW_SIZE, (3_000).to_bytes(4), number=2)
    async with rtmp_camera(
        {"connect": window + CONNECTED, "play": STARTED + PICTURES + ping}
    ) as camera:
        await received(camera.port, 3)
        await camera.ended.wait()

    assert b"\x00\x07\x01\x02\x03\x04" in camera.events
    assert camera.acknowledged


async def test_commands_in_amf3_dress_are_read() -> None:
    """Type 17: a byte, then AMF 0."""
    values = ("_result", 2, None, 1)
    dressed = chunks(MessageType.COMMAND_AMF3, b"\x00" + amf0.encode(values))
    async with rtmp_camera({"createStream": dressed}) as camera:
        assert await received(camera.port, 3)


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"handshake": b"HTTP/1.1 400 Bad Request\r\n\r\n"}, Reason.CORRUPT),
        ({"handshake": b"\x06" + HANDSHAKE[1:]}, Reason.CORRUPT),
        ({"connect": rejected("InvalidApp")}, Reason.NOT_FOUND),
        ({"connect": rejected("Rejected")}, Reason.REFUSED),
        ({"connect": rejected("Rejected", ADOBE)}, Reason.UNSUPPORTED_LOGIN),
        ({"connect": rejected("Rejected", "", ex=REDIRECT)}, Reason.REDIRECT_REFUSED),
        ({"connect": rejected("Rejected", "", "_result")}, Reason.REFUSED),
        ({"connect": rejected("Rejected", "invalid password")}, Reason.LOGIN_MISSING),
        ({"createStream": command("_error", 2, None, {})}, Reason.REFUSED),
        ({"createStream": command("_result", 2, None, "one")}, Reason.CORRUPT),
        ({"play": status("NetStream.Play.StreamNotFound", "error")}, Reason.NOT_FOUND),
        ({"play": status("NetStream.Play.StreamNotFound")}, Reason.NOT_FOUND),
        ({"play": status("NetStream.Play.Failed", "error", "Unauthorized")}, Reason.LOGIN_MISSING),
        ({"play": status("NetStream.Play.Failed", "error")}, Reason.REFUSED),
        ({"play": status("NetStream.Play.UnpublishNotify")}, Reason.SOURCE_ENDED),
        ({"play": STARTED + status("NetStream.Play.Stop")}, Reason.SOURCE_ENDED),
        ({"play": STARTED + command("close", 0, None)}, Reason.SOURCE_ENDED),
        ({"play": STARTED + chunks(4, b"\x00\x01\x00\x00\x00\x01", number=2)}, Reason.SOURCE_ENDED),
        ({"play": STARTED}, Reason.STALLED),
        ({"play": STARTED + chunks(MessageType.AUDIO, bytes(40), stream=1)}, Reason.STALLED),
        ({"play": STARTED + video(b"\x14\x00abc")}, Reason.UNSUPPORTED_CODEC),
        ({"play": STARTED + video(b"\x90av01")}, Reason.UNSUPPORTED_CODEC),
        ({"play": STARTED + b"\xc9"}, Reason.CORRUPT),
        ({"play": STARTED + command("x") * 200}, Reason.ABUSIVE),
    ],
)
async def test_each_answer_has_its_reason(answers: dict[str, bytes], reason: Reason) -> None:
    """Codes of NetConnection and NetStream, silence, and what is no RTMP."""
    error = await failure(answers)

    assert error.reason is reason
    assert "secret" not in error.detail


@pytest.mark.parametrize("asked", ["connect", "createStream", "play"])
async def test_hanging_up_is_told_by_what_was_asked(asked: str) -> None:
    """Many cameras do so at a wrong login or path, and say nothing."""
    error = await failure({asked: b""}, hangs_up=True)

    assert error.reason is Reason.REFUSED
    assert asked in error.detail


async def test_hanging_up_in_the_handshake_is_no_rtmp() -> None:
    """Whatever listens there."""
    assert (await early_end()).reason is Reason.CORRUPT


async def early_end() -> GatewayError:
    """Return what a camera that closes within the handshake ends with."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.write(bytes((VERSION,)))
        writer.close()

    async with tcp_server(serve) as port:
        with pytest.raises(GatewayError) as caught:
            await received(port)
        return caught.value


async def test_what_the_camera_says_of_the_url_is_not_repeated() -> None:
    """Descriptions hold the stream's name, and that the password."""
    said = status("NetStream.Play.StreamNotFound", "error", "no cam?password=xem-camera-7")

    assert "xem-camera-7" not in str(await failure({"play": said}))


async def test_a_refused_login_counts() -> None:
    """As over RTSP, lest the recorder locks us out."""
    refused = status("NetStream.Play.Failed", "error", "auth failed")
    asked = 0
    async with rtmp_camera({"play": refused}) as camera:
        account = Account("device", LOGIN, LoginLimiter(CLOCK))
        for _ in range(MAX_ATTEMPTS + 2):
            async with RtmpClient(
                target(camera.port), account=account, clock=CLOCK, stall_s=5.0
            ) as pulled:
                with pytest.raises(GatewayError) as caught:
                    await pulled.open()
        asked = sum(each[0] == "play" for each in camera.commands)

    assert caught.value.reason is Reason.AUTH_FAILED
    assert asked == MAX_ATTEMPTS


async def test_nothing_listens() -> None:
    """As over RTSP."""
    async with rtmp_camera() as camera:
        port = camera.port
    with pytest.raises(GatewayError) as caught:
        await received(port)

    assert caught.value.reason is Reason.REFUSED
