"""The command line: arguments in, exit codes out; everything else is done one floor down.

Exit codes: 0 done; 1 a bug, or a probe that failed; 2 the configuration or the arguments are
wrong. No password is ever taken as an argument: other users of the machine can read those.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import click

from gateway.agent import app, logs
from gateway.agent.checking import Checked, check
from gateway.agent.lifetime import run_until_told
from gateway.agent.loading import load_settings
from gateway.agent.mistakes import VIETNAMESE
from gateway.agent.redact import Redactor
from gateway.agent.secrets import Secrets
from gateway.agent.settings import DEFAULT_FILE
from gateway.agent.store import SiteStore
from gateway.model.errors import ConfigRejected, Fault

CONFIG_WRONG = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(importlib.metadata.version("camera-gateway"), prog_name="camera-gateway")
def main() -> None:
    """Relay the cameras of this site to the command centre.

    Chuyển hình ảnh camera của điểm này về trung tâm.
    """


@main.command("check")
@click.argument("config", nargs=-1, type=click.Path(path_type=Path))
def check_command(config: tuple[Path, ...]) -> None:
    """Look CONFIG files over: settings (.toml), site document (.json), or both together.

    With the settings, secrets and camera networks are checked as well. Without CONFIG:
    /etc/camera-gateway/gateway.toml and the site document it leads to.
    """
    redactor = Redactor()
    logs.begin(redactor, level="warning", form="console")
    checked = check(config or (DEFAULT_FILE,), redactor=redactor)
    for path, fault in checked.faults:
        _say(fault, str(path), redactor)
    if checked.faults:
        click.echo(f"{len(checked.faults)} faults / lỗi", err=True)
        raise SystemExit(CONFIG_WRONG)
    click.echo(f"OK: {_summary(checked)}")


@main.command("run")
@click.option(
    "--settings",
    "path",
    type=click.Path(path_type=Path),
    default=DEFAULT_FILE,
    show_default=True,
    help="Settings file (TOML).",
)
def run_command(path: Path) -> None:
    """Run the gateway until SIGTERM or Ctrl-C; it then leaves within 5 seconds."""
    redactor = Redactor()
    logs.begin(redactor)
    where = path
    try:
        settings = load_settings(path)
        logs.begin(redactor, level=settings.log.level, form=settings.log.format)
        secrets = Secrets(settings.secrets_folder, redactor=redactor)
        store = SiteStore(settings.state.dir)
        where = store.path
        site = store.load().site
        run_until_told(app.run(settings, site, secrets))
    except ConfigRejected as error:
        for fault in error.faults:
            _say(fault, str(where), redactor)
        raise SystemExit(CONFIG_WRONG) from None


def _summary(checked: Checked) -> str:
    parts = []
    if checked.settings is not None:
        parts.append(f"gateway {checked.settings.gateway.id}")
    if checked.site is not None:
        streams = sum(len(camera.streams) for camera in checked.site.cameras)
        parts.append(f"{len(checked.site.cameras)} cameras, {streams} streams")
    else:
        parts.append("no site document yet")
    return ", ".join(parts)


def _say(fault: Fault, where: str, redactor: Redactor) -> None:
    click.echo(redactor.text(f"{where}: {fault}"), err=True)
    if vietnamese := VIETNAMESE.get(fault.code):
        click.echo(f"    {vietnamese}", err=True)
