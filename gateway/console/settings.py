"""Settings of the console: listening address, MQTT broker, ICE servers.

From one TOML file and the environment (``CAMERA_CONSOLE__BROKER__PASSWORD=...``), which wins.

A file that the settings name below `SECRETS` is root's alone; the service reads the copy that
systemd has handed over (``LoadCredential=secrets:``, systemd.exec(5)).
"""

from __future__ import annotations

import ipaddress
import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.centre.delivery.settings import DeliverySettings
from gateway.centre.enrolment.settings import DEFAULT_SETTINGS, EnrolmentSettings
from gateway.model.errors import ConfigRejected, Fault
from gateway.model.signalling import IceServer, IceUrl
from gateway.model.site_document import Document
from gateway.model.viewing import Actor, Purpose
from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.payloads.codec import faults_of
from gateway.runtime.credentials import credential_of, forbidden_bits
from gateway.runtime.turn_credentials import ConfiguredIceServer
from gateway.web.http_security import LOOPBACK

SECRETS = DEFAULT_SETTINGS.parent / "secrets"

HostName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9.:-]{1,253}$")]

MAX_BROWSERS = 64
"""Most browsers at once; a command centre has a few dozen operators."""


def _ip_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise PydanticCustomError("address", "must be an IP address") from None


IpAddress = Annotated[str, AfterValidator(_ip_address)]


class Listen(Document):
    """``[listen]``: where the page is served.

    Attributes:
        address: IP address to bind to. Any but loopback needs `open_to_network`.
        port: 0 takes a free one, which is printed when the server is ready.
        names: Host names that browsers may use, besides the address.
        trusted_proxies: Addresses of proxies whose ``X-Forwarded-For`` says who the client is.
        browsers_per_client: Most browsers that are served at once from one address.
        open_to_network: The page has no login of its own. Set it only behind a proxy that has
            one, or on a network where everybody may watch.
    """

    address: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8090
    names: tuple[HostName, ...] = ()
    trusted_proxies: tuple[IpAddress, ...] = ("127.0.0.1", "::1")
    browsers_per_client: Annotated[int, Field(ge=1, le=MAX_BROWSERS)] = 16
    open_to_network: bool = False

    @model_validator(mode="after")
    def _check_address(self) -> Self:
        try:
            loopback = ipaddress.ip_address(self.address).is_loopback
        except ValueError:
            raise PydanticCustomError("address", "address must be an IP address") from None
        if not loopback and not self.open_to_network:
            raise PydanticCustomError(
                "listen.open",
                "the page has no login of its own; set open_to_network to listen on {address}",
                {"address": self.address},
            )
        return self

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Values of Host that are accepted."""
        return frozenset({self.address, *self.names}) | LOOPBACK


class Ice(Document):
    """``[[ice]]``: a STUN or TURN server for browsers; gateways have their own in their settings.

    Attributes:
        urls: ``stun:``, ``turn:`` or ``turns:``.
        username: For TURN.
        credential: The password that goes with it.
        shared_secret_file: Instead of the two, a file that holds the TURN server's
            ``static-auth-secret``: each browser gets credentials of its own, for an hour.
    """

    urls: Annotated[tuple[IceUrl, ...], Field(min_length=1, max_length=8)]
    username: str | None = None
    credential: SecretStr | None = None
    shared_secret_file: Path | None = None

    @model_validator(mode="after")
    def _has_one_kind_of_credential(self) -> Self:
        if self.shared_secret_file is not None and (self.username or self.credential):
            message = "a shared_secret_file makes username and credential; give one or the other"
            raise PydanticCustomError("turn_credentials", message)
        return self

    def configured(self, *, at: str) -> ConfiguredIceServer:
        """Return the server with its secret; *at* is its place in the settings.

        Raises:
            ConfigRejected: Its secret cannot be read, is empty, or others can read it.
        """
        shared = None
        if self.shared_secret_file is not None:
            shared = _secret_in(self.shared_secret_file, at=f"{at}/shared_secret_file")
        server = IceServer(self.urls, self.username, self.credential)
        return ConfiguredIceServer(server, shared)


class Viewing(Document):
    """``[viewing]``: who watches, and the view tokens with which gateways admit them.

    Attributes:
        key: File of the private key, ``view-….key``. None: offers go without a token.
        actor: The person, or the group, before every browser. None: the proxy says who it is.
        header: Name of the header with which one of `Listen.trusted_proxies` names the person; it
            must replace it in what browsers send. From any other address it is ignored.
        purpose: What is watched for.
        max_s: How long a viewing may last until the person's right is looked at again.
    """

    key: Path | None = None
    actor: Actor | None = None
    header: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")] | None = None
    purpose: Purpose = "giám sát"
    max_s: Annotated[int, Field(ge=120, le=86_400)] = 28_800

    @model_validator(mode="after")
    def _says_who_watches(self) -> Self:
        if self.key is not None and (self.actor is None) == (self.header is None):
            raise PydanticCustomError("viewing.person", "say who watches: either actor, or header")
        return self


class Settings(BaseSettings):
    """All settings.

    Attributes:
        client_id: MQTT client id; two consoles at one broker need two.
        enrolment: Where machines enrol; None: nowhere.
        documents: Which monthly documents are taken; None: none.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix="CAMERA_CONSOLE__",
        env_nested_delimiter="__",
        hide_input_in_errors=True,
    )

    listen: Listen = Listen()
    broker: BrokerAddress
    client_id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{4,40}$")] = "console"
    ice: Annotated[tuple[Ice, ...], Field(max_length=8)] = ()
    viewing: Viewing = Viewing()
    enrolment: EnrolmentSettings | None = None
    documents: DeliverySettings | None = None

    @model_validator(mode="after")
    def _knows_who_delivers(self) -> Self:
        if self.documents is not None and self.enrolment is None:
            message = "documents are signed by keys of enrolled sites: [enrolment] is needed"
            raise PydanticCustomError("documents.enrolment", message)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources in order: the environment wins over the file; there is no other."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings


def load(path: Path | None) -> Settings:
    """Return the settings of the TOML file *path* and the environment; None for no file.

    Raises:
        ConfigRejected: With every fault.
    """
    try:
        tree = tomllib.loads(path.read_text()) if path else {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigRejected((Fault("", "file", f"{path}: {error}"),)) from None
    try:
        return Settings(**_with_credentials(tree, ""))
    except ValidationError as error:
        raise ConfigRejected(faults_of(error)) from None


def _with_credentials(value: Any, at: str) -> Any:
    """Return *value*, at *at* of the tree, with systemd's copies of files in `SECRETS`."""
    if isinstance(value, dict):
        return {key: _with_credentials(each, f"{at}/{key}") for key, each in value.items()}
    if isinstance(value, list):
        return [_with_credentials(each, f"{at}/{index}") for index, each in enumerate(value)]
    if isinstance(value, str) and Path(value).parent == SECRETS:
        try:
            return str(credential_of(Path(value)))
        except FileNotFoundError as error:
            message = f"cannot read {value}: {error.strerror}"
            raise ConfigRejected((Fault(at, "secret.missing", message),)) from None
    return value


def _secret_in(path: Path, *, at: str) -> SecretStr:
    try:
        mode, value = path.stat().st_mode, path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigRejected((Fault(at, "file", f"{path}: {error}"),)) from None
    if mode & forbidden_bits(path):
        raise ConfigRejected((Fault(at, "mode", f"others can read {path}; chmod 600 {path}"),))
    if not value:
        raise ConfigRejected((Fault(at, "empty", f"{path} is empty"),))
    return SecretStr(value)
