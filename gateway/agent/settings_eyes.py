"""Bootstrap settings of the eyes: whether pictures are looked at, and whether any may leave."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.model.document import Document


class EyesSettings(Document):
    """``[eyes]``: looking at the cameras' pictures on this machine.

    Attributes:
        enabled: Whether one picture of each open camera is looked at now and then, to see that it
            is not black, frozen, blurred, covered or moved. No camera is opened for it.
        every_s: Between two looks at one camera.
        snapshots: Whether the centre may ask for a still picture.
    """

    enabled: bool = True
    every_s: Annotated[float, Field(ge=10, le=3600)] = 30.0
    snapshots: bool = True
