"""Text of devices as it is shown and stored: in NFC, on one line, short, and seen as it is."""

from __future__ import annotations

import unicodedata

MOST_CHARS = 120


def clean(text: str | None, most: int = MOST_CHARS) -> str | None:
    """Return *text* in NFC without what cannot be seen, at most *most* characters; None: nothing.

    Recorders fill names with zero bytes and blanks, and write Vietnamese in NFD.
    """
    if not text:
        return None
    normal = unicodedata.normalize("NFC", text[: 4 * most])
    seen = "".join(char if char.isprintable() else " " for char in normal)
    return " ".join(seen.split())[:most].rstrip() or None


def whole_number(text: str | None, most: int = 1_000_000_000) -> int | None:
    """Return the number that *text* writes in decimal digits, 0 to *most*; None: it is none."""
    digits = (text or "").strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10):
        return None
    number = int(digits)
    return number if number <= most else None
