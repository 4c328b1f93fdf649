"""What the fake centre knows of records: again, missing, given up."""

from __future__ import annotations

from typing import Any

from tests.fleet.ledger import Ledger


def told(*records: dict[str, Any]) -> Ledger:
    ledger = Ledger()
    for record in records:
        ledger.record("hcm-q1-01", {"type": "alarm", "id": f"id-{record['n']}", **record})
    return ledger


def test_a_hole_in_the_numbers_is_found() -> None:
    """Before the newest without asking; behind it once the gateway has said how many there are."""
    ledger = told({"n": 1}, {"n": 2}, {"n": 5})

    assert (ledger.holes(), ledger.missing("hcm-q1-01", 7)) == (2, 4)


def test_what_is_told_as_a_gap_is_not_missing() -> None:
    """The gateway has given it up and says so."""
    ledger = told({"n": 1}, {"n": 5, "type": "outbox.gap", "from_n": 2, "to_n": 4})

    assert ledger.holes() == 0


def test_the_same_record_again_is_counted_once() -> None:
    """By its id; late ones too."""
    ledger = told({"n": 1}, {"n": 1, "late": True}, {"n": 2, "late": True})

    assert (len(ledger), ledger.again, ledger.late) == (2, 1, 1)
