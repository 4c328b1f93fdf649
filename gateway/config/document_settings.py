"""``[documents]``: from where monthly documents are taken, and what they must look like."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator

from gateway.config.camera_settings import Network
from gateway.model.document import Document, mistake
from gateway.model.document_template import DocumentKinds, kind_mistakes
from gateway.model.site_document import SecretRef

FolderUrl = Annotated[str, StringConstraints(pattern=r"^https://[!-~]{1,500}/$")]


class Documents(Document):
    """``[documents]``: off while there are no kinds.

    Attributes:
        folder: On this machine, where the files are put.
        url: Or where they are fetched from, by HTTPS; it ends with ``/``.
        networks: Of the province: `url` must lead into one of them, whatever its name says.
        ca_file: Authority of its certificate. None: the system's.
        username: For it, by HTTP Basic.
        password: The secret that goes with it.
        scan_s: Between two looks.
        kinds: Which documents, one a month each.
    """

    folder: Path | None = None
    url: FolderUrl | None = None
    networks: Annotated[tuple[Network, ...], Field(max_length=64)] = ()
    ca_file: Path | None = None
    username: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^:]+$")] | None = None
    password: SecretRef | None = None
    scan_s: Annotated[float, Field(ge=1, le=86_400)] = 300.0
    kinds: DocumentKinds = ()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        mistakes = kind_mistakes(self.kinds)
        if self.kinds and (self.folder is None) == (self.url is None):
            message = "say where the files are: either folder, or url"
            mistakes.append(mistake("documents.source", message, (), None))
        if self.url is not None and not self.networks:
            message = "name the networks that url may lead into, e.g. 10.24.0.0/16"
            mistakes.append(mistake("documents.networks", message, ("networks",), None))
        if (self.username is None) != (self.password is None) or (
            self.username is not None and self.url is None
        ):
            message = "username and password belong together, and to url"
            mistakes.append(mistake("documents.login", message, ("username",), None))
        if mistakes:
            raise ValidationError.from_exception_data("documents", mistakes)
        return self
