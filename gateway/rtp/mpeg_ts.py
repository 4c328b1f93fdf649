"""The packets of an MPEG-TS. Reference: ISO/IEC 13818-1 §2.4.3.2."""

from __future__ import annotations

TS_BYTES = 188
"""Length of a packet."""
TS_SYNC = 0x47
"""Its first byte."""
