"""The site document on disk: whole after any cut, with a predecessor to fall back on."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from gateway.config.site_store import SiteStore
from gateway.model.errors import ConfigRejected, TransientError
from gateway.model.reasons import Reason
from gateway.model.site_document import CameraConfig, SiteConfig, StreamConfig
from gateway.runtime import atomic_file


def site(version: int) -> SiteConfig:
    stream = StreamConfig(url="rtsp://10.0.0.1/1")
    camera = CameraConfig(id="quay7", name="Quầy 7", streams=(stream,))
    return SiteConfig(version=version, cameras=(camera,))


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    """The document comes back as it was, from a folder that did not exist."""
    store = SiteStore(tmp_path / "state")

    store.save(site(1))

    assert store.load().site == site(1)
    assert store.path.stat().st_mode & 0o077 == 0


def test_nothing_yet_is_an_empty_site(tmp_path: Path) -> None:
    """A new machine has no cameras, and that is no error."""
    loaded = SiteStore(tmp_path).load()

    assert (loaded.site, loaded.origin) == (SiteConfig(), "none")


def test_a_cut_anywhere_falls_back_to_the_predecessor(tmp_path: Path) -> None:
    """However much of the newest document is there, a whole one is loaded."""
    store = SiteStore(tmp_path)
    store.save(site(1))
    store.save(site(2))
    whole = store.path.read_bytes()

    for length in range(0, len(whole) - 2, 7):
        store.path.write_bytes(whole[:length])
        loaded = store.load()

        assert (loaded.site.version, loaded.origin) == (1, "previous")
        assert loaded.faults


def test_a_cut_between_the_renames_leaves_the_predecessor(tmp_path: Path) -> None:
    """Without a document in force, its predecessor is."""
    store = SiteStore(tmp_path)
    store.save(site(1))
    store.save(site(2))

    store.path.unlink()

    assert store.load().site == site(1)


def test_a_broken_document_does_not_push_out_the_good_predecessor(tmp_path: Path) -> None:
    """Saving over a broken file keeps the last one that was right."""
    store = SiteStore(tmp_path)
    store.save(site(1))
    store.save(site(2))
    store.path.write_bytes(b"{")

    store.save(site(3))
    store.path.unlink()

    assert store.load().site == site(1)


def test_broken_without_predecessor_is_rejected(tmp_path: Path) -> None:
    """Nobody is left to wonder why there are no cameras."""
    store = SiteStore(tmp_path)
    store.path.write_bytes(b'{"cameras": [}')

    with pytest.raises(ConfigRejected, match="line 1, column 14"):
        store.load()


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The save is refused with its reason; the document in force stays."""

    def half_written(path: Path, content: bytes, _prepare: object) -> None:
        path.write_bytes(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store = SiteStore(tmp_path)
    store.save(site(1))
    monkeypatch.setattr(atomic_file, "_write_synced", half_written)

    with pytest.raises(TransientError) as caught:
        store.save(site(2))

    assert caught.value.reason is Reason.DISK_FULL
    assert store.load().site == site(1)
