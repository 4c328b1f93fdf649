"""``[documents]`` of the console's settings: which documents the centre takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from gateway.config.toml_table import load_table
from gateway.model.document import Document
from gateway.model.document_template import DocumentKinds, kind_mistakes


class DeliverySettings(Document):
    """``[documents]``.

    Attributes:
        key: File of the private key, ``doc-….key``, that signs acknowledgements; boxes trust its
            public key.
        max_mib: So much all documents may take in the database; beyond it none is taken.
        kinds: As at the boxes; a document of another kind is refused.
    """

    key: Path
    max_mib: Annotated[int, Field(ge=8, le=1_048_576)] = 4096
    kinds: DocumentKinds

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if mistakes := kind_mistakes(self.kinds):
            raise ValidationError.from_exception_data("documents", mistakes)
        return self


def load_delivery_settings(path: Path) -> DeliverySettings:
    """Return the table ``[documents]`` of the console's settings *path*.

    Raises:
        ConfigRejected: There is none, or it is wrong; every fault is listed.
    """
    return load_table(path, "documents", DeliverySettings)
