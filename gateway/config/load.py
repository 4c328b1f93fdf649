"""Loads the bootstrap settings: one TOML file, the environment, and all faults of both."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import structlog
from pydantic import ValidationError
from pydantic_settings import SettingsError

from gateway.config.documents import faults_of, parse_toml
from gateway.config.faults import unknown_key
from gateway.config.settings import ENV_PREFIX, RENAMED_TABLES, Settings
from gateway.model.errors import ConfigRejected, Fault, faults_in, file_fault
from gateway.runtime.url_policy import UrlPolicy
from gateway.sources.registry import SCHEME_NAMES, url_policy

PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/7", "::1/128")
"""Camera networks where none are given (RFC 1918, RFC 4193)."""

log = structlog.get_logger(__name__)

_PORT = re.compile(r"://[^/?#]*:([0-9]{1,5})(?:[/?#]|$)")


def load_settings(path: Path) -> Settings:
    """Return the settings of the file *path* and the environment.

    Raises:
        ConfigRejected: With every fault of both.
    """
    with faults_in(path):
        return _load(path)


def _load(path: Path) -> Settings:
    try:
        table = parse_toml(path.read_bytes())
    except OSError as error:
        raise ConfigRejected((file_fault(path, error),)) from None
    faults = [*_rename_tables(table), *_wrong_variables(os.environ)]
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
    """Return which camera URLs may be opened under *settings*."""
    given = settings.cameras
    return url_policy(given.networks, given.ports, opened=given.schemes, devices=given.devices)


def probe_policy(url: str, networks: Iterable[str]) -> UrlPolicy:
    """Return which camera URLs a person at this machine may open to probe *url*.

    Args:
        url: As typed, not yet validated; its port is allowed beside the usual ones.
        networks: Camera networks; empty: the private ranges and this machine.

    Raises:
        ValueError: One of *networks* is no network.
    """
    named = tuple(ipaddress.ip_network(each) for each in networks or PRIVATE)
    port = _PORT.search(url)
    device = url.partition("?")[0].partition("://")[2]
    ports = (int(port[1]),) if port else ()
    return url_policy(named, ports, opened=SCHEME_NAMES, devices=(device,))


def settings_needed(url: str) -> Iterator[str]:
    """Yield the lines of ``[cameras]`` without which a gateway does not open *url*, explained.

    A probe opens what a person at the machine names; a gateway what its settings name.
    """
    networks = tuple(map(ipaddress.ip_network, ("0.0.0.0/0", "::/0")))
    opened: tuple[str, ...] = ()
    for code, key in (("url.scheme", "schemes"), ("url.port", "ports")):
        fault = url_policy(networks, (), opened=opened).check(url)
        if fault is None or fault.code != code or fault.args.get("kind") != "closed":
            continue
        got = fault.args["got"]
        opened = (str(got),)
        value = f'"{got}"' if code == "url.scheme" else got
        yield (
            "Để cổng mở được camera này, ghi vào [cameras] của gateway.toml: "
            f"{key} = [{value}] · for the gateway to open it"
        )


def _rename_tables(table: dict[str, object]) -> Iterator[Fault]:
    """Give the tables of *table* their new names; yield a fault for each that has both."""
    for old, new in RENAMED_TABLES.items():
        if old in table and new in table:
            del table[old]
            yield _both(old, new)
        elif old in table:
            log.warning("settings_deprecated", old=f"[{old}]", new=f"[{new}]")
            table[new] = table.pop(old)


def _wrong_variables(environment: Mapping[str, str]) -> Iterator[Fault]:
    """Yield a fault for each variable with our prefix that sets nothing, or sets a table twice."""
    given = {
        name[len(ENV_PREFIX) :].split("__")[0].lower()
        for name in environment
        if name.upper().startswith(ENV_PREFIX)
    }
    for old, new in RENAMED_TABLES.items():
        if old in given:
            given.remove(old)
            if new in given:
                yield _both(old, new)
            else:
                before, after = f"{ENV_PREFIX}{old.upper()}", f"{ENV_PREFIX}{new.upper()}"
                log.warning("settings_deprecated", old=before, new=after)
    for table in sorted(given - Settings.model_fields.keys()):
        yield unknown_key((table,), Settings)


def _both(old: str, new: str) -> Fault:
    return Fault(f"/{old}", "duplicate", f"it is the old name of {new}, which is given as well")
