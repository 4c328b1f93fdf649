"""Which camera URLs may be opened, and at which address: against server-side request forgery.

The grammar is narrower than RFC 3986 §3: a URL that two parsers could read differently is refused,
and so are odd spellings of addresses. Against DNS rebinding, a name must resolve wholly inside the
permitted networks; it is resolved once, and the address found is the one connected to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from gateway.model.errors import Fault, SourceRefused
from gateway.model.reasons import Reason
from gateway.model.url_login import PASSWORD, has_written_password, without_places
from gateway.runtime.resolver import LOOKUP_S, Address, Resolver, addresses_of, system_resolver

MAX_URL_CHARS = 1024

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
        code, message = parts
        return Fault(at, code, message)

    async def resolve(self, url: str, *, timeout_s: float = LOOKUP_S) -> Target:
        """Return where *url* leads.

        Raises:
            SourceRefused: It leads where it must not (`POLICY_DENIED`).
            SourceUnavailable: Its name cannot be resolved now (`DNS_FAILED`).
        """
        parts = self._parse(url)
        if not isinstance(parts, _Parts):
            raise SourceRefused(Reason.POLICY_DENIED, parts[1])
        if parts.scheme.local:
            return Target(parts.scheme.name, "", "", 0, parts.path, url, 0)
        if parts.literal is not None:
            found: tuple[Address, ...] = (parts.literal,)
        else:
            found = await addresses_of(parts.host, resolver=self.resolver, timeout_s=timeout_s)
            for address in found:
                if not self._permits(address):
                    raise SourceRefused(
                        Reason.POLICY_DENIED,
                        f"{parts.host} resolves to {address}, outside the camera networks",
                        park_s=300.0,
                    )
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

    def _parse(self, url: str) -> _Parts | tuple[str, str]:
        """Return the parts of *url*, or code and message of the fault. Never quotes userinfo."""
        if len(url) > MAX_URL_CHARS:
            return "url.length", f"longer than {MAX_URL_CHARS} characters"
        if any(not "!" <= char <= "~" for char in url):
            return "url.control", "only printable ASCII is allowed; percent-encode the rest"
        match = _SCHEME.match(url)
        schemes = {each.name: each for each in self.schemes}
        if match is None or match[1] not in schemes:
            return "url.scheme", self._wrong_scheme(url, match)
        return self._parse_behind(schemes[match[1]], url[match.end() :])

    def _parse_behind(self, scheme: UrlScheme, rest: str) -> _Parts | tuple[str, str]:
        """Return the parts of a URL of *scheme*, behind which *rest* stands; or as `_parse`."""
        cut = next((at for at, char in enumerate(rest) if char in "/?#\\"), len(rest))
        authority, path = rest[:cut], rest[cut:]
        if "@" in authority:
            return "url.userinfo", "put user and password in their own fields, not in the url"
        if "#" in path:
            return "url.fragment", "a fragment (#) has no place here"
        if has_written_password(path):
            return "url.userinfo", f"write {PASSWORD} where the password stands"
        if not _PATH.fullmatch(without_places(path)):
            return "url.path", "the path holds a character that must be percent-encoded"
        if scheme.local:
            return self._parse_device(scheme, authority, path)
        return self._parse_authority(scheme, authority, path)

    def _parse_device(
        self, scheme: UrlScheme, authority: str, path: str
    ) -> _Parts | tuple[str, str]:
        if authority:
            return "url.host", f"a device is written {scheme.name}:///dev/..., with three slashes"
        device = path.partition("?")[0]
        if device not in self.devices:
            return "url.device", f"{device[:80]} is not among the devices of [cameras] devices"
        return _Parts(scheme, "", 0, path, None)

    def _wrong_scheme(self, url: str, match: re.Match[str] | None) -> str:
        """Return what is wrong with *url*; of a closed scheme also what else, once it is opened."""
        closed = {each.name: each for each in self.closed}
        if match is not None and match[1] in closed:
            name = match[1]
            opens = f'{name} is closed here; the settings open it: [cameras] schemes = ["{name}"]'
            found = self._parse_behind(closed[name], url[match.end() :])
            return opens if isinstance(found, _Parts) else f"{opens}; then: {found[1]}"
        possible = [each.name for each in self.schemes if not each.local or self.devices]
        return f"the scheme must be {' or '.join(possible)} here"

    def _parse_authority(
        self, scheme: UrlScheme, authority: str, path: str
    ) -> _Parts | tuple[str, str]:
        match = _HOST_PORT.fullmatch(authority)
        if match is None:
            return "url.host", "the host must be a name or an IP address"
        host = match["host"].strip("[]").lower()
        port = int(match["port"] or scheme.default_port)
        allowed = scheme.ports | self.extra_ports
        if port not in allowed:
            return "url.port", f"port {port} is not among {sorted(allowed)}"
        literal: Address | None = None
        if match["host"].startswith("[") or _NUMERIC.fullmatch(host.rpartition(".")[2]):
            literal = _literal(match["host"].lower())
            if literal is None:
                return "url.host", f"{host} is not a plain IP address"
            if not (self._permits(literal) or (scheme.multicast and _is_group(literal))):
                return "url.network", f"{literal} is outside the camera networks"
        elif len(host) > 253 or not all(_LABEL.fullmatch(part) for part in host.split(".")):
            return "url.host", "the host is not a valid name"
        return _Parts(scheme, host, port, path, literal)

    def _permits(self, address: Address) -> bool:
        if address.is_multicast or address.is_unspecified:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            return False
        return any(address in network for network in self.networks)


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
