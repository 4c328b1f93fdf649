"""The table of source types: what a row gives to documents, policy and supervisor."""

from __future__ import annotations

import json
from ipaddress import ip_network

import pytest
from pydantic import SecretStr

from gateway.config.documents import parse_site
from gateway.model.errors import ConfigRejected
from gateway.model.site_document import CameraConfig, SiteConfig, StreamConfig
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.runtime.clock import SystemClock
from gateway.runtime.url_policy import UrlScheme
from gateway.sources.registry import SCHEME_NAMES, SCHEMES, source_type, url_policy
from gateway.transcoding.capacity import Capacity

POLICY = url_policy((ip_network("10.0.0.0/8"),), opened=SCHEME_NAMES)


def site(url: str) -> SiteConfig:
    """Return a site with one camera at *url*."""
    camera = {"id": "c01", "name": "Quầy 1", "streams": [{"url": url}]}
    return parse_site(json.dumps({"cameras": [camera]}).encode())


def test_every_scheme_has_one_type() -> None:
    """Two rows with one scheme: nobody would know which is meant."""
    assert len(SCHEME_NAMES) == len(set(SCHEME_NAMES))


REMOTE = [scheme for scheme in SCHEMES if not scheme.local]


@pytest.mark.parametrize("scheme", REMOTE, ids=lambda scheme: scheme.name)
def test_every_scheme_is_valid_and_may_be_opened(scheme: UrlScheme) -> None:
    """By document and policy alike, at its default port; which is then not in the authority."""
    url = f"{scheme.name}://10.0.0.1/live"

    assert site(url).cameras[0].streams[0].url == url
    assert POLICY.check(url) is None
    assert scheme.default_port in scheme.ports


@pytest.mark.parametrize("scheme", SCHEME_NAMES)
async def test_every_type_makes_a_source(scheme: str) -> None:
    """Which connects to nothing yet."""
    local = any(each.name == scheme and each.local for each in SCHEMES)
    stream = StreamConfig(url=f"{scheme}://{'/dev/video0' if local else '10.0.0.1/live'}")
    camera = CameraConfig(id="c01", name="Quầy 1", streams=(stream,), username="viewer")
    clock = SystemClock()

    source = source_type(stream.url).create(
        camera,
        stream,
        password=SecretStr("canary"),
        policy=POLICY,
        login_limiter=LoginLimiter(clock),
        payload_bytes=1_180,
        clock=clock,
        capacity=Capacity(4.0),
    )

    assert source.counters.sessions == 0


def test_a_scheme_without_a_type_is_refused() -> None:
    """By its code, and with those that there are."""
    with pytest.raises(ConfigRejected) as in_document:
        site("gopher://10.0.0.1/live")
    with pytest.raises(ConfigRejected) as in_table:
        source_type("gopher://10.0.0.1/live")

    (fault,) = in_document.value.faults
    assert (fault.at, fault.code) == ("/cameras/0/streams/0/url", "url.scheme")
    assert in_table.value.faults[0].code == "url.scheme"
    assert all(name in fault.message for name in SCHEME_NAMES)


def test_a_port_belongs_to_its_scheme() -> None:
    """Others are opened only where the settings name them."""
    url = "rtsp://10.0.0.1:80/live"

    assert POLICY.check(url) is not None
    assert url_policy(POLICY.networks, (80,)).check(url) is None


DEVICE = "/dev/v4l/by-id/usb-EM2860-video-index0"


def test_a_device_is_opened_only_where_the_settings_name_it() -> None:
    """By the very path; the document is valid in any case."""
    policy = url_policy((), devices=(DEVICE,))

    assert site(f"v4l2://{DEVICE}").cameras[0].streams[0].url == f"v4l2://{DEVICE}"
    assert policy.check(f"v4l2://{DEVICE}?standard=PAL") is None
    for url, code in (
        ("v4l2:///dev/video0", "url.device"),
        (f"v4l2://10.0.0.1{DEVICE}", "url.host"),
        (f"v4l2://{DEVICE}/../x", "url.device"),
    ):
        fault = policy.check(url)
        assert fault is not None
        assert fault.code == code
    assert url_policy(()).check(f"v4l2://{DEVICE}") is not None
