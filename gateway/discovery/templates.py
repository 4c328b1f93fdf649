"""Where the makers of cameras and recorders have the streams of a channel: one row a family.

None was tried on a device of its maker; each row names where it is from. What a device says of
itself (ONVIF, ISAPI, CGI) goes before its row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.model.names import Profile

RTSP_PORT = 554


@dataclass(frozen=True, slots=True)
class Template:
    """The paths of one family.

    Attributes:
        family: Its name in commands, e.g. ``hikvision``.
        maker: As it is usually written.
        label: As people call the family: its brands in Viet Nam.
        main: Path of the main stream; ``{n}`` is the channel, counted from 1. In it
            ``{username}`` and ``{password}`` are places for the login, which stay.
        sub: Likewise of the sub-stream; empty: there is none.
        source: Where the row is from.
        picture: Path of a JPEG over HTTP; empty: none is known.
        channels: Whether it has more than one.
    """

    family: str
    maker: str
    label: str
    main: str
    sub: str
    source: str
    picture: str = ""
    channels: bool = True

    def urls(self, host: str, channel: int, port: int = RTSP_PORT) -> dict[Profile, str]:
        """Return the streams of *channel* at *host*, best first, without user and password."""
        base = f"rtsp://{authority_of(host, port, RTSP_PORT)}"
        paths: tuple[tuple[Profile, str], ...] = (("main", self.main), ("sub", self.sub))
        return {
            profile: base + path.replace("{n}", str(channel)) for profile, path in paths if path
        }


def authority_of(host: str, port: int, default: int) -> str:
    """Return *host*, a name or an address, and *port*, unless it is *default*, as in a URL."""
    shown = f"[{host}]" if ":" in host else host
    return shown if port == default else f"{shown}:{port}"


TEMPLATES: tuple[Template, ...] = (
    Template(
        "hikvision",
        "Hikvision",
        "Hikvision, HiLook, HiWatch, Hikvision OEM",
        "/Streaming/Channels/{n}01",
        "/Streaming/Channels/{n}02",
        "Hikvision's ISAPI, RTSP; Frigate's documents",
        "/ISAPI/Streaming/channels/{n}01/picture",
    ),
    Template(
        "hikvision-old",
        "Hikvision",
        "Hikvision trước 2012 · before 2012",
        "/h264/ch{n}/main/av_stream",
        "/h264/ch{n}/sub/av_stream",
        "users' reports",
    ),
    Template(
        "dahua",
        "Dahua",
        "Dahua, KBVision, KBONE, Imou, Amcrest, Lorex, Intelbras",
        "/cam/realmonitor?channel={n}&subtype=0",
        "/cam/realmonitor?channel={n}&subtype=1",
        "Dahua's HTTP API; Frigate's documents; for KBVision Vietnamese resellers",
        "/cgi-bin/snapshot.cgi?channel={n}",
    ),
    Template(
        "uniview",
        "Uniview",
        "Uniview (UNV)",
        "/unicast/c{n}/s0/live",
        "/unicast/c{n}/s1/live",
        "users' reports",
    ),
    Template(
        "axis",
        "Axis",
        "Axis, bộ mã hóa Axis · encoders",
        "/axis-media/media.amp?videocodec=h264&camera={n}",
        "/axis-media/media.amp?videocodec=h264&camera={n}&resolution=640x360&fps=10",
        "Axis' VAPIX, video streaming",
        "/axis-cgi/jpg/image.cgi?camera={n}",
    ),
    Template(
        "ezviz",
        "EZVIZ",
        "EZVIZ (mật khẩu là mã xác minh · the password is the verification code)",
        "/h264/ch1/main/av_stream",
        "/h264/ch1/sub/av_stream",
        "Vietnamese projects",
        channels=False,
    ),
    Template(
        "hanwha",
        "Hanwha Vision",
        "Hanwha, Wisenet, Samsung",
        "/profile2/media.smp",
        "/profile3/media.smp",
        "users' reports, which disagree: ask by ONVIF first",
        channels=False,
    ),
    Template(
        "tplink",
        "TP-Link",
        "TP-Link VIGI, Tapo",
        "/stream1",
        "/stream2",
        "TP-Link's support pages",
        channels=False,
    ),
    Template(
        "tiandy",
        "Tiandy",
        "Tiandy",
        "/live/ch00_0",
        "/live/ch00_1",
        "one source only",
        channels=False,
    ),
    Template(
        "milesight",
        "Milesight",
        "Milesight",
        "/main",
        "/sub",
        "Milesight's support pages",
        channels=False,
    ),
    Template(
        "xiongmai",
        "Xiongmai",
        "Xiongmai, XMEye, nhiều máy Vantech và Questek · many of Vantech and Questek",
        "/user={username}&password={password}&channel={n}&stream=0.sdp?",
        "/user={username}&password={password}&channel={n}&stream=1.sdp?",
        "users' reports; the login stands in the path, in clear: it needs allow_basic",
    ),
)

LAST_RESORT = ("hikvision", "dahua")
"""Families that are tried, with one request each, where the maker is not known. Xiongmai's is not
among them: it would send the password in clear."""


def template_of(family: str | None) -> Template | None:
    """Return the row of *family*; None: there is none."""
    return next((each for each in TEMPLATES if each.family == family), None)


def families() -> Iterable[str]:
    """Yield the names of all families."""
    return (each.family for each in TEMPLATES)
