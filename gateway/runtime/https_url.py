"""URLs of the centre's file servers: HTTPS, at hosts that this machine's settings name."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.model.errors import refuse

_ADDRESS = re.compile(r"[!-~]{1,2048}")


@dataclass(frozen=True, slots=True)
class HttpsTarget:
    """Where such a URL leads to. *path*: with the query, beginning with ``/``."""

    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        return self.host if self.port == 443 else f"{self.host}:{self.port}"


def parse_https_url(url: str, hosts: Collection[str], *, at: str, setting: str) -> HttpsTarget:
    """Return where *url* leads to.

    Args:
        url: As it was given; it may hold a signature that grants access, so it is never repeated.
        hosts: Those that are allowed: ``host``, or ``host:port`` where that is not 443.
        at: JSON Pointer of the URL, for the fault.
        setting: Where *hosts* stand, for people.

    Raises:
        MessageRejected: It is no HTTPS URL, or of another host.
    """
    if not _ADDRESS.fullmatch(url) or "\\" in url:
        refuse("url.control", "it may hold printable ASCII only, no spaces", at)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 443
    except ValueError:
        refuse("url.host", "it names no host", at)
    if parts.scheme != "https":
        refuse("url.scheme", "it must begin with https://", at)
    if "@" in parts.netloc or parts.fragment:
        refuse("url.userinfo", "it may hold neither a user nor a #", at)
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    found = HttpsTarget(host, port, path)
    if found.authority not in hosts:
        refuse("url.host", f"its host is not among {setting}", at)
    return found
