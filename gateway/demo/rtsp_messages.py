"""RTSP messages of a camera: parses requests, formats replies and the SDP.

Pure functions over bytes. Sources: RFC 2326, RFC 8866 (SDP), RFC 6184 and RFC 7798 (fmtp).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.model.media import Codec

REASONS = {
    200: "OK",
    302: "Moved Temporarily",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    453: "Not Enough Bandwidth",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    461: "Unsupported Transport",
    503: "Service Unavailable",
    551: "Option not supported",
}
_LONGEST_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Request:
    """One request; header names are in lower case."""

    method: str
    url: str
    headers: Mapping[str, str]

    @property
    def path(self) -> str:
        """The path of the URL, with its query if it has one, without a closing slash."""
        parts = urlsplit(self.url)
        return (parts.path + (f"?{parts.query}" if parts.query else "")).rstrip("/") or "/"


@dataclass(frozen=True, slots=True)
class InterleavedPacket:
    """One packet interleaved in the RTSP connection (RFC 2326 §10.12)."""

    channel: int
    packet: bytes


def pop_message(buffer: bytearray) -> Request | InterleavedPacket | None:
    """Remove the next request or packet from *buffer* and return it; None if it is incomplete.

    Raises:
        ValueError: The bytes are not RTSP.
    """
    while buffer[:2] == b"\r\n":
        del buffer[:2]
    if buffer[:1] == b"$":
        end = 4 + int.from_bytes(buffer[2:4], "big")
        if len(buffer) < max(4, end):
            return None
        packet = InterleavedPacket(buffer[1], bytes(buffer[4:end]))
        del buffer[:end]
        return packet
    head_end = buffer.find(b"\r\n\r\n")
    if head_end == -1:
        if len(buffer) > _LONGEST_BYTES:
            raise ValueError("request too long")
        return None
    request = _request(bytes(buffer[:head_end]).decode("utf-8", "replace"))
    end = head_end + 4 + _length(request)
    if len(buffer) < end:
        return None
    del buffer[:end]
    return request


def _request(head: str) -> Request:
    first, *lines = head.split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("RTSP/"):
        raise ValueError("not an RTSP request line")
    headers = {}
    for line in lines:
        name, _, setting = line.partition(":")
        headers[name.strip().lower()] = setting.strip()
    return Request(words[0], words[1], headers)


def _length(request: Request) -> int:
    length = int(request.headers.get("content-length", "0"))
    if not 0 <= length <= _LONGEST_BYTES:
        raise ValueError("body too long")
    return length


def format_reply(code: int, headers: Sequence[tuple[str, str]], body: bytes = b"") -> bytes:
    """Return a reply with *headers* in their order."""
    lines = [f"RTSP/1.0 {code} {REASONS.get(code, 'Error')}"]
    lines += [f"{name}: {setting}" for name, setting in headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def payload_type(codec: Codec) -> int:
    """Return the RTP payload type of *codec*: that of RFC 3551 §6, or a dynamic one."""
    return 26 if codec == "mjpeg" else 96


def format_sdp(
    name: str, codec: Codec, sets: Sequence[bytes], *, sections: int = 1, sound: bool = False
) -> bytes:
    """Return the SDP of a camera: *sections* video sections, and G.711 if *sound*."""
    lines = [
        "v=0",
        "o=- 1109162014219182 1109162014219192 IN IP4 0.0.0.0",
        f"s={name}",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        "a=control:*",
        "a=range:npt=now-",
    ]
    kind = payload_type(codec)
    for number in range(sections):
        lines.append(f"m=video 0 RTP/AVP {kind}")
        if codec != "mjpeg":
            lines.append(f"a=rtpmap:{kind} {codec.upper()}/90000")
            lines.append(f"a=fmtp:{kind} {_fmtp(codec, sets)}")
        lines += [f"a=control:trackID={number + 1}", "a=recvonly"]
    if sound:
        lines += ["m=audio 0 RTP/AVP 8", "a=rtpmap:8 PCMA/8000"]
        lines += [f"a=control:trackID={sections + 1}"]
    return "\r\n".join([*lines, ""]).encode()


def _fmtp(codec: Codec, sets: Sequence[bytes]) -> str:
    coded = [base64.b64encode(unit).decode() for unit in sets]
    if codec == "h265":
        names = ("sprop-vps", "sprop-sps", "sprop-pps")
        return "; ".join(f"{name}={text}" for name, text in zip(names, coded, strict=False))
    settings = ["packetization-mode=1"]
    if sets:
        settings.append(f"profile-level-id={sets[0][1:4].hex()}")
        settings.append(f"sprop-parameter-sets={','.join(coded)}")
    return ";".join(settings)
