"""Bootstrap settings of the broker: where it is, and by what we know each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from gateway.model.config import SecretRef
from gateway.model.document import Document
from gateway.model.names import is_loopback

Port = Annotated[int, Field(ge=1, le=65535)]
HostName = Annotated[str, StringConstraints(max_length=253, pattern=r"^[!-.0-?A-~]+$")]


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


class SecondWay(Document):
    """``[broker.second]``: where to go when the first way is closed; all else is as there.

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
        second: A second way in; None: there is none.
    """

    host: HostName
    port: Port | None = None
    transport: Literal["tcp", "websockets"] = "tcp"
    path: Annotated[str, StringConstraints(pattern=r"^/[!-~]*$", max_length=200)] = "/mqtt"
    username: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    password: SecretRef | None = None
    tls: Tls | None = None
    second: SecondWay | None = None

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
        second = None if self.second is None else self.second.host
        if self.tls is None and second is not None and not is_loopback(second):
            message = "without [broker.tls] this must be this machine, e.g. 127.0.0.1"
            error = PydanticCustomError("plain_broker", message)
            mistakes.append(InitErrorDetails(type=error, loc=("second", "host"), input=second))
        if self.password is not None and self.username is None:
            error = PydanticCustomError("incomplete", "a password needs a username beside it")
            mistakes.append(InitErrorDetails(type=error, loc=("username",), input=None))
        if mistakes:
            raise ValidationError.from_exception_data("broker", mistakes)
        return self
