"""Text of strangers as it is shown."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.runtime.plain_text import cut, printable

BIDIRECTIONAL = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c"


@pytest.mark.parametrize("char", [*BIDIRECTIONAL, *map(chr, (*range(32), *range(127, 160)))])
def test_what_steers_is_escaped(char: str) -> None:
    """C0, DEL, C1 and the bidirectional controls."""
    shown = printable(f"a{char}b")

    assert shown.isprintable()
    assert shown.startswith("a\\")


@pytest.mark.parametrize(
    "text", ["Quầy 7 – Sở Nội vụ", "Que\u0302\u0300y", "东\u3000京", "a\u00a0b", "🎥"]
)
def test_text_of_any_language_stays(text: str) -> None:
    """Marks and wide spaces too."""
    assert printable(text) == text


@given(st.text())
def test_any_text_is_printable_and_means_the_same_in_json(text: str) -> None:
    """What is shown can be encoded, and read back where it is JSON."""
    shown = printable(text)

    assert all(char.isprintable() or unicodedata.category(char) == "Zs" for char in shown)
    shown.encode()
    dumped = json.dumps(text, ensure_ascii=False)
    assert json.loads(printable(dumped)) == text


def test_what_is_kept_stays() -> None:
    """Line ends of a traceback."""
    assert printable("a\n\x1b[2J", keep="\n") == "a\n\\u001b[2J"


def test_a_long_text_says_how_long_it_was() -> None:
    """And its beginning."""
    assert cut("x" * 2_100, 100) == "x" * 100 + "… (+2000)"
    assert cut("x" * 100, 100) == "x" * 100
