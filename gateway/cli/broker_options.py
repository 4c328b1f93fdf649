"""Which broker and which gateway the centre's commands mean: arguments in, addresses out."""

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


def named(kind: Any) -> Callable[[click.Context, click.Parameter, str], str]:
    """Return what refuses an argument that is no name of that *kind*: it goes into a topic."""
    adapter: TypeAdapter[str] = TypeAdapter(kind)

    def checked(_: click.Context, __: click.Parameter, given: str) -> str:
        try:
            return adapter.validate_python(given)
        except ValidationError as error:
            pattern = str((error.errors()[0].get("ctx") or {}).get("pattern"))
            raise click.BadParameter(f"it must be {PATTERNS.get(pattern, pattern)}") from None

    return checked


def broker_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give *command* the options by which the broker is found."""
    for option in (
        click.option("--broker", default="127.0.0.1", help="HOST or HOST:PORT."),
        click.option("--ca", type=PATH, help="Authority of the broker's certificate; then TLS."),
        click.option("--cert", type=PATH, help="Our certificate."),
        click.option("--cert-key", type=PATH, help="Its key."),
        click.option("--username", help="The password is CAMERA_GATEWAY_PASSWORD."),
        click.option("--province", required=True, callback=named(ProvinceCode), help="Two digits."),
    ):
        command = option(command)
    return command


def address_of(
    broker: str, ca: Path | None, cert: Path | None, cert_key: Path | None, username: str | None
) -> BrokerAddress:
    """Return the broker that the options of `broker_options` name.

    Raises:
        BadParameter: They name none, or one that may not be spoken to in clear.
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
