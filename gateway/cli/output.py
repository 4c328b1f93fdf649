"""What commands print, every line through `echo`, and the codes that errors end them with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import click

from gateway.cli.fault_lines import Told, fault_lines
from gateway.model.errors import BrokerUnavailable, ConfigRejected, MessageRejected, TransientError
from gateway.model.wording import WORDING
from gateway.runtime import logging
from gateway.runtime.plain_text import printable
from gateway.runtime.redact import Redactor

NOT_RUNNING, WRONG = 1, 2
"""Exit codes: the gateway or the broker did not do it; the arguments or files are wrong."""


def echo(*lines: str, err: bool = False) -> None:
    """Print *lines*; what in them would steer the terminal or break a line is printed as an escape.

    Args:
        lines: May quote cameras, gateways, documents and files.
        err: Whether to print to standard error.
    """
    for line in lines:
        click.echo(printable(line), err=err)


def report_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Wrap *command*: it prints errors of documents and brokers and exits with their code."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        logging.configure_logging(Redactor(), level="error", form="console")
        try:
            command(*args, **kwargs)
        except (ConfigRejected, MessageRejected) as error:
            print_faults((error.file, fault) for fault in error.faults)
            raise SystemExit(WRONG) from None
        except BrokerUnavailable as error:
            vi, en = WORDING[error.reason].vi, WORDING[error.reason].en
            if "camera" in en:  # the reasons are worded for cameras, but this is the broker
                vi, en = "Không tới được máy chủ MQTT", "The MQTT broker cannot be reached"
            echo(str(error), f"    {vi}. {en}.", err=True)
            raise SystemExit(NOT_RUNNING) from None
        except TransientError as error:  # the disk, or a database
            echo(
                str(error), f"    {WORDING[error.reason].vi}. {WORDING[error.reason].en}.", err=True
            )
            raise SystemExit(NOT_RUNNING) from None

    return wrapped


def print_faults(faults: Iterable[Told], redactor: Redactor | None = None) -> None:
    """Print *faults* to standard error, as `check` tells them: place, cause and cure.

    Args:
        faults: Each with its file.
        redactor: Knows the secrets that may stand in them.
    """
    echo(*fault_lines(faults, redactor or Redactor()), err=True)
