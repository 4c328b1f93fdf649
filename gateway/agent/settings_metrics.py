"""Bootstrap settings of the figures for Prometheus."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.model.document import Document


class Metrics(Document):
    """``[metrics]``: figures for a Prometheus on this machine.

    Attributes:
        port: On 127.0.0.1 only; 9464 is usual. None: off, the default, because whoever is logged
            in on this machine may read it.
    """

    port: Annotated[int, Field(ge=1, le=65535)] | None = None
