"""Bootstrap settings of commands: which the centre may give, how often, and how far they reach."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from gateway.model.document import Document

Name = Literal[
    "stream.restart", "snapshot", "probe", "rebirth", "config.get", "logs.tail", "reboot"
]
UploadHost = Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]{1,253}(:[0-9]{1,5})?$")]


class Commands(Document):
    """``[commands]``: what the centre may ask this machine to do.

    Attributes:
        allowed: Which commands.
        per_min: How many a minute, for each who asks; all together four times as many.
        burst: How many at once.
        upload_hosts: Where pictures may be put by HTTPS, ``host`` or ``host:port``.
        upload_ca: Authority of those hosts' certificates. None: the system's.
        reboot: What starts this machine anew, e.g. ``["systemctl", "reboot"]``; empty: nothing.
    """

    allowed: Annotated[tuple[Name, ...], Field(max_length=16)] = (
        "stream.restart",
        "snapshot",
        "probe",
        "rebirth",
        "config.get",
        "logs.tail",
    )
    per_min: Annotated[int, Field(ge=1, le=600)] = 30
    burst: Annotated[int, Field(ge=1, le=100)] = 10
    upload_hosts: Annotated[tuple[UploadHost, ...], Field(max_length=16)] = ()
    upload_ca: Path | None = None
    reboot: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=200)], ...], Field(max_length=16)
    ] = ()
