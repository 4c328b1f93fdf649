"""A release that the centre wants this gateway to have."""

from __future__ import annotations

from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field

from gateway.model.reasons import Reason
from gateway.updates.bundle import BUNDLE_BYTES, VERSION


class WantedRelease(BaseModel):
    """What the centre has signed.

    Attributes:
        id: Of its command.
        version: Of the release.
        url: Where the bundle is.
        sha256: Of the bundle, in hexadecimal.
        bytes: Of the bundle.
        downgrade: Whether it may be older than what runs.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, hide_input_in_errors=True)

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]
    version: Annotated[str, Field(pattern=f"^{VERSION}$", max_length=64)]
    url: Annotated[str, Field(min_length=1, max_length=2048)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=1, le=BUNDLE_BYTES)]
    downgrade: bool = False


class UpdateOrders(Protocol):
    """Takes orders."""

    def refusal(self, wanted: WantedRelease) -> Reason | None:
        """Return why *wanted* cannot be had now; None: it can.

        Raises:
            MessageRejected: Its URL is not allowed here.
        """
        ...

    async def order(self, wanted: WantedRelease) -> None:
        """Have *wanted* fetched and installed; it is on the disk on return, another is dropped.

        Raises:
            TransientError: The disk fails.
        """
        ...
