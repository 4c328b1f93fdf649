"""Rules about monthly documents. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.alarms.catalogue import DOCUMENT_MISSING, DOCUMENT_WRONG
from gateway.model.alarm import Argument, Finding
from gateway.model.document_standing import DocumentStanding
from gateway.model.reasons import Reason

DAY_MS = 86_400_000


def document_findings(standings: Iterable[DocumentStanding], now_ms: int) -> Iterator[Finding]:
    """Yield for each of *standings* whether it is there, and as it should be.

    The month is over when it is looked at: what is missing is told at once, before it is due.
    """
    for each in standings:
        days = (each.due_ms - now_ms) / DAY_MS
        year, _, month = each.month.partition("-")
        arguments: dict[str, Argument] = {"month": f"{month}/{year}", "days": int(days // 1)}
        cause = {
            "unreadable": Reason.DOCUMENT_SOURCE,
            "sending": Reason.DOCUMENT_UNCONFIRMED,
        }.get(each.state, Reason.DOCUMENT_MISSING)
        late = each.state == "sending" and days <= 0
        yield DOCUMENT_MISSING.finding(
            late or each.state in ("missing", "unreadable"),
            cause,
            arguments,
            days_left=days,
            kind=each.kind,
        )
        wrong = Reason.DOCUMENT_REFUSED if each.state == "refused" else Reason.DOCUMENT_INVALID
        yield DOCUMENT_WRONG.finding(
            each.state in ("invalid", "refused"),
            wrong,
            {**arguments, "at": each.at, "count": each.faults},
            days_left=days,
            kind=each.kind,
        )
