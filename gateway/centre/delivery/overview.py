"""Who has delivered which document of a month, and who has not. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.centre.delivery.store import Delivered
from gateway.documents.messages import understood
from gateway.documents.months import due_ms
from gateway.model.document_template import DocumentKind
from gateway.model.provinces import PROVINCES


@dataclass(frozen=True, slots=True)
class ProvinceDelivery:
    """One document of one province.

    Attributes:
        province: Two digits.
        name: Of the province.
        kind: Of the template.
        state: ``missing``, or that of `newest`.
        late: Whether it is not kept, and was due.
        newest: What is kept; else what came last; None: nothing.
    """

    province: str
    name: str
    kind: str
    state: str
    late: bool
    newest: Delivered | None


def overview(
    month: str,
    kinds: tuple[DocumentKind, ...],
    delivered: Iterable[Delivered],
    *,
    now_ms: int,
) -> tuple[ProvinceDelivery, ...]:
    """Return each of *kinds* for each province, in *month*."""
    best: dict[tuple[str, str], Delivered] = {}
    for each in delivered:  # the newest of a province and kind first
        held = best.get((each.province, each.kind))
        if held is None or (each.state == "kept" and held.state != "kept"):
            best[each.province, each.kind] = each
    rows = []
    for code, name in PROVINCES.items():
        for kind in kinds:
            newest = best.get((code, kind.id))
            state = "missing" if newest is None else newest.state
            late = state != "kept" and now_ms >= due_ms(month, kind.due_day)
            rows.append(ProvinceDelivery(code, name, kind.id, state, late, newest))
    return tuple(rows)


def overview_tree(
    month: str,
    kinds: tuple[DocumentKind, ...],
    delivered: Iterable[Delivered],
    *,
    now_ms: int,
) -> dict[str, object]:
    """Return the same as JSON for page and programs, with sums by kind."""
    rows = overview(month, kinds, delivered, now_ms=now_ms)
    return {
        "month": month,
        "provinces": len(PROVINCES),
        "kinds": [
            {
                "id": kind.id,
                "name": kind.name,
                "due_ms": due_ms(month, kind.due_day),
                "kept": sum(row.kind == kind.id and row.state == "kept" for row in rows),
            }
            for kind in kinds
        ],
        "rows": [_row(each) for each in rows],
    }


def _row(row: ProvinceDelivery) -> dict[str, object]:
    tree: dict[str, object] = {
        "province": row.province,
        "name": row.name,
        "kind": row.kind,
        "state": row.state,
        "late": row.late,
    }
    if row.newest is not None:
        newest = row.newest
        tree |= {
            "site": newest.site,
            "site_name": newest.site_name,
            "document": newest.document,
            "file": newest.name,
            "bytes": newest.bytes,
            "sha256": newest.sha256,
            "settled_ms": newest.settled_ms,
            "faults": [
                {"at": each.at, "code": each.code, "vi": each.vi, "en": each.en}
                for each in understood(newest.faults)
            ],
        }
    return tree
