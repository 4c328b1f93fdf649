"""Virtual cameras by HTTP on loopback: see them, break them, mend them, kill them, start them.

``GET /cameras``; ``PUT /cameras/{id}/fault`` with e.g. ``{"fault": "stall"}``, ``DELETE`` to mend;
``POST /cameras/{id}/kill``, ``/restart`` and ``/drop``. Every answer is the camera as it is now.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field, fields

from aiohttp import web

from gateway.demo.faults import parse_fault
from gateway.demo.rtsp_server import Recorder
from gateway.demo.virtual_camera import Counts, VirtualCamera

Answering = Callable[[web.Request], Awaitable[web.Response]]
_FIGURES = [each.name for each in fields(Counts) if each.name not in ("requests", "log")]


@dataclass(frozen=True, slots=True)
class CameraEntry:
    """A camera and where it is served.

    Attributes:
        id: As in the site document.
    """

    id: str
    camera: VirtualCamera
    recorder: Recorder

    def describe(self) -> dict[str, object]:
        """Return what there is to tell about it."""
        faults = [
            {"fault": type(each).__name__.lower(), **asdict(each)} for each in self.camera.faults
        ]
        counts = self.camera.counts
        figures = {key: getattr(counts, key) for key in _FIGURES}
        return {
            "id": self.id,
            "name": self.camera.name,
            "url": self.recorder.url(self.camera),
            "alive": self.recorder.alive,
            "faults": faults,
            "counts": {
                "requests": dict(counts.requests),
                "connections_ever": self.recorder.connections_ever,
                **figures,
            },
        }


@dataclass(slots=True)
class ControlEndpoint:
    """The endpoint; `application` goes into an aiohttp runner."""

    cameras: Mapping[str, CameraEntry]
    application: web.Application = field(default_factory=web.Application)

    def __post_init__(self) -> None:
        deeds: dict[str, Callable[[CameraEntry], None]] = {
            "kill": lambda place: place.recorder.kill(),
            "drop": lambda place: place.recorder.drop(place.camera),
        }
        self.application.add_routes(
            [
                web.get("/cameras", self._list),
                web.put("/cameras/{id}/fault", self._break),
                web.delete("/cameras/{id}/fault", self._mend),
                web.post("/cameras/{id}/restart", self._restart),
                *(web.post(f"/cameras/{{id}}/{deed}", self._act(do)) for deed, do in deeds.items()),
            ]
        )

    def _entry(self, request: web.Request) -> CameraEntry:
        place = self.cameras.get(request.match_info["id"])
        if place is None:
            raise web.HTTPNotFound(text=f"there are {', '.join(self.cameras)}\n")
        return place

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response({"cameras": [place.describe() for place in self.cameras.values()]})

    async def _break(self, request: web.Request) -> web.Response:
        place = self._entry(request)
        try:
            place.camera.fault = parse_fault(json.loads(await request.text()))
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from error
        return web.json_response(place.describe())

    async def _mend(self, request: web.Request) -> web.Response:
        place = self._entry(request)
        place.camera.fault = None
        return web.json_response(place.describe())

    async def _restart(self, request: web.Request) -> web.Response:
        place = self._entry(request)
        await place.recorder.open_port()
        return web.json_response(place.describe())

    def _act(self, do: Callable[[CameraEntry], None]) -> Answering:
        async def deed(request: web.Request) -> web.Response:
            place = self._entry(request)
            do(place)
            return web.json_response(place.describe())

        return deed
