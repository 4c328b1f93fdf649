"""Bootstrap settings of remote configuration: what the centre may set, and by whose signature."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from gateway.model.document import Document

Place = Annotated[
    str, StringConstraints(pattern=r"^/(site|broker)(/[^/\s]{1,64}){0,6}$", max_length=400)
]


class Remote(Document):
    """``[remote]``: what may be set from the centre.

    Camera networks, secrets, keys and everything else in the settings may never be.

    Attributes:
        allow: Places in the document that may differ from what runs, with all below them; ``*``
            stands for any one name, e.g. ``/site/cameras/*/enabled``. ``/broker`` is another
            broker than that of the settings.
        keys: Folder of the public keys that are trusted (`gateway.agent.signing`); while it is
            empty nothing can be set.
        gate_s: How long the cameras may take to be back after a change.
        connect_s: How long we may be unconnected under a document before it is undone: with the
            trial of a broker before and the way back after, the centre hears of it within 120 s.
        crashes: A document is undone if the program starts so often before it is confirmed.
    """

    allow: Annotated[tuple[Place, ...], Field(max_length=64)] = ("/site",)
    keys: Path = Path("trusted")
    gate_s: Annotated[float, Field(ge=1, le=600)] = 60.0
    connect_s: Annotated[float, Field(ge=1, le=80)] = 60.0
    crashes: Annotated[int, Field(ge=2, le=10)] = 3
