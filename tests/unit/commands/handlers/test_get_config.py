"""The configuration that is in force, as the centre reads it."""

from __future__ import annotations

from gateway.commands.handlers.get_config import GetConfigArgs, create
from gateway.config.signing import digest
from gateway.model.site_document import CameraConfig, SiteConfig, StreamConfig
from tests.fixtures.commands import command_context, fake_dependencies

CAMERA = CameraConfig(id="c07", name="Quầy 7", streams=(StreamConfig(url="rtsp://10.0.0.7/1"),))


async def test_what_nobody_has_set_is_named() -> None:
    """By JSON Pointers, so that a default is not mistaken for a decision; with the digest."""
    site = SiteConfig(version=3, cameras=(CAMERA,))
    handler = create(fake_dependencies(site=lambda: site))
    result = (await handler.run(GetConfigArgs(), command_context())).result

    assert (result["ver"], result["sha256"]) == (3, digest(result["doc"]))
    assert "/cameras/0/streams/0/transport" in result["default"]
    assert "/limits" in result["default"]
    assert not {"/ver", "/cameras", "/cameras/0/streams/0/url"} & set(result["default"])
