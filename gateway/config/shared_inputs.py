"""Which cameras want what one camera alone can have: a UDP port of ours, a capture device."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from gateway.model.errors import Fault
from gateway.model.site_document import LOCAL_SCHEMES, SiteConfig

_USUAL_PORT = 5004


def shared_inputs(site: SiteConfig) -> Iterator[Fault]:
    """Yield a fault for each stream of *site* that wants what a stream before it has.

    It is no more than odd: of two that are open for viewers only, each works while the other is
    closed. Cameras that are switched off want nothing.
    """
    taken: dict[str, str] = {}
    for number, camera in enumerate(site.cameras):
        for index, stream in enumerate(camera.streams if camera.enabled else ()):
            wanted = _wanted(urlsplit(stream.url))
            if wanted in taken:
                message = f"{wanted} is that of {taken[wanted]} as well; only one can be open"
                at = f"/cameras/{number}/streams/{index}/url"
                yield Fault(at, "url.shared", message, {"got": wanted, "other": taken[wanted]})
            elif wanted:
                taken[wanted] = camera.id


def _wanted(url: SplitResult) -> str:
    """Return the port or the device that *url* needs alone; empty: it can be had by many."""
    if url.scheme in LOCAL_SCHEMES:
        return url.path
    if url.scheme != "udp" or _is_group(url.hostname or ""):
        return ""
    return f"UDP port {url.port or _USUAL_PORT}"


def _is_group(host: str) -> bool:
    try:
        return ip_address(host).is_multicast
    except ValueError:  # a name
        return False
