"""Controls virtual cameras by HTTP on loopback.

``GET /cameras``; ``PUT /cameras/{id}/fault`` with e.g. ``{"fault": "stall"}``, ``DELETE`` to remove
it; ``POST /cameras/{id}/kill``, ``/restart`` and ``/drop``. Every answer is the camera's state.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field, fields

from aiohttp import web

from gateway.demo.faults import parse_fault
from gateway.demo.rtsp_server import Recorder
from gateway.demo.virtual_camera import Counts, VirtualCamera

RouteHandler = Callable[[web.Request], Awaitable[web.Response]]
_COUNTERS = [each.name for each in fields(Counts) if each.name not in ("requests", "log")]


@dataclass(frozen=True, slots=True)
class CameraEntry:
    """A camera and the recorder that serves it.

    Attributes:
        id: As in the site document.
    """

    id: str
    camera: VirtualCamera
    recorder: Recorder

    def describe(self) -> dict[str, object]:
        """Return its state as JSON has it."""
        faults = [
            {"fault": type(each).__name__.lower(), **asdict(each)} for each in self.camera.faults
        ]
        counts = self.camera.counts
        counters = {key: getattr(counts, key) for key in _COUNTERS}
        return {
            "id": self.id,
            "name": self.camera.name,
            "url": self.recorder.url(self.camera),
            "alive": self.recorder.alive,
            "faults": faults,
            "counts": {
                "requests": dict(counts.requests),
                "connections_ever": self.recorder.connections_ever,
                **counters,
            },
        }


@dataclass(slots=True)
class ControlEndpoint:
    """The endpoint; `application` goes into an aiohttp runner."""

    cameras: Mapping[str, CameraEntry]
    application: web.Application = field(default_factory=web.Application)

    def __post_init__(self) -> None:
        actions: dict[str, Callable[[CameraEntry], None]] = {
            "kill": lambda entry: entry.recorder.kill(),
            "drop": lambda entry: entry.recorder.drop(entry.camera),
        }
        self.application.add_routes(
            [
                web.get("/cameras", self._list),
                web.put("/cameras/{id}/fault", self._break),
                web.delete("/cameras/{id}/fault", self._mend),
                web.post("/cameras/{id}/restart", self._restart),
                *(
                    web.post(f"/cameras/{{id}}/{action}", self._act(do))
                    for action, do in actions.items()
                ),
            ]
        )

    def _entry(self, request: web.Request) -> CameraEntry:
        entry = self.cameras.get(request.match_info["id"])
        if entry is None:
            raise web.HTTPNotFound(text=f"there are {', '.join(self.cameras)}\n")
        return entry

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response({"cameras": [entry.describe() for entry in self.cameras.values()]})

    async def _break(self, request: web.Request) -> web.Response:
        entry = self._entry(request)
        try:
            entry.camera.fault = parse_fault(json.loads(await request.text()))
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from error
        return web.json_response(entry.describe())

    async def _mend(self, request: web.Request) -> web.Response:
        entry = self._entry(request)
        entry.camera.fault = None
        return web.json_response(entry.describe())

    async def _restart(self, request: web.Request) -> web.Response:
        entry = self._entry(request)
        await entry.recorder.open_port()
        return web.json_response(entry.describe())

    def _act(self, do: Callable[[CameraEntry], None]) -> RouteHandler:
        async def action(request: web.Request) -> web.Response:
            entry = self._entry(request)
            do(entry)
            return web.json_response(entry.describe())

        return action
