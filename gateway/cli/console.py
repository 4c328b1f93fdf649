"""The command line of the centre: ``camera-console``, which needs no library of a gateway.

It has the console itself, and the commands of ``camera-gateway`` that a centre needs. Exit codes
are those of `gateway.cli.output`.
"""

from __future__ import annotations

from pathlib import Path

import click

from gateway.centre.enrolment.settings import DEFAULT_SETTINGS
from gateway.cli.centre import give_to_owner
from gateway.cli.command_group import CommandGroup
from gateway.cli.output import echo, report_errors
from gateway.console.server import Console
from gateway.console.service import run
from gateway.console.settings import load
from gateway.model.errors import BrokerUnavailable, ConfigRejected, Fault
from gateway.mqtt.client.broker import Tls, own_certificate_fault, ssl_context
from gateway.runtime.build import FULL_VERSION
from gateway.runtime.clock import SystemClock, now_ms

COMMANDS = {
    "audit": "gateway.cli.audit",
    "centre": "gateway.cli.centre",
    "config": "gateway.cli.config",
    "keys": "gateway.cli.keys",
    "release": "gateway.cli.release",
    "survey": "gateway.cli.survey",
    "viewing": "gateway.cli.viewing",
}

_SETTINGS = click.option(
    "--settings",
    "path",
    type=click.Path(path_type=Path),
    default=DEFAULT_SETTINGS,
    show_default=True,
    help="Settings file (TOML).",
)


@click.group(
    cls=CommandGroup,
    modules=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(
    FULL_VERSION, prog_name="camera-console", message="%(prog)s, version %(version)s"
)
def main() -> None:
    """Serve the operators' page, and do the centre's side of gateways.

    Trang điều hành và công việc của trung tâm.
    """


@main.command("run")
@_SETTINGS
def run_command(path: Path) -> None:
    """Run the console until SIGTERM or Ctrl-C."""
    raise SystemExit(run(path))


@main.command("check")
@_SETTINGS
@report_errors
def check_command(path: Path) -> None:
    """Check the settings and what they name: keys, secrets, authority, database. As root.

    Kiểm tra cấu hình và các tệp mà cấu hình nêu tên.
    """
    settings = load(path)
    if settings.broker.tls is not None:
        _check_certificates(settings.broker.tls)
    Console(settings, clock=SystemClock())
    if settings.enrolment is not None:
        give_to_owner(settings.enrolment.folder)
    listen = settings.listen
    echo(f"OK: http://{listen.address}:{listen.port}/, broker {settings.broker.host}")
    if settings.enrolment is not None:
        echo(f"    {settings.enrolment.url}")


def _check_certificates(tls: Tls) -> None:
    """Raise ConfigRejected if no broker could be reached with *tls*; else it is told much later."""
    try:
        ssl_context(tls)
        wrong = own_certificate_fault(tls, now_ms())
    except BrokerUnavailable as error:
        wrong = error
    if wrong is not None:
        raise ConfigRejected((Fault("/broker/tls", "tls", wrong.detail),))
