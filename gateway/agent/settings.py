"""Bootstrap settings: who this gateway is, where its broker is, what it may reach.

They come from one TOML file and from the environment (``CAMERA_GATEWAY__BROKER__HOST=...``, which
wins) and belong to this machine: the centre cannot change them. In particular the camera networks
stand here and nowhere else, so that no remote configuration widens what may be opened.
"""

from __future__ import annotations

import ipaddress
import os
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    PlainValidator,
    PrivateAttr,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.agent.logs import LogFormat, LogLevel
from gateway.agent.settings_commands import Commands
from gateway.agent.settings_inventory import Inventory
from gateway.agent.settings_remote import Remote
from gateway.model.config import Document, SecretRef
from gateway.model.names import GatewayId, ProvinceCode, is_loopback

DEFAULT_FILE = Path("/etc/camera-gateway/gateway.toml")
ENV_PREFIX = "CAMERA_GATEWAY__"


def _network(given: object) -> IPv4Network | IPv6Network:
    try:
        return ipaddress.ip_network(str(given), strict=False)
    except ValueError:
        raise PydanticCustomError("network", "it must be a network, e.g. 10.1.2.0/24") from None


Network = Annotated[IPv4Network | IPv6Network, PlainValidator(_network)]
Port = Annotated[int, Field(ge=1, le=65535)]
HostName = Annotated[str, StringConstraints(max_length=253, pattern=r"^[^\s/@]+$")]


class Identity(Document):
    """``[gateway]``: who this is.

    Attributes:
        id: Unique in the whole country, never reused; also the MQTT client id.
        province: Two-digit code of the province.
        province_scheme: The list that code is from: the 34 provinces since July 2025, or the 63
            before.
    """

    id: GatewayId
    province: ProvinceCode
    province_scheme: Literal["vn-2025", "vn-2020"] = "vn-2025"


class Tls(Document):
    """``[broker.tls]``: PEM files by which the broker is known, and by which it knows us.

    Attributes:
        ca: Of the authority that signed the broker's certificate. None: the system's.
        cert: Our certificate.
        key: Its private key.
    """

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    @model_validator(mode="after")
    def _pairs_certificate_and_key(self) -> Self:
        if (self.cert is None) != (self.key is None):
            raise PydanticCustomError("tls", "cert and key belong together: give both or neither")
        return self


class Broker(Document):
    """``[broker]``: the MQTT 5 broker of the centre.

    Attributes:
        host: Name or address.
        port: None: 8883 with TLS, 1883 without; websockets: 443 and 80.
        transport: ``websockets`` for lines where only HTTPS passes.
        path: Of the websocket.
        username: For brokers that ask for one.
        password: The secret that goes with it, ``"secret:broker"``.
        tls: None: plain text, which is only allowed inside this machine.
    """

    host: HostName
    port: Port | None = None
    transport: Literal["tcp", "websockets"] = "tcp"
    path: Annotated[str, StringConstraints(pattern=r"^/[!-~]*$", max_length=200)] = "/mqtt"
    username: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    password: SecretRef | None = None
    tls: Tls | None = None

    @property
    def port_in_force(self) -> int:
        """The port to connect to."""
        if self.port is not None:
            return self.port
        if self.transport == "websockets":
            return 80 if self.tls is None else 443
        return 1883 if self.tls is None else 8883

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        mistakes = []
        if self.tls is None and not is_loopback(self.host):
            message = "without [broker.tls] this must be this machine, e.g. 127.0.0.1"
            error = PydanticCustomError("plain_broker", message)
            mistakes.append(InitErrorDetails(type=error, loc=("host",), input=self.host))
        if self.password is not None and self.username is None:
            error = PydanticCustomError("incomplete", "a password needs a username beside it")
            mistakes.append(InitErrorDetails(type=error, loc=("username",), input=None))
        if mistakes:
            raise ValidationError.from_exception_data("broker", mistakes)
        return self


class State(Document):
    """``[state]``: what is kept on this machine.

    Attributes:
        dir: Holds ``site.json``, the cameras; ours to write.
        secrets: Holds one file per secret. None: systemd's credentials folder, or ``secrets``
            beside the settings file.
    """

    dir: Path = Path("/var/lib/camera-gateway")
    secrets: Path | None = None


class Reach(Document):
    """``[cameras]``: what the gateway may open.

    Attributes:
        networks: Where cameras and recorders live.
        ports: Beside the usual 554, 8554, 10554 and 322.
    """

    networks: Annotated[tuple[Network, ...], Field(min_length=1, max_length=64)]
    ports: Annotated[tuple[Port, ...], Field(max_length=64)] = ()


class IceServerSettings(Document):
    """``[[webrtc.ice]]``: a STUN or TURN server for viewers who bring none.

    Attributes:
        urls: ``stun:``, ``turn:`` or ``turns:``.
        username: For TURN.
        credential: The secret that goes with it.
    """

    urls: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^(stun|turns?):[^\s@/]+$")], ...],
        Field(min_length=1, max_length=8),
    ]
    username: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    credential: SecretRef | None = None


class WebRtc(Document):
    """``[webrtc]``: how viewers are reached.

    Attributes:
        ice: STUN and TURN servers; none by default, never a public one.
        relay_only: Whether only relayed candidates may be used.
    """

    ice: Annotated[tuple[IceServerSettings, ...], Field(max_length=8)] = ()
    relay_only: bool = False


class Log(Document):
    """``[log]``: what is said on standard error.

    Attributes:
        level: The least that is said.
        format: ``json`` for the journal, ``console`` for people.
    """

    level: LogLevel = "info"
    format: LogFormat = "json"


class Settings(BaseSettings):
    """All bootstrap settings; made by `gateway.agent.loading`."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        hide_input_in_errors=True,
    )

    gateway: Identity
    broker: Broker
    cameras: Reach
    state: State = State()
    webrtc: WebRtc = WebRtc()
    inventory: Inventory = Inventory()
    commands: Commands = Commands()
    remote: Remote = Remote()
    log: Log = Log()
    _folder: Path = PrivateAttr(default=Path())

    @classmethod
    def from_table(cls, table: dict[str, object], *, folder: Path) -> Self:
        """Return the settings of *table* and the environment; *folder* is where the file lies."""
        settings = cls(**table)  # type: ignore[arg-type]  # looked into right here
        settings._folder = folder
        return settings

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  (pydantic names them all)
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, which arrives as arguments."""
        return env_settings, init_settings

    @property
    def secrets_folder(self) -> Path:
        """Where the secrets are, after all defaults."""
        if self.state.secrets is not None:
            return self._folder / self.state.secrets
        given = os.environ.get("CREDENTIALS_DIRECTORY")
        return Path(given) if given else self._folder / "secrets"

    def beside(self, path: Path) -> Path:
        """Return *path* of the settings, which is relative to the settings file, as a whole one."""
        return self._folder / path
