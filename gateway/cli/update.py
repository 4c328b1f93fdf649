"""``camera-gateway update``: a technician installs a release from a file, without any network."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import click

from gateway.cli.output import NOT_RUNNING, WRONG, echo, report_errors
from gateway.config.settings import DEFAULT_FILE
from gateway.model.errors import TransientError, UpdateRefused
from gateway.model.reasons import Reason
from gateway.model.wording import WORDING
from gateway.updates.__main__ import installation
from gateway.updates.order import Order, open_plain
from gateway.updates.state import REPORT, UpdateFolders, read_minimum, read_tree

PATH = click.Path(path_type=Path)
GATE = ("systemctl", "--no-block", "start", "camera-gateway-update-gate.service")
"""Has the release started, and watches it."""


@click.command("update")
@click.argument("bundle", type=PATH, required=False)
@click.option("--downgrade", is_flag=True, help="It may be older than what runs.")
@click.option("--settings", type=PATH, default=DEFAULT_FILE, show_default=True)
@report_errors
def update_group(bundle: Path | None, settings: Path, *, downgrade: bool) -> None:
    """Install the release in BUNDLE (…update) as root; without one say what became of the last.

    Cài bản cập nhật từ tệp; bản mới được chạy thử và tự gỡ nếu không ổn định.
    """
    folders = UpdateFolders()
    if bundle is None:
        _tell(folders)
        return
    if os.geteuid() != 0:
        echo("as root: sudo camera-gateway update …  · cần quyền root", err=True)
        raise SystemExit(WRONG)
    try:
        with open_plain(bundle) as source:
            order = Order(id="technician", downgrade=downgrade)
            manifest = installation(settings, folders, order).run(source)
    except (UpdateRefused, TransientError) as error:
        said = WORDING[error.reason]
        echo(
            str(error), f"    {said.vi}. {said.vi_todo}", f"    {said.en}. {said.en_todo}", err=True
        )
        raise SystemExit(NOT_RUNNING) from None
    subprocess.run(GATE, check=True, timeout=60)
    echo(
        f"{manifest.version}: đang chạy thử; xem lại bằng: camera-gateway update",
        f"{manifest.version}: it is being tried; to see what becomes of it: camera-gateway update",
    )


def _tell(folders: UpdateFolders) -> None:
    """Print what runs and what has become of the last update."""
    echo(f"đang chạy / runs: {folders.running() or '-'}")
    if minimum := read_minimum(folders):
        echo(f"thấp nhất / lowest that may be installed: {minimum}")
    tree = read_tree(folders.state / REPORT)
    if tree is None:
        return
    words = (tree.get(name) for name in ("version", "state", "why", "reason", "detail"))
    echo("lần cuối / last: " + " · ".join(str(word) for word in words if word))
    if tree.get("reason") in set(Reason):
        said = WORDING[Reason(tree["reason"])]
        echo(f"    {said.vi}. {said.vi_todo}", f"    {said.en}. {said.en_todo}")
