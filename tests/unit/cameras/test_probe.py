"""The probe against cameras that go wrong at each layer, and against captured streams."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from ipaddress import ip_network

import pytest
from pydantic import SecretStr

from gateway.cameras.probe import Step, probe
from gateway.model.reasons import Reason
from gateway.runtime.url_policy import UrlPolicy
from gateway.sources.registry import url_policy
from tests.fixtures.captures import packets_of
from tests.fixtures.clock import HANG_S
from tests.unit.rtsp.scripted import Camera, Request, camera, willing

CANARY = "canary-pw-52"
TO_THE_END = ["first_packet", "first_keyframe", "gop", "codec"]
TO_THE_END += ["interlace", "pixels", "clock", "bitrate", "b_frames"]


async def steps_of(
    url: str, policy: UrlPolicy, *, watch_s: float = HANG_S, username: str | None = "viewer"
) -> list[Step]:
    """Return all steps of a probe with a login."""
    walk = probe(
        url,
        username=username,
        password=SecretStr(CANARY),
        allow_basic=False,
        policy=policy,
        transport="tcp",
        watch_s=watch_s,
    )
    async with asyncio.timeout(HANG_S), aclosing(walk) as steps:
        return [step async for step in steps]


@asynccontextmanager
async def playing(name: str, *, hang_up: bool = False) -> AsyncIterator[Camera]:
    """A camera that plays a capture once when it is asked to."""
    async with camera() as made:

        async def play() -> None:
            await made.played.wait()
            for packet in packets_of(name):
                made.send(packet)
            if hang_up:
                made.writers[-1].close()

        async with asyncio.TaskGroup() as group:
            task = group.create_task(play(), name="play")
            yield made
            task.cancel()


async def test_a_url_outside_the_policy_is_the_first_step() -> None:
    """Nothing is connected to; the step says what to do in both languages."""
    (step,) = await steps_of("rtsp://8.8.8.8/x", url_policy((ip_network("10.0.0.0/8"),)))

    assert (step.name, step.reason, step.ok) == ("resolve", Reason.POLICY_DENIED, False)
    assert step.wording is not None
    assert step.wording.vi_todo
    assert step.wording.en_todo


async def test_a_name_that_nobody_knows_fails_at_resolve() -> None:
    """DNS is a layer of its own."""

    def unknown(host: str) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, f"{host} unknown")

    policy = url_policy((ip_network("10.0.0.0/8"),), resolver=unknown)

    (step,) = await steps_of("rtsp://nvr.test/x", policy)

    assert (step.name, step.reason) == ("resolve", Reason.DNS_FAILED)


async def test_a_closed_port_fails_at_connect() -> None:
    """The address is right, RTSP is not switched on."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        policy = url_policy((ip_network("127.0.0.0/8"),), (port,))

        steps = await steps_of(f"rtsp://127.0.0.1:{port}/x", policy)

    assert [step.name for step in steps] == ["resolve", "connect"]
    assert steps[-1].reason is Reason.REFUSED


@pytest.mark.parametrize(
    ("method", "status", "headers", "name", "reason"),
    [
        ("OPTIONS", 302, {"Location": "rtsp://evil.test/"}, "options", Reason.REDIRECT_REFUSED),
        ("DESCRIBE", 404, {}, "describe", Reason.NOT_FOUND),
        (
            "DESCRIBE",
            401,
            {"WWW_Authenticate": 'Digest realm="x", nonce="y"'},
            "authentication",
            Reason.AUTH_FAILED,
        ),
        ("SETUP", 453, {}, "setup", Reason.BUSY_SESSIONS),
        ("PLAY", 503, {}, "first_packet", Reason.BUSY_SESSIONS),
    ],
)
async def test_each_refusal_is_told_at_its_layer(
    method: str, status: int, headers: dict[str, str], name: str, reason: Reason
) -> None:
    """The last step is the one that was refused, and says why; one login at most is tried."""

    def script(request: Request) -> bytes | None:
        return request.answer(status, **headers) if request.method == method else willing(request)

    async with camera(script) as made:
        steps = await steps_of(made.url, made.policy)

        assert (steps[-1].name, steps[-1].reason) == (name, reason)
        assert all(step.ok for step in steps[:-1])
        assert made.methods.count(method) <= 2
        assert CANARY not in repr(steps)


def locked(request: Request) -> bytes | None:
    """Answer as a camera that knows the user, and lets it do nothing."""
    if "Authorization" in request.headers:
        return request.answer(403)
    return request.answer(401, WWW_Authenticate='Digest realm="x", nonce="y"')


@pytest.mark.parametrize(
    ("username", "reason"), [(None, Reason.LOGIN_MISSING), ("viewer", Reason.LOGIN_FORBIDDEN)]
)
async def test_no_login_and_no_right_are_no_wrong_password(
    username: str | None, reason: Reason
) -> None:
    """Whoever reads it would else type the password again, and lock the account."""
    async with camera(locked) as made:
        steps = await steps_of(made.url, made.policy, username=username)

    assert (steps[-1].name, steps[-1].reason) == ("authentication", reason)


async def test_a_good_camera_is_walked_through_and_left() -> None:
    """Every layer in order, facts from the pictures themselves, TEARDOWN at the end."""
    async with playing("h264-refresh") as made:
        steps = await steps_of(made.url, made.policy, watch_s=2.0)

        names = ["resolve", "connect", "options", "describe", "authentication", "setup"]
        assert [step.name for step in steps] == names + TO_THE_END
        facts = {step.name: step.fact for step in steps}
        assert facts["authentication"] == "no login asked for"
        assert facts["codec"] == "H.264 High 1.3, 320x180"
        assert made.methods[-1] == "TEARDOWN"


async def test_a_probe_that_is_left_early_leaves_the_camera() -> None:
    """Whoever stops listening (Ctrl-C) still tears the session down."""
    async with playing("h264-stap") as made:
        walk = probe(made.url, username=None, password=None, allow_basic=False, policy=made.policy)
        async with asyncio.timeout(HANG_S), aclosing(walk) as steps:
            async for step in steps:
                if step.name == "setup":
                    break

        assert made.methods[-1] == "TEARDOWN"


async def test_a_camera_that_hangs_up_fails_where_it_does() -> None:
    """The pictures end before two GOPs have been seen."""
    async with playing("h264-1080p", hang_up=True) as made:
        steps = await steps_of(made.url, made.policy)

        assert (steps[-1].name, steps[-1].reason) == ("gop", Reason.STALLED)


async def test_a_device_is_named_by_its_path_and_has_no_port() -> None:
    """A capture device has neither address nor port to tell."""
    device = "/dev/v4l/by-id/none"
    policy = url_policy((), devices=[device])

    steps = await steps_of(f"v4l2://{device}", policy)

    assert (steps[0].name, steps[0].fact) == ("resolve", device)
