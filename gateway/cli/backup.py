"""``camera-gateway backup`` and ``restore``: a dead box is replaced by another one.

Exit codes: 0 done; 1 the disk does not take it, or the gateway runs; 2 a file, the passphrase or an
argument is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TextIO, TypeVar

import click

from gateway.backup.box import make_backup, restore_backup
from gateway.cli.output import NOT_RUNNING, echo, report_errors
from gateway.config.settings import DEFAULT_FILE
from gateway.model.errors import TransientError
from gateway.runtime.status_query import DEFAULT_FOLDER, query_status

PATH = click.Path(path_type=Path)

T = TypeVar("T")

_SETTINGS = click.option(
    "--settings", "path", type=PATH, default=DEFAULT_FILE, show_default=True, help="Settings file."
)
_PASSPHRASE = click.option(
    "--passphrase-file",
    type=click.File("r", encoding="utf-8-sig"),
    help="File with the passphrase, or - for standard input.  [default: it is asked for]",
)


@click.command("backup")
@click.argument("file", type=PATH)
@_SETTINGS
@click.option(
    "--without-identity",
    is_flag=True,
    help="Without certificate, key and password for the broker: the next box is enrolled anew.",
)
@_PASSPHRASE
@report_errors
def backup_group(
    file: Path, path: Path, passphrase_file: TextIO | None, *, without_identity: bool
) -> None:
    """Write an encrypted backup of this box into FILE: settings, secrets, keys, cameras. As root.

    Sao lưu thiết bị này vào một tệp mã hóa.
    """
    passphrase = _passphrase(passphrase_file, confirm=True)
    left_out = _done(lambda: make_backup(path, file, passphrase, identity=not without_identity))
    for each in left_out:
        echo(f"không sao lưu / not saved: {each}", err=True)
    echo(f"{file}  (giữ bí mật, cất riêng cụm mật khẩu / keep it and its passphrase apart)")


@click.command("restore")
@click.argument("file", type=PATH)
@_SETTINGS
@click.option("--force", is_flag=True, help="Replace files that are there.")
@_PASSPHRASE
@report_errors
def restore_group(file: Path, path: Path, passphrase_file: TextIO | None, *, force: bool) -> None:
    """Restore the backup FILE onto this box, which takes the other's place. As root.

    Khôi phục thiết bị từ tệp sao lưu. Thiết bị cũ không được chạy nữa: hai thiết bị cùng danh tính
    đẩy nhau ra. The old box must not run any more: two with one identity throw each other out.
    """
    if path == DEFAULT_FILE and _is_running():
        echo("dừng dịch vụ trước / stop it first: systemctl stop camera-gateway", err=True)
        raise SystemExit(NOT_RUNNING)
    passphrase = _passphrase(passphrase_file, confirm=False)
    restored = _done(lambda: restore_backup(file, path, passphrase, force=force))
    echo(f"OK: {restored.backup.gateway}, {len(restored.backup.files)} tệp / files")
    for missing in restored.missing:
        echo(f"còn thiếu / still missing: {missing}", err=True)
    echo(f"camera-gateway check {path}")


def _passphrase(file: TextIO | None, *, confirm: bool) -> str:
    if file is not None:
        try:
            return file.readline(1000).rstrip("\r\n")
        except UnicodeDecodeError:
            raise click.BadParameter("it is no UTF-8", param_hint="--passphrase-file") from None
    text = "Cụm mật khẩu / Passphrase"
    return str(click.prompt(text, hide_input=True, confirmation_prompt=confirm, err=True))


def _done(act: Callable[[], T]) -> T:
    try:
        return act()
    except TransientError as error:
        echo(str(error), err=True)
        raise SystemExit(NOT_RUNNING) from None


def _is_running() -> bool:
    try:
        query_status(DEFAULT_FOLDER, 1.0)
    except FileNotFoundError:
        return False
    except OSError as error:
        return isinstance(error, TimeoutError)
    return True
