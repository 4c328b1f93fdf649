"""What is captured of which device: ``v4l2:///dev/video0?standard=PAL&input=0``; why it is not."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from gateway.model.reasons import Reason

Standard = Literal["", "PAL", "NTSC", "SECAM"]

STANDARD_BITS: dict[str, int] = {"PAL": 0xFF, "NTSC": 0xB000, "SECAM": 0xFF0000}
"""V4L2_STD_PAL, V4L2_STD_NTSC, V4L2_STD_SECAM of linux/videodev2.h."""

_SIZES = {"PAL": (720, 576), "NTSC": (720, 480), "SECAM": (720, 576), "": (720, 576)}

MOST_INPUT = 31
MAX_WIDTH, MAX_HEIGHT = 1920, 1088
FORMATS = ("any", "mjpeg")

DEVICE_PATH = re.compile(r"/dev/(?:video[0-9]{1,3}|v4l/by-(?:id|path)/[A-Za-z0-9._:+-]{1,200})")
"""Names of capture devices; those by id stay the same whatever else is plugged in."""


class Cause(IntEnum):
    """Why nothing is captured: the exit code of the child."""

    MISSING = 10
    BUSY = 11
    DENIED = 12
    NO_SIGNAL = 13
    FORMAT = 14
    SILENT = 15
    UNPLUGGED = 16
    ENCODER = 17


REASONS: dict[Cause, tuple[Reason, str]] = {
    Cause.MISSING: (Reason.DEVICE_MISSING, "there is no such device"),
    Cause.BUSY: (Reason.DEVICE_BUSY, "another program uses the device"),
    Cause.DENIED: (Reason.DEVICE_DENIED, "the gateway may not open the device"),
    Cause.NO_SIGNAL: (Reason.NO_SIGNAL, "the device sees no signal at this input"),
    Cause.FORMAT: (Reason.CAPTURE_FORMAT, "it has no input, standard, size or format as asked for"),
    Cause.SILENT: (Reason.STALLED, "the device sends no pictures"),
    Cause.UNPLUGGED: (Reason.DEVICE_MISSING, "the device has been unplugged"),
    Cause.ENCODER: (Reason.INTERNAL_ERROR, "the encoder does not open"),
}


class WrongUrl(ValueError):
    """A URL that names nothing that can be captured; says what is wrong."""


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """What is captured.

    Attributes:
        device: Path below ``/dev``.
        standard: Of an analogue input; empty: as the device has it.
        input: Number of the input.
        width: Asked for; the device may choose another.
        height: Likewise.
        format: ``any``: uncompressed if it can, else JPEG; or ``mjpeg``.
        stall_s: How long no picture may come.
    """

    device: str
    standard: Standard = ""
    input: int = 0
    width: int = 720
    height: int = 576
    format: str = "any"
    stall_s: float = 5.0

    @property
    def television(self) -> bool:
        """Whether a standard is asked for: then the pictures are interlaced."""
        return self.standard != ""

    def to_arguments(self) -> list[str]:
        """Return it as arguments for the child (`from_arguments`)."""
        return [f"{key}={value}" for key, value in asdict(self).items()]

    @classmethod
    def from_arguments(cls, arguments: list[str]) -> CaptureOptions:
        """Return what `to_arguments` has written. Raises ValueError or KeyError."""
        given = dict(each.split("=", 1) for each in arguments)
        return cls(
            given["device"],
            _standard(given["standard"]),
            int(given["input"]),
            int(given["width"]),
            int(given["height"]),
            given["format"],
            float(given["stall_s"]),
        )


def parse_capture_url(url: str, *, stall_s: float = 5.0) -> CaptureOptions:
    """Return what *url* asks for.

    Raises:
        WrongUrl: It names no device, or an option that there is not.
    """
    parts = urlsplit(url)
    if parts.netloc or not DEVICE_PATH.fullmatch(parts.path):
        raise WrongUrl("write v4l2:///dev/video0 or v4l2:///dev/v4l/by-id/<name>")
    try:
        pairs = parse_qsl(parts.query, strict_parsing=bool(parts.query), max_num_fields=8)
    except ValueError:
        raise WrongUrl("options are written ?standard=PAL&input=0") from None
    given = dict(pairs)
    if unknown := sorted(given.keys() - {"standard", "input", "size", "format"}):
        raise WrongUrl(f"there is no option {unknown[0][:40]!r}")
    standard = _standard(given.get("standard", ""))
    width, height = _size(given["size"]) if "size" in given else _SIZES[standard]
    number = given.get("input", "0")
    if not re.fullmatch("[0-9]{1,2}", number) or int(number) > MOST_INPUT:
        raise WrongUrl(f"input is a number from 0 to {MOST_INPUT}")
    wanted = given.get("format", "any")
    if wanted not in FORMATS:
        raise WrongUrl(f"format is {' or '.join(FORMATS)}")
    return CaptureOptions(parts.path, standard, int(number), width, height, wanted, stall_s)


def _standard(given: str) -> Standard:
    names: tuple[Standard, ...] = ("", "PAL", "NTSC", "SECAM")
    for name in names:
        if given == name:
            return name
    raise WrongUrl("standard is PAL, NTSC or SECAM")


def _size(given: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{2,4})x([0-9]{2,4})", given)
    if match is None:
        raise WrongUrl("size is written 720x576")
    width, height = int(match[1]), int(match[2])
    if not (64 <= width <= MAX_WIDTH and 48 <= height <= MAX_HEIGHT and not width % 2 | height % 2):
        raise WrongUrl(f"size is even and at most {MAX_WIDTH}x{MAX_HEIGHT}")
    return width, height
