"""``camera-gateway release``: signs releases at the centre, and lays them out for a web server.

Exit codes: 0 done; 2 a file, a key or an argument is wrong.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from gateway.centre.releases import publish_release, sign_release, verify_release
from gateway.cli.output import echo, report_errors
from gateway.config.signing import Keyring, load_key
from gateway.runtime.clock import now_ms

PATH = click.Path(path_type=Path)


@click.group("release")
def release_group() -> None:
    """Sign, publish and roll out releases. Ký, công bố và triển khai bản phát hành."""


@release_group.command("sign")
@click.argument("payload", type=PATH)
@click.option("--key", "key_path", type=PATH, required=True, help="Release key, rel-….key.")
@click.option(
    "--folder", type=PATH, default=Path(), help="Where the bundle goes.  [default: this one]"
)
@click.option("--min-version", help="The lowest version that may be installed after it.")
@click.option("--dirty", is_flag=True, help="Sign changes that were never committed, for a test.")
@report_errors
def sign_command(
    payload: Path, key_path: Path, folder: Path, min_version: str | None, *, dirty: bool
) -> None:
    """Sign PAYLOAD (camera-gateway_VERSION_ARCH.tar.xz) with a release key: an update bundle."""
    bundle, manifest = sign_release(
        payload,
        load_key(key_path, "rel"),
        folder,
        made_at=datetime.fromtimestamp(now_ms() / 1000, UTC),
        min_version=min_version,
        dirty=dirty,
    )
    echo(
        f"{bundle}",
        f"    {manifest.version}, {manifest.arch}, Python {manifest.python};"
        f" thấp nhất / lowest: {manifest.min_version}",
    )


@release_group.command("publish")
@click.argument("root", type=PATH)
@click.argument("bundles", type=PATH, nargs=-1, required=True)
@click.option(
    "--trusted",
    type=PATH,
    required=True,
    help="Folder with the public release keys; others' bundles are not published.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per bundle.")
@report_errors
def publish_command(root: Path, bundles: tuple[Path, ...], trusted: Path, *, as_json: bool) -> None:
    """Put BUNDLES into the mirror ROOT, a folder that any web server can serve by HTTPS."""
    keys = Keyring(trusted)
    for bundle in bundles:
        published, left_out = publish_release(bundle, root, keys)
        if as_json:
            facts = {"path": published.path, "bytes": published.bytes, "sha256": published.sha256}
            echo(json.dumps(facts))
        else:
            echo(f"{root / published.path}", f"    sha256 {published.sha256}")
        for each in left_out:
            echo(f"không có trong mục lục / left out of the index: {each}", err=True)


@release_group.command("verify")
@click.argument("bundle", type=PATH)
@click.option("--trusted", type=PATH, required=True, help="Folder with the public release keys.")
@report_errors
def verify_command(bundle: Path, trusted: Path) -> None:
    """Verify BUNDLE as a gateway does: form, signature, payload."""
    found = verify_release(bundle, Keyring(trusted))
    echo(f"OK: {found.manifest.version} {found.manifest.arch}", f"    sha256 {found.sha256}")
