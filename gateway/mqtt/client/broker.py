"""The address of the broker, and the certificates by which each side is known.

Plain text goes to this machine only. With TLS the broker's certificate is always checked, name
included, against the given authority; there is no way to switch that off.
"""

from __future__ import annotations

import datetime as dt
import hmac
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from cryptography import x509
from pydantic import Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from gateway.model.errors import BrokerUnavailable
from gateway.model.names import is_loopback
from gateway.model.reasons import Reason
from gateway.model.site_document import Document
from gateway.runtime.certificates import read_certificate

RETRY_FILES_S, RETRY_FILES_MOST_S = 30.0, 45.0
"""Pause after certificate files could not be used."""

RETRY_CLOCK_S, RETRY_CLOCK_MOST_S = 8.0, 12.0
"""Pause after a certificate that is not valid yet: our clock or the broker's may be set soon."""


class Tls(Document):
    """Files in PEM form, read anew for each connection, so that they can be replaced.

    Attributes:
        ca_file: The authorities that may have signed the broker's certificate; None: those that
            this machine trusts.
        cert_file: Our own certificate, if the broker wants one.
        key_file: Its key.
        renewed_file: A later certificate for the same key, which is used instead of `cert_file`
            while that is so; it may not be there.
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    renewed_file: Path | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise PydanticCustomError("tls.pair", "cert_file and key_file go together")
        return self


class BrokerAddress(Document):
    """One broker.

    Attributes:
        host: Name or address; with TLS it must stand in the broker's certificate.
        port: TCP port.
        tls: None: plain, and then `host` must be this machine.
        username: If the broker wants one.
        password: Goes with it.
        transport: ``websockets`` passes firewalls that let only HTTPS through.
        path: Of the websocket.
    """

    host: Annotated[str, Field(min_length=1, max_length=253)]
    port: Annotated[int, Field(ge=1, le=65_535)] = 8883
    tls: Tls | None = None
    username: Annotated[str, Field(max_length=256)] | None = None
    password: SecretStr | None = None
    transport: Literal["tcp", "websockets"] = "tcp"
    path: Annotated[str, Field(pattern=r"^/[!-~]*$", max_length=256)] = "/mqtt"

    @model_validator(mode="after")
    def _plain_stays_at_home(self) -> Self:
        if self.tls is None and not is_loopback(self.host):
            raise PydanticCustomError(
                "broker.plain",
                "without tls the broker must be on this machine (localhost, 127.0.0.1, ::1), "
                "not {host}",
                {"host": self.host},
            )
        return self

    @model_validator(mode="after")
    def _password_needs_username(self) -> Self:
        if self.password is not None and self.username is None:
            raise PydanticCustomError("broker.username", "a password without a username")
        return self

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def client_id_of(name: str, tls: Tls | None) -> str:
    """Return the client id of *name*: with TLS, *name* and 32 hex digits that follow from its key.

    Whoever knows a client id can throw out its connection and lose what waits for it, where a
    broker lets one certificate have several ids (MQTT 5, 3.1.4). The same key gives the same id,
    and the id tells nothing of the key. Reads a file; without a key that can be read it is *name*.
    """
    try:
        key = b"" if tls is None or tls.key_file is None else tls.key_file.read_bytes()
    except OSError:  # nor can anybody connect with it: `ssl_context` tells
        key = b""
    if not key:
        return name
    return f"{name}-{hmac.digest(key, b'mqtt client id of ' + name.encode(), 'sha256').hex()[:32]}"


def ssl_context(tls: Tls) -> ssl.SSLContext:
    """Return the TLS settings of one connection. Reads files.

    Raises:
        BrokerUnavailable: A file cannot be used; somebody may replace it, so we try again.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks chain and name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if tls.ca_file is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(tls.ca_file)
        if tls.cert_file is not None:
            chain = certificate_file(tls) or tls.cert_file
            context.load_cert_chain(chain, tls.key_file, password=_no_passphrase)
    except OSError as error:  # ssl.SSLError is one
        detail = f"certificate files cannot be used: {error.strerror or error}"
        raise certificate_fault(Reason.TLS_FAILED, detail) from None
    return context


def certificate_file(tls: Tls) -> Path | None:
    """Return the file of the certificate that we show; None: there is none. Reads both files."""
    if tls.cert_file is None or tls.renewed_file is None:
        return tls.cert_file
    try:
        renewed = read_certificate(tls.renewed_file.read_bytes())
        first = read_certificate(tls.cert_file.read_bytes())
    except (OSError, ValueError):
        return tls.cert_file
    later = renewed.not_valid_after_utc > first.not_valid_after_utc
    same = renewed.public_key() == first.public_key()
    return tls.renewed_file if later and same else tls.cert_file


@dataclass(frozen=True, slots=True)
class CertificateInfo:
    """What matters of a certificate.

    Attributes:
        serial: Hexadecimal.
        begins_ms: Its first moment, UTC.
        ends_ms: Its last.
    """

    serial: str
    begins_ms: int
    ends_ms: int

    @property
    def begins(self) -> str:
        """Its first moment, e.g. ``2026-05-01T00:00:00Z``."""
        return _iso(self.begins_ms)

    @property
    def ends(self) -> str:
        """Its last moment."""
        return _iso(self.ends_ms)


def certificate_info(der: bytes) -> CertificateInfo | None:
    """Return what matters of a certificate in DER; None if it is none."""
    try:
        return _certificate_info(x509.load_der_x509_certificate(der))
    except ValueError:
        return None


def own_certificate_info(tls: Tls | None) -> CertificateInfo | None:
    """Return what matters of our own certificate, if there is one. Reads a file."""
    path = None if tls is None else certificate_file(tls)
    if path is None:
        return None
    try:
        return _certificate_info(read_certificate(path.read_bytes()))
    except (OSError, ValueError):
        return None


def own_certificate_fault(tls: Tls | None, wall_ms: int) -> BrokerUnavailable | None:
    """Return what is wrong with the dates of our own certificate at *wall_ms*, if anything.

    A broker that refuses a certificate says little; this says which date it is about.
    """
    info = own_certificate_info(tls)
    if info is None or info.begins_ms <= wall_ms <= info.ends_ms:
        return None
    if wall_ms > info.ends_ms:
        return certificate_fault(Reason.TLS_EXPIRED, f"our certificate ended {info.ends}")
    return certificate_fault(Reason.TLS_NOT_YET_VALID, f"our certificate begins {info.begins}")


def certificate_fault(reason: Reason, detail: str) -> BrokerUnavailable:
    """Return the error for certificates that do not do: another file or another clock will."""
    pause_s, longest_s = RETRY_FILES_S, RETRY_FILES_MOST_S
    if reason is Reason.TLS_NOT_YET_VALID:
        pause_s, longest_s = RETRY_CLOCK_S, RETRY_CLOCK_MOST_S
    return BrokerUnavailable(reason, detail, pause_s=pause_s, longest_s=longest_s)


def _certificate_info(certificate: x509.Certificate) -> CertificateInfo:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return CertificateInfo(f"{certificate.serial_number:x}", _ms(begins), _ms(ends))


def _ms(moment: dt.datetime) -> int:
    return int(moment.timestamp() * 1000)


def _iso(moment_ms: int) -> str:
    return f"{dt.datetime.fromtimestamp(moment_ms / 1000, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def _no_passphrase() -> str:
    """Refuse encrypted keys instead of asking on a terminal that is not there."""
    return ""
