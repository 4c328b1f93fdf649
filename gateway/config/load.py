"""Bringing the bootstrap settings in: one TOML file, the environment, and all faults of both."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import SettingsError

from gateway.config.documents import faults_of, parse_toml
from gateway.config.faults import unknown_key
from gateway.config.settings import ENV_PREFIX, Settings
from gateway.model.errors import ConfigRejected, Fault
from gateway.rtsp.url_policy import DEFAULT_PORTS, UrlPolicy

PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/7", "::1/128")
"""Where cameras live if nobody says (RFC 1918, RFC 4193)."""

_PORT = re.compile(r"://[^/?#]*:([0-9]{1,5})(?:[/?#]|$)")


def load_settings(path: Path) -> Settings:
    """Return the settings of the file *path* and the environment.

    Raises:
        ConfigRejected: With every fault of both.
    """
    try:
        table = parse_toml(path.read_bytes())
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise ConfigRejected((Fault("", "file", message),)) from None
    faults = list(_strange_variables(os.environ))
    try:
        settings = Settings.from_table(table, folder=path.absolute().parent)
    except ValidationError as error:
        raise ConfigRejected((*faults, *faults_of(error, Settings))) from None
    except SettingsError as error:  # says which variable, not what it holds
        faults.append(Fault("", "type", f"environment: {error}; lists are written as JSON"))
    if faults:
        raise ConfigRejected(tuple(faults))
    return settings


def policy_of(settings: Settings) -> UrlPolicy:
    """Return which camera URLs *settings* lets us open."""
    return UrlPolicy(settings.cameras.networks, DEFAULT_PORTS | frozenset(settings.cameras.ports))


def policy_of_person(url: str, networks: Iterable[str]) -> UrlPolicy:
    """Return what somebody at this machine may open who asks for *url*: its port, *networks*.

    Args:
        url: As typed; not yet known to be one.
        networks: Camera networks; empty: the private ranges and this machine.

    Raises:
        ValueError: One of *networks* is none.
    """
    named = tuple(ipaddress.ip_network(each) for each in networks or PRIVATE)
    port = _PORT.search(url)
    ports = DEFAULT_PORTS | ({int(port[1])} if port else set())
    return UrlPolicy(named, frozenset(ports))


def _strange_variables(environment: Mapping[str, str]) -> list[Fault]:
    """Return a fault for each variable with our prefix that sets nothing."""
    faults = []
    for name in environment:
        if name.upper().startswith(ENV_PREFIX):
            section = name[len(ENV_PREFIX) :].split("__")[0].lower()
            if section not in Settings.model_fields:
                faults.append(unknown_key((section,), Settings))
    return faults
