"""Parses the camera's session description: which video it offers, and the URL to control it.

The first video section that we can pass is chosen. Everything is bounded; sections that we cannot
pass are named in the error, so that an operator sees the codec and not just a failure.

References: RFC 8866 (SDP); RFC 2326 §C.1 (control); RFC 6184 §8.1, RFC 7798 §7.1 (fmtp).
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field

from gateway.model.errors import CodecUnsupported, SourceUnavailable
from gateway.model.media import VIDEO_CLOCK_HZ, Codec, VideoFormat
from gateway.model.reasons import Reason
from gateway.runtime.plain_text import printable
from gateway.runtime.url_policy import Target

MOST_LINES = 2_000
MOST_LINE_CHARS = 8_192
MOST_SECTIONS = 32
MOST_PARAMETER_SETS = 16

_CODECS: dict[str, Codec] = {"H264": "h264", "H265": "h265", "HEVC": "h265"}
_STATIC = {26: "JPEG", 28: "nv", 31: "H261", 32: "MPV", 33: "MP2T", 34: "H263"}
_SPROP = {
    "h264": ("sprop-parameter-sets",),
    "h265": ("sprop-vps", "sprop-sps", "sprop-pps"),
}
_NUMBER = re.compile(r"\d{1,3}")
_ABSOLUTE = re.compile(r"rtsps?://[^/?]*", re.IGNORECASE)


@dataclass(slots=True)
class _Section:
    """One m-section, or the lines before the first."""

    kind: str = ""
    transport: str = ""
    payload_types: tuple[int, ...] = ()
    control: str = ""
    names: dict[int, str] = field(default_factory=dict)
    formats: dict[int, dict[str, str]] = field(default_factory=dict)


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
    """

    video: VideoFormat
    payload_type: int
    control_url: str
    aggregate_url: str
    encoding: str
    packetization_mode: int = 0


def parse_description(text: bytes, *, base: str, target: Target) -> Description:
    """Return the video that the camera offers.

    Args:
        text: The SDP.
        base: `Content-Base`, `Content-Location`, or the request's URL.
        target: Where we are connected; whatever host the camera names, it is this one.

    Raises:
        CodecUnsupported: There is no video that we can pass; the codecs offered are named.
        SourceUnavailable: It is not an SDP within our bounds (`CORRUPT`).
    """
    session, *media = _sections(text)
    offered: list[str] = []
    for section in media:
        if section.kind != "video":
            continue
        for payload_type in section.payload_types:
            name, _, rate = section.names.get(payload_type, "").partition("/")
            name = name.upper() or _STATIC.get(payload_type, f"payload type {payload_type}")
            parameters = section.formats.get(payload_type, {})
            obstacle = _obstacle(name, rate, parameters, section.transport)
            if obstacle:
                offered.append(obstacle)
                continue
            aggregate = resolve_control(session.control, base, target)
            mode = parameters.get("packetization-mode", "0")
            return Description(
                video=VideoFormat(_CODECS[name], _parameter_sets(_CODECS[name], parameters)),
                payload_type=payload_type,
                control_url=resolve_control(section.control, base, target),
                aggregate_url=aggregate,
                encoding=name,
                packetization_mode=int(mode == "1"),
            )
    raise CodecUnsupported(
        Reason.UNSUPPORTED_CODEC,
        f"the camera offers {', '.join(offered[:4]) or 'no video'}; H264 and H265 can be passed",
        park_s=300.0,
    )


def _obstacle(name: str, rate: str, parameters: dict[str, str], transport: str) -> str:
    """Return why a format cannot be passed, beginning with its name; empty if it can."""
    if name not in _CODECS:
        return printable(name[:40])
    if not transport.startswith("RTP/AVP"):
        return f"{name} over {printable(transport[:20])}"
    clock = rate.partition("/")[0]
    if clock != str(VIDEO_CLOCK_HZ):
        return f"{name} with a clock of {printable(clock[:10]) or '?'} Hz"
    if parameters.get("packetization-mode") == "2":
        return f"{name} interleaved (packetization-mode 2)"
    if parameters.get("sprop-max-don-diff", "0") not in ("", "0"):
        return f"{name} with decoding order numbers"
    return ""


def _sections(text: bytes) -> list[_Section]:
    lines = text.decode("utf-8", "replace").replace("\r", "\n").split("\n")
    lines = [line.strip() for line in lines if line.strip()]
    if len(lines) > MOST_LINES or any(len(line) > MOST_LINE_CHARS for line in lines):
        raise _corrupt(f"more than {MOST_LINES} lines, or one of over {MOST_LINE_CHARS} characters")
    if not lines or not lines[0].startswith("v="):
        raise _corrupt("does not begin with v=")
    sections = [_Section()]
    for line in lines:
        if line.startswith("m="):
            if len(sections) > MOST_SECTIONS:
                raise _corrupt(f"more than {MOST_SECTIONS} m-sections")
            kind, _, transport, *formats = [*line[2:].split(), "", "", ""][: 3 + 64]
            numbers = tuple(int(text) for text in formats if _NUMBER.fullmatch(text))
            sections.append(_Section(kind, transport, numbers))
        elif line.startswith("a="):
            _attribute(sections[-1], line[2:])
    return sections


def _attribute(section: _Section, text: str) -> None:
    name, _, value = text.partition(":")
    name, value = name.strip().lower(), value.strip()
    if name == "control":
        section.control = value
        return
    number, _, rest = value.partition(" ")
    if not _NUMBER.fullmatch(number):
        return
    if name == "rtpmap":
        section.names[int(number)] = rest.strip()
    elif name == "fmtp":
        pairs = (pair.partition("=") for pair in rest.split(";"))
        section.formats[int(number)] = {
            key.strip().lower(): value.strip() for key, _, value in pairs
        }


def _parameter_sets(codec: Codec, parameters: dict[str, str]) -> tuple[bytes, ...]:
    """Return the NAL units of the sprop parameters; none at all if one of them is damaged."""
    texts = [text for name in _SPROP[codec] for text in parameters.get(name, "").split(",") if text]
    try:
        units = tuple(base64.b64decode(text, validate=True) for text in texts)
    except (binascii.Error, ValueError):
        return ()
    return units if len(units) <= MOST_PARAMETER_SETS and all(units) else ()


def resolve_control(control: str, base: str, target: Target) -> str:
    """Return the URL that *control* stands for, always on the host we are connected to.

    A relative control is appended to the base, not merged by RFC 3986: recorders put a query
    into the base (``...?channel=1/``) and expect ``...?channel=1/trackID=0``.
    """
    base = _at_target(base, target) if _ABSOLUTE.match(base) else target.url
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


def _at_target(url: str, target: Target) -> str:
    """Return *url* with scheme, host and port of *target*."""
    if any(not "!" <= char <= "~" for char in url):
        raise _corrupt("a URL holds control characters")
    return _ABSOLUTE.sub(lambda _: f"{target.scheme}://{target.authority}", url, count=1)


def _corrupt(offence: str) -> SourceUnavailable:
    return SourceUnavailable(Reason.CORRUPT, f"session description: {offence}", pause_s=30.0)
