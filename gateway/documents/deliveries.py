"""What becomes of each document, and the copies that are being sent: survives any end.

One file of JSON, and a copy of each document until the centre has it. Bounded: one delivery for
each kind and month that is looked for.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from gateway.model.document_template import DOCUMENT_BYTES, MOST_KINDS, DocumentKindId
from gateway.model.errors import TransientError
from gateway.mqtt.payloads.document import (
    MOST_ERRORS,
    MOST_PIECES,
    PIECE_BYTES,
    DocumentId,
    Month,
    Sha256,
    ToldFault,
)
from gateway.runtime import atomic_file

DELIVERIES = "deliveries.json"
LARGEST_BYTES = 4_194_304
HEAD = -1
"""Stands for the head among the numbers of pieces."""

log = structlog.get_logger(__name__)


class Delivery(BaseModel):
    """One document of one month.

    Attributes:
        document: Its id; another content has another one.
        kind: Of its template.
        month: That it tells of.
        name: Of its file.
        mark: By what it is known whether the file has changed.
        bytes: Of its file.
        sha256: Of its file.
        state: ``invalid``: it is not sent; ``sending``; ``kept`` and ``refused`` by the centre.
        made_ms: When it was found.
        todo: What is to be sent next: numbers of pieces, `HEAD` for the head.
        ask: How often the centre was asked what it has.
        faults: What is wrong, as box or centre have told.
        settled_ms: When it was kept or refused.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    document: DocumentId
    kind: DocumentKindId
    month: Month
    name: Annotated[str, Field(max_length=150)]
    mark: Annotated[str, Field(max_length=400)]
    bytes: Annotated[int, Field(ge=0, le=DOCUMENT_BYTES + 1)]
    sha256: Sha256
    state: Literal["invalid", "sending", "kept", "refused"]
    made_ms: int
    todo: Annotated[
        tuple[Annotated[int, Field(ge=HEAD, lt=MOST_PIECES)], ...],
        Field(max_length=MOST_PIECES + 1),
    ] = ()
    ask: Annotated[int, Field(ge=0, lt=2**31)] = 0
    faults: Annotated[tuple[ToldFault, ...], Field(max_length=MOST_ERRORS)] = ()
    settled_ms: int | None = None

    @property
    def pieces(self) -> int:
        """How many there are."""
        return -(-self.bytes // PIECE_BYTES)


_STORED = TypeAdapter(Annotated[tuple[Delivery, ...], Field(max_length=4 * MOST_KINDS)])


class DeliveryStore:
    """The folder of deliveries, ``documents`` in the state folder. All calls block.

    Args:
        folder: It need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self) -> dict[tuple[str, str], Delivery]:
        """Return the deliveries by kind and month; what cannot be read is begun anew.

        The centre knows a content that it has, so nothing is kept there twice.
        """
        path = self._folder / DELIVERIES
        try:
            with path.open("rb") as file:
                stored = _STORED.validate_json(file.read(LARGEST_BYTES))
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:
            log.error("deliveries_unreadable", path=str(path), detail=type(error).__name__)
            return {}
        return {(each.kind, each.month): each for each in stored}

    def save(self, deliveries: dict[tuple[str, str], Delivery]) -> None:
        """Store *deliveries*. Raises TransientError: the disk refuses."""
        content = _STORED.dump_json(tuple(deliveries.values()))
        atomic_file.replace(self._folder / DELIVERIES, content)

    def save_content(self, delivery: Delivery, content: bytes) -> None:
        """Store the copy that is sent. Raises TransientError: the disk refuses."""
        atomic_file.replace(self._path(delivery), content)

    def piece(self, delivery: Delivery, index: int) -> bytes:
        """Return one piece of the copy. Raises OSError."""
        with self._path(delivery).open("rb") as file:
            file.seek(index * PIECE_BYTES)
            return file.read(PIECE_BYTES)

    def forget_contents(self, deliveries: dict[tuple[str, str], Delivery]) -> None:
        """Delete the copies of all that is not being sent."""
        sending = {self._path(each) for each in deliveries.values() if each.state == "sending"}
        with suppress(OSError, TransientError):
            for path in self._folder.glob("*.part"):
                if path not in sending:
                    atomic_file.remove(path)

    def _path(self, delivery: Delivery) -> Path:
        return self._folder / f"{delivery.document}.part"
