"""Updates on the wire: what a gateway reports of a release that it was asked to install.

The command is `update` (`gateway.commands`); its replies end long before it is known whether a
release stays. So the gateway reports each step on one retained topic, in the configuration's words.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.codec import WireDocument, decode, encode_document
from gateway.mqtt.payloads.numbers import DURATION_S, Count, TimeMs
from gateway.mqtt.payloads.presence import EncodedPayload, Word

UpdateState = Literal[
    "downloading", "applying", "pending_confirm", "applied", "rolled_back", "rejected"
]
"""The last three are final. ``pending_confirm``: it runs and has to prove itself; ``rejected``: it
was not what it should be, and nothing has changed."""


class UpdateReported(WireDocument):
    """What has become of the newest update.

    Attributes:
        id: Of the command that asked for it; None: a technician did, at the machine.
        state: Where it is.
        version: Of the release.
        previous: Which ran before.
        percent: Of a download, how much is there.
        why: Why it was rolled back.
        reason: Code, as elsewhere.
        detail: For people.
        attempt: How often it has been started.
        until_s: Of one that runs and has to prove itself: until it is decided at the latest.
        running: What runs now.
    """

    time_ms: Annotated[TimeMs, Field(alias="t")]
    epoch: Annotated[Count, Field(alias="ep")]
    number: Annotated[Count, Field(alias="n")]
    id: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")] = None
    state: Annotated[UpdateState, Field(alias="st")]
    version: Annotated[str, Field(alias="ver", max_length=64)] = ""
    previous: Annotated[str, Field(alias="prev", max_length=64)] = ""
    percent: Annotated[int | None, Field(alias="p", ge=0, le=100)] = None
    why: Word = ""
    reason: Word = ""
    detail: Annotated[str, Field(max_length=400)] = ""
    attempt: Count | None = None
    until_s: Annotated[int | None, Field(ge=0, le=DURATION_S[1])] = None
    running: Annotated[str, Field(max_length=64)] = ""


def encode_update_reported(stamp: Stamp, report: UpdateReported) -> EncodedPayload:
    """Return content type and payload of *report*, stamped anew."""
    update = {"time_ms": stamp.time_ms, "epoch": stamp.epoch, "number": stamp.number}
    return encode_document(report.model_copy(update=update))


def decode_update_reported(payload: bytes, content_type: str) -> UpdateReported:
    """Read what a gateway reports of an update. Raises MessageRejected."""
    return decode(UpdateReported, payload, content_type)
