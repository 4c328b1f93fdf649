"""What should be changed on a recorder so that its sub-stream suits viewers, by what was measured.

A sub-stream that every browser shows and a narrow line carries: H.264, at most 704x576, 10 to 15
pictures a second, a keyframe every one or two seconds, no B-frames, at most 1 Mb/s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.model.names import Profile
from gateway.sources.stream_measure import StreamMeasure

WIDE, HIGH = 960, 576
"""Above it the sub-stream is no longer small; 960 x 576 is what 960H recorders make."""

FASTEST_FPS, ADVISED_FPS = 16.0, 12
LONGEST_GOP_S = 4.0
MOST_BPS = 1_500_000
CODECS = {"h264": "H.264", "h265": "H.265", "mjpeg": "MJPEG", "mpeg4": "MPEG-4"}


@dataclass(frozen=True, slots=True)
class Advice:
    """One setting of a stream, as it is and as it should be.

    Attributes:
        vi: The setting's name as recorders have it, in Vietnamese.
        en: Likewise in English.
        now: Its value, as measured.
        to: What to choose instead.
    """

    vi: str
    en: str
    now: str
    to: str


def advise(profile: Profile, measure: StreamMeasure) -> tuple[Advice, ...]:
    """Return what to change of the stream, in the order of recorders' menus; empty: nothing.

    Of the main stream only what makes it unusable or costly is named: it is looked at rarely, and
    people record it.
    """
    return tuple(_of_both(measure)) + (tuple(_of_sub(measure)) if profile == "sub" else ())


def shown(measure: StreamMeasure) -> str:
    """Return *measure* on one line, for people of any language."""
    parts = [CODECS[measure.codec]]
    if measure.width:
        parts.append(f"{measure.width}×{measure.height}")
    if measure.fps:
        parts.append(f"{measure.fps:.0f} fps")
    if measure.gop_s is not None:
        parts.append(f"GOP {measure.gop_s:.1f} s")
    if measure.bitrate_bps:
        parts.append(f"{measure.bitrate_bps / 1000:.0f} kb/s")
    if measure.b_frames:
        parts.append("B-frames")
    return " · ".join(parts)


def _of_both(measure: StreamMeasure) -> Iterator[Advice]:
    if measure.codec != "h264":
        yield Advice("Chuẩn nén", "Video encoding", CODECS[measure.codec], "H.264")
    if measure.b_frames:
        yield Advice("Profile (khung B)", "Profile (B-frames)", "B-frames", "Main/Baseline, 0 B")
    if measure.gop_s is None or measure.gop_s > LONGEST_GOP_S:
        now = "Smart Codec?" if measure.gop_s is None else f"{measure.gop_s:.1f} s"
        fps = round(measure.fps) or ADVISED_FPS
        yield Advice(
            "Khoảng cách khung hình chính (I-frame), tắt Smart Codec / H.264+ / H.265+",
            "I-frame interval; Smart Codec / H.264+ / H.265+ off",
            now,
            f"{2 * min(fps, 30)} (2 s)",
        )


def _of_sub(measure: StreamMeasure) -> Iterator[Advice]:
    if measure.width > WIDE or measure.height > HIGH:
        wide = measure.width * 9 > measure.height * 14
        now = f"{measure.width}×{measure.height}"
        yield Advice("Độ phân giải", "Resolution", now, "640×360" if wide else "704×576")
    if measure.fps > FASTEST_FPS:
        yield Advice("Tốc độ khung hình", "Frame rate", f"{measure.fps:.0f} fps", "12 fps")
    if measure.bitrate_bps > MOST_BPS:
        now = f"{measure.bitrate_bps / 1000:.0f} kb/s"
        yield Advice("Tốc độ bit tối đa", "Max. bitrate", now, "512–1024 kb/s (CBR)")
