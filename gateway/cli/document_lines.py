"""Who has delivered which monthly document, as lines and as files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway.centre.delivery.overview import overview
from gateway.centre.delivery.store import Delivered, DocumentStore
from gateway.documents.messages import understood
from gateway.documents.months import shown_month
from gateway.model.document_template import DocumentKind
from gateway.model.local_time import time_text
from gateway.model.provinces import PROVINCES
from gateway.runtime.given_path import write_given

STATES = {
    "missing": "chưa có / missing",
    "receiving": "đang nhận / receiving",
    "kept": "đã nhận / received",
    "refused": "bị từ chối / refused",
}


def overview_lines(
    month: str, kinds: tuple[DocumentKind, ...], delivered: tuple[Delivered, ...], *, now_ms: int
) -> Iterator[str]:
    """Yield a heading for each kind, then a line for each province, what is wrong below it."""
    rows = overview(month, kinds, delivered, now_ms=now_ms)
    for kind in kinds:
        own = [row for row in rows if row.kind == kind.id]
        kept = sum(row.state == "kept" for row in own)
        yield f"{kind.name} {shown_month(month)}: {kept}/{len(PROVINCES)}"
        for row in own:
            line = f"  {row.province} {row.name}: {STATES[row.state]}"
            line += "  TRỄ HẠN / LATE" if row.late else ""
            if row.newest is not None:
                moment = row.newest.settled_ms
                line += f"  {row.newest.name}  {row.newest.site_name}"
                line += f"  {time_text(moment)}" if moment else ""
            yield line
            for fault in () if row.newest is None else understood(row.newest.faults):
                yield f"      {fault.at} {fault.vi} / {fault.en}"


def save_files(
    store: DocumentStore, delivered: tuple[Delivered, ...], folder: Path
) -> Iterator[Path]:
    """Write the kept files of *delivered* into *folder* and yield where, the newest of each site.

    Their names are ours: province, site, kind and month.
    """
    done = set()
    for each in delivered:
        key = (each.province, each.site, each.kind)
        if each.state != "kept" or key in done:
            continue
        done.add(key)
        content = store.content(each.site, each.document)
        if content is not None:
            ending = each.name.rpartition(".")[2]
            ending = ending if ending in ("xlsx", "csv", "json") else "bin"
            name = f"{each.province}-{each.site}-{each.kind}-{each.month}.{ending}"
            write_given(folder / name, content)
            yield folder / name
