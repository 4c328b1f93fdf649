"""The command ``survey``: the survey form of dispatch 10362, filled by itself.

Exit codes: 0 done; 1 the broker cannot be reached, or the disk refuses; 2 a file or an argument is
wrong, or some of the files to be merged are.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from gateway.centre.coverage import CoverageListener, CoverageStore, DayOfHistory, listen
from gateway.centre.survey import collect_sites
from gateway.cli.broker_options import address_of, connection_options
from gateway.cli.output import NOT_RUNNING, WRONG, echo, print_faults, report_errors
from gateway.config.load import load_settings
from gateway.config.settings import DEFAULT_FILE
from gateway.discovery.detected_store import DetectedStore
from gateway.model.errors import ConfigRejected, Fault, TransientError
from gateway.model.provinces import PROVINCES
from gateway.runtime.clock import now_ms
from gateway.runtime.given_path import write_given
from gateway.runtime.status_query import ANSWERS_WITHIN_S, DEFAULT_FOLDER
from gateway.survey.answers import SiteForm
from gateway.survey.box import load_facts, with_detected, with_health
from gateway.survey.coverage import (
    DISPATCH_DAY,
    FOOTNOTE_COLUMNS,
    Coverage,
    coverage_of,
    dispatch_coverage,
    footnote_rows,
)
from gateway.survey.exported import form_tree, read_forms
from gateway.survey.fill import day_of, fill_form, time_text
from gateway.survey.form import FORM
from gateway.survey.markdown import write_markdown
from gateway.survey.merge import Country, merge_forms
from gateway.survey.printed import (
    Paragraph,
    Printed,
    Row,
    Sheet,
    Table,
    print_site,
    site_sheets,
)
from gateway.survey.printed_country import country_sheets, print_country
from gateway.survey.rows import write_csv, write_form_csv

PATH = click.Path(path_type=Path)
SITES_EACH = 200
"""So many sites are printed one by one, unless asked otherwise: three pages each."""

FORMATS = ("docx", "xlsx", "csv", "md", "json")

_FORMAT = click.option(
    "--format", "kind", type=click.Choice(FORMATS), default="md", show_default=True
)
_OUT = click.option("--out", type=PATH, help="File to write; docx and xlsx need one.")


@click.group("survey")
def survey_group() -> None:
    """Fill the survey form of dispatch 10362. Điền phụ lục công văn 10362/VPCP-KSTT."""


@survey_group.command("export")
@click.option("--form", type=click.Choice(["10362"]), default="10362", show_default=True)
@_FORMAT
@_OUT
@click.option("--settings", type=PATH, default=DEFAULT_FILE, show_default=True)
@click.option(
    "--runtime",
    type=PATH,
    default=lambda: Path(os.environ.get("RUNTIME_DIRECTORY") or DEFAULT_FOLDER),
    show_default=str(DEFAULT_FOLDER),
    help="Runtime folder of the gateway, which tells the health of its cameras.",
)
@click.option(
    "--discovered",
    type=PATH,
    help="What `camera-gateway discover --json` has printed.  [default: the weekly discovery]",
)
@click.option("--no-contacts", is_flag=True, help="Leave out part I, which is personal data.")
@report_errors
def export_command(
    form: str,
    kind: str,
    out: Path | None,
    settings: Path,
    runtime: Path,
    discovered: Path | None,
    *,
    no_contacts: bool,
) -> None:
    """Export the filled form of the site that this machine serves.

    Xuất phụ lục đã điền của điểm này; dữ liệu cá nhân chỉ lấy từ contacts.json trên máy.
    """
    assert FORM.startswith(form)
    box = load_settings(settings)
    facts = load_facts(
        box,
        now_ms(),
        with_contacts=not no_contacts,
        detected=DetectedStore(box.state.dir).devices,
    )
    if discovered is not None:
        facts = with_detected(facts, discovered)
    filled = fill_form(with_health(facts, runtime, ANSWERS_WITHIN_S))
    printed = print_site(filled)
    writers: Mapping[str, Callable[[], bytes]] = {
        "csv": lambda: write_form_csv((filled,)),
        "json": lambda: _json(form_tree(filled)),
        **_office(printed, lambda: site_sheets(filled)),
    }
    _write(writers[kind](), kind, out)
    echo(f"đã điền / filled: {filled.filled}/{filled.fields}", err=True)


@survey_group.command("merge")
@click.argument("files", type=PATH, nargs=-1)
@_FORMAT
@_OUT
@click.option("--from-broker", is_flag=True, help="Take what sites have told the broker, too.")
@click.option(
    "--province",
    type=click.Choice(list(PROVINCES)),
    metavar="NN",
    help="Only this one, of the 34.  [default: the country]",
)
@click.option(
    "--sites/--no-sites",
    default=None,
    help=f"Whether each site's form follows.  [default: up to {SITES_EACH} sites]",
)
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(1, 600),
    default=30.0,
    show_default=True,
    help="Seconds to wait for the broker at most.",
)
@connection_options
@report_errors
def merge_command(
    files: tuple[Path, ...],
    kind: str,
    out: Path | None,
    province: str | None,
    wait_s: float,
    *,
    from_broker: bool,
    sites: bool | None,
    **broker: Any,
) -> None:
    """Merge exported FILES (json; a folder stands for those in it) by province and for the country.

    Gộp phụ lục của nhiều điểm theo tỉnh và cả nước. A file that is wrong is named with its faults;
    the others are merged all the same, and the exit code is 2.
    """
    if not files and not from_broker:
        raise click.UsageError("name FILES or --from-broker / hãy nêu tệp hoặc --from-broker")
    forms, refused = read_forms(files)
    for each in refused:
        print_faults([(each.path, fault) for fault in each.faults])
    if from_broker:
        forms += _forms_of_broker(broker, wait_s)
    if province is not None:
        forms = [each for each in forms if each.province_today == province]
    if not forms:
        raise ConfigRejected((Fault("", "empty", "there is no form to merge"),))
    country = merge_forms(forms, now_ms())
    with_sites = len(country.forms) <= SITES_EACH if sites is None else sites
    _write(_country_bytes(country, kind, with_sites=with_sites), kind, out)
    echo(
        f"{len(country.forms)} điểm / sites, {len(country.provinces)} tỉnh / provinces,"
        f" {len(refused)} tệp lỗi / wrong files",
        err=True,
    )
    if refused:
        raise SystemExit(WRONG)


@survey_group.command("coverage")
@click.option("--db", type=PATH, required=True, help="File at the centre that keeps what was seen.")
@click.option("--format", "kind", type=click.Choice(["md", "csv", "json"]), default="md")
@click.option("--out", type=PATH, help="File to write.  [default: standard output]")
@click.option("--all", "everything", is_flag=True, help="List all 63 provinces.")
@click.option("--history", "with_history", is_flag=True, help="How it grew, in place of the list.")
@click.option(
    "--listen",
    "listen_s",
    type=click.FloatRange(0, 86_400),
    default=0.0,
    show_default=True,
    help="Seconds to listen to the broker before.",
)
@connection_options
@report_errors
def coverage_command(
    db: Path,
    kind: str,
    out: Path | None,
    listen_s: float,
    *,
    everything: bool,
    with_history: bool,
    **broker: Any,
) -> None:
    """Say how many provinces are connected: a picture has reached the centre within 24 hours.

    Bao nhiêu tỉnh đã kết nối: trong 24 giờ qua có hình của điểm đã tới trung tâm điều hành. Called
    with --listen at least once an hour, it misses no viewing: the broker keeps their ends for it.
    """
    store = CoverageStore(db)
    try:
        if listen_s:
            listener = CoverageListener()
            asyncio.run(
                listen(
                    address_of(**broker), listener, client_id=store.client_id(), listen_s=listen_s
                )
            )
            store.note(listener.seen())
        coverage = coverage_of(store.seen(), now_ms())
        store.record_day(day_of(coverage.now_ms), coverage)
        history = store.history()
    except TransientError as error:
        echo(str(error), err=True)
        raise SystemExit(NOT_RUNNING) from None
    finally:
        store.close()
    _write(_coverage_bytes(coverage, history, kind, everything, with_history), kind, out)
    echo(coverage.text, err=True)


def _forms_of_broker(broker: Mapping[str, Any], wait_s: float) -> list[SiteForm]:
    collector = asyncio.run(collect_sites(address_of(**broker), within_s=wait_s))
    for site, why in sorted(collector.rejected.items()):
        echo(f"{site}: không đọc được / cannot be read: {why}", err=True)
    return collector.forms(now_ms())


def _country_bytes(country: Country, kind: str, *, with_sites: bool) -> bytes:
    printed = print_country(country, with_sites=with_sites)
    writers: Mapping[str, Callable[[], bytes]] = {
        "csv": lambda: write_form_csv(country.forms),
        "json": lambda: _json({"sites": [form_tree(each) for each in country.forms]}),
        **_office(printed, lambda: country_sheets(country)),
    }
    return writers[kind]()


def _coverage_bytes(
    coverage: Coverage,
    history: Sequence[DayOfHistory],
    kind: str,
    everything: bool,
    with_history: bool,
) -> bytes:
    columns: tuple[str, ...] = FOOTNOTE_COLUMNS
    rows = list(footnote_rows(coverage, everything=everything))
    if with_history:
        former, today = dispatch_coverage()
        columns = ("Ngày", "Tỉnh, thành phố (34)", "Tỉnh, thành phố (63)", "Số điểm")
        rows = [(DISPATCH_DAY, str(len(today)), str(len(former)), "")]
        rows += (
            (each.day, str(each.provinces), str(each.former), str(each.sites)) for each in history
        )
    if kind == "csv":
        return write_csv(columns, rows)
    if kind == "json":
        return _json({"text": coverage.text, "columns": columns, "rows": rows})
    lines = Paragraph(coverage.text), Paragraph(f"Lúc {time_text(coverage.now_ms)}.", "note")
    table = Table(columns, (1,) * len(columns), tuple(map(Row, rows)))
    return write_markdown(Printed("", coverage.now_ms, (*lines, table))).encode()


def _office(
    printed: Printed, sheets: Callable[[], Sequence[Sheet]]
) -> dict[str, Callable[[], bytes]]:
    """Return what writes *printed* as Markdown, DOCX and, from *sheets*, XLSX."""

    def docx() -> bytes:
        from gateway.survey.docx_file import write_docx

        return write_docx(printed)

    def xlsx() -> bytes:
        from gateway.survey.xlsx_file import write_xlsx

        return write_xlsx(printed.title, printed.made_ms, sheets())

    return {"md": lambda: write_markdown(printed).encode(), "docx": docx, "xlsx": xlsx}


def _json(tree: Mapping[str, object]) -> bytes:
    """Return *tree* as JSON that people can read as well."""
    return (json.dumps(tree, ensure_ascii=False, indent=2) + "\n").encode()


def _write(content: bytes, kind: str, out: Path | None) -> None:
    """Write *content* to *out*, which only its owner can read; None: to standard output.

    Raises:
        ConfigRejected: It cannot be written.
    """
    if out is None:
        if kind in ("docx", "xlsx"):
            raise click.UsageError(f"--out FILE.{kind}: it is no text / không phải văn bản")
        click.echo(content, nl=False)
        return
    write_given(out, content)
