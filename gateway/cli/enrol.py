"""``camera-gateway enrol``: gets this machine its identity from the centre by a one-time code.

Exit codes: 0 done; 1 it was not, and nothing has changed; 2 the arguments or settings are wrong.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from gateway.cli.output import NOT_RUNNING, WRONG, echo, report_errors
from gateway.config.settings import DEFAULT_FILE
from gateway.enrolment.enrol import enrol
from gateway.enrolment.errors import EnrolmentError, EnrolmentReason

_OF_ARGUMENTS = {
    EnrolmentReason.CODE_EMPTY,
    EnrolmentReason.CODE_LENGTH,
    EnrolmentReason.CODE_SYMBOL,
    EnrolmentReason.CODE_CHECK,
    EnrolmentReason.URL,
    EnrolmentReason.SETTINGS,
    EnrolmentReason.NOT_ROOT,
}


@click.command("enrol")
@click.argument("url")
@click.argument("code", nargs=-1, required=True)
@click.option(
    "--settings",
    "path",
    type=click.Path(path_type=Path),
    default=DEFAULT_FILE,
    show_default=True,
    help="Settings file.",
)
@click.option("--dry-run", is_flag=True, help="Check code and centre only; the code stays good.")
@report_errors
def enrol_group(url: str, code: tuple[str, ...], path: Path, *, dry_run: bool) -> None:
    """Enrol this machine at the centre URL by the one-time CODE. As root.

    Đăng ký thiết bị này với trung tâm bằng mã dùng một lần.

    URL is https://HOST:PORT; CODE may be typed in lower case and with spaces.
    """
    try:
        asyncio.run(_enrol(url, " ".join(code), path, dry_run=dry_run))
    except EnrolmentError as error:
        found = f" ({error.detail})" if error.detail else ""
        wording = error.wording
        echo(f"{wording.vi}{found}. [{error.reason}]", f"    {wording.vi_todo}", err=True)
        echo(f"{wording.en}{found}.", f"    {wording.en_todo}", err=True)
        raise SystemExit(WRONG if error.reason in _OF_ARGUMENTS else NOT_RUNNING) from None


async def _enrol(url: str, code: str, path: Path, *, dry_run: bool) -> None:
    async for step in enrol(url, code, settings=path, dry_run=dry_run):
        echo(f"ok  {step.vi}", f"    {step.en}")
    if dry_run:
        echo("Chưa dùng mã, chưa ghi tệp nào / nothing was used and nothing written")
