"""``[updates]``: from where releases may come, and what one must show before it stays."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from gateway.model.document import Document

Mirror = Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]{1,253}(:[0-9]{1,5})?$")]


class Updates(Document):
    """``[updates]``.

    Attributes:
        hosts: Where bundles may be fetched by HTTPS, ``host`` or ``host:port``: the centre's, a
            province's mirror. Empty: only a technician at the machine can update it.
        ca_file: Authority of those hosts' certificates. None: the system's.
        max_kbps: So fast a bundle is fetched at most, so that viewers keep their line; 0: as fast
            as it comes.
        download_h: After so many hours a download is given up.
        trial_s: So long a release must run without a restart before it stays.
        patience_s: So much longer it may take until it is healthy.
        connected_s: So long at a stretch it must have been connected, if the former one was.
        min_alive_percent: Of the cameras that worked before it, so many must work.
        crashes: So many starts it is given.
    """

    hosts: Annotated[tuple[Mirror, ...], Field(max_length=16)] = ()
    ca_file: Path | None = None
    max_kbps: Annotated[int, Field(ge=0, le=1_000_000)] = 4000
    download_h: Annotated[float, Field(ge=0.1, le=168)] = 24.0
    trial_s: Annotated[float, Field(ge=10, le=3600)] = 600.0
    patience_s: Annotated[float, Field(ge=5, le=3600)] = 300.0
    connected_s: Annotated[float, Field(ge=1, le=600)] = 60.0
    min_alive_percent: Annotated[int, Field(ge=0, le=100)] = 95
    crashes: Annotated[int, Field(ge=2, le=10)] = 3
