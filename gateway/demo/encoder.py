"""Encodes pictures for virtual cameras, live from a scene or once for a loop.

H.264 by libx264, H.265 by libx265 and JPEG by FFmpeg, through PyAV, without delay and by default
without B-frames.
Blocking: must not run on the event loop.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import av
import cv2
import numpy as np
from av.video.frame import PictureType

from gateway.demo.scene import Image, Scene
from gateway.model.media import Codec

_START_CODE = b"\x00\x00\x01"
_LIBRARIES = {"h264": "libx264", "h265": "libx265", "mjpeg": "mjpeg"}
_SETS: dict[Codec, set[int]] = {"h264": {7, 8}, "h265": {32, 33, 34}}
_RECORDED_FROM = datetime(2026, 1, 5, 1, 0, tzinfo=UTC)  # recordings are the same on every day


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """Encoder settings of a virtual camera.

    Attributes:
        codec: ``h264``, ``h265`` or ``mjpeg``.
        width: Pixels, even.
        height: Pixels, even.
        fps: Pictures per second.
        gop_s: Seconds from keyframe to keyframe.
        bitrate_bps: Target of the mean bit rate; reached only with *noise*.
        b_frames: Between two other frames; 0 as usual for live viewing.
        noise: Add noise to the picture, so that the bit rate is reached.
        interlaced: Two fields a picture, the upper first, as an analogue camera sends them.
        flagged: Whether an interlaced stream says so; DVRs' often does not.
        pixel_aspect: Width and height of one pixel, as the parameter sets say it.
    """

    codec: Codec = "h264"
    width: int = 640
    height: int = 360
    fps: int = 25
    gop_s: float = 2.0
    bitrate_bps: int = 1_000_000
    b_frames: int = 0
    noise: bool = False
    interlaced: bool = False
    flagged: bool = True
    pixel_aspect: tuple[int, int] = (1, 1)


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """One coded picture.

    Attributes:
        nal_units: Without start codes; parameter sets in front of a keyframe. Of JPEG: the file.
        keyframe: Whether a decoder can start here.
        reorder_offset: Presentation minus decoding order, in pictures; 0 without B-frames.
    """

    nal_units: tuple[bytes, ...]
    keyframe: bool
    reorder_offset: int = 0


def split_annex_b(access_unit: bytes) -> Iterator[bytes]:
    """Yield the NAL units of *access_unit*, in Annex B form, without start codes."""
    at = access_unit.find(_START_CODE)
    while at != -1:
        start = at + len(_START_CODE)
        at = access_unit.find(_START_CODE, start)
        unit = access_unit[start:] if at == -1 else access_unit[start:at]
        yield unit.rstrip(b"\x00")


def nal_type(nal_unit: bytes, codec: Codec) -> int:
    """Return nal_unit_type of *nal_unit* (H.264 §7.3.1, H.265 §7.3.1.2)."""
    return nal_unit[0] & 0x1F if codec == "h264" else nal_unit[0] >> 1 & 0x3F


def parameter_sets(coded: CodedPicture, codec: Codec) -> tuple[bytes, ...]:
    """Return the parameter sets in *coded*, in its order."""
    known = _SETS.get(codec)
    if known is None:
        return ()
    return tuple(unit for unit in coded.nal_units if nal_type(unit, codec) in known)


class Encoder:
    """The encoder of one camera."""

    def __init__(self, settings: EncoderSettings) -> None:
        self._settings = settings
        library = _LIBRARIES[settings.codec]
        context = av.CodecContext.create(library, "w")
        if not isinstance(context, av.VideoCodecContext):
            raise TypeError(f"{library} does not encode video")
        context.width, context.height = settings.width, settings.height
        self._format = "yuvj420p" if settings.codec == "mjpeg" else "yuv420p"
        context.pix_fmt = self._format
        context.time_base = Fraction(1, settings.fps)
        context.framerate = Fraction(settings.fps)
        context.bit_rate = settings.bitrate_bps
        context.gop_size = round(settings.gop_s * settings.fps)
        context.thread_count = 1
        context.sample_aspect_ratio = Fraction(*settings.pixel_aspect)
        context.options = self._options()
        self._context = context

    def encode(self, image: Image, index: int, *, keyframe: bool = False) -> list[CodedPicture]:
        """Encode *image*, the *index*-th; return what is ready: one picture without B-frames."""
        planes = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420), np.uint8)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        if self._format != frame.format.name:
            frame = frame.reformat(format=self._format)
        frame.pts = index
        frame.pict_type = PictureType.I if keyframe else PictureType.NONE
        return [self._coded(packet) for packet in self._context.encode(frame)]

    def finish(self) -> list[CodedPicture]:
        """Flush: return the pictures that the encoder still holds."""
        return [self._coded(packet) for packet in self._context.encode(None)]

    def _coded(self, packet: av.Packet[av.VideoStream]) -> CodedPicture:
        pts, dts = packet.pts or 0, packet.dts or 0
        whole = bytes(packet)
        units = (whole,) if self._settings.codec == "mjpeg" else tuple(split_annex_b(whole))
        return CodedPicture(units, packet.is_keyframe, pts - dts)

    def _options(self) -> dict[str, str]:
        settings = self._settings
        if settings.codec == "mjpeg":
            return {"huffman": "default"}  # RFC 2435 sends no other
        rate = settings.bitrate_bps // 1000
        gop = round(settings.gop_s * settings.fps)
        common: dict[str, str | int] = {
            "keyint": gop,
            "min-keyint": gop,
            "scenecut": 0,
            "bframes": settings.b_frames,
            "vbv-maxrate": rate,
            "vbv-bufsize": rate,
            "repeat-headers": 1,
        }
        options = {"preset": "ultrafast", "forced-idr": "1"}
        if settings.b_frames == 0:
            options["tune"] = "zerolatency"
        if settings.codec == "h264":
            simple = settings.b_frames == 0 and not settings.interlaced
            options["profile"] = "baseline" if simple else "main"
            common |= {"sliced-threads": 0, "tff": int(settings.interlaced and settings.flagged)}
        else:
            common |= {"log-level": "none", "pools": "none", "frame-threads": 1, "open-gop": 0}
        named = ":".join(f"{key}={setting}" for key, setting in common.items())
        return options | {"x264-params" if settings.codec == "h264" else "x265-params": named}


def draw(scene: Scene, at: datetime, settings: EncoderSettings) -> Image:
    """Return what the camera sees *at* a time; interlaced, the lower field is half a picture on."""
    image = scene.draw(at)
    if settings.interlaced:
        later = scene.draw(at + timedelta(seconds=0.5 / settings.fps))
        image = image.copy()
        image[1::2] = later[1::2]
    return image


class LiveFootage:
    """Pictures drawn and encoded at the moment they are sent."""

    blocking = True

    def __init__(self, name: str, settings: EncoderSettings) -> None:
        self.settings = settings
        self._scene = Scene(name, settings.width, settings.height)
        self._encoder = Encoder(settings)
        self._count = 0
        self._still: Image | None = None
        self.parameter_sets = parameter_sets(self._encode(keyframe=True)[0], settings.codec)

    def picture(self, index: int, *, fresh: bool, frozen: bool) -> CodedPicture:  # noqa: ARG002
        """Encode the present scene, the previous one if *frozen*; as a keyframe if *fresh*."""
        return self._encode(keyframe=fresh, frozen=frozen)[0]

    def skippable(self, position: int, behind: int) -> int:  # noqa: ARG002
        """Return *behind*: what was never encoded nothing refers to."""
        return behind

    def _encode(self, *, keyframe: bool, frozen: bool = False) -> list[CodedPicture]:
        image = self._still if frozen else None
        if image is None:
            image = draw(self._scene, datetime.now(UTC), self.settings)
        self._still, self._count = image, self._count + 1
        return self._encoder.encode(image, self._count, keyframe=keyframe)


class RecordedFootage:
    """A few seconds encoded once and played in a loop; timestamps continue."""

    blocking = False

    def __init__(self, settings: EncoderSettings, pictures: tuple[CodedPicture, ...]) -> None:
        self.settings = settings
        self.pictures = pictures
        self.parameter_sets = parameter_sets(pictures[0], settings.codec)

    def picture(self, index: int, *, fresh: bool, frozen: bool) -> CodedPicture:  # noqa: ARG002
        """Return the *index*-th picture of the loop, or its first, a keyframe, when *frozen*."""
        return self.pictures[0 if frozen else index % len(self.pictures)]

    def skippable(self, position: int, behind: int) -> int:
        """Return how many pictures from *position* on may be left out, at most *behind*.

        From a keyframe to a keyframe only: those between them refer to each other.
        """
        if not self.picture(position, fresh=False, frozen=False).keyframe:
            return 0
        keyframes = [coded.keyframe for coded in self.pictures]
        steps = range(behind, 0, -1)
        return next((step for step in steps if keyframes[(position + step) % len(keyframes)]), 0)


@functools.lru_cache(maxsize=32)
def record(name: str, settings: EncoderSettings, seconds: float = 4.0) -> RecordedFootage:
    """Encode *seconds* of the camera *name*, rounded up to whole GOPs; cached."""
    scene, encoder = Scene(name, settings.width, settings.height), Encoder(settings)
    gop = round(settings.gop_s * settings.fps)
    count = max(1, -(-round(seconds * settings.fps) // gop)) * gop
    seed = np.random.default_rng(7)
    coded: list[CodedPicture] = []
    for index in range(count):
        image = draw(scene, _RECORDED_FROM + timedelta(seconds=index / settings.fps), settings)
        if settings.noise:
            image = np.asarray(
                cv2.add(image, seed.integers(0, 90, image.shape, np.uint8)), np.uint8
            )
        coded += encoder.encode(image, index)
    return RecordedFootage(settings, tuple(coded + encoder.finish()))
