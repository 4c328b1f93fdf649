"""Bits of a NAL unit: fixed fields and Exp-Golomb codes, with the emulation prevention removed.

References: ITU-T H.264 §7.3.1, §9.1; H.265 the same.
"""

from __future__ import annotations

from gateway.rtp.packet import Malformed

MAX_SET_BYTES = 4_096
"""No honest parameter set is larger; what lies behind is not looked at."""


class BitReader:
    """Reads the payload of a NAL unit from the most significant bit on.

    Every method raises `Malformed` when the bits end.
    """

    def __init__(self, rbsp: bytes) -> None:
        body = rbsp[:MAX_SET_BYTES].replace(b"\x00\x00\x03", b"\x00\x00")
        self._left = 8 * len(body)
        self._bits = int.from_bytes(body)

    def u(self, count: int) -> int:
        """Return *count* bits as an unsigned number."""
        self._left -= count
        if self._left < 0:
            raise Malformed("parameter set ends early")
        return self._bits >> self._left & (1 << count) - 1

    def flag(self) -> bool:
        """Return one bit."""
        return self.u(1) == 1

    def ue(self) -> int:
        """Return an unsigned Exp-Golomb code of at most 32 bits."""
        zeros = 0
        while self.u(1) == 0:
            zeros += 1
            if zeros > 32:
                raise Malformed("Exp-Golomb code too long")
        return (1 << zeros) - 1 + self.u(zeros)

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
