"""Installs a release as root: verifies, unpacks, records what is tried, switches. Restarts nothing.

Run by ``camera-gateway-update.service`` when the gateway has left an order, or by a technician with
``camera-gateway update FILE``. After it, ``camera-gateway-update-gate.service`` has the release
started and decides about it (`gateway.updates.rollback`).

The order of the steps is what makes it safe to end between any two: the release is on the disk, all
of it, before anything names it; what is tried is on the disk before ``current`` is changed.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gateway.config.signing import Keyring
from gateway.model.errors import TransientError, UpdateRefused
from gateway.model.reasons import Reason
from gateway.runtime import atomic_file, strict_json
from gateway.runtime.strict_json import StrictJsonError
from gateway.updates.bundle import (
    BUNDLE_BYTES,
    NAME,
    Bundle,
    Manifest,
    order_of,
    read_bundle,
    verify_payload,
    verify_signature,
)
from gateway.updates.order import Order, copy
from gateway.updates.payload import sync_tree, unpack
from gateway.updates.rollback import clean, packed
from gateway.updates.state import (
    PROGRAM,
    TRYING,
    Candidate,
    Decision,
    Limits,
    UpdateFolders,
    boot_id,
    locked,
    read_health,
    read_minimum,
    remove_tree,
    report,
    save_candidate,
    say,
    switch,
    sync_folder,
    write_file,
)

STAGED = "staged.update"
"""The copy of the bundle, in the folder of the state."""

RELEASE_FILE = "release.json"
RELEASE_BYTES = 4_096
SPACE = 2
"""So many times the unpacked size must be free."""

ARCHITECTURES = {"aarch64": "arm64", "x86_64": "amd64"}
HERE = ARCHITECTURES.get(platform.machine(), platform.machine())
"""What this machine is, as Debian calls it."""

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True, slots=True)
class Installation:
    """One installation.

    Attributes:
        layout: Where everything is.
        keys: The release keys that are trusted.
        limits: What the release will have to show.
        order: What was asked for.
        architecture: Of this machine, as Debian calls it.
    """

    layout: UpdateFolders
    keys: Keyring
    limits: Limits
    order: Order
    architecture: str = HERE

    def run(self, source: BinaryIO) -> Manifest:
        """Install the bundle *source*; it is then what starts next. Blocks for minutes.

        Raises:
            UpdateRefused: Nothing has changed but what is reported.
            TransientError: The disk is full or fails; likewise.
        """
        # Whoever calls may let nobody else read what he makes; the service has to.
        umask = os.umask(0o022)
        try:
            return self._run(source)
        finally:
            os.umask(umask)

    def _run(self, source: BinaryIO) -> Manifest:
        self.layout.state.mkdir(mode=0o755, parents=True, exist_ok=True)
        self._ensure_nothing_tried()
        with locked(self.layout):
            self._ensure_nothing_tried()  # by one that was installed while this one waited
            clean(self.layout)
            manifest: Manifest | None = None
            staged = self.layout.state / STAGED
            try:
                copy(source, staged, BUNDLE_BYTES)
                with staged.open("rb") as file:
                    bundle = read_bundle(file)
                    manifest = bundle.manifest
                    self._verify(file, bundle)
                    self._say(manifest, "applying")
                    self._unpack(file, bundle)
                self._switch(manifest)
            except (UpdateRefused, TransientError) as error:
                self._say(manifest, "rejected", error)
                raise
            except OSError as error:
                failed = atomic_file.disk_error(self.layout.top, error)
                self._say(manifest, "rejected", failed)
                raise failed from None
            finally:
                staged.unlink(missing_ok=True)
        return manifest

    def _ensure_nothing_tried(self) -> None:
        """Raise UpdateRefused while one is tried: the way back leads to what has proved good."""
        if (self.layout.state / TRYING).exists():
            raise UpdateRefused(Reason.UPDATE_BUSY, "another one is being tried")

    def _verify(self, file: BinaryIO, bundle: Bundle) -> None:
        """Raise UpdateRefused if the release may not be installed here; the cheap checks first."""
        key_id = verify_signature(bundle, self.keys)
        manifest = bundle.manifest
        self._verify_kind(manifest)
        self._verify_version(manifest)
        verify_payload(file, bundle)
        needed, free = (
            SPACE * manifest.installed_bytes,
            shutil.disk_usage(self.layout.releases).free,
        )
        if free < needed:
            detail = (
                f"{needed >> 20} MiB must be free where {self.layout.releases} is: {free >> 20}"
            )
            raise TransientError(Reason.DISK_FULL, detail)
        say(f"{manifest.version}: signed by {key_id}, verified")

    def _verify_kind(self, manifest: Manifest) -> None:
        if manifest.name != NAME:
            raise UpdateRefused(Reason.UPDATE_NAME, f"it is {manifest.name}")
        if manifest.arch != self.architecture:
            detail = f"it is for {manifest.arch}, this machine is {self.architecture}"
            raise UpdateRefused(Reason.UPDATE_ARCHITECTURE, detail)
        if manifest.python != PYTHON:
            detail = f"it is for Python {manifest.python}, here is {PYTHON}"
            raise UpdateRefused(Reason.UPDATE_PYTHON, detail)

    def _verify_version(self, manifest: Manifest) -> None:
        running, minimum = self.layout.running(), read_minimum(self.layout)
        if not self.layout.is_runnable(running):
            detail = f"{self.layout.top}/current is not there: install the package first"
            raise UpdateRefused(Reason.UPDATE_NAME, detail)
        if order_of(manifest.version) < order_of(minimum):
            detail = f"{manifest.version} is below {minimum}, the lowest that may be installed here"
            raise UpdateRefused(Reason.UPDATE_TOO_OLD, detail)
        if manifest.version == running:
            raise UpdateRefused(Reason.UPDATE_SAME, f"{running} runs already")
        if order_of(manifest.version) < order_of(running) and not self.order.downgrade:
            raise UpdateRefused(Reason.UPDATE_OLDER, f"{manifest.version} is older than {running}")

    def _unpack(self, file: BinaryIO, bundle: Bundle) -> None:
        """Bring the release to the disk, under its name, whole."""
        manifest, releases = bundle.manifest, self.layout.releases
        new, final = releases / f".new-{manifest.version}", releases / manifest.version
        if new.exists():
            remove_tree(new)
        file.seek(bundle.offset)
        try:
            unpack(
                file,
                manifest.payload.bytes,
                new,
                most_bytes=manifest.installed_bytes,
                python=manifest.python,
            )
            _verify_release(new, manifest)
            sync_tree(new)
        except BaseException:
            if new.exists():
                remove_tree(new)
            raise
        if final.exists():  # from before, and not what runs
            remove_tree(final)
        new.replace(final)
        sync_folder(releases)

    def _switch(self, manifest: Manifest) -> None:
        """Record what is tried, and let ``current`` name it."""
        layout = self.layout
        candidate = Candidate(
            id=self.order.id,
            version=manifest.version,
            previous=layout.running(),
            min_version=manifest.min_version,
            limits=self.limits,
            before=read_health(layout),
        )
        write_file(layout.state / PROGRAM, packed())
        save_candidate(layout, candidate)
        switch(layout, manifest.version)
        report(layout, candidate, "pending_confirm", None)

    def _say(
        self,
        manifest: Manifest | None,
        state: str,
        error: UpdateRefused | TransientError | None = None,
    ) -> None:
        """Report *state*; a disk that does not take even that is told to the journal only."""
        version = "" if manifest is None else manifest.version
        why = None if error is None else Decision(state, "", error.reason, error.detail)
        candidate = Candidate(self.order.id, version, self.layout.running(), "", boot=boot_id())
        if error is not None:
            say(f"{version or 'the bundle'}: {state}: {error}")
        try:
            report(self.layout, candidate, state, why)
        except OSError as failed:
            say(f"the report cannot be written: {failed.strerror}")


def _verify_release(folder: Path, manifest: Manifest) -> None:
    """Raise UpdateRefused unless what was unpacked into *folder* is what the manifest says."""
    wanted = manifest.model_dump(include={"name", "version", "arch", "python"})
    try:
        with (folder / RELEASE_FILE).open("rb") as file:
            raw = file.read(RELEASE_BYTES + 1)
        tree = strict_json.parse(raw, max_bytes=RELEASE_BYTES, control_characters=False).tree
    except (OSError, StrictJsonError):
        tree = None
    found = {key: tree.get(key) for key in wanted} if isinstance(tree, dict) else {}
    if found != wanted:
        raise UpdateRefused(Reason.UPDATE_CONTENT, f"{RELEASE_FILE} is not that of the manifest")
    if not os.access(folder / "bin" / "camera-gateway", os.X_OK):
        raise UpdateRefused(Reason.UPDATE_CONTENT, "bin/camera-gateway is missing")
