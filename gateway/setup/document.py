"""The site document that a set-up makes of what was chosen and what the site had before."""

from __future__ import annotations

from urllib.parse import urlsplit

from gateway.config.documents import parse_site
from gateway.config.secret_bindings import host_of
from gateway.model.site_document import CameraConfig, SecretRef, SiteConfig, StreamConfig
from gateway.model.survey import CameraSurvey, RecorderSurvey, Survey
from gateway.setup.model import Setup, SetupChannel


def site_document(setup: Setup, before: SiteConfig) -> SiteConfig:
    """Return *before* with the chosen cameras; those that lead to the same streams are replaced.

    Cameras at other devices, limits, name and all else that was declared stay.

    Raises:
        ConfigRejected: The document would be wrong; with all its faults.
    """
    ids = setup.ids(_known_ids(setup, before))
    cameras = {each.id: each for each in before.cameras}
    for channel in setup.chosen:
        found = ids[channel.key]
        cameras[found] = _camera(setup, channel, found, cameras.get(found))
    document = before.model_copy(
        update={
            "version": before.version + 1,
            "name": before.name or setup.site_name,
            "cameras": tuple(cameras.values()),
            "inventory": _inventory(setup, before.inventory or Survey(), ids),
        }
    )
    return parse_site(document.model_dump_json(by_alias=True).encode())


def changes(before: SiteConfig, after: SiteConfig) -> tuple[tuple[str, str, str], ...]:
    """Return what differs in the cameras: ``+``, ``~`` or ``-``, id and name of each."""
    old = {each.id: each for each in before.cameras}
    new = {each.id: each for each in after.cameras}
    added = [("+", each.id, each.name) for each in after.cameras if each.id not in old]
    changed = [
        ("~", each.id, each.name)
        for each in after.cameras
        if each.id in old and old[each.id] != each
    ]
    gone = [("-", each.id, each.name) for each in before.cameras if each.id not in new]
    return (*added, *changed, *gone)


def hosts_of(site: SiteConfig) -> frozenset[str]:
    """Return the addresses from which the cameras of *site* are pulled."""
    return frozenset(host_of(each.url) for camera in site.cameras for each in camera.streams)


def _known_ids(setup: Setup, before: SiteConfig) -> dict[str, str]:
    """Return the ids that chosen channels have in *before* already: those with the same stream."""
    known = {_place(each.streams[0].url): each.id for each in before.cameras}
    return {
        channel.key: known[place]
        for channel in setup.chosen
        if (place := _place(channel.found.streams[0][1])) in known
    }


def _place(url: str) -> tuple[str, int | None, str]:
    parts = urlsplit(url)
    return host_of(url), parts.port, f"{parts.path}?{parts.query}"


def _camera(
    setup: Setup, channel: SetupChannel, name: str, known: CameraConfig | None
) -> CameraConfig:
    """Return the camera of *channel*: with the streams that work, or all if none was tested."""
    account = setup.accounts.get(channel.device)
    working = {each.profile for each in channel.tests if each.ok}
    before = {} if known is None else {(each.profile, each.url): each for each in known.streams}
    streams = tuple(
        before.get((profile, url)) or StreamConfig(profile=profile, url=url)
        for profile, url in channel.found.streams
        if profile in working or not working
    )
    secret = SecretRef.model_validate(f"secret:{channel.device}") if account is not None else None
    return CameraConfig(
        id=name,
        name=channel.name,
        location=channel.place,
        device=channel.device,
        username=None if account is None else account.username,
        password=secret,
        allow_basic=known is not None and known.allow_basic and account is not None,
        enabled=True if known is None else known.enabled,
        streams=streams,
    )


def _inventory(setup: Setup, declared: Survey, ids: dict[str, str]) -> Survey:
    """Return *declared* with the recorders of this set-up and each camera's channel on them."""
    devices = {each.device for each in setup.chosen if _is_recorder(setup, each.device)}
    recorders = {each.id: each for each in declared.recorders}
    for name in sorted(devices):
        device = setup.devices[name]
        known = recorders.get(name) or RecorderSurvey(id=name, kind="NVR")
        update = {"channels": len(device.channels), "ip": device.host}
        if device.maker:
            update["manufacturer"] = device.maker[:200]
        if device.model:
            update["model"] = device.model[:200]
        recorders[name] = known.model_copy(update=update)
    cameras = {each.id: each for each in declared.cameras}
    for channel in setup.chosen:
        if channel.device in devices:
            found = ids[channel.key]
            known_camera = cameras.get(found) or CameraSurvey(id=found)
            update = {"nvr": channel.device, "channel": channel.found.number}
            cameras[found] = known_camera.model_copy(update=update)
    return declared.model_copy(
        update={"recorders": tuple(recorders.values()), "cameras": tuple(cameras.values())}
    )


def _is_recorder(setup: Setup, name: str) -> bool:
    return len(setup.devices[name].channels) > 1
