"""Bootstrap settings of looking at pictures."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.model.document import Document


class Eyes(Document):
    """``[eyes]``: whether pictures are decoded on this machine. None is ever kept.

    Attributes:
        enabled: Whether open cameras are looked at, for black, frozen, blurred, covered and moved
            pictures.
        every_s: Between two looks at one camera.
        snapshots: Whether single pictures are made for the centre.
    """

    enabled: bool = True
    every_s: Annotated[float, Field(ge=10, le=3600)] = 30.0
    snapshots: bool = True
