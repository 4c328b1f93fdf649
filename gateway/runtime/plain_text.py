"""Text of strangers, made fit to be shown: cut, on one line, and without what steers a terminal.

Cameras, gateways, brokers and documents choose names, headers and error texts. An escape sequence
in one of them rewrites the screen of whoever reads it, a bidirectional control lets a line say
another thing than it does, and 64 kB of it are 64 kB in the log.

Sources: ECMA-48 (C0, C1, escape sequences); Unicode TR 9 and TR 36 §3 (bidirectional controls).
"""

from __future__ import annotations

import unicodedata

MAX_CHARS = 2_000
"""Of one text in a log line or an error; all that a person reads of it."""

_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text: str, *, keep: str = "") -> str:
    r"""Return *text* with each character that is not seen replaced by its escape.

    These are the controls C0 and C1, the formats (bidirectional controls, zero width, tags),
    surrogates, line separators, and code points without a meaning. The escapes are JSON's (``\n``,
    ``\u001b``), so that a JSON text stays one that means the same. What is written in any
    language stays.

    Args:
        text: Any.
        keep: Characters that stay as they are, such as line ends.
    """
    if text.isprintable():
        return text
    return "".join(
        [
            char
            if char.isprintable() or char in keep or unicodedata.category(char) == "Zs"
            else _escaped(char)
            for char in text
        ]
    )


def cut(text: str, most: int = MAX_CHARS) -> str:
    """Return *text*, or its first *most* characters and how many are missing."""
    return text if len(text) <= most else f"{text[:most]}… (+{len(text) - most})"


def _escaped(char: str) -> str:
    code = ord(char)
    if code > 0xFFFF:  # as JSON has it: a pair of surrogates
        code -= 0x10000
        return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
    return _SHORT.get(char, f"\\u{code:04x}")


def without_marks(text: str) -> str:
    """Return *text* in lower case without marks: ``Đồng Tháp`` becomes ``dong thap``."""
    lower = unicodedata.normalize("NFD", text.lower().replace("đ", "d"))
    return " ".join("".join(each for each in lower if not unicodedata.combining(each)).split())
