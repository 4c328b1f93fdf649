"""Office files are ZIP archives; written again so that the same form gives the same bytes."""

from __future__ import annotations

import io
import re
import zipfile

from gateway.runtime.plain_text import printable
from gateway.survey.fill import utc_text

_STAMPS = re.compile(rb"(<dcterms:(?:created|modified)[^<>]*>)[^<>]*")
CORE = "docProps/core.xml"


def title_text(title: str) -> str:
    """Return *title* as an office file's properties can hold it: 255 characters, no control."""
    return printable(title)[:255]


def repacked(raw: bytes, made_ms: int) -> bytes:
    """Return the archive *raw*, a file of our own making, without the times at which it was packed.

    Its properties say *made_ms*, wall clock, as when it was created and changed.
    """
    packed = io.BytesIO()
    stamp = rb"\g<1>" + utc_text(made_ms).encode()
    with (
        zipfile.ZipFile(io.BytesIO(raw)) as before,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as after,
    ):
        for name in before.namelist():
            content = before.read(name)
            if name == CORE:
                content = _STAMPS.sub(stamp, content)
            after.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()
