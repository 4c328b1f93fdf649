"""``[cameras]`` of the bootstrap settings: what may be opened, and where passwords may be sent."""

from __future__ import annotations

import ipaddress
import re
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal

from pydantic import Field, PlainValidator, StringConstraints
from pydantic_core import PydanticCustomError

from gateway.capture.options import DEVICE_PATH
from gateway.model.document import Document

_NO_MASK = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+\.0")
"""No camera has such an address: who writes it means a network."""

Port = Annotated[int, Field(ge=1, le=65535)]


def _network(given: object) -> IPv4Network | IPv6Network:
    text = str(given).strip()
    if _NO_MASK.fullmatch(text):
        said = {"kind": "mask", "value": text}
        raise PydanticCustomError("network", f"without a mask it is one address: {text}/24?", said)
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise PydanticCustomError("network", "it must be a network, e.g. 10.1.2.0/24") from None


Network = Annotated[IPv4Network | IPv6Network, PlainValidator(_network)]
SecretName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
CameraHost = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.:/-]{1,253}$")]
CaptureDevice = Annotated[str, StringConstraints(pattern=rf"^{DEVICE_PATH.pattern}$")]
CameraHosts = Annotated[tuple[CameraHost, ...], Field(max_length=512)]


class CameraAccess(Document):
    """``[cameras]``: which cameras may be opened.

    Attributes:
        networks: Where cameras and recorders live.
        ports: Ports of cameras beside those of each source type (`gateway.sources.registry`).
        schemes: What a camera's URL may begin with beside ``rtsp`` and ``rtsps``.
        devices: Capture devices of this machine that may be opened, by their paths.
        secrets: For each camera password where it may be sent, beside the hosts of the installer's
            site document: names, addresses and networks.
        basic_hosts: Where a password may be sent in clear if a document of the centre allows it:
            names, addresses and networks.
    """

    networks: Annotated[tuple[Network, ...], Field(min_length=1, max_length=64)]
    ports: Annotated[tuple[Port, ...], Field(max_length=64)] = ()
    schemes: Annotated[
        tuple[Literal["http", "https", "rtmp", "rtmps", "udp"], ...], Field(max_length=8)
    ] = ()
    devices: Annotated[tuple[CaptureDevice, ...], Field(max_length=16)] = ()
    basic_hosts: CameraHosts = ()
    secrets: Annotated[dict[SecretName, CameraHosts], Field(max_length=512)] = Field(
        default_factory=dict
    )
