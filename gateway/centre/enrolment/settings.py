"""``[enrolment]`` of the console's settings: where machines enrol, and what they are told."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from gateway.config.toml_table import load_table
from gateway.enrolment.messages import BrokerInfo, Host, IceInfo, TrustedKeys
from gateway.model.document import Document
from gateway.model.errors import ConfigRejected, Fault
from gateway.model.signalling import IceUrl
from gateway.runtime.credentials import forbidden_bits

DEFAULT_SETTINGS = Path("/etc/camera-console/console.toml")
DEFAULT_PORT = 8443

LARGEST_KEY_BYTES = 16_384
"""Of a public key or a secret."""


def _ip_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise PydanticCustomError("address", "must be an IP address") from None


_TRUSTED: TypeAdapter[dict[str, str]] = TypeAdapter(TrustedKeys)


class EnrolmentIce(Document):
    """``[[enrolment.ice]]``: a STUN or TURN server for machines.

    Attributes:
        urls: ``stun:``, ``turn:`` or ``turns:``.
        shared_secret_file: A file that holds the TURN server's ``static-auth-secret``.
    """

    urls: Annotated[tuple[IceUrl, ...], Field(min_length=1, max_length=8)]
    shared_secret_file: Path | None = None


class EnrolmentSettings(Document):
    """``[enrolment]``.

    Attributes:
        folder: Of the authority and the database; its owner runs the console.
        database: URL of SQLAlchemy; None: SQLite in `folder`.
        address: IP address to listen on.
        port: 0 takes a free one.
        names: Names and addresses by which browsers and machines reach it, the first for links.
        broker: What machines are told; its host stands in the broker's certificate.
        trusted: Folder of the public keys that machines shall trust; None: they get none.
        ice: STUN and TURN servers for machines.
        ca_file: Where the broker reads whose certificates it takes, as in ``ca-bundle.pem`` of
            `folder`, which the broker's own user cannot enter. None: nowhere.
        crl_file: Where the broker reads the list of revoked certificates, as in ``crl.pem`` of
            `folder`. None: nowhere.
        acl_file: Where the broker reads its access list; a revoked site is denied every topic
            there. None: nowhere.
        reload: What makes the broker read both anew, e.g. ``["systemctl", "reload", "mosquitto"]``.
    """

    folder: Path = Path("/var/lib/camera-console")
    database: str | None = None
    address: Annotated[str, AfterValidator(_ip_address)] = "0.0.0.0"
    port: Annotated[int, Field(ge=0, le=65_535)] = DEFAULT_PORT
    names: Annotated[tuple[Host, ...], Field(min_length=1, max_length=16)]
    broker: BrokerInfo
    trusted: Path | None = None
    ice: Annotated[tuple[EnrolmentIce, ...], Field(max_length=8)] = ()
    ca_file: Path | None = None
    crl_file: Path | None = None
    acl_file: Path | None = None
    reload: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=200)], ...],
        Field(max_length=16),
    ] = ()

    @property
    def database_url(self) -> str:
        """Of SQLAlchemy."""
        return self.database or f"sqlite:///{self.folder.absolute() / 'centre.db'}"

    @property
    def url(self) -> str:
        """Where machines and administrators come."""
        host = f"[{self.names[0]}]" if ":" in self.names[0] else self.names[0]
        return f"https://{host}:{self.port}"

    def ice_info(self) -> tuple[IceInfo, ...]:
        """Return what machines are told of STUN and TURN. Raises ConfigRejected. Reads files."""
        return tuple(_ice_info(each) for each in self.ice)

    def trusted_keys(self) -> dict[str, str]:
        """Return the public keys in `trusted` by their ids. Raises ConfigRejected. Reads files."""
        if self.trusted is None:
            return {}
        try:
            paths = sorted(self.trusted.glob("*.pem"))
            keys = {path.stem: _read(path, LARGEST_KEY_BYTES) for path in paths}
        except OSError as error:
            raise _fault("/enrolment/trusted", f"{self.trusted}: {error}") from None
        for path in paths:
            if not keys[path.stem].startswith("-----BEGIN PUBLIC KEY-----\n"):
                raise _fault("/enrolment/trusted", f"{path} holds no public key")
        try:
            return _TRUSTED.validate_python(keys)
        except ValidationError as error:
            lines = error.errors(include_url=False, include_input=False)
            message = f"{self.trusted}: {lines[0]['loc'][:1]}: {lines[0]['msg']}"
            raise _fault("/enrolment/trusted", message) from None


def load_enrolment_settings(path: Path) -> EnrolmentSettings:
    """Return the table ``[enrolment]`` of the console's settings *path*.

    Raises:
        ConfigRejected: There is none, or it is wrong; every fault is listed.
    """
    return load_table(path, "enrolment", EnrolmentSettings)


def _ice_info(given: EnrolmentIce) -> IceInfo:
    path = given.shared_secret_file
    if path is None:
        return IceInfo(urls=given.urls)
    try:
        mode, secret = path.stat().st_mode, _read(path, LARGEST_KEY_BYTES).strip()
    except OSError as error:
        raise _fault("/enrolment/ice", f"{path}: {error}") from None
    if mode & forbidden_bits(path):
        raise _fault("/enrolment/ice", f"others can read {path}; chmod 600 {path}")
    try:
        return IceInfo(urls=given.urls, shared_secret=secret)
    except ValidationError:
        raise _fault("/enrolment/ice", f"{path} must hold 1 to 256 characters") from None


def _read(path: Path, most_bytes: int) -> str:
    """Return what is in *path*; of more than *most_bytes* a little more. Raises OSError."""
    with path.open("rb") as file:
        return file.read(most_bytes + 1).decode(errors="replace")


def _fault(at: str, message: str) -> ConfigRejected:
    return ConfigRejected((Fault(at, "file", message),))
