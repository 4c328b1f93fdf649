"""What somebody probably meant by a camera URL with a scheme that there is not.

Only said, never put in its place: what is opened is what was written.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_WHOLE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,20})://")
_SLASHES = re.compile(r"(?i)(rtsps?|https?|rtmps?|udp)(?::/?|//?|;//)")
_NEAR = {"rtp": "udp", "ws": "http", "wss": "https", "rtspt": "rtsp", "rtspu": "rtsp"}
"""Schemes of players, and by which of ours the same device is opened."""


def scheme_mistake(url: str, known: Collection[str]) -> dict[str, str]:
    """Return the `args` of the fault that *url* does not begin with one of the schemes *known*.

    Returns:
        ``kind`` of `gateway.model.fault_text`, and what was given; empty: it has no scheme.
    """
    if found := _WHOLE.match(url):
        got, lower = found[1], found[1].lower()
        if lower in known and got != lower:
            return {"kind": "case", "got": got, "near": lower}
        if lower in _NEAR:
            return {"kind": "near", "got": got, "near": _NEAR[lower]}
        return {"kind": "unknown", "got": got}
    if found := _SLASHES.match(url):
        return {"kind": "slashes", "got": found[1].lower()}
    return {"kind": "device", "got": url[:80]} if url.startswith("/dev/") else {}
