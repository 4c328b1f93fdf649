"""Strict JSON: each flaw with its place, and a bound for everything a sender chooses."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.runtime.strict_json import MAX_DIGITS, ParsedJson, Problem, StrictJsonError, parse

BYTES = 10_000


def read(raw: bytes, *, control_characters: bool = False) -> ParsedJson:
    return parse(raw, max_bytes=BYTES, max_values=50, control_characters=control_characters)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"[" + b" " * BYTES + b"]", Problem.TOO_LARGE),
        (b" \n", Problem.EMPTY),
        (b'["\xff"]', Problem.NOT_UTF8),
        (b"\xef\xbb\xbf[]", Problem.BYTE_ORDER_MARK),
        (b"[" + b"0," * 60 + b"0]", Problem.TOO_MANY_VALUES),
        (b"[" * 17 + b"]" * 17, Problem.TOO_DEEP),
        (b"[1,]", Problem.SYNTAX),
    ],
    ids=lambda value: value.name if isinstance(value, Problem) else None,
)
def test_what_gives_no_tree_says_why(raw: bytes, problem: Problem) -> None:
    """Each bound and each fault of the text has its own problem."""
    with pytest.raises(StrictJsonError) as caught:
        read(raw)

    assert caught.value.flaw.problem is problem


def test_every_flaw_is_found_at_its_place() -> None:
    """All of them, in the order of the text."""
    raw = rb'{"a": [1, NaN, {"b": 1, "b": 2}], "c": 1e999, "d": "\ud800", "e": "x\n"}'

    assert [(flaw.problem, flaw.at) for flaw in read(raw).flaws] == [
        (Problem.NUMBER, ("a", 1)),
        (Problem.DUPLICATE_KEY, ("a", 2, "b")),
        (Problem.NUMBER, ("c",)),
        (Problem.SURROGATE, ("d",)),
        (Problem.CONTROL_CHARACTER, ("e",)),
    ]


def test_control_characters_may_be_allowed() -> None:
    """A certificate has many lines."""
    assert read(rb'["a\nb"]', control_characters=True) == ParsedJson(["a\nb"], ())


@pytest.mark.parametrize("sign", ["", "-"])
def test_an_integer_of_64_bits_is_read_exactly(sign: str) -> None:
    """One digit more is no number that can be used; thousands of them cost no time."""
    digits = "9" * MAX_DIGITS
    assert read(f"[{sign}{digits}]".encode()).tree == [int(sign + digits)]

    for longer in ("9", "9" * 5000):
        (flaw,) = read(f"[{sign}{digits}{longer}]".encode()).flaws
        assert (flaw.problem, flaw.at) == (Problem.NUMBER, (0,))


def test_depth_counts_structure_only() -> None:
    """Brackets within a text do not nest, and a text that does not end is one as well."""
    assert read(b'["\\"' + b"[" * 40 + b'"]').flaws == ()
    with pytest.raises(StrictJsonError) as caught:
        read(b'["' + b"[" * 40)
    assert caught.value.flaw.problem is Problem.SYNTAX


@given(st.binary(max_size=100))
def test_any_bytes_give_a_tree_or_a_flaw(raw: bytes) -> None:
    """No other error comes out."""
    with suppress(StrictJsonError):
        assert isinstance(read(raw), ParsedJson)
