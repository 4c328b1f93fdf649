"""The command ``viewing``: the centre issues view tokens by hand, and revokes people's right.

Exit codes: 0 done; 1 the broker cannot be reached or does not take it; 2 a key, a file or an
argument is wrong.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from gateway.centre.viewing import (
    TokenIssuer,
    load_viewing_key,
    publish_revocation,
    sign_revocation,
)
from gateway.cli.broker_options import address_of, connection_options, validated_as
from gateway.cli.output import report_errors
from gateway.model.errors import ConfigRejected, Fault, unreadable
from gateway.model.names import CameraId, GatewayId, ProvinceCode
from gateway.viewing.token import MAX_VIEWING_S

PATH = click.Path(path_type=Path)
KEY = click.option("--key", type=PATH, required=True, help="Private key, view-….key.")


@click.group("viewing")
def viewing_group() -> None:
    """Issue view tokens, revoke people. Cấp mã xem, thu hồi quyền xem."""


@viewing_group.command("token")
@KEY
@click.option("--actor", required=True, help="Who may watch.")
@click.option("--purpose", required=True, help="What for.")
@click.option("--province", required=True, callback=validated_as(ProvinceCode))
@click.option("--gateway", required=True, callback=validated_as(GatewayId))
@click.option("--camera", required=True, callback=validated_as(CameraId))
@click.option("--viewer", help="Viewer id that it is bound to, v-….  [default: any]")
@click.option(
    "--max-s",
    type=click.IntRange(1, MAX_VIEWING_S),
    default=3600,
    show_default=True,
    help="How long the viewing may last, in seconds.",
)
@report_errors
def token_command(
    key: Path,
    actor: str,
    purpose: str,
    province: str,
    gateway: str,
    camera: str,
    viewer: str | None,
    max_s: int,
) -> None:
    """Print a token with which one viewing of one camera may begin within a minute."""
    issuer = TokenIssuer(load_viewing_key(key), issuer="cli", max_s=max_s)
    token = issuer.issue(
        actor=actor,
        actor_source="settings",
        purpose=purpose,
        province=province,
        gateway=gateway,
        camera=camera,
        viewer=viewer,
    )
    click.echo(token.get_secret_value())


@viewing_group.command("revoke")
@click.argument("file", type=PATH)
@KEY
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(1, 600),
    default=20.0,
    show_default=True,
    help="Seconds to wait for the broker.",
)
@connection_options
@report_errors
def revoke_command(file: Path, key: Path, wait_s: float, **broker: Any) -> None:
    """Revoke the right to watch of everybody in FILE, one a line, at all gateways.

    FILE is the whole list: whoever is no longer in it may watch again. Empty lines, and those
    that begin with #, do not count.
    """
    actors = _actors_in(file)
    tree = sign_revocation(actors, load_viewing_key(key))
    asyncio.run(publish_revocation(address_of(**broker), tree, within_s=wait_s))
    click.echo(f"{len(actors)} người bị thu hồi quyền xem / people may no longer watch")


def _actors_in(file: Path) -> tuple[str, ...]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        message = (
            unreadable(file, error) if isinstance(error, OSError) else f"{file} is not UTF-8 text"
        )
        raise ConfigRejected((Fault("", "file", message),)) from None
    stripped = (line.strip() for line in lines)
    return tuple(dict.fromkeys(each for each in stripped if each and not each.startswith("#")))
