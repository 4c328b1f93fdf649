"""XML of devices: without DTD and entities, and bounded in depth and in number of elements.

References: XML 1.0; the attacks are those of defusedxml's documents.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import XMLParser

MOST_DEPTH = 48
MOST_ELEMENTS = 60_000
"""An answer about 256 channels with three streams each has about 40,000."""

_PIECE_BYTES = 65_536


class HostileXml(ValueError):
    """It has what only an attacker sends: entities, a DTD, or more than it may."""


class _BoundedBuilder(TreeBuilder):
    """Builds a tree until it is too deep or too large."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0
        self._elements = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._depth += 1
        self._elements += 1
        if self._depth > MOST_DEPTH:
            raise HostileXml(f"XML nested deeper than {MOST_DEPTH} elements")
        if self._elements > MOST_ELEMENTS:
            raise HostileXml(f"XML of more than {MOST_ELEMENTS} elements")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def parse_xml(text: bytes) -> Element | None:
    """Return the root of *text*; None: it is no XML.

    Raises:
        HostileXml: It is none that an honest device sends.
    """
    parser = XMLParser(target=_BoundedBuilder(), forbid_dtd=True)
    try:
        for at in range(0, len(text), _PIECE_BYTES):
            parser.feed(text[at : at + _PIECE_BYTES])
        root: Element = parser.close()
    except HostileXml:
        raise
    except DefusedXmlException as error:
        raise HostileXml(f"XML with {type(error).__name__}") from None
    except (ParseError, ValueError, LookupError):
        return None
    return root
