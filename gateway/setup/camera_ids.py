"""Short names of cameras, made of what people call them."""

from __future__ import annotations

import unicodedata
from collections.abc import Container

LONGEST = 16


def camera_id(name: str, taken: Container[str]) -> str:
    """Return an id for a camera called *name* that is not *taken*: ``Quầy 3`` is ``quay3``.

    Source: `gateway.model.names.CameraId`; Vietnamese without its marks.
    """
    plain = unicodedata.normalize("NFD", name.lower().replace("đ", "d"))
    short = "".join(char for char in plain if char.isascii() and char.isalnum())[:LONGEST]
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
