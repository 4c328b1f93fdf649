"""Which camera URLs may be opened, and at which address: against server-side request forgery.

The grammar is narrower than RFC 3986 §3: a URL that two parsers could read differently is refused,
and so are odd spellings of addresses. Against DNS rebinding, a name must resolve wholly inside the
permitted networks; it is resolved once, and the address found is the one connected to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from gateway.model.errors import Fault, UrlRefused
from gateway.model.url_login import PASSWORD, has_written_password, without_places
from gateway.runtime.resolver import LOOKUP_S, Address, Resolver, addresses_of, system_resolver

MAX_URL_CHARS = 1024
NAMED_NETWORKS = 8
"""A fault names so many camera networks."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HOST_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?")
_PATH = re.compile(r"(?:[/?][A-Za-z0-9._~!$&'()*+,;=:@/?%\[\]-]*)?")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_NUMERIC = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")


@dataclass(frozen=True, slots=True)
class UrlScheme:
    """A scheme that cameras may have.

    Attributes:
        name: In lower case, e.g. ``rtsp``.
        default_port: TCP port where the URL names none.
        ports: Ports that may be connected to, or listened at.
        multicast: Whether the host may be a multicast group.
        local: Whether it names a device of this machine: no host, a path below ``/dev``.
    """

    name: str
    default_port: int
    ports: frozenset[int]
    multicast: bool = False
    local: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A camera URL that has passed, and the address it stands for.

    Attributes:
        scheme: In lower case.
        host: As written, in lower case; IPv6 without brackets.
        address: Where to connect; the name is not resolved again.
        port: TCP port.
        path: Path and query, beginning with ``/`` or empty.
        url: The whole, without credentials, as it stands in requests.
        default_port: Of the scheme.
        senders: Where what is sent to us without being asked for may come from: the address, or if
            that is a multicast group the camera networks.
    """

    scheme: str
    host: str
    address: str
    port: int
    path: str
    url: str
    default_port: int
    senders: tuple[IPv4Network | IPv6Network, ...] = ()

    def permits_sender(self, address: str) -> bool:
        """Return whether a datagram may come from *address*."""
        found = ip_address(address)
        return any(found in network for network in self.senders)

    @property
    def authority(self) -> str:
        """Host and, unless it is the default, port, as they stand in a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == self.default_port else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class _Parts:
    scheme: UrlScheme
    host: str
    port: int
    path: str
    literal: Address | None


@dataclass(frozen=True, slots=True)
class UrlPolicy:
    """Where cameras may be.

    Attributes:
        networks: The camera networks of this site.
        schemes: What a URL may begin with.
        extra_ports: Ports that are allowed beside those of the scheme.
        closed: Schemes that there are and that the settings have not opened.
        resolver: How names become addresses; called on a thread of its own.
        devices: Paths of the devices of this machine that may be opened.
    """

    networks: tuple[IPv4Network | IPv6Network, ...]
    schemes: tuple[UrlScheme, ...]
    extra_ports: frozenset[int] = frozenset()
    resolver: Resolver = system_resolver
    closed: tuple[UrlScheme, ...] = ()
    devices: frozenset[str] = frozenset()

    def check(self, url: str, *, at: str = "") -> Fault | None:
        """Return what is wrong with *url*, as far as it shows without resolving a name.

        Args:
            url: As configured.
            at: JSON Pointer of *url* in its document, for the fault.
        """
        parts = self._parse(url)
        if isinstance(parts, _Parts):
            return None
        return replace(parts, at=at)

    async def resolve(self, url: str, *, timeout_s: float = LOOKUP_S) -> Target:
        """Return where *url* leads.

        Raises:
            UrlRefused: It leads where it must not; says which rule is against it.
            SourceUnavailable: Its name cannot be resolved now (`DNS_FAILED`).
        """
        parts = self._parse(url)
        if not isinstance(parts, _Parts):
            raise UrlRefused(parts)
        if parts.scheme.local:
            return Target(parts.scheme.name, "", "", 0, parts.path, url, 0)
        if parts.literal is not None:
            found: tuple[Address, ...] = (parts.literal,)
        else:
            found = await addresses_of(parts.host, resolver=self.resolver, timeout_s=timeout_s)
            for address in found:
                if not self._permits(address):
                    said = f"{parts.host} resolves to {address}"
                    raise UrlRefused(self._outside(said, str(address)), park_s=300.0)
        shown = url if parts.path else f"{url}/"
        senders = self.networks if found[0].is_multicast else (ip_network(found[0]),)
        return Target(
            scheme=parts.scheme.name,
            host=parts.host,
            address=str(found[0]),
            port=parts.port,
            path=parts.path,
            url=shown,
            default_port=parts.scheme.default_port,
            senders=senders,
        )

    def _parse(self, url: str) -> _Parts | Fault:
        """Return the parts of *url*, or what is wrong with it. Never quotes userinfo."""
        if len(url) > MAX_URL_CHARS:
            args = {"got": len(url), "max": MAX_URL_CHARS}
            return Fault("", "url.length", f"longer than {MAX_URL_CHARS} characters", {**args})
        if any(not "!" <= char <= "~" for char in url):
            message = "only printable ASCII is allowed; percent-encode the rest"
            return Fault("", "url.control", message)
        match = _SCHEME.match(url)
        schemes = {each.name: each for each in self.schemes}
        if match is None or match[1] not in schemes:
            return self._wrong_scheme(url, match)
        return self._parse_behind(schemes[match[1]], url[match.end() :])

    def _parse_behind(self, scheme: UrlScheme, rest: str) -> _Parts | Fault:
        """Return the parts of a URL of *scheme*, behind which *rest* stands; or as `_parse`."""
        cut = next((at for at, char in enumerate(rest) if char in "/?#\\"), len(rest))
        authority, path = rest[:cut], rest[cut:]
        if "@" in authority:
            message = "put user and password in their own fields, not in the url"
            return Fault("", "url.userinfo", message)
        if "#" in path:
            return Fault("", "url.fragment", "a fragment (#) has no place here")
        if has_written_password(path):
            message = f"write {PASSWORD} where the password stands"
            return Fault("", "url.userinfo", message, {"kind": "path"})
        if not _PATH.fullmatch(without_places(path)):
            message = "the path holds a character that must be percent-encoded"
            return Fault("", "url.path", message)
        if scheme.local:
            return self._parse_device(scheme, authority, path)
        return self._parse_authority(scheme, authority, path)

    def _parse_device(self, scheme: UrlScheme, authority: str, path: str) -> _Parts | Fault:
        if authority:
            message = f"a device is written {scheme.name}:///dev/..., with three slashes"
            return Fault("", "url.host", message, {"kind": "device", "scheme": scheme.name})
        device = path.partition("?")[0]
        if device not in self.devices:
            message = f"{device[:80]} is not among the devices of [cameras] devices"
            return Fault("", "url.device", message, {"kind": "closed", "got": device[:80]})
        return _Parts(scheme, "", 0, path, None)

    def _wrong_scheme(self, url: str, match: re.Match[str] | None) -> Fault:
        """Return what is wrong with *url*; of a closed scheme also what else, once it is opened."""
        closed = {each.name: each for each in self.closed}
        if match is not None and match[1] in closed:
            name = match[1]
            opens = f'{name} is closed here; the settings open it: [cameras] schemes = ["{name}"]'
            found = self._parse_behind(closed[name], url[match.end() :])
            message = f"{opens}; then: {found.message}" if isinstance(found, Fault) else opens
            return Fault("", "url.scheme", message, {"kind": "closed", "got": name})
        possible = [each.name for each in self.schemes if not each.local or self.devices]
        message = f"the scheme must be {' or '.join(possible)} here"
        args: dict[str, str | int | float] = {"allowed": ", ".join(possible)}
        if match is None:
            return Fault("", "url.scheme", f"it does not begin with a scheme; {message}", args)
        return Fault("", "url.scheme", message, {"kind": "unknown", "got": match[1][:20], **args})

    def _parse_authority(self, scheme: UrlScheme, authority: str, path: str) -> _Parts | Fault:
        match = _HOST_PORT.fullmatch(authority)
        if match is None:
            return Fault("", "url.host", "the host must be a name or an IP address")
        host = match["host"].strip("[]").lower()
        port = int(match["port"] or scheme.default_port)
        allowed = scheme.ports | self.extra_ports
        if port not in allowed or not 1 <= port <= 65535:
            return _wrong_port(port, allowed)
        literal: Address | None = None
        if match["host"].startswith("[") or _NUMERIC.fullmatch(host.rpartition(".")[2]):
            literal = _literal(match["host"].lower())
            if literal is None:
                message = f"{host} is not a plain IP address"
                return Fault("", "url.host", message, {"kind": "address", "got": host})
            if not (self._permits(literal) or (scheme.multicast and _is_group(literal))):
                return self._outside(str(literal), str(literal))
        elif len(host) > 253 or not all(_LABEL.fullmatch(part) for part in host.split(".")):
            return Fault("", "url.host", "the host is not a valid name")
        return _Parts(scheme, host, port, path, literal)

    def _outside(self, said: str, address: str) -> Fault:
        """Return the fault of *address*, of which *said* tells, with the networks that are open."""
        networks = ", ".join(map(str, self.networks[:NAMED_NETWORKS]))
        if len(self.networks) > NAMED_NETWORKS:
            networks += f" (+{len(self.networks) - NAMED_NETWORKS})"
        message = f"{said} is outside the camera networks; open are {networks}"
        if said != address:
            message = f"{said}, outside the camera networks; open are {networks}"
        return Fault("", "url.network", message, {"got": address, "networks": networks})

    def _permits(self, address: Address) -> bool:
        if address.is_multicast or address.is_unspecified:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            return False
        return any(address in network for network in self.networks)


def _wrong_port(port: int, allowed: frozenset[int]) -> Fault:
    if not 1 <= port <= 65535:
        return Fault("", "url.port", f"port {port} is not from 1 to 65535", {"got": port})
    usual = ", ".join(map(str, sorted(allowed)))
    message = f"port {port} is closed here; open are {usual}; [cameras] ports opens others"
    return Fault("", "url.port", message, {"kind": "closed", "got": port, "allowed": usual})


def _is_group(address: Address) -> bool:
    """Return whether *address* is a multicast group that cameras use: none of the protocols'.

    Reference: RFC 5771 §4 (224.0.0.0/24 never leaves a link and is not for applications).
    """
    return address.is_multicast and address not in _LINK_GROUPS


_LINK_GROUPS = IPv4Network("224.0.0.0/24")


def _literal(host: str) -> Address | None:
    """Return the address spelled *host*: four decimal numbers, or [IPv6]. No other spelling."""
    try:
        return IPv6Address(host[1:-1]) if host.startswith("[") else IPv4Address(host)
    except ValueError:
        return None
