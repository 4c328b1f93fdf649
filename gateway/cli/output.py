"""What commands print, every line through `echo`, and the codes that errors end them with."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from gateway.config.faults import VIETNAMESE, code_of
from gateway.model.errors import BrokerUnavailable, ConfigRejected, MessageRejected
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
            for fault in error.faults:
                print_fault(fault.at, fault.message, fault.code)
            raise SystemExit(WRONG) from None
        except BrokerUnavailable as error:
            vi, en = WORDING[error.reason].vi, WORDING[error.reason].en
            if "camera" in en:  # the reasons are worded for cameras, but this is the broker
                vi, en = "Không tới được máy chủ MQTT", "The MQTT broker cannot be reached"
            echo(str(error), f"    {vi}. {en}.", err=True)
            raise SystemExit(NOT_RUNNING) from None

    return wrapped


def print_fault(at: str, message: str, code: str) -> None:
    """Print one fault in English and Vietnamese."""
    echo(f"{at or '/'}: {message} [{code}]", err=True)
    known = code if code in VIETNAMESE or "." in code else code_of(code)
    if vietnamese := VIETNAMESE.get(known):
        echo(f"    {vietnamese}", err=True)
