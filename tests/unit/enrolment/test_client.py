"""What an installer types as the centre's address, before anything is connected."""

from __future__ import annotations

import pytest

from gateway.enrolment.client import parse_centre_url
from gateway.enrolment.errors import EnrolmentError, EnrolmentReason


@pytest.mark.parametrize(
    "typed", ["https://a..b", "https://.", f"https://{'a' * 64}.vn", "http://centre.vn", ""]
)
def test_what_is_no_address_is_refused_before_it_is_looked_up(typed: str) -> None:
    """A resolver would raise UnicodeError for an empty or too long label (IDNA)."""
    with pytest.raises(EnrolmentError) as refused:
        parse_centre_url(typed)

    assert refused.value.reason is EnrolmentReason.URL


@pytest.mark.parametrize("typed", ["centre.vn", "10.0.0.1:9443", "[fd00::1]", "https://centre.vn."])
def test_an_address_is_taken_with_or_without_scheme_and_port(typed: str) -> None:
    """What is left out is HTTPS and the usual port."""
    assert parse_centre_url(typed).startswith("https://")
