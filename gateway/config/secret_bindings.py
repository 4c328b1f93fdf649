"""For which hosts the secrets that documents may name were entered.

A signed document says which camera has which password, and where the camera is. So that whoever
signs it cannot have a password sent to a host of their own, a password goes only where somebody at
this machine has said: in the settings, in the installer's site document, by the file's own name
(`gateway.config.secrets`), or by what ran here before this rule was there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import structlog
from pydantic import Field, ValidationError

from gateway.config.settings import Settings
from gateway.model.errors import ConfigRejected, TransientError
from gateway.model.site_document import Document, SecretRef, SiteConfig, StreamConfig
from gateway.runtime import atomic_file
from gateway.sources.keyframe_requests import keyframe_url

FILE = "secret-hosts.json"
"""In the state folder."""

LARGEST_BYTES = 1_048_576

Hosts = Mapping[str, frozenset[str]]
"""Names of secrets, and for each the hosts it may be sent to."""

log = structlog.get_logger(__name__)


def host_of(url: str) -> str:
    """Return the host of *url* as it is compared: in lower case, an address in its short form."""
    return _normal(urlsplit(url).hostname or "")


def camera_urls(stream: StreamConfig) -> Iterator[tuple[str, str]]:
    """Yield where the password of a camera is sent for *stream*, each URL with its field."""
    yield stream.url, "url"
    if stream.keyframe_requests is not None:
        with suppress(ConfigRejected):
            yield keyframe_url(stream), "keyframe_url"


def settings_secrets(settings: Settings) -> tuple[tuple[str, SecretRef], ...]:
    """Return the secrets that *settings* themselves use, each with its place."""
    used = []
    if settings.broker.password is not None:
        used.append(("/broker/password", settings.broker.password))
    for index, server in enumerate(settings.webrtc.ice):
        if server.credential is not None:
            used.append((f"/webrtc/ice/{index}/credential", server.credential))
        if server.shared_secret is not None:
            used.append((f"/webrtc/ice/{index}/shared_secret", server.shared_secret))
    if settings.documents.password is not None:
        used.append(("/documents/password", settings.documents.password))
    return tuple(used)


@dataclass(frozen=True, slots=True)
class SecretBindings:
    """Which secret may go where.

    Attributes:
        reserved: Names that the settings use: no camera's, unless it has a file of its own.
        camera: Where passwords of cameras may go; a host is a name, an address or a network.
        broker: Where passwords of another broker may go.
        basic: Where a camera's password may go in clear.
        basic_hosts: Where any camera's may.
    """

    reserved: frozenset[str] = frozenset()
    camera: Hosts = field(default_factory=dict)
    broker: Hosts = field(default_factory=dict)
    basic: Hosts = field(default_factory=dict)
    basic_hosts: frozenset[str] = frozenset()

    def allows_camera(self, name: str, host: str) -> bool:
        """Return whether the password *name* of a camera may be sent to *host*."""
        return _covers(self.camera.get(name, ()), host)

    def allows_broker(self, name: str, host: str) -> bool:
        """Return whether the password *name* of a broker may be sent to *host*."""
        return _covers(self.broker.get(name, ()), host)

    def allows_basic(self, name: str, host: str) -> bool:
        """Return whether the password *name* of a camera may be sent to *host* in clear."""
        return _covers(self.basic.get(name, ()), host) or _covers(self.basic_hosts, host)


_Name = Annotated[str, Field(max_length=64)]
_Host = Annotated[str, Field(max_length=253)]
_Hosts = Annotated[dict[_Name, frozenset[_Host]], Field(max_length=1024)]


class EnteredHosts(Document):
    """Secrets of a document with their hosts, as they are remembered.

    Attributes:
        camera: Of its cameras.
        basic: Of those that allow Basic.
        broker: Of its broker.
    """

    camera: _Hosts = Field(default_factory=dict)
    basic: _Hosts = Field(default_factory=dict)
    broker: _Hosts = Field(default_factory=dict)

    @classmethod
    def of(cls, site: SiteConfig, *, broker: tuple[SecretRef, str] | None = None) -> EnteredHosts:
        """Return the secrets of *site*; *broker*: a broker's secret and its host."""
        pairs = [
            (camera.password.name, host_of(url), camera.allow_basic)
            for camera in site.cameras
            if camera.password is not None
            for stream in camera.streams
            for url, _ in camera_urls(stream)
        ]
        return cls(
            camera=_grouped((name, host) for name, host, _ in pairs),
            basic=_grouped((name, host) for name, host, basic in pairs if basic),
            broker={} if broker is None else {broker[0].name: frozenset({_normal(broker[1])})},
        )


def bindings_of(settings: Settings, *entered: EnteredHosts) -> SecretBindings:
    """Return which secrets may go where by *settings* and by what was *entered*."""
    given = settings.broker
    brokers = {_normal(given.host)} | (
        {_normal(given.second.host)} if given.second is not None and given.second.host else set()
    )
    own = {} if given.password is None else {given.password.name: frozenset(brokers)}
    table = {name: frozenset(hosts) for name, hosts in settings.cameras.secrets.items()}
    return SecretBindings(
        reserved=frozenset(ref.name for _, ref in settings_secrets(settings)),
        camera=_united(table, *(each.camera for each in entered)),
        broker=_united(own, *(each.broker for each in entered)),
        basic=_united(*(each.basic for each in entered)),
        basic_hosts=frozenset(settings.cameras.basic_hosts),
    )


def remembered_hosts(folder: Path, first: Iterable[EnteredHosts] | None) -> EnteredHosts:
    """Return what is remembered in the state folder *folder*.

    Before the first time nothing is; then *first*, what runs now, is trusted and written down
    (trust on first use), unless it is None. A file that cannot be read is not made anew: nothing
    is bound by it.
    """
    path = folder / FILE
    try:
        with path.open("rb") as file:
            return EnteredHosts.model_validate_json(file.read(LARGEST_BYTES))
    except FileNotFoundError:
        pass
    except (OSError, ValidationError) as error:
        log.error("secret_hosts_unreadable", path=str(path), detail=type(error).__name__)
        return EnteredHosts()
    if first is None:
        return EnteredHosts()
    documents = tuple(first)
    found = EnteredHosts(
        camera=_united(*(each.camera for each in documents)),
        basic=_united(*(each.basic for each in documents)),
        broker=_united(*(each.broker for each in documents)),
    )
    names = sorted({*found.camera, *found.broker})
    try:
        atomic_file.replace(path, found.model_dump_json().encode() + b"\n")
    except TransientError as error:
        log.error("secret_hosts_unsaved", path=str(path), detail=error.detail)
    else:
        log.warning("secret_hosts_trusted", path=str(path), names=names)
    return found


def _normal(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return host.lower()


def _covers(entries: Iterable[str], host: str) -> bool:
    return any(_is_in(entry, host) for entry in entries)


def _is_in(entry: str, host: str) -> bool:
    try:
        network = ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return entry.lower() == host
    try:
        return ipaddress.ip_address(host) in network
    except ValueError:  # a name, which may lead anywhere
        return False


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    grouped: dict[str, frozenset[str]] = {}
    for name, host in pairs:
        grouped[name] = grouped.get(name, frozenset()) | {host}
    return grouped


def _united(*tables: Hosts) -> dict[str, frozenset[str]]:
    return _grouped(
        (name, host) for table in tables for name, hosts in table.items() for host in hosts
    )
