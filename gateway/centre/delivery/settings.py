"""``[documents]`` of the console's settings: which documents the centre takes."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from gateway.config.faults import fault_of
from gateway.model.document import Document
from gateway.model.document_template import DocumentKinds, kind_mistakes
from gateway.model.errors import ConfigRejected, Fault, unreadable


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
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _fault("", unreadable(path, error)) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _fault("", f"{path}: {error}") from None
    table = tree.get("documents")
    if table is None:
        raise _fault("/documents", f"{path} has no table [documents]: docs/documents.md has one")
    try:
        return DeliverySettings.model_validate(table)
    except ValidationError as error:
        lines = error.errors(include_url=False)
        faults = (fault_of(each, DeliverySettings) for each in lines)
        raise ConfigRejected(
            tuple(Fault(f"/documents{each.at}", each.code, each.message) for each in faults)
        ) from None


def _fault(at: str, message: str) -> ConfigRejected:
    return ConfigRejected((Fault(at, "file", message),))
