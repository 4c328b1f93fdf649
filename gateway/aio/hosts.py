"""A host's name as the resolver is asked for it."""

from __future__ import annotations


def plain(host: str) -> str | bytes:
    """Return *host* as it goes over the wire, where it is that already.

    From a string Python's `getaddrinfo` loads its tables of international names, whatever the name,
    and they stay: 0.5 MB.
    """
    return host.encode("ascii") if host.isascii() else host
