"""Security of our pages' HTTP: response headers, and the checks of Host and Origin.

The page may run its own scripts and connect to its own server only; no other page may frame it or
drive it. A foreign Host is refused, since it means DNS rebinding.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; media-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), display-capture=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Add `HEADERS` to *response*. Used as aiohttp's on_response_prepare, which sees errors too."""
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["Server"] = "camera-gateway"


def allow_hosts(names: frozenset[str]) -> Middleware:
    """Return a middleware that answers 421 unless the Host is one of *names*."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if host_name(request.headers.get("Host", "")) not in names:
            raise web.HTTPMisdirectedRequest(text="This server does not have that name.\n")
        return await handler(request)

    return check


def host_name(authority: str) -> str:
    """Return the host of ``host[:port]`` in lower case, without brackets; empty if malformed."""
    try:
        parts = urlsplit(f"//{authority}")
        _ = parts.port
    except ValueError:
        return ""
    if parts.username is not None or parts.path:
        return ""
    return (parts.hostname or "").lower()


def is_same_origin(request: web.Request) -> bool:
    """Return whether the Origin of *request* is the server that it was sent to."""
    try:
        origin = urlsplit(request.headers.get("Origin", ""))
    except ValueError:
        return False
    return origin.scheme in ("http", "https") and origin.netloc == request.headers.get("Host")
