"""The content of a desired document: the site, and a broker other than the settings'.

``config/1`` is a site document as installers write it; ``config/2`` has one as ``site`` and may
have ``broker`` beside it. Both are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError

from gateway.config.camera_settings import Port
from gateway.config.documents import faults_of, parse_site
from gateway.config.settings import HostName, Settings
from gateway.model.errors import ConfigRejected, Fault
from gateway.model.names import is_loopback
from gateway.model.site_document import Document, SecretRef, SiteConfig
from gateway.runtime.strict_json import dumps

SCHEMAS = ("config/1", "config/2")
"""What can be read, oldest first."""


class DesiredBroker(Document):
    """Another broker. Our certificate, and whether TLS is used, stay those of the settings.

    Attributes:
        host: Name or address.
        port: None: the default of the transport.
        transport: As in the settings.
        path: Of the websocket.
        username: For brokers that ask for one.
        password: Reference to its secret.
        ca: Authorities that its certificate may be from, PEM; None: those of the settings.
    """

    host: HostName
    port: Port | None = None
    transport: Literal["tcp", "websockets"] = "tcp"
    path: Annotated[str, StringConstraints(pattern=r"^/[!-~]*$", max_length=200)] = "/mqtt"
    username: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    password: SecretRef | None = None
    ca: (
        Annotated[str, Field(pattern=r"^-----BEGIN CERTIFICATE-----\n", max_length=32_768)] | None
    ) = None


class DesiredConfig(Document):
    """The configuration of a gateway.

    Attributes:
        site: Its cameras and their names.
        broker: None: that of the settings.
    """

    site: SiteConfig
    broker: DesiredBroker | None = None


def parse_config(schema: str, doc: Mapping[str, object], *, at: str = "/doc") -> DesiredConfig:
    """Parse *doc*, which is of *schema*.

    Args:
        schema: See `SCHEMAS`.
        doc: As the strict JSON reader returned it.
        at: Pointer to it, for the faults.

    Raises:
        ConfigRejected: With all its faults.
    """
    parser = _PARSERS.get(schema)
    if parser is None:
        message = f"{schema[:32]} is not known here; known are {', '.join(SCHEMAS)}"
        raise ConfigRejected((Fault("/schema", "schema", message),))
    faults: list[Fault] = []
    config = parser(doc, at, faults)
    if faults or config is None:
        raise ConfigRejected(tuple(faults))
    return config


def broker_faults(config: DesiredConfig, settings: Settings) -> Iterator[Fault]:
    """Yield the faults of the broker of *config* on this machine."""
    broker = config.broker
    if broker is None:
        return
    if settings.broker.tls is None and not is_loopback(broker.host):
        message = "without [broker.tls] in the settings this must be this machine"
        yield Fault("/doc/broker/host", "plain_broker", message)
    if settings.broker.tls is None and broker.ca is not None:
        yield Fault("/doc/broker/ca", "tls", "the settings of this machine speak no TLS")
    if broker.password is not None and broker.username is None:
        yield Fault("/doc/broker/username", "incomplete", "a password needs a username beside it")


def _parse_v1(doc: Mapping[str, object], at: str, faults: list[Fault]) -> DesiredConfig | None:
    site = _site(doc, at, faults)
    return None if site is None else DesiredConfig(site=site)


def _parse_v2(doc: Mapping[str, object], at: str, faults: list[Fault]) -> DesiredConfig | None:
    for key in doc.keys() - {"site", "broker"}:
        message = "there is no such key; known here: broker, site"
        faults.append(Fault(f"{at}/{key}", "unknown_key", message))
    site, broker = _site(doc.get("site"), f"{at}/site", faults), None
    if doc.get("broker") is not None:
        try:
            broker = DesiredBroker.model_validate_json(dumps(doc["broker"]))
        except ValidationError as error:
            faults += (_moved(fault, f"{at}/broker") for fault in faults_of(error, DesiredBroker))
    return None if site is None or faults else DesiredConfig(site=site, broker=broker)


def _site(given: object, at: str, faults: list[Fault]) -> SiteConfig | None:
    if not isinstance(given, Mapping):
        faults.append(Fault(at, "missing" if given is None else "type", "it must be an object"))
        return None
    try:
        return parse_site(dumps(given).encode())
    except ConfigRejected as error:
        faults += (_moved(fault, at) for fault in error.faults)
        return None


def _moved(fault: Fault, at: str) -> Fault:
    return Fault(at + fault.at, fault.code, fault.message, fault.args)


_PARSERS: Mapping[str, Callable[[Mapping[str, object], str, list[Fault]], DesiredConfig | None]] = {
    "config/1": _parse_v1,
    "config/2": _parse_v2,
}
