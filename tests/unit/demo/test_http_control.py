"""Virtual cameras by HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession

from gateway.demo.faults import Jump
from gateway.demo.http_control import CameraEntry, ControlEndpoint
from gateway.demo.rtsp_server import Recorder
from tests.fixtures.tcp import web_server


@pytest.fixture
async def http(camera: Recorder) -> AsyncIterator[ClientSession]:
    """A client of the control endpoint of one camera, ``quay1``."""
    place = CameraEntry("quay1", camera.cameras[0], camera)
    async with (
        web_server(ControlEndpoint({"quay1": place}).application) as port,
        ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        yield session


async def test_it_lists_the_cameras_without_their_password(
    http: ClientSession, camera: Recorder
) -> None:
    """Where they are and what they have counted."""
    camera.cameras[0].record_request("PLAY", 200)
    async with http.get("/cameras") as answer:
        text = await answer.text()
        (seen,) = (await answer.json())["cameras"]

    assert (seen["id"], seen["alive"], seen["faults"]) == ("quay1", True, [])
    assert seen["counts"]["requests"] == {"PLAY": 1}
    assert "canary" not in text


async def test_a_fault_is_set_and_cleared(http: ClientSession, camera: Recorder) -> None:
    """PUT breaks it, DELETE mends it."""
    async with http.put("/cameras/quay1/fault", json={"fault": "jump", "by_s": 9}) as answer:
        assert (await answer.json())["faults"] == [{"fault": "jump", "by_s": 9, "pictures": 0}]
    assert camera.cameras[0].fault == Jump(9)

    async with http.delete("/cameras/quay1/fault") as answer:
        assert answer.status == 200
    assert camera.cameras[0].fault is None


async def test_killed_and_restarted(http: ClientSession, camera: Recorder) -> None:
    """On the same port."""
    port = camera.port
    async with http.post("/cameras/quay1/kill") as answer:
        assert (await answer.json())["alive"] is False
    async with http.post("/cameras/quay1/restart") as answer:
        assert (await answer.json())["alive"] is True

    assert camera.port == port


@pytest.mark.parametrize("body", ["", "nonsense", "[]", '{"fault": "x"}'])
async def test_what_is_no_fault_is_refused(http: ClientSession, body: str) -> None:
    """With 400 and what there is to choose from."""
    async with http.put("/cameras/quay1/fault", data=body) as answer:
        assert answer.status == 400


async def test_an_unknown_camera_is_404(http: ClientSession) -> None:
    """And the known ones are named."""
    async with http.post("/cameras/quay9/kill") as answer:
        assert answer.status == 404
        assert "quay1" in await answer.text()
