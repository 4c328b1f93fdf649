"""Where the makers of cameras and recorders have the streams of a channel: one row a family.

The one table of them: discovery, the set-up page, `camera-gateway add` and the tables of
docs/cameras.md and docs/install.md follow from it (`tests/unit/discovery/test_templates.py`). No
row was tried on a device of its maker; each names where it is from. What a device says of itself
(ONVIF, ISAPI, CGI) goes before its row.
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
        main: Path of the main stream; ``{n}`` is the channel, counted from 1, ``{m}`` the same
            from 0. In it ``{username}`` and ``{password}`` are places for the login, which stay.
        sub: Likewise of the sub-stream; empty: there is none.
        source: Where the row is from.
        picture: Path of a JPEG over HTTP; empty: none is known.
        channels: Whether it has more than one.
        words: In lower case, what of a banner, a registration or a name tells the family.
    """

    family: str
    maker: str
    label: str
    main: str
    sub: str
    source: str
    picture: str = ""
    channels: bool = True
    words: tuple[str, ...] = ()

    def urls(self, host: str, channel: int, port: int = RTSP_PORT) -> dict[Profile, str]:
        """Return the streams of *channel* at *host*, best first, without user and password."""
        base = f"rtsp://{authority_of(host, port, RTSP_PORT)}"
        paths: tuple[tuple[Profile, str], ...] = (("main", self.main), ("sub", self.sub))
        return {
            profile: base + path.replace("{n}", str(channel)).replace("{m}", str(channel - 1))
            for profile, path in paths
            if path
        }


def authority_of(host: str, port: int, default: int) -> str:
    """Return *host*, a name or an address, and *port*, unless it is *default*, as in a URL."""
    shown = f"[{host}]" if ":" in host else host
    return shown if port == default else f"{shown}:{port}"


TEMPLATES: tuple[Template, ...] = (
    Template(
        "hikvision",
        "Hikvision",
        "Hikvision, HiLook, HiWatch, ANNKE",
        "/Streaming/Channels/{n}01",
        "/Streaming/Channels/{n}02",
        "Hikvision's ISAPI, RTSP; Frigate's documents",
        "/ISAPI/Streaming/channels/{n}01/picture",
        words=("hikvision", "hilook", "hiwatch", "annke", "dvrdvs", "dnvrs-webs", "app-webs"),
    ),
    Template(
        "hikvision-old",
        "Hikvision",
        "Hikvision trước 2012, kênh 33 trở đi của máy lai · before 2012, hybrids from 33 on",
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
        words=("dahua", "kbvision", "kbone", "imou", "amcrest", "lorex", "intelbras"),
    ),
    Template(
        "uniview",
        "Uniview",
        "Uniview (UNV)",
        "/unicast/c{n}/s0/live",
        "/unicast/c{n}/s1/live",
        "users' reports",
        words=("uniview",),
    ),
    Template(
        "axis",
        "Axis",
        "Axis, bộ mã hóa Axis · encoders",
        "/axis-media/media.amp?videocodec=h264&camera={n}",
        "/axis-media/media.amp?videocodec=h264&camera={n}&resolution=640x360&fps=10",
        "Axis' VAPIX, video streaming",
        "/axis-cgi/jpg/image.cgi?camera={n}",
        words=("axis",),
    ),
    Template(
        "ezviz",
        "EZVIZ",
        "EZVIZ (mật khẩu là mã xác minh · the password is the verification code)",
        "/h264/ch1/main/av_stream",
        "/h264/ch1/sub/av_stream",
        "Vietnamese projects",
        channels=False,
        words=("ezviz",),
    ),
    Template(
        "hanwha",
        "Hanwha Vision",
        "Hanwha, Wisenet, Samsung",
        "/profile2/media.smp",
        "/profile3/media.smp",
        "users' reports, which disagree: ask by ONVIF first",
        channels=False,
        words=("hanwha", "wisenet", "samsung techwin"),
    ),
    Template(
        "tplink",
        "TP-Link",
        "TP-Link VIGI, Tapo",
        "/stream1",
        "/stream2",
        "TP-Link's support pages",
        channels=False,
        words=("tp-link", "vigi", "tapo"),
    ),
    Template(
        "tiandy",
        "Tiandy",
        "Tiandy",
        "/live/ch00_0",
        "/live/ch00_1",
        "one source only",
        channels=False,
        words=("tiandy",),
    ),
    Template(
        "milesight",
        "Milesight",
        "Milesight",
        "/main",
        "/sub",
        "Milesight's support pages",
        channels=False,
        words=("milesight",),
    ),
    Template(
        "hanwha-multi",
        "Hanwha Vision",
        "Hanwha nhiều cảm biến · with several sensors",
        "/{m}/profile2/media.smp",
        "/{m}/profile3/media.smp",
        "users' reports",
    ),
    Template(
        "vivotek",
        "Vivotek",
        "Vivotek",
        "/live.sdp",
        "",
        "users' reports",
        channels=False,
        words=("vivotek",),
    ),
    Template(
        "bosch",
        "Bosch",
        "Bosch",
        "/video?inst=1",
        "/video?inst=2",
        "users' reports; the second stream by analogy",
        channels=False,
        words=("bosch",),
    ),
    Template(
        "panasonic",
        "i-PRO",
        "Panasonic, i-PRO",
        "/MediaInput/h264",
        "",
        "users' reports",
        channels=False,
        words=("panasonic", "i-pro"),
    ),
    Template(
        "sony",
        "Sony",
        "Sony",
        "/media/video1",
        "/media/video2",
        "users' reports; the second stream by analogy",
        channels=False,
        words=("sony",),
    ),
    Template(
        "avycon",
        "Avycon",
        "Avycon và DVR cùng loại · and its kind of DVR",
        "/chID={n}&streamType=main",
        "/chID={n}&streamType=sub",
        "users' reports; the sub-stream by analogy",
        words=("avycon",),
    ),
    Template(
        "yoosee",
        "Yoosee",
        "Yoosee",
        "/onvif1",
        "/onvif2",
        "users' reports; the second stream by analogy",
        channels=False,
        words=("yoosee",),
    ),
    Template(
        "xiongmai",
        "Xiongmai",
        "Xiongmai, XMEye, nhiều máy Vantech và Questek · many of Vantech and Questek",
        "/user={username}&password={password}&channel={n}&stream=0.sdp?",
        "/user={username}&password={password}&channel={n}&stream=1.sdp?",
        "users' reports; the login stands in the path, in clear: it needs allow_basic",
        words=("xiongmai", "uc-httpd", "h264dvr"),
    ),
)

RESELLERS = ("vantech", "questek")
"""Names under which several factories' devices are sold: no family follows from them."""

LAST_RESORT = ("hikvision", "dahua", "xiongmai")
"""Families that are tried, with one request each, where the maker is not known. Xiongmai's, which
has the password in the path, in clear, only where the settings of the login allow that."""


def template_of(family: str | None) -> Template | None:
    """Return the row of *family*; None: there is none."""
    return next((each for each in TEMPLATES if each.family == family), None)


def families() -> Iterable[str]:
    """Yield the names of all families."""
    return (each.family for each in TEMPLATES)
