"""One capture device: opened, set up and read by the calls of V4L2. In the child process only.

Own calls and no library: FFmpeg's waits within the device without end, so that neither a wish for a
keyframe nor a lost signal gets through, and tells neither causes nor fields; linuxpy is under the
GPL. What a driver says is checked before it is used: sizes, offsets and indices.

Sources: linux/videodev2.h, whose structures are those of 64-bit machines; the kernel's "Video for
Linux API", streaming I/O with memory mapping.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import select
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.capture.options import MAX_HEIGHT, MAX_WIDTH, STANDARD_BITS, CaptureOptions, Cause

_WRITE, _READ = 1, 2


def _code(direction: int, number: int, size: int) -> int:
    return direction << 30 | size << 16 | ord("V") << 8 | number


_CAPABILITY = struct.Struct("=16s32s32s3I12x")
_INPUT = struct.Struct("=I32sIIIQII16x")
_FORMAT = struct.Struct("=I4x12I152x")
_REQUEST = struct.Struct("=IIIIB3x")
_BUFFER = struct.Struct("=5I4xqq16sIIQIIi4x")
_INT, _STANDARD = struct.Struct("=i"), struct.Struct("=Q")

QUERYCAP = _code(_READ, 0, _CAPABILITY.size)
S_FMT = _code(_READ | _WRITE, 5, _FORMAT.size)
REQBUFS = _code(_READ | _WRITE, 8, _REQUEST.size)
QUERYBUF = _code(_READ | _WRITE, 9, _BUFFER.size)
QBUF = _code(_READ | _WRITE, 15, _BUFFER.size)
DQBUF = _code(_READ | _WRITE, 17, _BUFFER.size)
STREAMON = _code(_WRITE, 18, _INT.size)
S_STD = _code(_WRITE, 24, _STANDARD.size)
ENUMINPUT = _code(_READ | _WRITE, 26, _INPUT.size)
S_INPUT = _code(_READ | _WRITE, 39, _INT.size)

RUNNING_CALLS = (QBUF, DQBUF, ENUMINPUT)
"""What is asked of the device once it runs; nothing else passes the sandbox."""

_CAPTURE, _STREAMING, _OWN_CAPS = 0x1, 0x0400_0000, 0x8000_0000
_TYPE, _MMAP = 1, 1
_NO_POWER, _NO_SIGNAL, _NO_LOCK = 0x1, 0x2, 0x100
_ERROR_FLAG = 0x40
_NONE, _INTERLACED, _TOP_FIRST, _BOTTOM_FIRST = 1, 4, 8, 9
_ANY = 0

PIXELS = {b"YUYV": "yuyv422", b"UYVY": "uyvy422", b"YU12": "yuv420p", b"NV12": "nv12"}
"""Four-character codes of uncompressed formats, and FFmpeg's names, best first."""
_JPEG = (b"MJPG", b"JPEG")
_BITS = {"yuyv422": 16, "uyvy422": 16, "yuv420p": 12, "nv12": 12}

BUFFERS = 4
MOST_BUFFERS = 32
MAX_BUFFER_BYTES = 8 * 1024 * 1024


class CaptureFailed(Exception):
    """Nothing can be captured.

    Attributes:
        cause: Why.
    """

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(f"{cause.name}: {detail}")
        self.cause = cause


@dataclass(frozen=True, slots=True)
class CaptureFormat:
    """What the device sends.

    Attributes:
        width: In pixels.
        height: In lines.
        pixels: FFmpeg's name of the pixel format; empty: JPEG.
        fields: ``tff`` or ``bff``: two in each picture, the upper or the lower first; empty: one.
        line_bytes: From one line to the next; 0 for JPEG.
    """

    width: int
    height: int
    pixels: str
    fields: str
    line_bytes: int

    @property
    def picture_bytes(self) -> int:
        """Of one uncompressed picture without padding; 0 for JPEG."""
        return self.width * self.height * _BITS[self.pixels] // 8 if self.pixels else 0


def failure_of(error: OSError, doing: str) -> CaptureFailed:
    """Return what the system's *error* means."""
    causes = {
        errno.ENOENT: Cause.MISSING,
        errno.ENXIO: Cause.MISSING,
        errno.ENODEV: Cause.UNPLUGGED if doing == "capturing" else Cause.MISSING,
        errno.EACCES: Cause.DENIED,
        errno.EPERM: Cause.DENIED,
        errno.EBUSY: Cause.BUSY,
        errno.EIO: Cause.UNPLUGGED if doing == "capturing" else Cause.SILENT,
        errno.ENOLINK: Cause.NO_SIGNAL,
    }
    detail = f"{doing}: {os.strerror(error.errno or 0)}"
    return CaptureFailed(causes.get(error.errno or 0, Cause.FORMAT), detail)


class CaptureDevice:
    """An open device that sends pictures.

    Args:
        options: Which, and how it is set up.

    Attributes:
        name: What the device calls itself.
        format: What it sends.
        damaged: Pictures that the driver has marked as damaged or cut short.

    Raises:
        CaptureFailed: It cannot be opened, or not be set up so.
    """

    def __init__(self, options: CaptureOptions) -> None:
        self._options = options
        self._buffers: list[mmap.mmap] = []
        self.damaged = 0
        doing = "opening"
        try:
            self._fd = os.open(options.device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise failure_of(error, doing) from error
        try:
            self.name = self._identify()
            doing = "setting it up"
            self._select_input()
            self.format = self._choose_format()
            doing = "starting it"
            self._start()
        except OSError as error:
            raise failure_of(error, doing) from error
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    def has_signal(self) -> bool:
        """Return whether there is a signal at the input, as far as the device tells.

        Raises:
            CaptureFailed: It has been unplugged.
        """
        raw = bytearray(_INPUT.pack(self._options.input, b"", 0, 0, 0, 0, 0, 0))
        try:
            fcntl.ioctl(self._fd, ENUMINPUT, raw)
        except OSError as error:
            if error.errno in (errno.ENODEV, errno.EIO):
                raise failure_of(error, "capturing") from error
            return True
        return not _INPUT.unpack(raw)[6] & (_NO_POWER | _NO_SIGNAL | _NO_LOCK)

    def read(self, wait_s: float) -> bytes | None:
        """Return the newest picture, waiting *wait_s* at most; None: there is none.

        Older ones that have come meanwhile are thrown away.

        Raises:
            CaptureFailed: It has been unplugged.
        """
        picture: bytes | None = None
        try:
            if not self._poll.poll(wait_s * 1000):
                return None
            while (taken := self._take()) is not None:
                picture = taken or picture
        except OSError as error:
            raise failure_of(error, "capturing") from error
        return picture

    def _take(self) -> bytes | None:
        """Return one picture, empty if it is damaged; None: there is none now."""
        raw = bytearray(_BUFFER.pack(0, _TYPE, 0, 0, 0, 0, 0, b"", 0, _MMAP, 0, 0, 0, 0))
        try:
            fcntl.ioctl(self._fd, DQBUF, raw)
        except BlockingIOError:
            return None
        index, _, used, flags, *_ = _BUFFER.unpack(raw)
        if index >= len(self._buffers):
            raise OSError(errno.EIO, "an impossible buffer")
        mapped = self._buffers[index]
        picture = self._cut(mapped[: min(used, len(mapped))])
        fcntl.ioctl(self._fd, QBUF, raw)
        if flags & _ERROR_FLAG or not picture:
            self.damaged += 1
            return b""
        return picture

    def _cut(self, raw: bytes) -> bytes:
        """Return *raw* without padding at the ends of lines; empty if it is cut short."""
        if not self.format.pixels:
            return raw
        line_bytes, lines = self.format.line_bytes, self.format.height
        if len(raw) < line_bytes * (lines - 1):
            return b""
        row = self.format.width * _BITS[self.format.pixels] // 8
        if line_bytes in (row, self.format.width):  # packed, or planes without padding
            whole = self.format.picture_bytes
            return raw[:whole] if len(raw) >= whole else b""
        return b"".join(raw[at : at + row].ljust(row, b"\0") for at in self._rows())

    def _rows(self) -> Iterator[int]:
        return (line * self.format.line_bytes for line in range(self.format.height))

    def _identify(self) -> str:
        raw = bytearray(_CAPABILITY.size)
        fcntl.ioctl(self._fd, QUERYCAP, raw)
        driver, card, _, _, everything, own = _CAPABILITY.unpack(raw)
        able = own if everything & _OWN_CAPS else everything
        if not able & _CAPTURE or not able & _STREAMING:
            raise OSError(errno.ENOTTY, "it captures nothing")
        return f"{_text(card)} ({_text(driver)})"

    def _select_input(self) -> None:
        options = self._options
        try:
            fcntl.ioctl(self._fd, S_INPUT, bytearray(_INT.pack(options.input)))
        except OSError as error:
            if error.errno != errno.ENOTTY or options.input:  # cameras have no inputs
                raise
        if options.standard:
            fcntl.ioctl(self._fd, S_STD, _STANDARD.pack(STANDARD_BITS[options.standard]))

    def _choose_format(self) -> CaptureFormat:
        codes = (*PIXELS, *_JPEG) if self._options.format == "any" else _JPEG
        for code in codes:
            found = self._try_format(code)
            if found is not None:
                return found
        raise OSError(errno.EINVAL, "no format")

    def _try_format(self, code: bytes) -> CaptureFormat | None:
        """Return what the device sends when *code* is asked for; None: not that."""
        options = self._options
        field = _INTERLACED if options.television else _ANY
        asked = (options.width, options.height, int.from_bytes(code, "little"), field)
        raw = bytearray(_FORMAT.pack(_TYPE, *asked, *(0,) * 8))
        try:
            fcntl.ioctl(self._fd, S_FMT, raw)
        except OSError as error:
            if error.errno == errno.EINVAL:
                return None
            raise
        _, width, height, chosen, field, line_bytes, size_bytes, *_ = _FORMAT.unpack(raw)
        if chosen.to_bytes(4, "little") != code:
            return None
        fields = {
            _NONE: "", _ANY: "", _TOP_FIRST: "tff", _BOTTOM_FIRST: "bff",
            _INTERLACED: "bff" if options.standard == "NTSC" else "tff",
        }.get(field)  # fmt: skip
        possible = 0 < width <= MAX_WIDTH and 0 < height <= MAX_HEIGHT and not width % 2
        if fields is None or not possible or size_bytes > MAX_BUFFER_BYTES:
            return None
        pixels = PIXELS.get(code, "")
        least = width * 2 if _BITS.get(pixels) == 16 else width
        if pixels and not least <= (line_bytes or least) <= 4 * least:
            return None
        if _BITS.get(pixels) == 12 and line_bytes not in (0, width):
            return None
        return CaptureFormat(width, height, pixels, fields, (line_bytes or least) if pixels else 0)

    def _start(self) -> None:
        raw = bytearray(_REQUEST.pack(BUFFERS, _TYPE, _MMAP, 0, 0))
        fcntl.ioctl(self._fd, REQBUFS, raw)
        count = _REQUEST.unpack(raw)[0]
        if not 2 <= count <= MOST_BUFFERS:
            raise OSError(errno.EINVAL, "no buffers")
        for index in range(count):
            raw = bytearray(_BUFFER.pack(index, _TYPE, 0, 0, 0, 0, 0, b"", 0, _MMAP, 0, 0, 0, 0))
            fcntl.ioctl(self._fd, QUERYBUF, raw)
            *_, offset, length, _, _ = _BUFFER.unpack(raw)
            if not 0 < length <= MAX_BUFFER_BYTES:
                raise OSError(errno.EINVAL, "a buffer of impossible size")
            self._buffers.append(mmap.mmap(self._fd, length, offset=offset & 0xFFFF_FFFF))
            fcntl.ioctl(self._fd, QBUF, raw)
        fcntl.ioctl(self._fd, STREAMON, _INT.pack(_TYPE))


def _text(raw: bytes) -> str:
    told = raw.split(b"\0")[0].decode("ascii", "replace")
    return "".join(each if each.isprintable() else "?" for each in told)[:32]
