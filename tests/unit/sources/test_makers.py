"""Each maker's URLs, as docs/cameras.md lists them, from a recorder that has them."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from gateway.cameras.probe import probe
from gateway.demo.auth import Account
from gateway.discovery.templates import TEMPLATES
from gateway.model.errors import SourceRefused
from gateway.model.reasons import Reason
from gateway.model.site_document import CameraConfig, StreamConfig
from gateway.model.url_login import PASSWORD as PLACE
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.sources.registry import url_policy
from gateway.sources.rtsp_source import RtspSource
from tests.fixtures.camera import virtual_camera
from tests.fixtures.clock import HANG_S, FakeClock
from tests.fixtures.sinks import watched

ACCOUNT = Account("gateway", SecretStr("Abc@123/#?&canary"))
PATHS = {
    each.family: path
    for each in TEMPLATES
    if PLACE not in each.main
    for path in [each.urls("camera", 1).get("sub") or each.urls("camera", 1)["main"]]
}
"""The sub-stream of each, or its only one, as a URL."""

_SUB = next(each.sub for each in TEMPLATES if each.family == "xiongmai")
XIONGMAI = _SUB.replace("{n}", "1").removesuffix("?")


def source(url: str, port: int, *, allow_basic: bool = False) -> RtspSource:
    stream = StreamConfig.model_validate({"url": url})
    config = CameraConfig(
        id="c1", name="Quầy 7", username=ACCOUNT.username, streams=(StreamConfig(url="rtsp://a/"),)
    )
    return RtspSource(
        config.model_copy(update={"streams": (stream,), "allow_basic": allow_basic}),
        stream,
        password=ACCOUNT.password,
        policy=url_policy((ip_network("127.0.0.0/8"),), (port,)),
        login_limiter=LoginLimiter(FakeClock()),
        payload_bytes=1180,
        clock=FakeClock(),
    )


@pytest.mark.parametrize("maker", PATHS)
async def test_the_url_of_each_maker_plays(maker: str) -> None:
    """With Digest, whatever characters the password has."""
    path = PATHS[maker].removeprefix("rtsp://camera")
    async with asyncio.timeout(HANG_S), virtual_camera(account=ACCOUNT, path=path) as recorder:
        sink = await watched(source(recorder.url(), recorder.port), 1)

        assert sink.units[0].keyframe
        assert recorder.cameras[0].counts.refused_logins == 0


def xiongmai_path() -> str:
    """Return the path of a camera whose login stands in it."""
    password = quote(ACCOUNT.password.get_secret_value(), safe="")
    return XIONGMAI.format(username=ACCOUNT.username, password=password)


async def test_a_login_in_the_path_is_put_in_when_asking() -> None:
    """Percent-encoded; the URL of the document has only its place."""
    async with (
        asyncio.timeout(HANG_S),
        virtual_camera(account=None, path=xiongmai_path()) as recorder,
    ):
        url = f"rtsp://127.0.0.1:{recorder.port}{XIONGMAI}"
        sink = await watched(source(url, recorder.port, allow_basic=True), 1)

        assert sink.units[0].keyframe


async def test_a_login_is_not_put_in_where_it_may_not_be_sent_in_clear() -> None:
    """The camera is not asked at all."""
    async with (
        asyncio.timeout(HANG_S),
        virtual_camera(account=None, path=xiongmai_path()) as recorder,
    ):
        with pytest.raises(SourceRefused) as caught:
            await watched(source(f"rtsp://127.0.0.1:{recorder.port}{XIONGMAI}", recorder.port), 1)

        assert caught.value.reason is Reason.UNSUPPORTED_LOGIN
        assert not recorder.cameras[0].counts.requests


async def test_a_probe_puts_the_login_in_and_tells_it_nowhere() -> None:
    """As the source does."""
    async with (
        asyncio.timeout(HANG_S),
        virtual_camera(account=None, path=xiongmai_path()) as recorder,
    ):
        policy = url_policy((ip_network("127.0.0.0/8"),), (recorder.port,))
        url = f"rtsp://127.0.0.1:{recorder.port}{XIONGMAI}"
        steps = [
            step
            async for step in probe(
                url,
                username=ACCOUNT.username,
                password=ACCOUNT.password,
                allow_basic=True,
                policy=policy,
                watch_s=1.0,
            )
        ]

    assert "first_keyframe" in [step.name for step in steps if step.ok]
    assert "canary" not in repr(steps)
