"""Parses the camera's session description: which video it offers, and the URL to control it.

The first video that viewers may get as it is is chosen, or else the first that can be transcoded
(JPEG, MPEG-4). Everything is bounded; sections that we cannot
pass are named in the error, so that an operator sees the codec and not just a failure. What is
meant is read: devices leave out lines, end them in every way, and write tabs and quotes.

References: RFC 8866 (SDP); RFC 2326 §C.1 (control); RFC 6184 §8.1, RFC 7798 §7.1, RFC 6416
§7.1 (fmtp); RFC 6064 (framesize); ONVIF Streaming Specification (x-dimensions).
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.model.errors import CodecUnsupported, SourceUnavailable
from gateway.model.media import VIDEO_CLOCK_HZ, Codec, VideoFormat
from gateway.model.reasons import Reason
from gateway.rtp.codecs import CODEC_SYNTAX
from gateway.rtp.mpeg4 import headers_of
from gateway.rtp.packet import Malformed
from gateway.rtp.payload import is_byte_stream, split_byte_stream
from gateway.runtime.plain_text import printable
from gateway.runtime.url_policy import Target

MOST_LINES = 2_000
MOST_LINE_CHARS = 8_192
MOST_SECTIONS = 32
MOST_PARAMETER_SETS = 16

_CODECS: dict[str, Codec] = {
    "H264": "h264",
    "H265": "h265",
    "HEVC": "h265",
    "JPEG": "mjpeg",
    "MP4V-ES": "mpeg4",
}
_STATIC = {26: "JPEG", 28: "nv", 31: "H261", 32: "MPV", 33: "MP2T", 34: "H263"}
_SPROP = (
    ("sprop-parameter-sets", "H264"),
    ("sprop-vps", "H265"),
    ("sprop-sps", "H265"),
    ("sprop-pps", "H265"),
)
"""Parameters with parameter sets, and the codec that each tells."""
_NUMBER = re.compile(r"\d{1,3}")
_ABSOLUTE = re.compile(r"(?:rtsps?://)+[^/?]*", re.IGNORECASE)
"""Some cameras write the scheme twice."""
_HOST = re.compile(r"[\w.:\[\]-]+(?=/)")
_SIZE = re.compile(r"(?:^|\s)([1-9]\d{0,4})\s*[-,x]\s*([1-9]\d{0,4})$")
_LINE = re.compile(r"([A-Za-z])\s*=\s*(.*)")
_QUOTES = "\"' \t"
_BASE64 = str.maketrans("-_", "+/", _QUOTES)


@dataclass(slots=True)
class _Section:
    """One m-section, or the lines before the first."""

    kind: str = ""
    transport: str = ""
    payload_types: tuple[int, ...] = ()
    control: str = ""
    names: dict[int, str] = field(default_factory=dict)
    formats: dict[int, dict[str, str]] = field(default_factory=dict)
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """What DESCRIBE has told.

    Attributes:
        video: Codec and parameter sets.
        payload_type: Of the video's RTP packets.
        control_url: For SETUP.
        aggregate_url: For PLAY, the keep-alive and TEARDOWN.
        encoding: The codec as the camera names it.
        packetization_mode: Of H.264; 0 for H.265.
        secured: Whether it says that the media is encrypted (RTP/SAVP).
        size: Width and height of the pictures, if it says so.
    """

    video: VideoFormat
    payload_type: int
    control_url: str
    aggregate_url: str
    encoding: str
    packetization_mode: int = 0
    secured: bool = False
    size: tuple[int, int] | None = None


def parse_description(text: bytes, *, base: str, target: Target) -> Description:
    """Return the video that the camera offers, the best that we can take.

    Args:
        text: The SDP.
        base: `Content-Base`, `Content-Location`, or the request's URL.
        target: Where we are connected; whatever host the camera names, it is this one.

    Raises:
        CodecUnsupported: There is no video that we can pass; the codecs offered are named.
        SourceUnavailable: It is not an SDP within our bounds (`CORRUPT`).
    """
    session, *media = _sections(text)
    obstacles: list[_Obstacle] = []
    second: Description | None = None
    for section in media:
        if section.kind != "video":
            continue
        for payload_type in section.payload_types or tuple(section.names):
            parameters = _parameters(payload_type, section, media)
            name, clock = _encoding(section, payload_type, parameters)
            obstacle = _obstacle(name, clock, parameters, section.transport, target)
            if obstacle:
                obstacles.append(obstacle)
                continue
            mode = parameters.get("packetization-mode", "0")
            found = Description(
                video=VideoFormat(_CODECS[name], _parameter_sets(_CODECS[name], parameters)),
                payload_type=payload_type,
                control_url=resolve_control(section.control, base, target),
                aggregate_url=resolve_control(session.control, base, target),
                encoding=name,
                packetization_mode=int(mode == "1"),
                secured="SAVP" in section.transport,
                size=section.size,
            )
            if found.video.codec in CODEC_SYNTAX:
                return found
            second = second or found
    if second is not None:
        return second
    raise _unsupported(obstacles)


def _parameters(number: int, section: _Section, media: list[_Section]) -> dict[str, str]:
    """Return the parameters of a format; some cameras write them into another section."""
    elsewhere = (
        each.formats[number]
        for each in media
        if number in each.formats and number not in each.payload_types
    )
    return section.formats.get(number) or next(elsewhere, {})


class _Obstacle(NamedTuple):
    """Why a format cannot be passed."""

    reason: Reason
    text: str


def _unsupported(obstacles: list[_Obstacle]) -> CodecUnsupported:
    """Return what to raise; what is nearest to being passed gives the reason."""
    reasons = [each.reason for each in obstacles if each.reason is not Reason.UNSUPPORTED_CODEC]
    offered = ", ".join(each.text for each in obstacles[:4]) or "no video"
    return CodecUnsupported(
        reasons[0] if reasons else Reason.UNSUPPORTED_CODEC,
        f"the camera offers {offered}; H264, H265, JPEG and MP4V-ES can be taken",
        park_s=300.0,
    )


def _encoding(section: _Section, payload_type: int, parameters: dict[str, str]) -> tuple[str, str]:
    """Return encoding name and clock rate of a format, as far as they are said."""
    name, _, rate = section.names.get(payload_type, "").partition("/")
    name = name.strip().upper()
    if name.replace(".", "") in _CODECS:
        name = name.replace(".", "")
    if not name:  # some forget the rtpmap
        told = (codec for key, codec in _SPROP if key in parameters)
        name = _STATIC.get(payload_type) or next(told, f"payload type {payload_type}")
    return name, rate.partition("/")[0].strip() or str(VIDEO_CLOCK_HZ)


def _obstacle(
    name: str, clock: str, parameters: dict[str, str], transport: str, target: Target
) -> _Obstacle | None:
    """Return why a format cannot be passed; None if it can."""
    if name not in _CODECS:
        return _Obstacle(Reason.UNSUPPORTED_CODEC, printable(name[:40]))
    shown = printable(transport[:20])
    if transport.startswith("RTP/SAVP"):
        # Within TLS nobody needs SRTP: servers that offer it take RTP/AVP/TCP there.
        if target.scheme != "rtsps":
            return _Obstacle(Reason.SRTP_REQUIRED, f"{name} over {shown}, encrypted by SRTP")
    elif not transport.startswith("RTP/AVP"):
        return _Obstacle(Reason.UNSUPPORTED_TRANSPORT, f"{name} over {shown or 'nothing'}")
    if clock != str(VIDEO_CLOCK_HZ):
        said = f"{name} with a clock of {printable(clock[:10])} Hz"
        return _Obstacle(Reason.CLOCK_RATE, said)
    if parameters.get("packetization-mode") == "2":
        return _Obstacle(Reason.INTERLEAVED_MODE, f"{name} interleaved (packetization-mode 2)")
    if name != "H264" and parameters.get("sprop-max-don-diff", "0") not in ("", "0"):
        return _Obstacle(Reason.DECODING_ORDER, f"{name} with decoding order numbers")
    return None


def _sections(text: bytes) -> list[_Section]:
    """Return the session's lines and the m-sections, whatever ends the lines.

    What RFC 8866 §5 asks for beside them (v=, o=, s=, t=) is not missed.
    """
    raw = text.decode("utf-8", "replace").replace("\ufeff", "").replace("\r", "\n").split("\n")
    raw = [line.strip() for line in raw if line.strip()]
    if len(raw) > MOST_LINES or any(len(line) > MOST_LINE_CHARS for line in raw):
        raise _corrupt(f"more than {MOST_LINES} lines, or one of over {MOST_LINE_CHARS} characters")
    lines = [(match[1].lower(), match[2]) for line in raw if (match := _LINE.fullmatch(line))]
    if not any(kind in ("v", "m") for kind, _ in lines):
        raise _corrupt("has neither v= nor m=")
    sections = [_Section()]
    for kind, value in lines:
        if kind == "m":
            if len(sections) > MOST_SECTIONS:
                raise _corrupt(f"more than {MOST_SECTIONS} m-sections")
            media, _, transport, *formats = [*value.split(), "", "", ""][: 3 + 64]
            numbers = tuple(int(text) for text in formats if _NUMBER.fullmatch(text))
            sections.append(_Section(media.lower(), transport.upper(), numbers))
        elif kind == "a":
            _attribute(sections[-1], value)
    return sections


def _attribute(section: _Section, text: str) -> None:
    name, _, value = text.partition(":")
    name, value = name.strip().lower(), value.strip()
    if name == "control":
        section.control = value.strip(_QUOTES)
        return
    if name in ("x-dimensions", "framesize"):
        size = _SIZE.search(value)
        section.size = (int(size[1]), int(size[2])) if size else None
        return
    number, *rest = value.split(None, 1)[:2] or [""]
    if not _NUMBER.fullmatch(number):
        return
    if name == "rtpmap":
        section.names[int(number)] = "".join(rest)
    elif name == "fmtp":
        pairs = (pair.partition("=") for pair in "".join(rest).split(";"))
        section.formats.setdefault(int(number), {}).update(
            (key.strip().lower(), value.strip(_QUOTES)) for key, _, value in pairs
        )


def _parameter_sets(codec: Codec, parameters: dict[str, str]) -> tuple[bytes, ...]:
    """Return the parameter sets of the sprop parameters, in the order in which they are sent.

    A damaged one is left out, and so is what else stands there: some put whole byte streams in.
    """
    if codec == "mpeg4":
        return _mpeg4_headers(parameters.get("config", ""))
    if codec not in CODEC_SYNTAX:
        return ()
    payload_format = CODEC_SYNTAX[codec].payload_format
    texts = [text for name, _ in _SPROP for text in parameters.get(name, "").split(",")]
    nals: list[bytes] = []
    for text in texts[:MOST_PARAMETER_SETS]:
        data = _decoded(text)
        with contextlib.suppress(Malformed):
            nals += split_byte_stream(payload_format, data) if is_byte_stream(data) else [data]
    order = {kind: index for index, kind in enumerate(payload_format.parameter_set_types)}
    sets = [nal for nal in nals if nal and payload_format.nal_type(nal) in order]
    return tuple(
        sorted(sets[:MOST_PARAMETER_SETS], key=lambda nal: order[payload_format.nal_type(nal)])
    )


def _mpeg4_headers(text: str) -> tuple[bytes, ...]:
    """Return the headers that *text* spells in hexadecimal digits, in one; none if damaged."""
    try:
        headers = headers_of(bytes.fromhex(text))
    except ValueError:
        return ()
    return (headers,) if headers else ()


def _decoded(text: str) -> bytes:
    """Return the bytes of *text* in Base64, in quotes or not, padded or not; none if damaged."""
    text = text.translate(_BASE64).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def resolve_control(control: str, base: str, target: Target) -> str:
    """Return the URL that *control* stands for, always on the host we are connected to.

    A relative control is appended to the base, not merged by RFC 3986: recorders put a query
    into the base (``...?channel=1/``) and expect ``...?channel=1/trackID=0``.
    """
    base = _base_at_target(base, target)
    if control in ("", "*"):
        return base
    if _ABSOLUTE.match(control):
        return _at_target(control, target)
    if any(not "!" <= char <= "~" for char in control):
        raise _corrupt("a control attribute holds control characters")
    if control.startswith("/"):
        return f"{target.scheme}://{target.authority}{control}"
    joint = "" if base.endswith("/") or control.startswith("?") else "/"
    return f"{base}{joint}{control}"


def _base_at_target(base: str, target: Target) -> str:
    """Return the *base*, of which some cameras leave out the scheme, or the host as well."""
    if not _ABSOLUTE.match(base):
        host = _HOST.match(base)
        named = host is not None and host[0].partition(":")[0] in (target.host, target.address)
        if not named and not base.startswith("/"):
            return target.url
        base = f"{target.scheme}://{base}"
    return _at_target(base, target)


def _at_target(url: str, target: Target) -> str:
    """Return *url* with scheme, host and port of *target*."""
    if any(not "!" <= char <= "~" for char in url):
        raise _corrupt("a URL holds control characters")
    return _ABSOLUTE.sub(lambda _: f"{target.scheme}://{target.authority}", url, count=1)


def _corrupt(offence: str) -> SourceUnavailable:
    return SourceUnavailable(Reason.CORRUPT, f"session description: {offence}", pause_s=30.0)
