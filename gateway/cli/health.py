"""``camera-gateway health``: asks the gateway that runs on this machine how it is."""

from __future__ import annotations

import os
from pathlib import Path

import click

from gateway.cli.output import NOT_RUNNING, echo
from gateway.runtime.status_query import ANSWERS_WITHIN_S, DEFAULT_FOLDER, query_status


@click.command("health")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=lambda: Path(os.environ.get("RUNTIME_DIRECTORY") or DEFAULT_FOLDER),
    show_default=str(DEFAULT_FOLDER),
    help="Runtime folder of the gateway.",
)
@click.option(
    "--within",
    "within_s",
    type=click.FloatRange(0.1, 600),
    default=ANSWERS_WITHIN_S,
    show_default=True,
    help="Seconds to wait for the answer.",
)
def health_group(folder: Path, within_s: float) -> None:
    """Ask the gateway on this machine how it is. Hỏi thiết bị đang chạy ra sao.

    Exit code 0: it answers, and says how many cameras are live and whether the centre is reached;
    1: it does not run, or hangs. A gateway without the centre is well: it goes on serving.
    """
    try:
        echo(query_status(folder, within_s))
    except OSError as error:
        echo(f"{folder}: không trả lời / no answer: {error}", err=True)
        raise SystemExit(NOT_RUNNING) from None
