"""The lane, if it is built here, and else what stands in for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.express.lane import Feed, Relayed, Viewer
else:
    try:
        from gateway.express.lane import Feed, Relayed, Viewer
    except ImportError:  # not built here
        from gateway.express.plain import Feed, Relayed, Viewer

COMPILED = Feed.__module__ == "gateway.express.lane"
"""Whether there is a lane."""

__all__ = ["COMPILED", "Feed", "Relayed", "Viewer"]
