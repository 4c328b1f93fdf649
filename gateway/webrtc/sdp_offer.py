"""Parses a viewer's SDP offer, strictly and within limits, before anything acts on it.

aiortc accepts nearly any offer: empty, without fingerprint, with hundreds of m-lines. It never
sees an offer that was not parsed here.

References: RFC 8866 (SDP), RFC 8829 (JSEP), RFC 8839 (ICE in SDP), RFC 8122 (fingerprints),
RFC 5761 (rtcp-mux), RFC 4588 (rtx).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.model.errors import ViewerRejected
from gateway.model.reasons import Reason

LARGEST_BYTES = 16 * 1024
M_SECTIONS = 2
CANDIDATES = 20
PAYLOAD_TYPES = 64

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,32}")
_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PWD = re.compile(r"[A-Za-z0-9+/]{22,256}")
_SHA_256 = re.compile(r"(?:[0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_RTPMAP = re.compile(r"([0-9]{1,3}) ([A-Za-z0-9.\-]{1,32})/([0-9]{1,6})(?:/[0-9]{1,2})?")
_FMTP = re.compile(r"([0-9]{1,3}) (.{1,512})")


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
class ViewerOffer:
    """A valid offer.

    Attributes:
        mids: Of every m-section, in order, with its kind, e.g. ``(("0", "video"),)``.
        video_mid: Of the section that we answer.
        ufrag: ICE user name fragment.
        pwd: ICE password.
        sha_256: The viewer's certificate fingerprint.
        candidates: Without ``a=candidate:``; not validated yet.
        codecs: In the viewer's order.
    """

    mids: tuple[tuple[str, str], ...]
    video_mid: str
    ufrag: str
    pwd: str
    sha_256: str
    candidates: tuple[str, ...]
    codecs: tuple[OfferedCodec, ...]


@dataclass(frozen=True, slots=True)
class _Section:
    kind: str
    payload_types: tuple[int, ...]
    lines: tuple[str, ...]

    def values(self, name: str) -> Iterator[str]:
        prefix = f"a={name}:"
        return (line[len(prefix) :] for line in self.lines if line.startswith(prefix))

    def has(self, flag: str) -> bool:
        return f"a={flag}" in self.lines


def invalid_offer(detail: str) -> ViewerRejected:
    """Return the error for an offer that is not valid."""
    return ViewerRejected(400, Reason.OFFER_INVALID, detail)


def parse_offer(sdp: str) -> ViewerOffer:
    """Parse *sdp*.

    Raises:
        ViewerRejected: 400, with the first thing that is wrong.
    """
    session, sections = _sections(sdp)
    video = next((section for section in sections if section.kind == "video"), None)
    if video is None:
        raise invalid_offer("no video section")
    if not video.has("rtcp-mux"):
        raise invalid_offer("the video section lacks a=rtcp-mux")
    if video.has("sendonly") or video.has("inactive"):
        raise invalid_offer("the viewer does not want to receive (sendonly or inactive)")
    mids = tuple((_required(section, session, "mid", _TOKEN), section.kind) for section in sections)
    candidates = tuple(video.values("candidate"))
    if len(candidates) > CANDIDATES:
        raise invalid_offer(f"{len(candidates)} candidates; at most {CANDIDATES}")
    setup = next(iter((*video.values("setup"), *session.values("setup"))), "")
    if setup not in ("actpass", "active"):
        raise invalid_offer(f"a=setup must be actpass or active, not {setup[:16]!r}")
    return ViewerOffer(
        mids=mids,
        video_mid=mids[sections.index(video)][0],
        ufrag=_required(video, session, "ice-ufrag", _UFRAG),
        pwd=_required(video, session, "ice-pwd", _PWD),
        sha_256=_fingerprint(video, session),
        candidates=candidates,
        codecs=_codecs(video),
    )


def _sections(sdp: str) -> tuple[_Section, list[_Section]]:
    if len(sdp.encode("utf-8", "replace")) > LARGEST_BYTES:
        raise invalid_offer(f"the offer is longer than {LARGEST_BYTES} bytes")
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
    return _Section("session", (), tuple(lines[: starts[0]])), sections


def _section(lines: list[str]) -> _Section:
    words = lines[0][2:].split()
    if (
        len(words) < 4
        or words[0] not in ("audio", "video")
        or words[2] not in ("UDP/TLS/RTP/SAVPF", "RTP/SAVPF")
    ):
        raise invalid_offer("an m-section is not audio or video over UDP/TLS/RTP/SAVPF")
    numbers = words[3:]
    if len(numbers) > PAYLOAD_TYPES or not all(n.isascii() and n.isdigit() for n in numbers):
        raise invalid_offer("an m-section's payload types are not numbers, or too many")
    payload_types = tuple(int(n) for n in numbers if len(n) <= 3)
    return _Section(words[0], payload_types, tuple(lines[1:]))


def _required(section: _Section, session: _Section, name: str, form: re.Pattern[str]) -> str:
    value = next(iter((*section.values(name), *session.values(name))), None)
    if value is None:
        raise invalid_offer(f"a={name} is missing")
    if not form.fullmatch(value):
        raise invalid_offer(f"a={name} is malformed")
    return value


def _fingerprint(section: _Section, session: _Section) -> str:
    for value in (*section.values("fingerprint"), *session.values("fingerprint")):
        algorithm, _, digest = value.partition(" ")
        if algorithm.lower() == "sha-256" and _SHA_256.fullmatch(digest):
            return digest.upper()
    raise invalid_offer("no sha-256 fingerprint")


def _codecs(video: _Section) -> tuple[OfferedCodec, ...]:
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
    repeats = {
        int(apt): number
        for number, name in names.items()
        if name == "rtx" and (apt := parameters.get(number, {}).get("apt", "")).isdecimal()
    }
    return tuple(
        OfferedCodec(number, names[number], parameters.get(number, {}), repeats.get(number))
        for number in video.payload_types
        if number in names and names[number] != "rtx" and number < 128
    )


def _parameters(text: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in text.split(";"))
    return {key.lower(): value for key, _, value in pairs if key}
