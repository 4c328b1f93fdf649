"""The command ``audit``: verifies who has watched what, on a gateway or from what it published.

Exit codes: 0 whole; 1 something was removed, changed or put elsewhere; 2 a file cannot be read.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import click

from gateway.audit.chain import ChainFault, Head, compare_chains, verify_chain
from gateway.audit.store import AUDIT, AuditFile, read_audit
from gateway.cli.output import report_errors
from gateway.config.load import load_settings
from gateway.config.settings import DEFAULT_FILE
from gateway.model.errors import ConfigRejected, file_fault

PATH = click.Path(path_type=Path)
BROKEN = 1
"""Exit code of an audit that is not whole."""

_HEAD = re.compile(r"([0-9]{1,16}):([0-9a-f]{64})")

_SETTINGS = click.option(
    "--settings",
    type=PATH,
    default=DEFAULT_FILE,
    show_default=True,
    help="They say where the audit of this gateway is, if FILE is left out.",
)


@click.group("audit")
def audit_group() -> None:
    """Verify and export who has watched what. Kiểm tra và xuất nhật ký xem."""


@audit_group.command("verify")
@click.argument("file", type=PATH, required=False)
@_SETTINGS
@click.option("--published", type=PATH, help="Events that the centre has received, one a line.")
@click.option("--head", help="The last entry that the centre has received, as SEQ:HASH.")
@report_errors
def verify_command(
    file: Path | None, settings: Path, published: Path | None, head: str | None
) -> None:
    """Verify the chain in FILE: the audit of a gateway, or events as it has published them.

    What was cut off at the end is found only by comparing with what was published.
    """
    audit = _read(file, settings)
    last, faults = verify_chain(audit.entries, anchor=audit.anchor)
    known = [] if head is None else [_parse_head(head)]
    faults = [*audit.faults, *faults]
    if published is not None:
        export = _read(published, settings)
        _, wrong = verify_chain(export.entries, anchor=export.anchor)
        faults += (
            ChainFault(each.seq, each.code, f"as published: {each.message}")
            for each in (*export.faults, *wrong)
        )
        known += (each.head for each in export.entries)
    faults += compare_chains(audit.entries, known, audit.anchor)
    for fault in faults:
        click.echo(f"{fault.seq}: {fault.message} [{fault.code}]", err=True)
    if faults:
        click.echo("Nhật ký không nguyên vẹn / the audit is not whole", err=True)
        raise SystemExit(BROKEN)
    first = audit.entries[0].head.seq if audit.entries else last.seq
    click.echo(f"OK: {len(audit.entries)} mục / entries, from {first} to {last}")


@audit_group.command("export")
@click.argument("file", type=PATH, required=False)
@_SETTINGS
@report_errors
def export_command(file: Path | None, settings: Path) -> None:
    """Print the entries of FILE, the audit of a gateway, one JSON object a line."""
    for entry in _read(file, settings).entries:
        click.echo(json.dumps(entry.tree))


def _read(file: Path | None, settings: Path) -> AuditFile:
    path = load_settings(settings).state.dir / AUDIT if file is None else file
    try:
        return read_audit(path)
    except OSError as error:
        raise ConfigRejected((file_fault(path, error),)) from None


def _parse_head(text: str) -> Head:
    found = _HEAD.fullmatch(text)
    if found is None:
        message = "it must be a number, a colon and 64 hexadecimal digits"
        raise click.BadParameter(message, param_hint="--head")
    return Head(int(found[1]), found[2])
