"""What a renewal that goes wrong costs: nothing but the renewal."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from gateway.centre.enrolment.authority import new_key, private_pem
from gateway.enrolment.renewal import Renewal, RenewalFiles
from gateway.runtime.bugs import BugCounts
from tests.fixtures.clock import FakeClock
from tests.fixtures.enrolment import make_centre


@pytest.fixture
def files(tmp_path: Path) -> RenewalFiles:
    """Of a machine that was enrolled."""
    authority = make_centre(tmp_path / "centre").authority
    key = new_key()
    (tmp_path / "gateway.key").write_bytes(private_pem(key))
    chain = authority.issue_gateway(key.public_key(), "24/x").chain
    (tmp_path / "gateway.pem").write_text(chain)
    (tmp_path / "ca.pem").write_text(authority.root_pem)
    names = ("gateway.pem", "gateway.key", "ca.pem", "renewed.pem")
    return RenewalFiles(*(tmp_path / name for name in names))


async def test_a_bug_ends_the_attempt_and_not_the_gateway(
    files: RenewalFiles, contained_bugs: BugCounts
) -> None:
    """After three of them the alarm about the certificate stands."""

    def broken() -> NoReturn:
        raise OverflowError

    renewal = Renewal("https://127.0.0.1:1", files, wall_ms=broken, clock=FakeClock())

    assert [await renewal.renew_if_due() for _ in range(3)] == [False] * 3
    assert renewal.is_failing
    assert contained_bugs.counts == {"report": 3}


@pytest.mark.parametrize("content", [b"", b"-----BEGIN", bytes(200_000)], ids=["no", "half", "0s"])
async def test_files_that_cannot_be_read_are_told_as_a_failed_renewal(
    files: RenewalFiles, content: bytes
) -> None:
    """A worn card has its certificate, its key or its authority damaged."""
    files.certificate.write_bytes(content)
    renewal = Renewal("https://127.0.0.1:1", files, wall_ms=lambda: 0, clock=FakeClock())

    assert not await renewal.renew_if_due()
    assert renewal.failures == 1
