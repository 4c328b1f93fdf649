"""The code of an enrolment: what is mistyped is found, and whom it belongs to is proved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.enrolment.code import (
    ALPHABET,
    FINGERPRINT_SYMBOLS,
    GROUP,
    SECRET_SYMBOLS,
    SYMBOLS,
    CodeError,
    EnrolmentCode,
    make_code,
    parse_code,
)
from gateway.enrolment.errors import WORDING, EnrolmentReason

symbols = st.sampled_from(ALPHABET)
codes = st.builds(
    EnrolmentCode,
    st.text(symbols, min_size=SECRET_SYMBOLS, max_size=SECRET_SYMBOLS),
    st.text(symbols, min_size=FINGERPRINT_SYMBOLS, max_size=FINGERPRINT_SYMBOLS),
)
places = st.integers(0, SYMBOLS - 1)


@given(codes)
def test_a_code_is_read_as_it_was_told(code: EnrolmentCode) -> None:
    """With groups, without, in lower case, and with O, I and L for digits."""
    assert parse_code(str(code)) == code
    likeness = code.symbols.lower().replace("0", "o").replace("1", "l")
    assert parse_code(f"  {likeness[:7]} {likeness[7:]}\n") == code
    assert parse_code(likeness.upper().replace("L", "I")) == code


@given(codes, places, symbols)
def test_one_wrong_symbol_is_found_with_its_group(
    code: EnrolmentCode, place: int, other: str
) -> None:
    """Any substitution, of a check symbol too; the installer is told where to look."""
    right = code.symbols
    if right[place] == other:
        return
    with pytest.raises(CodeError) as caught:
        parse_code(right[:place] + other + right[place + 1 :])

    assert caught.value.reason == "code.check"
    assert caught.value.group == place // GROUP + 1


@given(codes, places, places)
def test_two_symbols_that_changed_places_are_found(code: EnrolmentCode, one: int, two: int) -> None:
    """Neighbours or not."""
    swapped = list(code.symbols)
    swapped[one], swapped[two] = swapped[two], swapped[one]
    if "".join(swapped) == code.symbols:
        return
    with pytest.raises(CodeError) as caught:
        parse_code("".join(swapped))

    assert caught.value.reason == "code.check"


@given(st.text(max_size=300))
def test_any_text_is_a_code_or_refused_with_a_reason(text: str) -> None:
    """Nothing that is typed ends in another error."""
    try:
        code = parse_code(text)
    except CodeError as error:
        code, reason = None, error.reason
        assert EnrolmentReason(reason) in WORDING
    assert code is None or parse_code(str(code)) == code


def test_a_code_fits_its_own_centre_alone() -> None:
    """The fingerprint follows from the authority and from the secret."""
    code = make_code(b"the root")

    assert code.fits(b"the root")
    assert not code.fits(b"another root")
    assert not EnrolmentCode("00000000", code.fingerprint).fits(b"the root")


def test_a_code_in_a_log_says_no_secret() -> None:
    """Its repr is what a stray log line would hold."""
    assert "7K3MQ9TX" not in repr(EnrolmentCode("7K3MQ9TX", "0B5DHW2R4N"))
