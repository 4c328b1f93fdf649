"""Bits of a NAL unit: fixed fields and Exp-Golomb codes, with the emulation prevention removed.

References: ITU-T H.264 §7.3.1, §9.1; H.265 the same.
"""

from __future__ import annotations

from gateway.rtp.packet import Malformed

MAX_SET_BYTES = 4_096
"""No honest parameter set is larger; what lies behind is not looked at."""


class BitReader:
    """Reads the payload of a NAL unit from the most significant bit on.

    Each call costs the same, wherever it reads and however long the unit is. Every method raises
    `Malformed` when the bits end.

    Args:
        rbsp: What to read.
        escaped: Whether emulation prevention is to be removed; MPEG-4 Visual has none.
    """

    def __init__(self, rbsp: bytes, *, escaped: bool = True) -> None:
        body = rbsp[:MAX_SET_BYTES]
        self._body = body.replace(b"\x00\x00\x03", b"\x00\x00") if escaped else body
        self._at = 0
        self._end = 8 * len(self._body)

    def u(self, count: int) -> int:
        """Return *count* bits as an unsigned number."""
        at = self._at
        self._at = stop = at + count
        if stop > self._end:
            raise Malformed("parameter set ends early")
        last = stop + 7 >> 3
        bits = int.from_bytes(self._body[at >> 3 : last])
        return bits >> 8 * last - stop & (1 << count) - 1

    def flag(self) -> bool:
        """Return one bit."""
        return self.u(1) == 1

    def ue(self) -> int:
        """Return an unsigned Exp-Golomb code of at most 32 bits."""
        first, skip = self._at >> 3, self._at & 7
        five = int.from_bytes(self._body[first : first + 5].ljust(5, b"\0"))
        ahead = (five & (1 << 40 - skip) - 1) >> 7 - skip  # the next 33 bits
        zeros = 33 - ahead.bit_length()
        if zeros > 32:
            raise Malformed("Exp-Golomb code too long, or cut off")
        return self.u(2 * zeros + 1) - 1

    def se(self) -> int:
        """Return a signed Exp-Golomb code."""
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)

    def ue_below(self, limit: int) -> int:
        """Return an unsigned Exp-Golomb code; `Malformed` unless it is below *limit*."""
        code = self.ue()
        if code >= limit:
            raise Malformed("parameter set value out of range")
        return code
