"""The command ``keys``: makes and lists the keys that the centre signs with."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli.output import echo, report_errors
from gateway.config.signing import Keyring, fingerprint, make_key
from gateway.model.errors import ConfigRejected, Fault, unreadable
from gateway.runtime.given_path import held_folder

PATH = click.Path(path_type=Path)


@click.group("keys")
def keys_group() -> None:
    """Make and list signing keys. Tạo và liệt kê khóa ký."""


@keys_group.command("make")
@click.argument("key_id")
@click.option(
    "--folder", type=PATH, default=Path(), help="Folder for both files.  [default: this one]"
)
@report_errors
def make_command(key_id: str, folder: Path) -> None:
    """Make a key pair KEY_ID.

    cfg-… signs configurations, cmd-… commands, view-… view tokens, rel-… releases,
    doc-… that a monthly document has arrived.
    The .key file stays at the centre; the .pem file goes to each gateway's trusted folder.
    """
    with held_folder(folder) as held:
        secret, public = make_key(held, key_id)
        named = fingerprint(public)
    echo(f"{folder / secret.name}  (giữ bí mật / keep secret)", f"{folder / public.name}  {named}")


@keys_group.command("list")
@click.argument("folder", type=PATH)
@report_errors
def list_command(folder: Path) -> None:
    """List the public keys in FOLDER with their fingerprints."""
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        message = unreadable(folder, error)
        raise ConfigRejected((Fault("", "key.file", message),)) from None
    ids = Keyring(folder).ids()
    if not ids:
        echo(f"{folder}: không có khóa nào / no keys", err=True)
    for key_id in ids:
        try:
            echo(f"{key_id}  {fingerprint(folder / f'{key_id}.pem')}")
        except (OSError, ValueError):
            echo(f"{key_id}  không dùng được / cannot be used", err=True)
