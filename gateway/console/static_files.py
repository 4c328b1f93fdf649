"""The page's files, held in memory. Nothing else can be requested."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources

from gateway.console.messages import reason_texts_json

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file of the page.

    Attributes:
        body: Its bytes.
        content_type: With character set.
        tag: Strong ETag (RFC 9110 §8.8.3); browsers ask each time and get 304 while it is valid.
    """

    body: bytes
    content_type: str
    tag: str


def page_files() -> dict[str, StaticFile]:
    """Return the page's files by URL path."""
    files = {"/wording.json": _file("wording.json", reason_texts_json())}
    for entry in resources.files("gateway.console").joinpath("static").iterdir():
        if entry.is_file():
            files[f"/{entry.name}"] = _file(entry.name, entry.read_bytes())
    files["/"] = files["/index.html"]
    return files


def _file(name: str, body: bytes) -> StaticFile:
    suffix = name[name.rindex(".") :]
    return StaticFile(body, TYPES[suffix], hashlib.sha256(body).hexdigest()[:32])
