"""``camera-gateway add``: the channels of one device into the site document, by a template."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import click

from gateway.cli.discover import login_of
from gateway.cli.output import WRONG, echo, print_faults, report_errors
from gateway.config.load import load_settings, policy_of
from gateway.config.settings import DEFAULT_FILE, Settings
from gateway.discovery.additions import Addition, channel_numbers, with_cameras
from gateway.discovery.templates import RTSP_PORT, families, template_of
from gateway.model.errors import ConfigRejected, Fault
from gateway.model.site_document import SiteConfig
from gateway.rtsp.auth import Login
from gateway.runtime import logging
from gateway.runtime.redact import Redactor
from gateway.setup.files import SetupFiles
from gateway.setup.model import Account


@click.command("add")
@click.option("--maker", required=True, type=click.Choice(list(families())), help="Its family.")
@click.option("--host", required=True, help="IP address of the recorder or camera.")
@click.option("--channels", default="1", show_default=True, help="1-16, or 1,2,9-12.")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=RTSP_PORT, show_default=True, help="For RTSP."
)
@click.option("--account", help="User of the device.")
@click.option(
    "--password-file",
    type=click.File("r", encoding="utf-8"),
    help="File with the password, or - for standard input.  [env: CAMERA_PASSWORD instead]",
)
@click.option("--secret", help="Name of a password that this machine has already.")
@click.option("--allow-basic", is_flag=True, help="Allow the password to be sent in clear.")
@click.option("--name", default="Kênh {n}", show_default=True, help="{n} is the channel.")
@click.option("--no-sub", is_flag=True, help="Leave the sub-streams out.")
@click.option("--dry-run", is_flag=True, help="Show what would be added, and write nothing.")
@click.option(
    "--settings",
    "path",
    type=click.Path(path_type=Path),
    default=DEFAULT_FILE,
    show_default=True,
    help="Settings file (TOML).",
)
@report_errors
def add_group(
    maker: str,
    host: str,
    channels: str,
    port: int,
    account: str | None,
    password_file: TextIO | None,
    secret: str | None,
    name: str,
    path: Path,
    *,
    allow_basic: bool,
    no_sub: bool,
    dry_run: bool,
) -> None:
    """Add the channels of one device to the site document, by the template of its maker.

    Shows what it adds; a channel that is there already is refused, and then nothing is added. No
    device is asked: `camera-gateway discover HOST` does that. Exit code 2: nothing was added.

    Thêm các kênh của một đầu ghi vào danh sách camera theo mẫu của hãng.
    """
    redactor = Redactor()
    logging.configure_logging(redactor, level="error", form="console")
    settings = load_settings(path)
    template = template_of(maker)
    assert template is not None
    try:
        numbers = channel_numbers(channels)
        address = str(ipaddress.ip_address(host))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    login = login_of(account, password_file, redactor)
    addition = Addition(
        template, address, numbers, port, account, secret, allow_basic, name, not no_sub
    )
    if login is not None and login.password.get_secret_value() and secret is None:
        addition = _with_own_secret(addition)
    files = SetupFiles(settings, redactor)
    site, added = with_cameras(files.load_site(), addition)
    _check_urls(settings, site, added)
    _show(site, added)
    if dry_run:
        echo("Chưa ghi gì (--dry-run). Nothing was written.")
        return
    _write(files, site, addition, login if secret is None else None)
    echo(
        f"Đã ghi {len(added)} camera vào {files.site_path}. Khởi động lại để dùng: "
        "sudo systemctl restart camera-gateway",
        f"{len(added)} cameras were written to {files.site_path}. Restart to use them.",
    )
    if files.ruled_by_centre:
        echo(
            "Trung tâm đã cấu hình thiết bị này: site.json không còn được dùng.",
            "The centre has configured this gateway: site.json is no longer used.",
            err=True,
        )


def _with_own_secret(addition: Addition) -> Addition:
    """Return *addition* with a password called as its device."""
    return replace(addition, secret=addition.device)


def _check_urls(settings: Settings, site: SiteConfig, added: tuple[str, ...]) -> None:
    """Raise ConfigRejected: an added camera lies where the settings allow none."""
    policy = policy_of(settings)
    faults: dict[str, Fault] = {}
    for camera in site.cameras:
        for stream in camera.streams if camera.id in added else ():
            fault = policy.check(stream.url, at=f"/cameras/{camera.id}/url")
            if fault is not None:
                faults.setdefault(fault.message, fault)
    if faults:
        raise ConfigRejected(tuple(faults.values()))


def _show(site: SiteConfig, added: tuple[str, ...]) -> None:
    for camera in site.cameras:
        if camera.id in added:
            streams = "; ".join(f"{each.profile} {each.url}" for each in camera.streams)
            echo(f"+ {camera.id:<8} “{camera.name}”  {streams}")


def _write(files: SetupFiles, site: SiteConfig, addition: Addition, login: Login | None) -> None:
    """Write the password, if one was given, then the document; exit where it could not run."""
    if login is not None and addition.secret is not None:
        files.save_password(addition.secret, addition.host, Account(login.username, login.password))
    if faults := files.faults_of(site):
        print_faults([(None, fault) for fault in faults])
        raise SystemExit(WRONG)
    files.save_site(site)
