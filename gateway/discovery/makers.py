"""Whose a device is: by its MAC address, by what its servers call themselves, by what it says.

Sources: the IEEE's registry of MAC prefixes, as aiooui carries it; banners and realms as devices
send them.
"""

from __future__ import annotations

import re

from aiooui import OUIManager

from gateway.discovery.templates import TEMPLATES, template_of

_DAHUA_REALM = re.compile(r"Login to [0-9A-Za-z]{6,}")
_HIKVISION_REALM = re.compile(r"(?:IP Camera\([0-9A-Z]+\)|Embedded Net DVR|DS-[0-9A-Z-]+)")


class Registry:
    """The IEEE's registry of MAC prefixes; read from its file when it is first asked."""

    def __init__(self) -> None:
        self._prefixes = OUIManager()

    async def organisation(self, mac: str | None) -> str | None:
        """Return whose prefix *mac* has; None: nobody's, or there is no MAC address."""
        if mac is None:
            return None
        await self._prefixes.async_load()
        return self._prefixes.get_vendor(mac.upper())


def family_of(*texts: str | None) -> str | None:
    """Return the family that *texts* tell, the first first; None: none does."""
    for text in texts:
        if not text:
            continue
        if _DAHUA_REALM.match(text):
            return "dahua"
        if _HIKVISION_REALM.match(text):
            return "hikvision"
        lower = text.lower()
        for template in TEMPLATES:
            if any(word in lower for word in template.words):
                return template.family
    return None


def maker_of(family: str | None, said: str | None) -> str | None:
    """Return the maker as it is usually written, or as the device has *said*."""
    template = template_of(family_of(said) or family)
    return said if template is None else template.maker
