"""The installer: a good release is what starts next, anything else changes nothing."""

from __future__ import annotations

import os
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.config.signing import load_key, make_key
from gateway.model.errors import TransientError, UpdateRefused
from gateway.model.reasons import Reason
from gateway.updates.__main__ import main
from gateway.updates.order import BUNDLE, REQUEST
from gateway.updates.state import (
    HEALTH,
    TRYING,
    Candidate,
    load_candidate,
    locked,
    raise_minimum,
    read_tree,
    save_candidate,
)
from tests.fixtures.clock import HANG_S
from tests.fixtures.locks import wait_for_a_waiter
from tests.fixtures.releases import NEW, OLD, Box, link, make_box, plain, release


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return make_box(tmp_path)


def reported(box: Box) -> dict[str, object]:
    return read_tree(box.layout.state / "report.json") or {}


def test_a_good_release_is_what_starts_next(box: Box) -> None:
    """The former one stays beside it, and what is tried is on record."""
    (box.layout.run / HEALTH).write_text(
        '{"version":"x","up_s":1,"connected":true,"working":["c1"],"enabled":["c1","c2"]}',
        encoding="utf-8",
    )

    box.install(box.bundle())

    candidate = load_candidate(box.layout)
    assert box.says() == NEW
    assert box.versions() == [OLD, NEW]
    assert candidate is not None
    assert (candidate.previous, candidate.before.working) == (OLD, ("c1",))
    assert (reported(box)["state"], reported(box)["id"]) == ("pending_confirm", "o1")


def test_what_undoes_it_is_that_of_the_release_before(box: Box) -> None:
    """One file that needs nothing of any release."""
    box.install(box.bundle())

    with zipfile.ZipFile(box.layout.state / "rollback.pyz") as archive:
        assert "gateway/updates/rollback.py" in archive.namelist()


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"arch": "amd64"}, Reason.UPDATE_ARCHITECTURE),
        ({"python": "3.99"}, Reason.UPDATE_PYTHON),
        ({"name": "camera-console"}, Reason.UPDATE_NAME),
        ({"version": OLD}, Reason.UPDATE_SAME),
        ({"version": "0.0.9"}, Reason.UPDATE_OLDER),
        ({"installed_bytes": 1 << 31}, Reason.DISK_FULL),
        ({"installed_bytes": 1_000}, Reason.UPDATE_CONTENT),
    ],
)
def test_a_release_that_does_not_fit_is_refused(
    box: Box, facts: dict[str, object], reason: Reason, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its reason, which is reported; what runs is untouched."""
    free = shutil.disk_usage(box.folder)._replace(free=4_000_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)

    with pytest.raises((UpdateRefused, TransientError)) as error:
        box.install(box.bundle(None, **facts))

    assert (box.says(), box.versions(), error.value.reason) == (OLD, [OLD], reason)
    assert (reported(box)["state"], reported(box)["reason"]) == ("rejected", reason)
    assert not list(box.layout.state.glob("*.update"))


@pytest.mark.parametrize(
    "members",
    [
        release("0.3.0"),
        release(NEW, arch="amd64"),
        [each for each in release(NEW) if each[0].name != "bin/camera-gateway"],
        [each for each in release(NEW) if each[0].name != "release.json"],
        [*release(NEW), link("etc", "/etc")],
        [*release(NEW), plain("../../current/x")],
    ],
)
def test_a_payload_that_is_not_the_release_is_refused(
    box: Box, members: list[tuple[object, bytes]]
) -> None:
    """Though it is signed: what was signed may be wrong."""
    with pytest.raises(UpdateRefused) as error:
        box.install(box.bundle(members))  # type: ignore[arg-type]

    assert (error.value.reason, box.versions()) == (Reason.UPDATE_CONTENT, [OLD])


def test_the_service_can_read_what_a_careful_technician_installs(box: Box) -> None:
    """Whose umask keeps all others out."""
    umask = os.umask(0o077)
    try:
        box.install(box.bundle())
    finally:
        os.umask(umask)

    below = [path for path in (box.layout.releases / NEW).rglob("*") if not path.is_symlink()]
    assert below
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in below)


def test_two_at_once_leave_one_on_trial(box: Box) -> None:
    """The second has waited for the first, and must not take what is tried for the way back."""
    second = box.bundle(None, version="0.3.0")
    with ThreadPoolExecutor(1) as pool:
        with locked(box.layout):
            waiting = pool.submit(box.install, second)
            wait_for_a_waiter(box.layout.state / "lock")
            save_candidate(box.layout, Candidate("o0", NEW, OLD, "0.1.0"))
        with pytest.raises(UpdateRefused) as error:
            waiting.result(HANG_S)

    candidate = load_candidate(box.layout)
    assert candidate is not None
    assert (error.value.reason, candidate.previous) == (Reason.UPDATE_BUSY, OLD)


def test_another_key_installs_nothing(box: Box) -> None:
    """A release key that is not trusted on this machine."""
    foreign = Box(box.folder, load_key(make_key(box.folder / "other", "rel-2026a")[0]))

    with pytest.raises(UpdateRefused) as error:
        foreign.install(foreign.bundle())

    assert error.value.reason == Reason.UPDATE_SIGNATURE


def test_an_older_one_comes_only_where_it_is_asked_for(box: Box) -> None:
    """To go back is a decision, and not below what may still be installed."""
    older = box.bundle(version="0.0.9")

    box.install(older, downgrade=True)

    assert box.says() == "0.0.9"


def test_below_the_minimum_nothing_is_installed(box: Box) -> None:
    """Also if it is asked for; the minimum never falls."""
    raise_minimum(box.layout, "0.1.0")
    raise_minimum(box.layout, "0.0.5")

    with pytest.raises(UpdateRefused) as error:
        box.install(box.bundle(version="0.0.9"), downgrade=True)

    assert error.value.reason == Reason.UPDATE_TOO_OLD


def test_one_is_tried_at_a_time(box: Box) -> None:
    """What is being tried, and its report, stay as they are."""
    box.install(box.bundle())

    with pytest.raises(UpdateRefused) as error:
        box.install(box.bundle(version="0.3.0"))

    assert (error.value.reason, box.says()) == (Reason.UPDATE_BUSY, NEW)
    assert reported(box)["version"] == NEW


def test_a_disk_that_fills_up_while_unpacking_leaves_what_runs(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its half goes away again."""
    write = os.open

    def full(path: object, flags: int, *rest: object, **named: object) -> int:
        if "data.bin" in str(path) and flags & os.O_CREAT:
            raise OSError(28, "No space left on device")
        return write(path, flags, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", full)

    with pytest.raises(TransientError) as error:
        box.install(box.bundle())

    assert (error.value.reason, box.says(), box.versions()) == (Reason.DISK_FULL, OLD, [OLD])


def ask(box: Box, bundle: Path | None, request: str = '{"id":"o1"}') -> int:
    """Leave an order as the gateway does; return the exit code of the installer."""
    (box.orders / REQUEST).write_text(request, encoding="utf-8")
    if bundle is not None:
        shutil.copy(bundle, box.orders / BUNDLE)
    layout = box.layout
    arguments = ["--settings", box.settings, "--top", layout.top, "--state", layout.state]
    arguments += ["--run", layout.run, "--orders", box.orders]
    try:
        main([*map(str, arguments)])
    except SystemExit as error:
        return int(str(error.code))
    return 0


@pytest.mark.parametrize("what", ["link", "folder", "pipe", "two_names", "outer", "nothing"])
def test_an_order_that_leads_elsewhere_is_refused(box: Box, what: str, tmp_path: Path) -> None:
    """Root follows no link of the service's user, waits for no pipe, and takes no second name."""
    secret = tmp_path / "secret"
    shutil.copy(box.bundle(), secret)
    target = box.orders / BUNDLE
    match what:
        case "link":
            target.symlink_to(secret)
        case "folder":
            target.mkdir()
        case "pipe":
            os.mkfifo(target)
        case "two_names":
            target.hardlink_to(secret)
        case "outer":
            box.orders.rename(tmp_path / "moved")
            box.orders.symlink_to(tmp_path / "moved")

    assert ask(box, None) == 1
    assert (box.says(), box.versions()) == (OLD, [OLD])


@pytest.mark.parametrize(
    "request_", ["", "[]", '{"id":"../x"}', '{"id":"a","downgrade":"yes"}', "{" * 5_000]
)
def test_an_order_that_is_not_understood_is_refused(box: Box, request_: str) -> None:
    """And is gone, so that it is not looked at again and again."""
    assert ask(box, box.bundle(), request_) == 1

    assert not (box.orders / REQUEST).exists()
    assert not (box.layout.state / TRYING).exists()
