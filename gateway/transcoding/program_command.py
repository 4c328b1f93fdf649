"""How the machine's own `ffmpeg` program is called to transcode one stream. Pure.

It can what the library in our wheels cannot: VAAPI, and the HEVC decoder of a Raspberry Pi. NUT
goes in and comes out, which carries each picture's time exactly and holds none back. Since nothing
can be said to the program while it runs, what is wished of a picture stands in the two lowest bits
of its time (`to_ticks`); expressions in its command line read them there.

What keeps it from holding pictures back, or from losing the first: it may not look ahead to guess
(``-probesize``, ``-analyzeduration``, ``-fpsprobesize``); ``-fflags nobuffer`` would throw away
what it has looked at, the first keyframe. Its own index would grow for ever (``-syncpoints none``).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from gateway.model.media import VIDEO_CLOCK_HZ, Codec
from gateway.rtp.video_info import MAX_HEIGHT, MAX_WIDTH, VideoInfo
from gateway.transcoding.output_format import OutputFormat, interpolation, output_size

PROGRAM = "/usr/bin/ffmpeg"
PREFIX = "ffmpeg/"
"""What names of this kind begin with; FFmpeg's name of the encoder follows, or of the decoder."""
TICKS_HZ = 4 * VIDEO_CLOCK_HZ
_TOGGLE, _SKIP = 1, 2
_TOGGLED = f"st(1,bitand(round(t*{TICKS_HZ}),1));st(2,abs(ld(1)-ld(0)));st(0,ld(1));ld(2)"
"""Whether the lowest bit is another than that of the picture before; `t` begins with any."""
RENDER_NODE = "/dev/dri/renderD128"

NUT_OPTIONS = {
    "strict": "experimental",
    "syncpoints": "none",
    "write_index": "0",
    "flush_packets": "1",
}
PROBE_OPTIONS = {"probesize": "32", "analyzeduration": "0", "fpsprobesize": "0"}
FORMATS: dict[Codec, str] = {"h264": "h264", "h265": "hevc", "mjpeg": "mjpeg", "mpeg4": "mpeg4"}


@dataclass(frozen=True, slots=True)
class _Method:
    """One method of transcoding.

    Attributes:
        encoder: FFmpeg's name.
        before: Arguments in front of the input: devices and decoders.
        first: Filters between decoder and everything else.
        last: Filters in front of the encoder.
        options: Of the encoder.
        codecs: What it takes.
    """

    encoder: str
    before: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    last: tuple[str, ...] = ("format=yuv420p",)
    options: tuple[str, ...] = ()
    codecs: frozenset[Codec] = frozenset(FORMATS)


_VAAPI = _Method(
    "h264_vaapi",
    before=("-vaapi_device", RENDER_NODE, "-hwaccel", "vaapi"),
    last=("format=nv12", "hwupload"),
    options=("-bf", "0", "-async_depth", "1", "-idr_interval", "0"),
)
_METHODS = {
    "h264_vaapi": _VAAPI,
    "h264_vaapi_lp": _Method(
        "h264_vaapi", _VAAPI.before, (), _VAAPI.last, (*_VAAPI.options, "-low_power", "1")
    ),
    "drm": _Method(
        "libx264",
        before=("-hwaccel", "drm", "-hwaccel_output_format", "drm_prime"),
        first=("hwdownload", "format=yuv420p|nv12|p010le"),
        codecs=frozenset(("h265",)),
    ),
    "h264_qsv": _Method(
        "h264_qsv", last=("format=nv12",), options=("-bf", "0", "-async_depth", "1")
    ),
    "h264_v4l2m2m": _Method("h264_v4l2m2m"),
    "libx264": _Method("libx264"),
}
PROGRAM_NAMES = tuple(PREFIX + name for name in _METHODS)
"""``drm`` decodes H.265 in hardware and encodes in software; the others encode, by their name."""


def takes(name: str, codec: Codec) -> bool:
    """Return whether what is called *name* transcodes *codec*; our own library does them all."""
    return not name.startswith(PREFIX) or codec in _METHODS[name.removeprefix(PREFIX)].codecs


def to_ticks(time_90k: int, *, toggle: bool, skip: bool) -> int:
    """Return the time of a picture as the program is told it.

    Args:
        time_90k: When it is shown.
        toggle: Another than with the picture before: this one, or the next that can be decoded, is
            to become a keyframe.
        skip: Whether it is decoded only.
    """
    return 4 * time_90k + _TOGGLE * toggle + _SKIP * skip


def to_time_90k(ticks: int) -> int:
    """Return when a picture is shown, by the time the program gives it."""
    return ticks // 4


def command(name: str, codec: Codec, picture: VideoInfo, output: OutputFormat) -> list[str]:
    """Return the program and its arguments.

    Args:
        name: One of `PROGRAM_NAMES`.
        codec: Of what goes in.
        picture: Its size and shape; another one needs another program.
        output: What comes out.
    """
    assert takes(name, codec)
    method = _METHODS[name.removeprefix(PREFIX)]
    probe = [each for key, value in PROBE_OPTIONS.items() for each in (f"-{key}", value)]
    nut = [each for key, value in NUT_OPTIONS.items() for each in (f"-{key}", value)]
    return [
        *(PROGRAM, "-hide_banner", "-nostdin", "-v", "error"),
        *method.before,
        *("-threads", "1", "-max_pixels", str(MAX_WIDTH * MAX_HEIGHT), "-copyts", *probe),
        *("-f", "nut", "-i", "pipe:0", "-an", "-sn", "-dn"),
        *("-filter_threads", "1", "-vf", ",".join(_filters(method, picture, output))),
        *("-fps_mode", "passthrough", "-enc_time_base", f"1:{TICKS_HZ}"),
        *("-c:v", method.encoder, "-threads", "1", *method.options, *_rate(method, output)),
        *("-force_key_frames", f"expr:{_TOGGLED}"),
        *(*nut, "-f", "nut", "pipe:1"),
    ]


def _filters(method: _Method, picture: VideoInfo, output: OutputFormat) -> list[str]:
    aspect = Fraction(*picture.pixel_aspect) if picture.pixel_aspect else None
    wide, high = output_size(picture.width, picture.height, aspect, output.height)
    manner = interpolation((picture.width, picture.height), (wide, high))
    return [
        f"select='not(bitand(round(t*{TICKS_HZ}),2))'",
        *method.first,
        # Holds one picture back: only where the camera says that it is needed.
        *(("bwdif=mode=send_frame:parity=auto:deint=interlaced",) if picture.interlaced else ()),
        f"scale={wide}:{high}:flags={manner}:out_range=tv",
        "setsar=1",
        *method.last,
    ]


def _rate(method: _Method, output: OutputFormat) -> list[str]:
    kbps = max(1, output.bitrate_bps // 1000)
    common = [
        *("-b:v", f"{kbps}k", "-maxrate", f"{kbps * 3 // 2}k", "-bufsize", f"{kbps * 3 // 2}k"),
        *("-g", str(max(1, round(output.gop_s * output.fps * 4)))),
    ]
    if "v4l2" in method.encoder:
        return common
    baseline = "constrained_baseline" if "vaapi" in method.encoder else "baseline"
    common += ("-profile:v", "high" if output.profile == "high" else baseline)
    if method.encoder != "libx264":
        return common
    return [
        *common,
        *("-preset", output.preset, "-tune", "zerolatency", "-forced-idr", "1"),
        *("-x264-params", "repeat-headers=1:scenecut=0:sliced-threads=0:threads=1"),
    ]
