"""What the command says of a code before anybody is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.enrolment.enrol import enrol
from gateway.enrolment.errors import EnrolmentError, EnrolmentReason
from tests.fixtures.enrolment import make_box


async def test_a_code_that_is_too_short_is_told_with_its_length(tmp_path: Path) -> None:
    """Of how many symbols; dashes do not count."""
    box = make_box(tmp_path / "box")

    with pytest.raises(EnrolmentError) as caught:
        await anext(enrol("https://127.0.0.1:1", "7k3m-q9tx", settings=box))

    assert (caught.value.reason, caught.value.detail) == (EnrolmentReason.CODE_LENGTH, "8/20")
