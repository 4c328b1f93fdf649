"""The types of source that there are: one row each.

A new type is a module beside this one and a row here. Validation of documents, the URL policy, the
supervisor and the probe follow from the row.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from pydantic import SecretStr

from gateway.model.errors import ConfigRejected, Fault
from gateway.model.site_document import CameraConfig, StreamConfig
from gateway.ports import Clock, Source
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.runtime.resolver import Resolver, system_resolver
from gateway.runtime.url_policy import Target, UrlPolicy, UrlScheme
from gateway.sources.http_probe import probe_http
from gateway.sources.http_source import HttpSource
from gateway.sources.probe_steps import ProbeOptions, Step, StepTimer
from gateway.sources.rtmp_probe import probe_rtmp
from gateway.sources.rtmp_source import RtmpSource
from gateway.sources.rtsp_probe import probe_rtsp
from gateway.sources.rtsp_source import RtspSource
from gateway.sources.udp_source import UdpSource, probe_udp
from gateway.sources.v4l2_probe import probe_v4l2
from gateway.sources.v4l2_source import V4l2Source, capture_mistake
from gateway.transcoding.capacity import Capacity


class CreateSource(Protocol):
    """Makes the source of one stream; connects to nothing."""

    def __call__(
        self,
        camera: CameraConfig,
        stream: StreamConfig,
        *,
        password: SecretStr | None,
        policy: UrlPolicy,
        login_limiter: LoginLimiter,
        payload_bytes: int,
        clock: Clock,
        capacity: Capacity,
    ) -> Source:
        """Return the source of *stream*, one of *camera*'s.

        Args:
            camera: Its user, its device, and whether Basic is allowed.
            stream: Its URL; the scheme is one of the type's.
            password: The secret behind `camera.password`; None: it has none.
            policy: Which addresses may be opened.
            login_limiter: Counts failed logins; one for all sources.
            payload_bytes: Largest RTP payload that the source delivers.
            clock: Monotonic.
            capacity: Of this machine, for what has to be encoded; one for all.
        """
        ...


class ProbeSource(Protocol):
    """Probes one camera, whose URL has been resolved."""

    def __call__(
        self, target: Target, options: ProbeOptions, timer: StepTimer
    ) -> AsyncGenerator[Step, None]:
        """Yield the steps behind ``resolve``; all is closed when it ends.

        Raises:
            StepFailed: A step that makes the next impossible.
        """
        ...


@dataclass(frozen=True, slots=True)
class SourceType:
    """A way to get video from a camera.

    Attributes:
        schemes: What its URLs begin with.
        create: Makes its sources.
        probe: Probes a camera.
        usual: Whether its URLs may be opened without the settings naming their schemes.
        mistake: Returns what is wrong with a URL of this type beyond what the policy sees.
    """

    schemes: tuple[UrlScheme, ...]
    create: CreateSource
    probe: ProbeSource
    usual: bool = False
    mistake: Callable[[str], str] = lambda _url: ""

    @property
    def local(self) -> bool:
        """Whether it is about devices of this machine, which the settings name one by one."""
        return any(scheme.local for scheme in self.schemes)


_RTSP_PORTS = frozenset({554, 8554, 10554, 322})  # RFC 7826 §4.2, and what recorders use as well

SOURCE_TYPES = (
    SourceType(
        schemes=(UrlScheme("rtsp", 554, _RTSP_PORTS), UrlScheme("rtsps", 322, _RTSP_PORTS)),
        create=RtspSource,
        probe=probe_rtsp,
        usual=True,
    ),
    SourceType(
        schemes=(
            UrlScheme("http", 80, frozenset({80})),
            UrlScheme("https", 443, frozenset({443})),
        ),
        create=HttpSource,
        probe=probe_http,
    ),
    SourceType(
        schemes=(
            UrlScheme("rtmp", 1935, frozenset({1935})),
            UrlScheme("rtmps", 443, frozenset({443, 1935})),
        ),
        create=RtmpSource,
        probe=probe_rtmp,
    ),
    SourceType(
        schemes=(UrlScheme("udp", 5004, frozenset({1234, 5000, 5004}), multicast=True),),
        create=UdpSource,
        probe=probe_udp,
    ),
    SourceType(
        schemes=(UrlScheme("v4l2", 0, frozenset(), local=True),),
        create=V4l2Source,
        probe=probe_v4l2,
        mistake=capture_mistake,
    ),
)

SCHEMES = tuple(scheme for each in SOURCE_TYPES for scheme in each.schemes)
SCHEME_NAMES = tuple(scheme.name for scheme in SCHEMES)
UNUSUAL_SCHEMES = tuple(
    scheme.name
    for each in SOURCE_TYPES
    if not each.usual and not each.local
    for scheme in each.schemes
)
"""These must be named in the settings (`[cameras] schemes`)."""


def source_type(url: str) -> SourceType:
    """Return the type of the source at *url*, by its scheme.

    Raises:
        ConfigRejected: No type has this scheme.
    """
    name = url.partition("://")[0]
    for each in SOURCE_TYPES:
        if any(scheme.name == name for scheme in each.schemes):
            return each
    message = f"the scheme must be {' or '.join(SCHEME_NAMES)}"
    raise ConfigRejected((Fault("", "url.scheme", message),))


def url_policy(
    networks: Iterable[IPv4Network | IPv6Network],
    extra_ports: Iterable[int] = (),
    *,
    opened: Iterable[str] = (),
    devices: Iterable[str] = (),
    resolver: Resolver = system_resolver,
) -> UrlPolicy:
    """Return which camera URLs may be opened: of all source types, within *networks*.

    Args:
        networks: Where cameras are.
        extra_ports: Ports that are allowed beside those of the source types.
        opened: Schemes that may be opened beside the usual ones.
        devices: Devices of this machine that may be opened.
        resolver: How names become addresses.
    """
    named = frozenset(opened)
    schemes = tuple(
        scheme
        for each in SOURCE_TYPES
        for scheme in each.schemes
        if each.usual or each.local or scheme.name in named
    )
    open_names = {scheme.name for scheme in schemes}
    closed = tuple(scheme for scheme in SCHEMES if scheme.name not in open_names)
    return UrlPolicy(
        tuple(networks),
        schemes,
        frozenset(extra_ports),
        resolver,
        closed,
        devices=frozenset(devices),
    )
