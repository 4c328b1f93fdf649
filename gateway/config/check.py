"""Checks a machine's configuration before it runs: settings, cameras, secrets, camera networks.

Nothing is contacted: no name is resolved and no camera connected. The probe does that.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from gateway.config.identity import identity_faults
from gateway.config.load import load_settings, policy_of
from gateway.config.secret_bindings import (
    EnteredHosts,
    bindings_of,
    camera_urls,
    remembered_hosts,
    settings_secrets,
)
from gateway.config.secrets import Secrets
from gateway.config.settings import Settings
from gateway.config.signing import Keyring
from gateway.config.site_store import load_site
from gateway.model.errors import ConfigRejected, Fault, file_fault, unreadable
from gateway.model.site_document import SiteConfig, StreamConfig
from gateway.runtime.redact import Redactor
from gateway.sources.keyframe_requests import keyframe_url
from gateway.sources.registry import source_type

_Loaded = TypeVar("_Loaded")


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of a check.

    Attributes:
        settings: The settings; None: none were given, or they are wrong.
        site: The site document likewise; with settings alone, that of their state folder.
        faults: Every fault, with its file.
        oddities: What is odd and keeps nothing from working, likewise.
    """

    settings: Settings | None
    site: SiteConfig | None
    faults: tuple[tuple[Path, Fault], ...]
    oddities: tuple[tuple[Path, Fault], ...] = ()


def check_files(
    paths: Iterable[Path],
    *,
    redactor: Redactor,
    settings_faults: Callable[[Settings], Iterable[Fault]] = lambda _: (),
) -> CheckResult:
    """Check *paths*, each alone and all together; ``.json`` is a site document, others settings.

    Args:
        paths: The files.
        redactor: Learns the secrets that are read.
        settings_faults: What packages above this one have against the settings.
    """
    faults: list[tuple[Path, Fault]] = []
    oddities: list[tuple[Path, Fault]] = []

    def attempt(load: Callable[[Path], _Loaded], path: Path) -> _Loaded | None:
        try:
            return load(path)
        except ConfigRejected as error:
            faults.extend((path, fault) for fault in error.faults)
            return None

    documents = [path for path in paths if path.suffix == ".json"]
    read_site: Callable[[Path], SiteConfig | None] = _required_site
    loaded = [(path, attempt(load_settings, path)) for path in paths if path.suffix != ".json"]
    path, settings = next((each for each in reversed(loaded) if each[1]), (Path(), None))
    if settings is not None and not documents:
        documents, read_site = [settings.state.dir / "site.json"], load_site
    read = [(document, attempt(read_site, document)) for document in documents]
    sites = [(document, site) for document, site in read if site is not None]
    if settings is not None:
        faults += [(path, fault) for fault in settings_faults(settings)]
        secrets = _secrets_of(settings, sites, redactor)
        faults += _cross_checks(path, settings, sites, secrets)
        document = sites[-1][0] if sites else path
        oddities += [
            (document if fault.at.startswith("/cameras/") else path, fault)
            for fault in secrets.oddities
        ]
    return CheckResult(settings, sites[-1][1] if sites else None, tuple(faults), tuple(oddities))


def _required_site(path: Path) -> SiteConfig:
    site = load_site(path)
    if site is None:
        raise ConfigRejected((file_fault(path, FileNotFoundError(errno.ENOENT, "no such file")),))
    return site


def _secrets_of(
    settings: Settings, sites: list[tuple[Path, SiteConfig]], redactor: Redactor
) -> Secrets:
    entered = [EnteredHosts.of(site) for _, site in sites]
    bindings = bindings_of(settings, remembered_hosts(settings.state.dir, None), *entered)
    return Secrets(settings.secrets_folder, redactor=redactor, bindings=bindings)


def _cross_checks(
    path: Path, settings: Settings, sites: list[tuple[Path, SiteConfig]], secrets: Secrets
) -> Iterator[tuple[Path, Fault]]:
    """Yield the faults that show only with the settings: files, secrets, camera networks."""
    for fault in _files(settings):
        yield path, fault
    for where, fault in identity_faults(settings, sites):
        yield where or path, fault
    for at, ref in settings_secrets(settings):
        yield from ((path, fault) for fault in refusals(partial(secrets.load, ref, at=at)))
    for document, site in sites:
        yield from ((document, fault) for fault in site_faults(settings, site, secrets))


def has_viewing_key(settings: Settings) -> bool:
    """Return whether anybody can watch: a key for view tokens is trusted, or none is required."""
    keys = Keyring(settings.resolve_path(settings.remote.keys))
    return not settings.webrtc.require_token or keys.has_key_for("view")


def site_faults(settings: Settings, site: SiteConfig, secrets: Secrets) -> Iterator[Fault]:
    """Yield the faults of *site* on this machine: its secrets, cameras outside the networks."""
    policy = policy_of(settings)
    for number, camera in enumerate(site.cameras):
        at = f"/cameras/{number}"
        found: list[Fault] = []
        for index, stream in enumerate(camera.streams):
            for url, place in camera_urls(stream):
                wrong = policy.check(url, at=f"{at}/streams/{index}/{place}")
                found += () if wrong is None else (wrong,)
                if wrong is None and (mistake := source_type(url).mistake(url)):
                    found.append(Fault(f"{at}/streams/{index}/{place}", "url.device", mistake))
                found += refusals(partial(secrets.load_for_camera, camera, url, at=at))
            found += _keyframe_faults(stream, f"{at}/streams/{index}")
        yield from {(fault.at, fault.code): fault for fault in found}.values()


def _keyframe_faults(stream: StreamConfig, at: str) -> Iterator[Fault]:
    """Yield what is wrong with how the camera of *stream* is asked for keyframes."""
    if stream.keyframe_requests is not None:
        for fault in refusals(partial(keyframe_url, stream)):
            yield Fault(f"{at}{fault.at}", fault.code, fault.message)


def refusals(load: Callable[[], object]) -> tuple[Fault, ...]:
    """Return why the secret that *load* reads cannot be used; empty: it can."""
    try:
        load()
    except ConfigRejected as error:
        return error.faults
    return ()


def _files(settings: Settings) -> Iterator[Fault]:
    tls = settings.broker.tls
    if tls is None:
        return
    for name, given in (("ca", tls.ca), ("cert", tls.cert), ("key", tls.key)):
        if given is None:
            continue
        try:
            settings.resolve_path(given).open("rb").close()
        except OSError as error:
            message = unreadable(settings.resolve_path(given), error)
            yield Fault(f"/broker/tls/{name}", "file", message)
