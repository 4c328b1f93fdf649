"""Short names of cameras, made of what people call them."""

from __future__ import annotations

from collections.abc import Container

from gateway.runtime.plain_text import without_marks

LONGEST = 16


def camera_id(name: str, taken: Container[str]) -> str:
    """Return an id for a camera called *name* that is not *taken*: ``Quầy 3`` is ``quay3``.

    Source: `gateway.model.names.CameraId`; Vietnamese without its marks.
    """
    short = "".join(char for char in without_marks(name) if char.isascii() and char.isalnum())[
        :LONGEST
    ]
    base = short or "camera"
    found, number = base, 1
    while found in taken:
        number += 1
        found = f"{base[: LONGEST - len(str(number))]}{number}"
    return found


def device_id(taken: Container[str]) -> str:
    """Return a name for a recorder that is not *taken*."""
    number = 1
    while f"nvr{number}" in taken:
        number += 1
    return f"nvr{number}"
