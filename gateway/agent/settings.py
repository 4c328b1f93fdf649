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
)
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from gateway.agent.logs import LogFormat, LogLevel
from gateway.agent.settings_alarms import Alarms
from gateway.agent.settings_broker import Broker, Port
from gateway.agent.settings_commands import Commands
from gateway.agent.settings_eyes import EyesSettings
from gateway.agent.settings_inventory import Inventory
from gateway.agent.settings_metrics import Metrics
from gateway.agent.settings_remote import Remote
from gateway.agent.settings_webrtc import WebRtc
from gateway.model.config import Document
from gateway.model.names import GatewayId, ProvinceCode

DEFAULT_FILE = Path("/etc/camera-gateway/gateway.toml")
ENV_PREFIX = "CAMERA_GATEWAY__"


def _network(given: object) -> IPv4Network | IPv6Network:
    try:
        return ipaddress.ip_network(str(given), strict=False)
    except ValueError:
        raise PydanticCustomError("network", "it must be a network, e.g. 10.1.2.0/24") from None


Network = Annotated[IPv4Network | IPv6Network, PlainValidator(_network)]


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
    eyes: EyesSettings = EyesSettings()
    commands: Commands = Commands()
    alarms: Alarms = Alarms()
    metrics: Metrics = Metrics()
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
