"""Bootstrap settings of the alarms: how patient they are, and how much a machine may suffer."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.model.alarm import Damping, HostLimits
from gateway.model.document import Document

Percent = Annotated[float, Field(ge=1, le=100)]


class Alarms(Document):
    """``[alarms]``: when an alarm is raised and cleared.

    Attributes:
        check_s: Between two checks.
        raise_checks: Failed checks in a row before an alarm is raised.
        raise_s: And for how long they must have failed.
        clear_s: How long all checks must have been good before it is cleared.
        temperature_c: From here on the processor is too hot.
        memory_percent: From here on memory is short.
        disk_percent: From here on the disk is nearly full.
    """

    check_s: Annotated[float, Field(ge=0.1, le=300)] = 15.0
    raise_checks: Annotated[int, Field(ge=1, le=20)] = 3
    raise_s: Annotated[float, Field(ge=0, le=3600)] = 45.0
    clear_s: Annotated[float, Field(ge=0, le=3600)] = 120.0
    temperature_c: Annotated[float, Field(ge=30, le=110)] = 80.0
    memory_percent: Percent = 92.0
    disk_percent: Percent = 90.0

    @property
    def damping(self) -> Damping:
        """How long something must be so before it is said."""
        return Damping(raise_checks=self.raise_checks, raise_s=self.raise_s, clear_s=self.clear_s)

    @property
    def limits(self) -> HostLimits:
        """From where on the machine is in trouble."""
        return HostLimits(
            temperature_c=self.temperature_c,
            memory_percent=self.memory_percent,
            disk_percent=self.disk_percent,
        )
