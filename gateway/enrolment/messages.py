"""What machine and centre say to each other over HTTPS: strict JSON, bounded before it is read.

``GET /enrol/v1/ca`` gives the root certificate, which the machine checks by the fingerprint in the
code; ``POST /enrol/v1/enrol`` an identity for a code and a request (PKCS #10); ``POST
/enrol/v1/renew`` a new certificate for a request by the key that has one. ``POST /enrol/v1/line``
takes up to 2 MiB of anything, by which a machine measures its line, and says how much has come.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from gateway.model.document import Document
from gateway.model.names import GatewayId, ProvinceCode
from gateway.model.signalling import IceUrl
from gateway.runtime.strict_json import StrictJsonError, dumps, parse

SERVER_NAME = "enrolment.camera-gateway.internal"
"""Name in the enrolment server's certificate that a machine asks for, whatever its address is: no
DNS is needed, and no other server of the same authority has it."""

CA_PATH, ENROL_PATH, RENEW_PATH = "/enrol/v1/ca", "/enrol/v1/enrol", "/enrol/v1/renew"
LINE_PATH = "/enrol/v1/line"

MAX_REQUEST_BYTES = 8_192
MAX_ANSWER_BYTES = 65_536
MAX_VALUES = 256

MOST_UPLOAD_BYTES = 2 * 2**20
UPLOADS = 5
"""Of one measurement of a line, at most."""

Pem = Annotated[str, StringConstraints(pattern=r"^-----BEGIN [A-Z ]+-----\n", max_length=16_384)]
KeyId = Annotated[str, StringConstraints(pattern=r"^(cfg|cmd|view|rel|doc)-[a-z0-9]{1,32}$")]
TrustedKeys = Annotated[dict[KeyId, Pem], Field(max_length=32)]
"""Public keys by their ids."""

Host = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.:-]{1,253}$")]
TcpPort = Annotated[int, Field(ge=1, le=65_535)]


class EnrolRequest(Document):
    """What a machine asks with.

    Attributes:
        code: As `gateway.enrolment.code` writes it.
        csr: Request for a certificate, PKCS #10 in PEM, by the machine's key.
    """

    code: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    csr: Annotated[str, StringConstraints(min_length=1, max_length=4096)]


class RenewRequest(Document):
    """What a machine asks with whose certificate ends.

    Attributes:
        csr: By the key of that certificate, which proves who asks. A copy of it is worth nothing:
            what it gives is of use to the key's owner alone.
    """

    csr: Annotated[str, StringConstraints(min_length=1, max_length=4096)]


class SiteIdentity(Document):
    """Who the machine is from now on, as in ``[gateway]``.

    Attributes:
        id: Of the gateway.
        province: Two digits.
        province_scheme: The list that it is from.
        name: Of the site.
        commune: Where it is.
    """

    id: GatewayId
    province: ProvinceCode
    province_scheme: Literal["vn-2025", "vn-2020"] = "vn-2025"
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    commune: Annotated[str, StringConstraints(max_length=200)] = ""


class SecondAddress(Document):
    """Where to go when the first address is closed, as in ``[broker.second]``."""

    host: Host | None = None
    port: TcpPort | None = None
    transport: Literal["tcp", "websockets"] = "tcp"


class BrokerInfo(Document):
    """The centre's MQTT broker, as in ``[broker]``.

    Attributes:
        host: Name or address, which stands in its certificate.
        port: TCP port.
        transport: How.
        second: A fallback.
    """

    host: Host
    port: TcpPort = 8883
    transport: Literal["tcp", "websockets"] = "tcp"
    second: SecondAddress | None = None


class IceInfo(Document):
    """A STUN or TURN server, as in ``[[webrtc.ice]]``.

    Attributes:
        urls: Of it.
        shared_secret: What its ``static-auth-secret`` is; None: it has none.
    """

    urls: Annotated[tuple[IceUrl, ...], Field(min_length=1, max_length=8)]
    shared_secret: Annotated[str | None, Field(min_length=1, max_length=256, repr=False)] = None


class CertificateAnswer(Document):
    """A certificate, and what it is checked by.

    Attributes:
        certificate: PEM: ours, then the authorities between it and the root.
        ca: PEM: the root.
        now_ms: The centre's clock.
    """

    certificate: Pem
    ca: Pem
    now_ms: int


class EnrolAnswer(CertificateAnswer):
    """All that a machine needs to connect.

    Attributes:
        gateway: Who it is.
        broker: Where it goes.
        trusted: Public keys of the centre, by their ids.
        ice: STUN and TURN servers.
    """

    gateway: SiteIdentity
    broker: BrokerInfo
    trusted: Annotated[TrustedKeys, Field(default_factory=dict)]
    ice: Annotated[tuple[IceInfo, ...], Field(max_length=8)] = ()


class Refusal(Document):
    """Why there is no answer.

    Attributes:
        reason: A code of `gateway.enrolment.errors`.
        detail: For people.
    """

    reason: Annotated[str, StringConstraints(max_length=40)]
    detail: Annotated[str, StringConstraints(max_length=400)] = ""


class Received(Document):
    """How much of a body has come.

    Attributes:
        received: Bytes.
    """

    received: Annotated[int, Field(ge=0, le=MOST_UPLOAD_BYTES)]


class MessageError(ValueError):
    """A message that cannot be read; says where and why, and none of its values."""


Message = TypeVar("Message", bound=BaseModel)


def parse_message(raw: bytes, kind: type[Message], *, max_bytes: int) -> Message:
    """Return the message of *kind* in *raw*. Raises MessageError."""
    try:
        parsed = parse(raw, max_bytes=max_bytes, max_values=MAX_VALUES, control_characters=True)
    except StrictJsonError as error:
        raise MessageError(str(error)) from None
    if parsed.flaws:
        raise MessageError(parsed.flaws[0].message)
    try:
        return kind.model_validate_json(dumps(parsed.tree), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = "/".join(map(str, first["loc"]))
        raise MessageError(f"{where[:80]}: {first['msg'][:200]}") from None
