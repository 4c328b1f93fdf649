"""Parses a viewer's SDP offer, strictly and within limits, before anything acts on it.

aiortc accepts nearly any offer: empty, without fingerprint, with hundreds of m-lines. It never
sees an offer that was not parsed here.

References: RFC 8866 (SDP), RFC 8829 (JSEP), RFC 8839 (ICE in SDP), RFC 8122 (fingerprints),
RFC 5761 (rtcp-mux), RFC 4588 (rtx), RFC 9143 (BUNDLE), RFC 8285 (extmap).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.model.errors import ViewerRejected
from gateway.model.reasons import Reason
from gateway.webrtc.playout_delay import PLAYOUT_DELAY_URI

LARGEST_BYTES = 32 * 1024
"""As much as the contract's schema allows; Chromium on a machine with many networks sends 19 kB."""

M_SECTIONS = 16
"""One video is answered, all others are refused by their port (RFC 8829 §5.3.1)."""

PAYLOAD_TYPES = 128

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,32}")
_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PWD = re.compile(r"[A-Za-z0-9+/]{22,256}")
_SHA_256 = re.compile(r"(?:[0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_RTPMAP = re.compile(r"([0-9]{1,3}) ([A-Za-z0-9.\-]{1,32})/([0-9]{1,6})(?:/[0-9]{1,2})?")
_FMTP = re.compile(r"([0-9]{1,3}) (.{1,512})")
_EXTMAP = re.compile(r"([1-9]|1[0-4])(?:/recvonly|/sendrecv)? ([\x21-\x7e]{1,256})")
_M_LINE = re.compile(
    r"m=([a-z]{1,32}) ([0-9]{1,5})(?:/[0-9]{1,5})? ([A-Za-z0-9/]{1,32})((?: [\x21-\x7e]{1,64})+)"
)
_PROTOCOLS = ("UDP/TLS/RTP/SAVPF", "RTP/SAVPF")
_NOT_RECEIVING = ("sendonly", "inactive")


@dataclass(frozen=True, slots=True)
class OfferedCodec:
    """One payload type of the offered video.

    Attributes:
        payload_type: 0 to 127.
        name: As in its rtpmap, lower case, e.g. ``h264``.
        parameters: Its fmtp, keys lower case.
        rtx_payload_type: Of its retransmissions; None if not offered.
    """

    payload_type: int
    name: str
    parameters: dict[str, str]
    rtx_payload_type: int | None


@dataclass(frozen=True, slots=True)
class OfferedSection:
    """One m-section, as its answer must repeat it.

    Attributes:
        mid: Its identification tag.
        kind: ``video``, ``audio``, ``application`` or another.
        protocol: E.g. ``UDP/TLS/RTP/SAVPF``.
        first_format: The first payload type, or what stands in its place.
        rtpmap: Of that payload type, without ``a=rtpmap:``; empty if there is none.
    """

    mid: str
    kind: str
    protocol: str
    first_format: str
    rtpmap: str


@dataclass(frozen=True, slots=True)
class ViewerOffer:
    """A valid offer.

    Attributes:
        sections: All, in order.
        video_mid: Of the section that we answer.
        bundled: Whether that one is in a BUNDLE group.
        tagged_mid: Of the section whose transport it shares, since it has none of its own; None: it
            has.
        ufrag: ICE user name fragment.
        pwd: ICE password.
        sha_256: The viewer's certificate fingerprint.
        candidates: Without ``a=candidate:``; not validated yet.
        codecs: In the viewer's order.
        playout_delay_id: Of the header extension `gateway.webrtc.playout_delay`; None: not offered.
    """

    sections: tuple[OfferedSection, ...]
    video_mid: str
    bundled: bool
    tagged_mid: str | None
    ufrag: str
    pwd: str
    sha_256: str
    candidates: tuple[str, ...]
    codecs: tuple[OfferedCodec, ...]
    playout_delay_id: int | None = None


@dataclass(frozen=True, slots=True)
class _Section:
    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    lines: tuple[str, ...]

    def values(self, name: str) -> Iterator[str]:
        prefix = f"a={name}:"
        return (line[len(prefix) :] for line in self.lines if line.startswith(prefix))

    def has(self, flag: str) -> bool:
        return f"a={flag}" in self.lines


_Lines = Sequence[_Section]
"""Where a value may stand: the section, then the session, then others of its BUNDLE group."""


def invalid_offer(detail: str) -> ViewerRejected:
    """Return the error for an offer that is not valid."""
    return ViewerRejected(400, Reason.OFFER_INVALID, detail)


def parse_offer(sdp: str) -> ViewerOffer:
    """Parse *sdp*.

    Raises:
        ViewerRejected: 400, with the first thing that is wrong.
    """
    session, sections = _sections(sdp)
    video = _receiving_video(session, sections)
    mids = [_required((section,), "mid", _TOKEN) for section in sections]
    mid = mids[sections.index(video)]
    groups = (value.split() for value in session.values("group"))
    group = next((words for words in groups if words[:1] == ["BUNDLE"] and mid in words[1:]), [])
    lines = [video, session]
    first = next(
        (each for each, tag in zip(sections, mids, strict=True) if tag in group[1:2]), video
    )
    shared = first is not video and _shares_transport(video, first)
    if shared and first.protocol in _PROTOCOLS:
        lines.append(first)
    elif shared and video.has("bundle-only"):
        raise invalid_offer("the video is bundled with a section that cannot be answered")
    if not any(each.has("rtcp-mux") for each in lines):
        raise invalid_offer("the video section lacks a=rtcp-mux (RFC 5761): RTCP has no port here")
    setup = next(_values(lines, "setup"), "")
    if setup not in ("actpass", "active"):
        raise invalid_offer(f"a=setup must be actpass or active, not {setup[:16]!r}")
    return ViewerOffer(
        sections=tuple(
            OfferedSection(
                tag, section.kind, section.protocol, section.formats[0], _rtpmap(section)
            )
            for tag, section in zip(mids, sections, strict=True)
        ),
        video_mid=mid,
        bundled=bool(group),
        tagged_mid=group[1] if first in lines[2:] else None,
        ufrag=_required(lines, "ice-ufrag", _UFRAG),
        pwd=_required(lines, "ice-pwd", _PWD),
        sha_256=_fingerprint(lines),
        candidates=tuple(_values(lines, "candidate")),
        codecs=_codecs(video),
        playout_delay_id=_extension_id(video, PLAYOUT_DELAY_URI),
    )


def _shares_transport(video: _Section, first: _Section) -> bool:
    """Return whether *video* has the transport of *first*, the first section of its BUNDLE group.

    Browsers with ``max-bundle`` say so by the same ICE credentials.
    """
    credentials = list(video.values("ice-ufrag"))
    return video.has("bundle-only") or credentials == list(first.values("ice-ufrag")) != []


def _receiving_video(session: _Section, sections: list[_Section]) -> _Section:
    """Return the first video section in which the viewer wants to receive."""
    videos = [section for section in sections if section.kind == "video"]
    if not videos:
        raise invalid_offer("no video section: the viewer asks for no video")
    receiving = [video for video in videos if _receives(video, session)]
    if not receiving:
        raise invalid_offer(
            "the viewer does not want to receive video (sendonly, inactive, or port 0)"
        )
    for video in receiving:
        if video.protocol in _PROTOCOLS:
            return video
    raise invalid_offer(f"the video is not over {_PROTOCOLS[0]} (DTLS-SRTP, RFC 5764)")


def _receives(video: _Section, session: _Section) -> bool:
    if video.port == 0 and not video.has("bundle-only"):
        return False
    if video.has("recvonly") or video.has("sendrecv"):
        return True
    return not any(each.has(way) for each in (video, session) for way in _NOT_RECEIVING)


def _sections(sdp: str) -> tuple[_Section, list[_Section]]:
    size = len(sdp.encode("utf-8", "replace"))
    if size > LARGEST_BYTES:
        raise invalid_offer(f"the offer has {size} bytes; at most {LARGEST_BYTES}")
    lines = sdp.replace("\r\n", "\n").split("\n")
    if any(_CONTROL.search(line) for line in lines):
        raise invalid_offer("the offer holds control characters")
    if lines[0] != "v=0":
        raise invalid_offer("the offer does not begin with v=0")
    starts = [n for n, line in enumerate(lines) if line.startswith("m=")]
    if not 1 <= len(starts) <= M_SECTIONS:
        raise invalid_offer(f"{len(starts)} m-sections; 1 to {M_SECTIONS} are allowed")
    ends = [*starts[1:], len(lines)]
    sections = [_section(lines[a:b]) for a, b in zip(starts, ends, strict=True)]
    return _Section("session", 0, "", (), tuple(lines[: starts[0]])), sections


def _section(lines: list[str]) -> _Section:
    match = _M_LINE.fullmatch(lines[0])
    if match is None:
        raise invalid_offer(f"an m-line is malformed: {lines[0][:40]!r}")
    return _Section(match[1], int(match[2]), match[3], tuple(match[4].split()), tuple(lines[1:]))


def _values(lines: _Lines, name: str) -> Iterator[str]:
    return (value for section in lines for value in section.values(name))


def _required(lines: _Lines, name: str, form: re.Pattern[str]) -> str:
    value = next(_values(lines, name), None)
    if value is None:
        raise invalid_offer(f"a={name} is missing")
    if not form.fullmatch(value):
        raise invalid_offer(f"a={name} is malformed")
    return value


def _fingerprint(lines: _Lines) -> str:
    for value in _values(lines, "fingerprint"):
        algorithm, _, digest = value.partition(" ")
        if algorithm.lower() == "sha-256" and _SHA_256.fullmatch(digest):
            return digest.upper()
    raise invalid_offer("no sha-256 fingerprint")


def _extension_id(video: _Section, uri: str) -> int | None:
    """Return the identifier of a header extension that fits its short form (RFC 8285 §4.2)."""
    matches = (_EXTMAP.fullmatch(value) for value in video.values("extmap"))
    return next((int(match[1]) for match in matches if match and match[2] == uri), None)


def _rtpmap(section: _Section) -> str:
    own = f"{section.formats[0]} "
    return next(
        (v for v in section.values("rtpmap") if v.startswith(own) and _RTPMAP.fullmatch(v)), ""
    )


def _codecs(video: _Section) -> tuple[OfferedCodec, ...]:
    if len(video.formats) > PAYLOAD_TYPES:
        raise invalid_offer(f"{len(video.formats)} payload types; at most {PAYLOAD_TYPES}")
    if not all(each.isascii() and each.isdigit() and len(each) <= 3 for each in video.formats):
        raise invalid_offer("the video's payload types are not numbers")
    names: dict[int, str] = {}
    for value in video.values("rtpmap"):
        match = _RTPMAP.fullmatch(value)
        if match and match[3] == "90000":
            names[int(match[1])] = match[2].lower()
    parameters: dict[int, dict[str, str]] = {}
    for value in video.values("fmtp"):
        match = _FMTP.fullmatch(value)
        if match:
            parameters[int(match[1])] = _parameters(match[2])
    usable = [number for number in map(int, video.formats) if number in names and number < 128]
    repeats = {
        int(apt): number
        for number in usable
        if names[number] == "rtx" and (apt := parameters.get(number, {}).get("apt", "")).isdecimal()
    }
    return tuple(
        OfferedCodec(number, names[number], parameters.get(number, {}), repeats.get(number))
        for number in usable
        if names[number] != "rtx"
    )


def _parameters(text: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in text.split(";"))
    return {key.lower(): value for key, _, value in pairs if key}
