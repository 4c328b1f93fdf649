"""Prints the manual page or the completion of a package's program; called by scripts/package.

    manual.py NAME man VERSION    the page, in man(7), made from the commands' own help
    manual.py NAME completion     what bash sources; NAME: camera-gateway or camera-console

Both say what the program says of itself, so neither can be forgotten.
"""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime

import click
from click.shell_completion import BashComplete

from gateway.cli.console import main as console
from gateway.cli.main import main as gateway

GATEWAY_FILES = r"""
.SH FILES
.TP
.I /etc/camera-gateway/gateway.toml
Settings of this gateway. Cấu hình của thiết bị.
.TP
.I /etc/camera-gateway/secrets
One file for each password, read by root alone. Mỗi mật khẩu một tệp.
.TP
.I /etc/camera-gateway/trusted
Public keys of the centre. Khóa công khai của trung tâm.
.TP
.I /etc/camera-gateway/tls
Certificates for the broker. Chứng thư cho máy chủ MQTT.
.TP
.I /var/lib/camera-gateway
State: cameras, configurations, the audit. Trạng thái.
.TP
.I /opt/camera-gateway/current/docs
The manual; install.md is where to begin. Tài liệu.
"""
CONSOLE_FILES = r"""
.SH FILES
.TP
.I /etc/camera-console/console.toml
Settings. Cấu hình.
.TP
.I /etc/camera-console/secrets
Keys and passwords, read by root alone. Khóa và mật khẩu.
.TP
.I /etc/camera-console/trusted
Public keys that gateways are given when they enrol. Khóa công khai.
.TP
.I /var/lib/camera-console
The authority, sites and documents. Nơi cấp chứng thư, các điểm, báo cáo.
.TP
.I /opt/camera-console/docs
The manual; console.md is where to begin. Tài liệu.
"""
ENDING = r"""
.SH EXIT STATUS
0: done. 1: a bug, or a probe that failed. 2: configuration or arguments are wrong.
.SH SEE ALSO
.BR systemctl (1),
.BR journalctl (1),
.BR systemd.exec (5)
"""


PROGRAMS: dict[str, tuple[click.Group, str, str]] = {
    "camera-gateway": (gateway, "relay the cameras of a site to the command centre", GATEWAY_FILES),
    "camera-console": (console, "serve the operators' page of a command centre", CONSOLE_FILES),
}
"""By name: the program, what it is for, its files."""


def roff(text: str) -> str:
    """Return *text* so that nothing in it is read as a request."""
    safe = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq")
    return "\n".join("\\&" + line if line.startswith(".") else line for line in safe.splitlines())


def paragraphs(text: str) -> str:
    """Return help as click has it, paragraph by paragraph."""
    parts = [" ".join(part.split()) for part in textwrap.dedent(text).split("\n\n")]
    return "\n.PP\n".join(roff(part.replace("\b", "").strip()) for part in parts if part.strip())


def described(command: click.Command, names: str, above: click.Context | None) -> Iterator[str]:
    """Yield *command* and all that is below it."""
    context = click.Context(command, info_name=names.split()[-1], parent=above)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f".SS {roff(f'{names} {usage}'.strip())}"
    yield paragraphs(command.help or "")
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and record[1] and "--help" not in record[0]:
            yield f".TP\n.B {roff(record[0])}\n{roff(record[1])}"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from described(below, f"{names} {name}", context)


def page(name: str, version: str) -> str:
    """Return the whole page of the program *name*."""
    program, purpose, files = PROGRAMS[name]
    made = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), UTC)
    head = (
        f'.TH {roff(name.upper())} 1 {made:%Y-%m-%d} "{roff(version)}" "Camera gateway"\n'
        f".SH NAME\n{roff(name)} \\- {roff(purpose)}\n"
        f".SH SYNOPSIS\n.B {roff(name)}\n[OPTIONS] COMMAND [ARGS]...\n"
        f".SH DESCRIPTION\n{paragraphs(program.help or '')}\n.SH COMMANDS"
    )
    context = click.Context(program, info_name=name)
    commands: list[str] = []
    for each in program.list_commands(context):
        command = program.get_command(context, each)
        if command is not None:
            commands += described(command, each, context)
    return "\n".join([head, *commands]) + files.rstrip() + ENDING


class _Bash(BashComplete):
    """The script alone, whether or not the bash that is here could use it."""

    @staticmethod
    def _check_version() -> None: ...


def main() -> None:
    """Print what is asked for."""
    name, wanted, *rest = sys.argv[1:]
    if wanted == "man":
        print(page(name, *rest), end="")
    else:
        variable = f"_{name.replace('-', '_').upper()}_COMPLETE"
        print(_Bash(PROGRAMS[name][0], {}, name, variable).source())


if __name__ == "__main__":
    main()
