"""Bootstrap settings: who this gateway is, where its broker is, what it may reach.

They come from one TOML file and from the environment (``CAMERA_GATEWAY__BROKER__HOST=...``, which
wins) and belong to this machine: the centre cannot change them. In particular the camera networks
stand here and nowhere else, so that no remote configuration widens what may be opened.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    PrivateAttr,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from gateway.config.camera_settings import CameraAccess, Port
from gateway.config.document_settings import Documents
from gateway.config.near_values import port_behind
from gateway.config.update_settings import Updates
from gateway.model.alarm import Damping, HostLimits
from gateway.model.document import Document, mistake
from gateway.model.names import GatewayId, ProvinceCode, is_loopback
from gateway.model.signalling import IceUrl
from gateway.model.site_document import SecretRef
from gateway.runtime.logging import LogFormat, LogLevel

HostName = Annotated[str, StringConstraints(max_length=253, pattern=r"^[!-.0-?A-~]+$")]


class Tls(Document):
    """``[broker.tls]``: PEM files that authenticate the broker to us, and us to the broker.

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


class SecondBroker(Document):
    """``[broker.second]``: the fallback address of the broker; all else is as in ``[broker]``.

    Attributes:
        host: None: the same host.
        port: None: 443; websockets over TLS look like any page to a firewall.
        transport: None: websockets.
        path: Of the websocket.
    """

    host: HostName | None = None
    port: Port | None = None
    transport: Literal["tcp", "websockets"] | None = None
    path: Annotated[str, StringConstraints(pattern=r"^/[!-~]*$", max_length=200)] = "/mqtt"


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
        second: A fallback address; None: there is none.
    """

    host: HostName
    port: Port | None = None
    transport: Literal["tcp", "websockets"] = "tcp"
    path: Annotated[str, StringConstraints(pattern=r"^/[!-~]*$", max_length=200)] = "/mqtt"
    username: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    password: SecretRef | None = None
    tls: Tls | None = None
    second: SecondBroker | None = None

    @property
    def effective_port(self) -> int:
        """The port to connect to."""
        if self.port is not None:
            return self.port
        if self.transport == "websockets":
            return 80 if self.tls is None else 443
        return 1883 if self.tls is None else 8883

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        second = None if self.second is None else self.second.host
        mistakes = [
            InitErrorDetails(type=error, loc=at, input=host)
            for at, host in ((("host",), self.host), (("second", "host"), second))
            if host and (error := self._mistake_in(host))
        ]
        if self.password is not None and self.username is None:
            missing = PydanticCustomError("incomplete", "a password needs a username beside it")
            mistakes.append(InitErrorDetails(type=missing, loc=("username",), input=None))
        if mistakes:
            raise ValidationError.from_exception_data("broker", mistakes)
        return self

    def _mistake_in(self, host: str) -> PydanticCustomError | None:
        error = port_behind(host)
        if error is not None or self.tls is not None or is_loopback(host):
            return error
        said = "without [broker.tls] this must be this machine, e.g. 127.0.0.1"
        return PydanticCustomError("plain_broker", said)


class IceServerSettings(Document):
    """``[[webrtc.ice]]``: a STUN or TURN server. There are no others: viewers name none.

    Attributes:
        urls: ``stun:``, ``turn:`` or ``turns:``.
        username: For TURN.
        credential: The secret that goes with it.
        shared_secret: Instead of the two: what the server's ``static-auth-secret`` is. Credentials
            for an hour are made from it.
    """

    urls: Annotated[tuple[IceUrl, ...], Field(min_length=1, max_length=8)]
    username: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    credential: SecretRef | None = None
    shared_secret: SecretRef | None = None

    @model_validator(mode="after")
    def _has_one_kind_of_credential(self) -> Self:
        if self.shared_secret is not None and (self.username or self.credential):
            message = "a shared_secret makes username and credential; give one or the other"
            raise PydanticCustomError("turn_credentials", message)
        if (self.username is None) != (self.credential is None):
            message = "username and credential belong together: give both or neither"
            raise PydanticCustomError("turn_credentials", message)
        return self


class WebRtc(Document):
    """``[webrtc]``: how viewers are reached.

    Attributes:
        ice: STUN and TURN servers; none by default, never a public one.
        relay_only: Whether only relayed candidates may be used.
        require_token: Whether a viewer needs a view token of the centre (`gateway.viewing.token`).
        token_skew_s: By how much the centre's clock may differ from ours, in seconds.
        slates: Whether viewers that do not tell it themselves are shown why a camera is gone.
    """

    ice: Annotated[tuple[IceServerSettings, ...], Field(max_length=8)] = ()
    relay_only: bool = False
    require_token: bool = True
    token_skew_s: Annotated[float, Field(ge=0, le=300)] = 30.0
    slates: bool = True


class Inventory(Document):
    """``[inventory]``: what the centre may ask of the site beside its equipment.

    Attributes:
        contacts: Whether the centre may ask for ``contacts.json``, the people of this site.
    """

    contacts: bool = False


class PictureChecks(Document):
    """``[picture_checks]``: checking the cameras' pictures on this machine.

    Attributes:
        enabled: Whether one picture of each open camera is analysed now and then, to see that it
            is not black, frozen, repeated, blurred, covered or moved. No camera is opened for it.
        every_s: Between two checks of one camera.
        snapshots: Whether the centre may ask for a still picture.
    """

    enabled: bool = True
    every_s: Annotated[float, Field(ge=1, le=3600)] = 30.0
    snapshots: bool = True


class Transcoding(Document):
    """``[transcoding]``: making H.264 of what a viewer's browser cannot show.

    Attributes:
        enabled: Whether it is done at all. Off: such a viewer is refused.
        height: Most lines of the picture; nothing is enlarged.
        bitrate_kbps: Target.
        fps: Most pictures per second.
        preset: Of x264: how much processor the picture may take.
        profile: Of H.264. ``baseline`` for viewers that can no more; it costs picture.
        gop_s: From keyframe to keyframe.
        encoder: What is tried before software; ``auto``: all there are, best first.
        cores: Of the processor, how many all transcodes may take together. None: three quarters
            of what this process may use.
    """

    enabled: bool = True
    height: Annotated[int, Field(ge=240, le=1080)] = 720
    bitrate_kbps: Annotated[int, Field(ge=200, le=8000)] = 1500
    fps: Annotated[float, Field(ge=5, le=30)] = 25.0
    preset: Literal["ultrafast", "superfast", "veryfast"] = "superfast"
    profile: Literal["high", "baseline"] = "high"
    gop_s: Annotated[float, Field(ge=0.5, le=10)] = 2.0
    encoder: Literal[
        "auto",
        "libx264",
        "h264_v4l2m2m",
        "ffmpeg/h264_vaapi",
        "ffmpeg/h264_vaapi_lp",
        "ffmpeg/drm",
        "ffmpeg/h264_qsv",
        "ffmpeg/h264_v4l2m2m",
        "ffmpeg/libx264",
    ] = "auto"
    cores: Annotated[float, Field(ge=0.1, le=256)] | None = None


CommandName = Annotated[str, StringConstraints(min_length=1, max_length=64)]
UploadHost = Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]{1,253}(:[0-9]{1,5})?$")]


class Commands(Document):
    """``[commands]``: what the centre may ask this machine to do.

    Attributes:
        allowed: Names of commands. None: those that are allowed by default
            (`gateway.commands.handlers.registry`, which also says which names there are).
        per_min: How many a minute, for each who asks; all together four times as many.
        burst: How many at once.
        upload_hosts: Where pictures may be put by HTTPS, ``host`` or ``host:port``.
        upload_ca: Authority of those hosts' certificates. None: the system's.
        reboot: What starts this machine anew; empty: nothing. Under the shipped unit, which has no
            rights for it, ``["touch", "/run/camera-gateway/reboot"]``: then
            ``camera-gateway-reboot.path`` does it.
    """

    allowed: Annotated[tuple[CommandName, ...], Field(max_length=16)] | None = None
    per_min: Annotated[int, Field(ge=1, le=600)] = 30
    burst: Annotated[int, Field(ge=1, le=100)] = 10
    upload_hosts: Annotated[tuple[UploadHost, ...], Field(max_length=16)] = ()
    upload_ca: Path | None = None
    reboot: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=200)], ...], Field(max_length=16)
    ] = ()


Percent = Annotated[float, Field(ge=1, le=100)]


class Alarms(Document):
    """``[alarms]``: when an alarm is raised and cleared.

    Attributes:
        check_s: Between two checks.
        raise_checks: Failed checks in a row before an alarm is raised.
        raise_s: And for how long they must have failed.
        clear_s: How long all checks must have been good before it is cleared.
        temperature_c: From here on the processor is too hot.
        memory_percent: From here on memory is short.
        disk_percent: From here on the disk is nearly full.
    """

    check_s: Annotated[float, Field(ge=0.1, le=300)] = 15.0
    raise_checks: Annotated[int, Field(ge=1, le=20)] = 3
    raise_s: Annotated[float, Field(ge=0, le=3600)] = 45.0
    clear_s: Annotated[float, Field(ge=0, le=3600)] = 120.0
    temperature_c: Annotated[float, Field(ge=30, le=110)] = 80.0
    memory_percent: Percent = 92.0
    disk_percent: Percent = 90.0

    @property
    def damping(self) -> Damping:
        """How long a condition must last before its alarm is raised or cleared."""
        return Damping(raise_checks=self.raise_checks, raise_s=self.raise_s, clear_s=self.clear_s)

    @property
    def limits(self) -> HostLimits:
        """From where on the machine raises alarms about itself."""
        return HostLimits(
            temperature_c=self.temperature_c,
            memory_percent=self.memory_percent,
            disk_percent=self.disk_percent,
        )


class DiscoverySettings(Document):
    """``[discovery]``: looking for devices in the camera networks.

    Attributes:
        weekly: Whether it is done once a week by itself, for the inventory.
    """

    weekly: bool = True


class Metrics(Document):
    """``[metrics]``: measurements for a Prometheus server on this machine.

    Attributes:
        port: On 127.0.0.1 only; 9464 is usual. None: off, the default, because whoever is logged
            in on this machine may read it.
    """

    port: Annotated[int, Field(ge=1, le=65535)] | None = None


Place = Annotated[
    str, StringConstraints(pattern=r"^/(site|broker)(/[^/\s]{1,64}){0,6}$", max_length=400)
]


class Remote(Document):
    """``[remote]``: what may be set from the centre.

    Camera networks, secrets, keys and everything else in the settings may never be.

    Attributes:
        allow: Places in the document that may differ from what runs, with all below them; ``*``
            stands for any one name, e.g. ``/site/cameras/*/enabled``. ``/broker`` is another
            broker than that of the settings.
        keys: Folder of the public keys that are trusted (`gateway.config.signing`); while it is
            empty nothing can be set.
        gate_s: How long the cameras may take to be back after a change.
        connect_s: Seconds that the centre may be out of reach under a document before it is rolled
            back: with the preflight before and the way back after, the centre knows within 120 s.
        crashes: A document is rolled back if the program starts so often before it is confirmed.
    """

    allow: Annotated[tuple[Place, ...], Field(max_length=64)] = ("/site",)
    keys: Path = Path("trusted")
    gate_s: Annotated[float, Field(ge=1, le=600)] = 60.0
    connect_s: Annotated[float, Field(ge=1, le=80)] = 60.0
    crashes: Annotated[int, Field(ge=2, le=10)] = 3


DEFAULT_FILE = Path("/etc/camera-gateway/gateway.toml")
ENV_PREFIX = "CAMERA_GATEWAY__"

RENAMED_TABLES = {"eyes": "picture_checks"}
"""Old names of tables, which are read for one more version, and their new names."""


class Identity(Document):
    """``[gateway]``: the identity of this gateway.

    Attributes:
        id: Unique in the whole country, never reused; also the MQTT client id.
        province: Two-digit code of the province.
        province_scheme: The list that code is from: the 34 provinces since July 2025, or the 63
            before.
        name: Of the site, where its document has none; written by an enrolment.
    """

    id: GatewayId
    province: ProvinceCode
    province_scheme: Literal["vn-2025", "vn-2020"] = "vn-2025"
    name: Annotated[str, StringConstraints(max_length=200)] = ""


class StateFolders(Document):
    """``[state]``: where files of the gateway are.

    Attributes:
        dir: For ``site.json`` and all that the gateway writes.
        secrets: One file per secret. None: systemd's credentials folder, or ``secrets``
            beside the settings file.
    """

    dir: Path = Path("/var/lib/camera-gateway")
    secrets: Path | None = None


class Enrolment(Document):
    """``[enrolment]``: written by ``camera-gateway enrol``.

    Attributes:
        url: Of the centre, ``https://HOST:PORT``, where our certificate is renewed at two thirds of
            its life. None: it is not.
    """

    url: Annotated[str, StringConstraints(pattern=r"^https://[!-~]{1,270}$")] | None = None


class Log(Document):
    """``[log]``: what is logged to standard error.

    Attributes:
        level: The least severe that is logged.
        format: ``json`` for the journal, ``console`` for people.
    """

    level: LogLevel = "info"
    format: LogFormat = "json"


def _with_new_name(variable: str) -> str:
    """Return the name that *variable*, of the environment and in lower case, has now."""
    for old, new in RENAMED_TABLES.items():
        before = f"{ENV_PREFIX}{old}".lower()
        if variable == before or variable.startswith(f"{before}__"):
            return f"{ENV_PREFIX}{new}".lower() + variable[len(before) :]
    return variable


class Settings(BaseSettings):
    """All bootstrap settings; made by `gateway.config.load`."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        hide_input_in_errors=True,
    )

    gateway: Identity
    broker: Broker
    cameras: CameraAccess
    state: StateFolders = StateFolders()
    webrtc: WebRtc = WebRtc()
    inventory: Inventory = Inventory()
    discovery: DiscoverySettings = DiscoverySettings()
    picture_checks: PictureChecks = PictureChecks()
    transcoding: Transcoding = Transcoding()
    commands: Commands = Commands()
    alarms: Alarms = Alarms()
    metrics: Metrics = Metrics()
    remote: Remote = Remote()
    updates: Updates = Updates()
    documents: Documents = Documents()
    enrolment: Enrolment = Enrolment()
    log: Log = Log()
    _folder: Path = PrivateAttr(default=Path())

    @model_validator(mode="after")
    def _can_sign_documents(self) -> Self:
        if self.documents.kinds and (self.broker.tls is None or self.broker.tls.key is None):
            message = "documents are signed by the key of [broker.tls]: enrol this box first"
            error = mistake("documents.key", message, ("documents",), None)
            raise ValidationError.from_exception_data("settings", [error])
        return self

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
        if isinstance(env_settings, EnvSettingsSource):
            env_settings.env_vars = {
                _with_new_name(name): value for name, value in env_settings.env_vars.items()
            }
        return env_settings, init_settings

    @property
    def secrets_folder(self) -> Path:
        """Where the secrets are, after all defaults."""
        if self.state.secrets is not None:
            return self._folder / self.state.secrets
        given = os.environ.get("CREDENTIALS_DIRECTORY")
        return Path(given) if given else self._folder / "secrets"

    def resolve_path(self, path: Path) -> Path:
        """Return *path* of the settings, relative to the settings file, as a path of its own."""
        return self._folder / path
