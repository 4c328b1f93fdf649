"""Values of RTMP commands, in AMF 0: what a camera may send of it is bounded, and made plain.

Reference: Adobe, Action Message Format -- AMF 0 (2007-12-15), §2.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from contextlib import suppress

from gateway.rtp.packet import Malformed

MOST_DEPTH = 8
"""Objects in objects. Honest commands have two."""

MOST_VALUES = 1_000
"""In one command, members of objects counted."""

Amf0 = float | bool | str | None | dict[str, "Amf0"] | list["Amf0"]
"""Number, boolean, string (also long ones, XML), null and undefined, object and ECMA array, array;
of a date the milliseconds."""

_NUMBER, _BOOLEAN, _STRING, _OBJECT, _NULL, _UNDEFINED = 0x00, 0x01, 0x02, 0x03, 0x05, 0x06
_ECMA_ARRAY, _END, _ARRAY, _DATE, _LONG_STRING = 0x08, 0x09, 0x0A, 0x0B, 0x0C
_UNSUPPORTED, _XML, _TYPED_OBJECT = 0x0D, 0x0F, 0x10


def decode(data: bytes) -> list[Amf0]:
    """Return the values that *data* is made of, one behind the other.

    Raises:
        Malformed: It is cut off, too deep or too many, or of a type that no command needs.
    """
    reader = _Reader(data)
    values: list[Amf0] = []
    while reader.left:
        values.append(reader.value(0))
    return values


def decode_beginning(data: bytes) -> list[Amf0]:
    """Return the values with which *data* begins, up to the first that cannot be read.

    What a command means stands in its first values; behind them some servers write what is their
    own.

    Raises:
        Malformed: Not even the first can be read.
    """
    reader = _Reader(data)
    values = [reader.value(0)] if reader.left else []
    with suppress(Malformed):
        while reader.left:
            values.append(reader.value(0))
    return values


def encode(values: Iterable[object]) -> bytes:
    """Return *values* one behind the other: numbers, booleans, texts, None, dicts and lists."""
    return b"".join(map(_encoded, values))


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._values = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def value(self, depth: int) -> Amf0:
        self._values += 1
        if depth > MOST_DEPTH or self._values > MOST_VALUES:
            raise Malformed(f"AMF of more than {MOST_DEPTH} levels or {MOST_VALUES} values")
        kind = self._number(1)
        if kind in (_OBJECT, _ECMA_ARRAY, _TYPED_OBJECT, _ARRAY):
            return self._container(kind, depth)
        return self._scalar(kind)

    def _container(self, kind: int, depth: int) -> Amf0:
        if kind == _ARRAY:
            count = self._number(4)
            if count > MOST_VALUES:
                raise Malformed(f"an AMF array of {count} values")
            return [self.value(depth + 1) for _ in range(count)]
        if kind == _ECMA_ARRAY:
            self._take(4)  # the count is a hint only: the end is marked
        elif kind == _TYPED_OBJECT:
            self._text(2)
        return self._members(depth)

    def _scalar(self, kind: int) -> Amf0:
        if kind in (_NUMBER, _DATE):
            (number,) = struct.unpack(">d", self._take(8))
            self._take(2 if kind == _DATE else 0)  # its time zone
            return float(number)
        if kind in (_STRING, _LONG_STRING, _XML):
            return self._text(2 if kind == _STRING else 4)
        if kind == _BOOLEAN:
            return self._number(1) != 0
        if kind in (_NULL, _UNDEFINED, _UNSUPPORTED):
            return None
        raise Malformed(f"AMF of type {kind:#04x}")

    def _members(self, depth: int) -> dict[str, Amf0]:
        found: dict[str, Amf0] = {}
        while True:
            name = self._text(2)
            if not name and self.left and self._data[self._at] == _END:
                self._at += 1
                return found
            found[name] = self.value(depth + 1)

    def _take(self, count: int) -> bytes:
        if count > self.left:
            raise Malformed("AMF that is cut off")
        self._at += count
        return self._data[self._at - count : self._at]

    def _number(self, count: int) -> int:
        return int.from_bytes(self._take(count))

    def _text(self, length_bytes: int) -> str:
        return self._take(self._number(length_bytes)).decode(errors="replace")


def _encoded(value: object) -> bytes:
    match value:
        case None:
            return bytes((_NULL,))
        case bool():
            return bytes((_BOOLEAN, value))
        case int() | float():
            return struct.pack(">Bd", _NUMBER, value)
        case str():
            return _text(value)
        case dict():
            members = b"".join(_name(name) + _encoded(each) for name, each in value.items())
            return bytes((_OBJECT,)) + members + bytes((0, 0, _END))
        case list() | tuple():
            head = struct.pack(">BI", _ARRAY, len(value))
            return head + b"".join(map(_encoded, value))
        case _:
            raise TypeError(f"{type(value).__name__} has no form in AMF 0")


def _name(text: object) -> bytes:
    written = str(text).encode()
    return len(written).to_bytes(2) + written


def _text(text: str) -> bytes:
    written = text.encode()
    if len(written) > 0xFFFF:
        return struct.pack(">BI", _LONG_STRING, len(written)) + written
    return bytes((_STRING,)) + len(written).to_bytes(2) + written
