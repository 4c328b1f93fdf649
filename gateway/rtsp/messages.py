"""RTSP requests and responses, encoded and parsed. No I/O.

Parsing is bounded: what is larger than any camera has reason to send is `Malformed`, and the
connection ends with it.

References: RFC 2326 §4-§7; RFC 7826 for the server's own requests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.runtime.build import USER_AGENT

MOST_HEAD_BYTES = 16_384
MOST_HEADERS = 64
MOST_LINE_BYTES = 4_096
MOST_BODY_BYTES = 65_536


_STATUS_LINE = re.compile(r"RTSP/[12]\.\d (\d{3})(?: (.*))?")
_REQUEST_LINE = re.compile(r"([A-Z_]{3,20}) (\S+) RTSP/[12]\.\d")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LINE_END = re.compile(r"\r*\n|\r")
_LENGTH = re.compile(r"\d{1,10}")


class Malformed(Exception):
    """What came is not RTSP within our bounds. Never leaves `gateway.rtsp`."""


class HttpInstead(Malformed):
    """What came first is of HTTP: a status line, or a page without one."""


def not_rtsp(seen: bytes) -> Malformed:
    """Return what is said of a server that has begun with *seen*."""
    if seen.lstrip().upper().startswith((b"HTTP/", b"<!DOCTYPE", b"<HTML")):
        return HttpInstead("an answer in HTTP")
    return Malformed(f"not RTSP: {seen!r}")


@dataclass(frozen=True, slots=True)
class Headers:
    """Header fields in the order received; names in lower case."""

    fields: tuple[tuple[str, str], ...] = ()

    def get(self, name: str, default: str = "") -> str:
        """Return the first value of *name* (lower case)."""
        return next((value for key, value in self.fields if key == name), default)

    def get_all(self, name: str) -> tuple[str, ...]:
        """Return every value of *name* (lower case), in order."""
        return tuple(value for key, value in self.fields if key == name)


@dataclass(frozen=True, slots=True)
class Response:
    """A response of the server.

    Attributes:
        status: 100 to 999.
        phrase: For people; as the server wrote it.
        headers: All of them.
        body: Of `Content-Length` bytes.
    """

    status: int
    phrase: str
    headers: Headers
    body: bytes = b""

    @property
    def cseq(self) -> int | None:
        """Which request this answers; None if the server does not say."""
        return _cseq(self.headers)


@dataclass(frozen=True, slots=True)
class ServerRequest:
    """A request of the server (RFC 7826 §7)."""

    method: str
    url: str
    headers: Headers
    body: bytes = b""

    @property
    def cseq(self) -> int | None:
        """Its number, to be given back."""
        return _cseq(self.headers)


Message = Response | ServerRequest


def _cseq(headers: Headers) -> int | None:
    text = headers.get("cseq")
    return int(text) if _LENGTH.fullmatch(text) else None


def encode_request(method: str, url: str, cseq: int, fields: dict[str, str]) -> bytes:
    """Return a request as bytes.

    Raises:
        ValueError: A field would break out of its line; whoever made it should have checked.
    """
    lines = [f"{method} {url} RTSP/1.0", f"CSeq: {cseq}", f"User-Agent: {USER_AGENT}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    if any(char in line for line in lines for char in "\r\n\0"):
        raise ValueError(f"{method}: a header field holds a control character")
    return "\r\n".join([*lines, "", ""]).encode()


def encode_response(cseq: int | None, status: int, phrase: str) -> bytes:
    """Return our answer to a request of the server's."""
    number = f"CSeq: {cseq}\r\n" if cseq is not None else ""
    return f"RTSP/1.0 {status} {phrase}\r\n{number}\r\n".encode()


def parse_head(head: bytes) -> tuple[Message, int]:
    """Return the message of *head* (everything before the empty line) and its body's length.

    Raises:
        Malformed: It is not RTSP, or exceeds a bound.
    """
    first, *lines = _LINE_END.split(head.decode("utf-8", "replace").rstrip("\r"))
    if len(lines) > MOST_HEADERS:
        raise Malformed(f"{len(lines)} header fields")
    if any(len(line) > MOST_LINE_BYTES for line in (first, *lines)):
        raise Malformed(f"a header line longer than {MOST_LINE_BYTES} bytes")
    headers = Headers(tuple(_fields(lines)))
    length = headers.get("content-length", "0")
    if not _LENGTH.fullmatch(length) or int(length) > MOST_BODY_BYTES:
        raise Malformed(f"Content-Length {length[:20]!r}, at most {MOST_BODY_BYTES} is taken")
    if status := _STATUS_LINE.fullmatch(first):
        return Response(int(status[1]), (status[2] or "")[:100], headers), int(length)
    if request := _REQUEST_LINE.fullmatch(first):
        return ServerRequest(request[1], request[2], headers), int(length)
    raise Malformed(f"first line {first[:40]!r}")


def _fields(lines: list[str]) -> list[tuple[str, str]]:
    """Return name and value of each line; folded lines are joined, lines without a name skipped."""
    fields: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in (" ", "\t") and fields:
            name, value = fields[-1]
            fields[-1] = (name, f"{value} {line.strip()}")
            continue
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if colon and _NAME.fullmatch(name):
            fields.append((name, value.strip()))
    return fields
