"""Where the makers of cameras and recorders have the streams of a channel.

Source: docs/cameras.md, section on makers; from documents of makers and projects, not tried on the
devices themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model.names import Profile


@dataclass(frozen=True, slots=True)
class Maker:
    """The template of one family.

    Attributes:
        id: For forms and commands.
        label: As people call the family.
        main: Path of the main stream; ``{n}`` is the channel, counted from 1.
        sub: Likewise of the sub-stream; empty: there is none.
        channels: Whether it has more than one.
    """

    id: str
    label: str
    main: str
    sub: str = ""
    channels: bool = True

    def urls(self, host: str, port: int, channel: int) -> tuple[tuple[Profile, str], ...]:
        """Return the streams of *channel*, best first, without user and password."""
        shown = f"[{host}]" if ":" in host else host
        authority = shown if port == 554 else f"{shown}:{port}"
        paths: tuple[tuple[Profile, str], ...] = (("main", self.main), ("sub", self.sub))
        return tuple(
            (profile, f"rtsp://{authority}{path.format(n=channel)}")
            for profile, path in paths
            if path
        )


MAKERS = (
    Maker(
        "hikvision",
        "Hikvision, HiLook",
        "/Streaming/Channels/{n}01",
        "/Streaming/Channels/{n}02",
    ),
    Maker(
        "dahua",
        "Dahua, KBVision, Imou",
        "/cam/realmonitor?channel={n}&subtype=0",
        "/cam/realmonitor?channel={n}&subtype=1",
    ),
    Maker("uniview", "Uniview (UNV)", "/unicast/c{n}/s0/live", "/unicast/c{n}/s1/live"),
    Maker("tplink", "TP-Link VIGI, Tapo", "/stream1", "/stream2", channels=False),
    Maker("ezviz", "EZVIZ", "/h264/ch1/main/av_stream", "/h264/ch1/sub/av_stream", channels=False),
    Maker(
        "axis",
        "Axis",
        "/axis-media/media.amp?videocodec=h264&camera={n}",
        "/axis-media/media.amp?videocodec=h264&camera={n}&resolution=640x360&fps=10",
    ),
    Maker("hanwha", "Hanwha, Wisenet", "/profile2/media.smp", "/profile3/media.smp", False),
    Maker("milesight", "Milesight", "/main", "/sub", channels=False),
)


def maker_of(name: str) -> Maker | None:
    """Return the family of that id; None: it is not known."""
    return next((each for each in MAKERS if each.id == name), None)
