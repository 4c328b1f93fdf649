"""Options of the centre's commands that say which broker and which gateway are meant."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from pydantic import TypeAdapter, ValidationError

from gateway.config.faults import PATTERNS
from gateway.model.names import ProvinceCode
from gateway.mqtt.client.broker import BrokerAddress, Tls

PATH = click.Path(path_type=Path)

_BROKER = re.compile(
    r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<host>[^\s/@:\[\]]+))(?::(?P<port>[0-9]{1,5}))?"
)


def validated_as(kind: Any) -> Callable[[click.Context, click.Parameter, str], str]:
    """Return a click callback that accepts only a value of *kind*: it becomes part of a topic."""
    adapter: TypeAdapter[str] = TypeAdapter(kind)

    def validate(_: click.Context, __: click.Parameter, given: str) -> str:
        try:
            return adapter.validate_python(given)
        except ValidationError as error:
            pattern = str((error.errors()[0].get("ctx") or {}).get("pattern"))
            raise click.BadParameter(f"it must be {PATTERNS.get(pattern, pattern)}") from None

    return validate


def broker_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add to *command* the options that `address_of` reads, and the province."""
    province = click.option(
        "--province",
        required=True,
        callback=validated_as(ProvinceCode),
        help="Province code, two digits.",
    )
    return connection_options(province(command))


def connection_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add to *command* the options that `address_of` reads."""
    for option in (
        click.option("--broker", default="127.0.0.1", help="HOST or HOST:PORT."),
        click.option("--ca", type=PATH, help="CA certificate of the broker (PEM); turns on TLS."),
        click.option("--cert", type=PATH, help="Client certificate (PEM)."),
        click.option("--cert-key", type=PATH, help="Private key of the client certificate."),
        click.option("--username", help="Its password is read from CAMERA_GATEWAY_PASSWORD."),
    ):
        command = option(command)
    return command


def address_of(
    broker: str, ca: Path | None, cert: Path | None, cert_key: Path | None, username: str | None
) -> BrokerAddress:
    """Return the broker that the values of `broker_options` describe.

    Raises:
        BadParameter: They describe none, or one that may only be reached with TLS.
    """
    found = _BROKER.fullmatch(broker)
    if found is None:
        message = "it must be HOST or HOST:PORT; an IPv6 address stands in [ ]"
        raise click.BadParameter(message, param_hint="--broker")
    if ca is None and (cert or cert_key):
        raise click.BadParameter("it takes --ca as well", param_hint="--cert")
    host, port = found["v6"] or found["host"], found["port"]
    try:
        tls = None if ca is None else Tls(ca_file=ca, cert_file=cert, key_file=cert_key)
        return BrokerAddress.model_validate(
            {
                "host": host,
                "port": int(port or (1883 if tls is None else 8883)),
                "tls": tls,
                "username": username,
                "password": os.environ.get("CAMERA_GATEWAY_PASSWORD") if username else None,
            }
        )
    except ValidationError as error:
        message = "; ".join(str(each["msg"]) for each in error.errors())
        raise click.BadParameter(message, param_hint="--broker") from None
