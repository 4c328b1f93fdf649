"""An order of the centre goes its way: fetched, handed to root, and what becomes of it is told."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.model.errors import MessageRejected, TransientError
from gateway.model.reasons import Reason
from gateway.mqtt.epoch import Stamp
from gateway.ports import Clock
from gateway.runtime.clock import SystemClock
from gateway.updates import service
from gateway.updates.__main__ import main
from gateway.updates.download import Download
from gateway.updates.installer import HERE
from gateway.updates.order import BUNDLE, REQUEST
from gateway.updates.rollback import on_start
from gateway.updates.service import ORDER, UpdateService
from gateway.updates.state import HEALTH, Candidate, boot_id, raise_minimum, report
from gateway.updates.wanted import WantedRelease
from tests.fixtures.clock import HANG_S, FakeClock, wait_until
from tests.fixtures.commands import OWN, FakeBus, RecordedEvents
from tests.fixtures.mirror import Mirror, mirror_of
from tests.fixtures.releases import NEW, OLD, Box, make_box


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    """A machine that waits for nothing longer than it must."""
    monkeypatch.setattr(service, "POLL_S", 0.01)
    monkeypatch.setattr(service, "TOLD_S", 0.0)
    monkeypatch.setattr(service, "SETTLED_S", 0.0)
    return make_box(tmp_path)


def bundle_for_here(box: Box) -> bytes:
    """Return a good bundle for what this test runs on: root finds out by itself."""
    return box.bundle(None, arch=HERE).read_bytes()


class Site:
    """A gateway's service, its mirror, and what it has told the centre."""

    def __init__(
        self,
        box: Box,
        mirror: Mirror,
        version: str = OLD,
        *,
        clock: Clock | None = None,
        kbps: int = 0,
    ) -> None:
        clock = clock or SystemClock()
        self.box, self.mirror, self.bus, self.events = box, mirror, FakeBus(), RecordedEvents()
        self.service = UpdateService(
            box.orders,
            layout=box.layout,
            version=version,
            download=Download(
                box.orders,
                hosts=(mirror.host,),
                ca_file=mirror.ca_file,
                max_kbps=kbps,
                clock=clock,
            ),
            download_s=60,
            topics=OWN,
            bus=self.bus,
            events=self.events,
            stamp=lambda: Stamp(0, 1, 1),
            clock=clock,
        )

    def wanted(self, **facts: object) -> WantedRelease:
        said = {
            "id": "01J-ORDER",
            "version": NEW,
            "url": f"https://{self.mirror.host}/x",
            "sha256": hashlib.sha256(self.mirror.content).hexdigest(),
            "bytes": len(self.mirror.content),
        }
        return WantedRelease.model_validate({**said, **facts})

    async def until(self, state: str) -> dict[str, Any]:
        """Return the next report that says *state*."""
        async with asyncio.timeout(HANG_S):
            while True:
                message = await self.bus.posted.get()
                tree: dict[str, Any] = json.loads(message.payload)
                if tree["st"] == state:
                    return tree

    async def until_asked(self) -> None:
        """Return once root is asked."""
        await asyncio.to_thread(self._wait_for_request)

    def _wait_for_request(self) -> None:
        while not (self.box.orders / REQUEST).exists():
            time.sleep(0.01)

    async def as_root(self) -> int:
        """Do what the unit does; return its exit code."""
        layout = self.box.layout
        words = ["--settings", self.box.settings, "--top", layout.top, "--state", layout.state]
        words += ["--run", layout.run, "--orders", self.box.orders]
        try:
            await asyncio.to_thread(main, [*map(str, words)])
        except SystemExit as error:
            return int(str(error.code))
        return 0


@asynccontextmanager
async def running(site: Site) -> AsyncIterator[Site]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(site.service.run(), name="updates")
        yield site
        task.cancel()


async def test_an_order_is_fetched_and_what_root_makes_of_it_is_told(box: Box) -> None:
    """Downloading, applied by root, on trial; the gateway leaves for an update."""
    async with (
        mirror_of(box.folder, bundle_for_here(box)) as mirror,
        running(Site(box, mirror)) as site,
    ):
        await site.service.order(site.wanted())
        await site.until_asked()
        code = await site.as_root()
        told = await site.until("pending_confirm")

    assert (code, box.says()) == (0, NEW)
    assert (told["ver"], told["prev"], told["id"]) == (NEW, OLD, "01J-ORDER")
    assert site.service.leaving() == ("update", service.BACK_BY_S)
    assert not (box.orders / ORDER).exists()


async def test_what_root_refuses_is_told_with_its_reason(box: Box) -> None:
    """And the bundle goes."""
    async with (
        mirror_of(box.folder, b"no bundle" * 100) as mirror,
        running(Site(box, mirror)) as site,
    ):
        await site.service.order(site.wanted())
        await site.until_asked()
        await site.as_root()
        told = await site.until("rejected")

    assert (told["reason"], box.says()) == ("UPDATE_FORM", OLD)
    assert not (box.orders / BUNDLE).exists()
    assert [event.facts["act"] for event in site.events.all] == ["rejected"]


async def test_settings_that_root_cannot_read_are_told(box: Box) -> None:
    """The order has come to nothing, and the centre is not left to wait for it."""
    async with (
        mirror_of(box.folder, bundle_for_here(box)) as mirror,
        running(Site(box, mirror)) as site,
    ):
        await site.service.order(site.wanted())
        await site.until_asked()
        box.settings.write_text("nonsense", encoding="utf-8")
        await site.as_root()
        told = await site.until("rejected")

    assert (told["id"], told["reason"]) == ("01J-ORDER", "CONFIG_REJECTED")


async def test_an_order_is_gone_on_with_after_the_program_has_ended(box: Box) -> None:
    """Where the line was cut; the centre hears of the second half as of the first."""
    async with mirror_of(box.folder, bundle_for_here(box)) as mirror:
        mirror.breaks_after = 1_000
        async with running(Site(box, mirror)) as site:
            await site.service.order(site.wanted())
            waits = await site.until("downloading")
            while not waits.get("reason"):
                waits = await site.until("downloading")
        mirror.breaks_after = None
        async with running(Site(box, mirror)) as again:
            await again.until_asked()

    assert waits["reason"] == "STALLED"
    assert mirror.asked == [0, 1_000]


async def test_a_release_that_was_undone_is_told_once_by_the_former(box: Box) -> None:
    """Its start is what finds the report; the next start does not record it again."""
    box.install(box.bundle())
    for _ in range(4):
        on_start(box.layout)
    async with mirror_of(box.folder, b"x") as mirror:
        async with running(Site(box, mirror)) as site:
            told = await site.until("rolled_back")
        async with running(Site(box, mirror)) as again:
            await again.until("rolled_back")

    assert (told["why"], told["reason"]) == ("crash_loop", "UPDATE_CRASHED")
    assert (len(site.events.all), len(again.events.all)) == (1, 0)


async def test_a_release_on_trial_that_is_undone_leaves_for_an_update(box: Box) -> None:
    """One that stops for another reason while it is tried does not."""
    box.install(box.bundle())
    async with mirror_of(box.folder, b"x") as mirror:
        tried = Site(box, mirror, NEW)

    assert tried.service.leaving() == ("stopping", None)
    assert Site(box, mirror).service.leaving() == ("update", service.BACK_BY_S)


async def test_what_cannot_be_had_is_said_before_anything_is_fetched(box: Box) -> None:
    """As far as the gateway can know it; root decides."""
    raise_minimum(box.layout, "0.0.5")
    async with mirror_of(box.folder, b"x") as mirror:
        asked = Site(box, mirror)
        reasons = [
            asked.service.refusal(asked.wanted(**facts))
            for facts in (
                {},
                {"version": OLD},
                {"version": "0.0.9"},
                {"version": "0.0.9", "downgrade": True},
                {"version": "0.0.4", "downgrade": True},
            )
        ]
        box.install(box.bundle())
        busy = asked.service.refusal(asked.wanted(version="0.3.0"))
        with pytest.raises(MessageRejected):
            asked.service.refusal(asked.wanted(url="https://elsewhere.example/x"))

    assert reasons == [
        None,
        Reason.UPDATE_SAME,
        Reason.UPDATE_OLDER,
        None,
        Reason.UPDATE_TOO_OLD,
    ]
    assert (busy, mirror.asked) == (Reason.UPDATE_BUSY, [])


async def test_while_root_has_one_in_hand_there_is_no_other(box: Box) -> None:
    """It would be taken away unseen, and the centre would wait for it until its deadline."""
    async with (
        mirror_of(box.folder, bundle_for_here(box)) as mirror,
        running(Site(box, mirror)) as site,
    ):
        await site.service.order(site.wanted())
        await site.until_asked()
        second = site.wanted(id="01J-SECOND", version="0.3.0")
        asked = site.service.refusal(second)
        with pytest.raises(TransientError) as error:
            await site.service.order(second)
        report(box.layout, Candidate("01J-ORDER", NEW, OLD, "", boot=boot_id()), "applying", None)
        applying = site.service.refusal(second)

    assert (asked, applying) == (Reason.UPDATE_BUSY, Reason.UPDATE_BUSY)
    assert error.value.reason == Reason.UPDATE_BUSY


async def test_what_a_technician_has_begun_meanwhile_is_told(box: Box) -> None:
    """The unit takes a request away while one is tried; what is said of the other is no answer."""
    async with (
        mirror_of(box.folder, bundle_for_here(box)) as mirror,
        running(Site(box, mirror)) as site,
    ):
        await site.service.order(site.wanted())
        await site.until_asked()
        box.install(box.bundle(None, version="0.3.0"))
        (box.orders / REQUEST).unlink()
        told = await site.until("rejected")

    assert (told["id"], told["reason"]) == ("01J-ORDER", "UPDATE_BUSY")


async def test_root_may_take_its_time(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it has taken the request: to verify a bundle takes minutes on a slow card."""
    async with (
        mirror_of(box.folder, bundle_for_here(box)) as mirror,
        running(Site(box, mirror)) as site,
    ):
        await site.service.order(site.wanted())
        await site.until_asked()
        (box.orders / REQUEST).unlink()
        monkeypatch.setattr(service, "TAKEN_S", 0.0)
        report(box.layout, Candidate("01J-OTHER", NEW, OLD, ""), "rejected", None)
        other = await site.until("rejected")
        kept = (box.orders / BUNDLE).exists()
        report(box.layout, Candidate("01J-ORDER", NEW, OLD, ""), "rejected", None)
        told = await site.until("rejected")

    assert (other["id"], told["id"], told["reason"], kept) == (
        "01J-OTHER",
        "01J-ORDER",
        "",
        True,
    )


async def test_a_server_that_never_ends_is_given_up(box: Box) -> None:
    """A byte now and then is no error of the line; its time is over all the same."""
    clock = FakeClock()
    async with (
        mirror_of(box.folder, bytes(1_000_000)) as mirror,
        running(Site(box, mirror, clock=clock, kbps=8)) as site,
    ):
        await site.service.order(site.wanted())
        told = await site.until("rejected")

    assert told["reason"] == "TIMEOUT"
    assert clock.time_s < 1_300


async def test_a_site_that_has_just_started_is_waited_for(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release is judged by how the site was before it: that is nothing yet."""
    monkeypatch.setattr(service, "SETTLED_S", 600.0)
    health = box.layout.run / HEALTH
    health.write_text(
        '{"version":"x","up_s":1,"connected":true,"working":[],"enabled":["c1"]}', encoding="utf-8"
    )
    async with (
        mirror_of(box.folder, bundle_for_here(box)) as mirror,
        running(Site(box, mirror)) as site,
    ):
        await site.service.order(site.wanted())
        await asyncio.to_thread(wait_until, (box.orders / BUNDLE).exists, "the bundle is there")
        early = (box.orders / REQUEST).exists()
        health.write_text(health.read_text().replace("[]", '["c1"]'), encoding="utf-8")
        await site.until_asked()

    assert not early


async def test_an_order_that_nobody_takes_is_withdrawn(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the unit is missing that is said."""
    monkeypatch.setattr(service, "TAKEN_S", 0.0)
    async with (
        mirror_of(box.folder, bundle_for_here(box)) as mirror,
        running(Site(box, mirror)) as site,
    ):
        await site.service.order(site.wanted())
        told = await site.until("rejected")

    assert "camera-gateway-update.path" in told["detail"]
    assert not (box.orders / REQUEST).exists()
