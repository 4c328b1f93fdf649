"""``camera-gateway discover``: which cameras and recorders there are, and what they have."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import click
from pydantic import SecretStr

from gateway.cli.device_text import device_json, device_lines
from gateway.cli.output import echo, report_errors
from gateway.config.load import load_settings
from gateway.config.secret_bindings import host_of
from gateway.config.settings import DEFAULT_FILE
from gateway.config.site_store import SiteStore
from gateway.discovery.addresses import Network
from gateway.discovery.discovery import Discovery
from gateway.discovery.found import FoundDevice, Progress
from gateway.discovery.limits import DiscoveryLimits
from gateway.discovery.refused_logins import FILE, RefusedLogins
from gateway.discovery.ws_discovery import WAIT_S
from gateway.rtsp.auth import Login
from gateway.runtime import logging
from gateway.runtime.redact import Redactor

NOT_ALL = 1
"""Exit code: nothing was found, or a device did not tell all."""


@click.command("discover")
@click.argument("host", required=False)
@click.option(
    "--settings",
    "path",
    type=click.Path(path_type=Path),
    default=DEFAULT_FILE,
    show_default=True,
    help="Settings file (TOML) with the camera networks.",
)
@click.option(
    "--network",
    multiple=True,
    help="Part of the camera networks to look in.  [default: all of them]",
)
@click.option(
    "--port", multiple=True, type=click.IntRange(1, 65535), help="Ports beside the usual ones."
)
@click.option("--account", help="User of the recorders.")
@click.option(
    "--password-file",
    type=click.File("r", encoding="utf-8"),
    help="File with the password, or - for standard input.  [env: CAMERA_PASSWORD instead]",
)
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(0, 60),
    default=WAIT_S,
    show_default=True,
    help="Seconds to wait for answers to WS-Discovery.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@report_errors
def discover_group(
    host: str | None,
    path: Path,
    network: tuple[str, ...],
    port: tuple[int, ...],
    account: str | None,
    password_file: TextIO | None,
    *,
    wait_s: float,
    as_json: bool,
) -> None:
    """Find cameras and recorders in the camera networks, or ask the one at HOST (an IP address).

    A line for each device and channel, with cause and cure. Each device gets one login at most.
    Exit code 0: all found devices told what they have; 1: some did not, or none was found; 2: the
    arguments or settings are wrong.

    Tìm camera và đầu ghi trong dải mạng camera; mỗi thiết bị chỉ bị đăng nhập thử một lần.
    """
    redactor = Redactor()
    logging.configure_logging(redactor, level="error", form="console")
    login = login_of(account, password_file, redactor)
    place = camera_place(path, network)
    discovery = Discovery(
        place.networks,
        extra_ports=(*place.ports, *port),
        known=lambda: place.hosts,
        refused=RefusedLogins(None if place.state is None else place.state / FILE),
        limits=DiscoveryLimits(wait_s=wait_s),
    )
    if host is not None:
        told = asyncio.run(discovery.examine(host, login))
        _show(told, redactor, as_json=as_json)
        complete = told.reason is None
    else:
        complete = asyncio.run(_discover(discovery, login, redactor, as_json=as_json))
    if not complete:
        raise SystemExit(NOT_ALL)


def login_of(account: str | None, file: TextIO | None, redactor: Redactor) -> Login | None:
    """Return the login that was given; None: none. *redactor* learns its password."""
    given = os.environ.get("CAMERA_PASSWORD") if file is None else file.readline().rstrip("\r\n")
    if account is None:
        return None
    password = given or ""
    if password:
        redactor.add_secret(password, username=account)
    return Login(account, SecretStr(password))


@dataclass(frozen=True, slots=True)
class CameraPlace:
    """Where cameras are, by the settings of this machine or by what was typed.

    Attributes:
        networks: Where to look.
        ports: Allowed beside the usual ones.
        hosts: Addresses of the site document's cameras.
        state: The state folder; None: there are no settings.
    """

    networks: tuple[Network, ...]
    ports: tuple[int, ...] = ()
    hosts: frozenset[str] = frozenset()
    state: Path | None = None


def camera_place(path: Path, wanted: Sequence[str]) -> CameraPlace:
    """Return where cameras are.

    Args:
        path: Settings; where there are none, *wanted* must say the networks.
        wanted: Parts of their networks; empty: all.
    """
    try:
        named = tuple(ipaddress.ip_network(each, strict=False) for each in wanted)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--network") from None
    if not path.exists() and named:
        return CameraPlace(named)
    settings = load_settings(path)
    for each in named:
        inside = (own for own in settings.cameras.networks if own.version == each.version)
        if not any(_inside(each, own) for own in inside):
            allowed = ", ".join(map(str, settings.cameras.networks))
            message = f"{each} is outside [cameras] networks ({allowed})"
            raise click.BadParameter(message, param_hint="--network")
    site = SiteStore(settings.state.dir).load().site
    hosts = {host_of(stream.url) for camera in site.cameras for stream in camera.streams}
    networks = named or settings.cameras.networks
    return CameraPlace(networks, settings.cameras.ports, frozenset(hosts), settings.state.dir)


def _inside(part: Network, whole: Network) -> bool:
    return part.network_address in whole and part.broadcast_address in whole


async def _discover(
    discovery: Discovery, login: Login | None, redactor: Redactor, *, as_json: bool
) -> bool:
    """Print what is found; return whether something was, and told all."""
    count, complete = 0, True
    async with aclosing(discovery.discover(accounts=lambda _: login)) as items:
        async for item in items:
            if isinstance(item, Progress):
                _show_progress(item, as_json=as_json)
                continue
            count += 1
            complete = complete and item.reason is None
            _show(item, redactor, as_json=as_json)
    return complete and count > 0


def _show(device: FoundDevice, redactor: Redactor, *, as_json: bool) -> None:
    lines = device_lines(device)
    if as_json:
        lines = iter([json.dumps(device_json(device), ensure_ascii=False)])
    echo(*map(redactor.redact_text, lines))


def _show_progress(progress: Progress, *, as_json: bool) -> None:
    if as_json:
        tree = {"stage": progress.stage, "done": progress.done, "total": progress.total}
        echo(
            json.dumps(
                {"progress": tree | {"vi": progress.vi, "en": progress.en}}, ensure_ascii=False
            )
        )
    else:
        echo(f"-- {progress.vi}", f"   {progress.en}", err=True)
