"""``camera-gateway documents``: monthly documents of this box, checked by hand."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click

from gateway.app.documents import STORED
from gateway.cli.output import WRONG, echo, report_errors
from gateway.config.load import load_settings
from gateway.config.settings import DEFAULT_FILE
from gateway.documents.deliveries import DeliveryStore
from gateway.documents.faults import DocumentFault
from gateway.documents.folder import read_file
from gateway.documents.inspection import inspect_document
from gateway.documents.messages import understood
from gateway.documents.months import due_ms, past_months, shown_month
from gateway.model.document_template import DocumentKind
from gateway.model.errors import TransientError
from gateway.model.local_time import time_text
from gateway.runtime.clock import now_ms

PATH = click.Path(path_type=Path)


@click.group("documents")
def documents_group() -> None:
    """Check monthly documents, see how they stand. Kiểm tra báo cáo tháng."""


@documents_group.command("check")
@click.argument("file", type=PATH)
@click.option("--kind", "kind_id", help="Which of [[documents.kinds]]; left out: by its name.")
@click.option("--config", type=PATH, default=DEFAULT_FILE, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@report_errors
def check_command(file: Path, kind_id: str | None, config: Path, *, as_json: bool) -> None:
    """Say what is wrong with FILE by its template; exit code 2 if anything is."""
    kinds = load_settings(config).documents.kinds
    kind = _kind_of(file, kind_id, kinds)
    try:
        faults = asyncio.run(inspect_document(read_file(file), kind))
    except TransientError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        told = [{"at": each.at, "code": each.code, "vi": each.vi, "en": each.en} for each in faults]
        click.echo(json.dumps({"file": file.name, "kind": kind.id, "faults": told}))
    else:
        for each in faults:
            echo(*fault_lines(file.name, each))
    if faults:
        raise SystemExit(WRONG)
    if not as_json:
        echo(f"OK: {file.name}  {kind.name}")


@documents_group.command("status")
@click.option("--config", type=PATH, default=DEFAULT_FILE, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@report_errors
def status_command(config: Path, *, as_json: bool) -> None:
    """Say how the documents of the last months stand, and what is wrong with them."""
    settings = load_settings(config)
    deliveries = DeliveryStore(settings.state.dir / STORED).load()
    rows = [
        (kind, month, deliveries.get((kind.id, month)))
        for kind in settings.documents.kinds
        for month in past_months(now_ms())
    ]
    if as_json:
        tree = [
            {"kind": kind.id, "month": month}
            | ({"state": "missing"} if found is None else found.model_dump(mode="json"))
            for kind, month, found in rows
        ]
        click.echo(json.dumps({"documents": tree}, ensure_ascii=False))
        return
    for kind, month, found in rows:
        state = "missing" if found is None else found.state
        when = "" if found is None or found.settled_ms is None else time_text(found.settled_ms)
        due = time_text(due_ms(month, kind.due_day))
        echo(f"{shown_month(month)} {kind.name}: {_STATES[state]}  {when or f'hạn / due {due}'}")
        for each in () if found is None else understood(found.faults):
            echo(*(f"    {line}" for line in fault_lines(kind.file_of(month), each)))


_STATES = {
    "missing": "chưa có / missing",
    "invalid": "sai mẫu / wrong",
    "sending": "đang gửi / being sent",
    "kept": "trung tâm đã nhận / received by the centre",
    "refused": "trung tâm từ chối / refused by the centre",
}


def fault_lines(name: str, found: DocumentFault) -> tuple[str, str]:
    """Return what people read of a fault of the file *name*: Vietnamese, then English."""
    place = f"{name} {found.at}".rstrip()
    return f"{place}: {found.vi}", f"    {found.en} [{found.code}]"


def _kind_of(file: Path, kind_id: str | None, kinds: tuple[DocumentKind, ...]) -> DocumentKind:
    if not kinds:
        message = "chưa khai báo mẫu nào / no [[documents.kinds]]: docs/documents.md"
        raise click.UsageError(message)
    if kind_id is not None:
        found = [each for each in kinds if each.id == kind_id]
    else:
        found = [each for each in kinds if each.month_in(file.name)]
    if len(found) != 1:
        listed = ", ".join(each.id for each in kinds)
        message = f"chọn một mẫu / choose one: --kind {listed}"
        raise click.UsageError(message)
    return found[0]
