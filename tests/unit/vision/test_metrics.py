"""What the worker returns is checked before it is used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.vision.metrics import unpack_analysis


@given(raw=st.binary(max_size=200))
def test_what_is_no_analysis_is_refused(raw: bytes) -> None:
    """The worker may have been taken over."""
    with pytest.raises(ValueError, match="an analysis"):
        unpack_analysis(raw)
