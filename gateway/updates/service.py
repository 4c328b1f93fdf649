"""Updates as the gateway sees them: fetches what is ordered, hands it to root, tells the centre.

An order is on the disk before it is answered, and is gone on with after any end of the program. The
gateway can install nothing: it leaves the bundle and a request in its own folder, and reads what
root reports (`gateway.updates.installer`, `gateway.updates.rollback`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import structlog
from pydantic import ValidationError

from gateway.model.errors import MessageRejected, TransientError, UpdateRefused
from gateway.model.event import Event
from gateway.model.reasons import Reason
from gateway.mqtt import topic_tree
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.update import UpdateReported, encode_update_reported
from gateway.mqtt.topics import Topics, build_message
from gateway.ports import Bus, Clock, Events, OutboundMessage
from gateway.runtime import atomic_file
from gateway.runtime.bugs import report_bug
from gateway.runtime.supervise import backoff
from gateway.updates import state
from gateway.updates.bundle import order_of
from gateway.updates.download import Download
from gateway.updates.order import BUNDLE, REQUEST, Order
from gateway.updates.state import (
    REPORT,
    TRYING,
    UpdateFolders,
    boot_id,
    boot_s,
    read_health,
    read_minimum,
)
from gateway.updates.wanted import WantedRelease

ORDER = "order.json"
RECORDED = "recorded"
"""Which report of root has been recorded for the audit."""

POLL_S = 2.0
"""Between two looks at what root reports."""

TOLD_S = 30.0
"""Between two reports of how much has been fetched."""

TAKEN_S = 120.0
"""So long root may take until it has taken a request."""

ROOT_S = 900.0
"""So long it may then take, on a slow card, until it says something of it."""

SETTLED_S = 120.0
"""So long after a start of this program cameras and line may take to be back: how the site was is
what the release is judged by."""

BACK_BY_S = 180
"""So long after it has gone a gateway that is being exchanged is back at the latest."""

_UNSTAMPED = {"time_ms": 0, "epoch": 0, "number": 0}

log = structlog.get_logger(__name__)


class UpdateService:
    """Has releases fetched and installed; `gateway.updates.wanted.UpdateOrders`.

    Args:
        folder: Of the gateway's own, for the order and the bundle.
        layout: Where root reports.
        version: Of this release, in full.
        download: Fetches.
        download_s: After so long a download is given up.
        topics: Of this gateway.
        bus: Publishes.
        events: Records outcomes for the audit.
        stamp: Numbers messages.
        clock: Monotonic.
    """

    def __init__(
        self,
        folder: Path,
        *,
        layout: UpdateFolders,
        version: str,
        download: Download,
        download_s: float,
        topics: Topics,
        bus: Bus,
        events: Events,
        stamp: Callable[[], Stamp],
        clock: Clock,
    ) -> None:
        self._folder = folder
        self._layout = layout
        self._version = version
        self._download = download
        self._download_s = download_s
        self._topic = topics.update_reported
        self._bus = bus
        self._events = events
        self._stamp = stamp
        self._clock = clock
        self._begun_s = clock.now()
        self._ordered = asyncio.Event()
        self._changing = asyncio.Lock()
        self._asked = ""
        self._reported_as: object = None
        self._deadline_s: float | None = None
        self._told_s = float("-inf")
        self._latest: UpdateReported | None = None

    def greeting(self) -> Iterator[OutboundMessage]:
        """Yield what every connection begins with: the current report, if there is one."""
        if self._latest is not None:
            yield self._message(self._latest)

    def leaving(self) -> tuple[str, int | None]:
        """Return why the gateway stops, for the presence, and after how many s it is back."""
        tried = state.read_tree(self._layout.state / TRYING) or {}
        is_new = tried.get("version") not in (None, self._version)
        if tried and (is_new or tried.get("decision")):
            return "update", BACK_BY_S
        return "stopping", None

    def refusal(self, wanted: WantedRelease) -> Reason | None:
        """As `UpdateOrders.refusal`."""
        self._download.parse_url(wanted.url)
        if self._is_with_root():
            return Reason.UPDATE_BUSY
        if wanted.version == self._version:
            return Reason.UPDATE_SAME
        if order_of(wanted.version) < order_of(read_minimum(self._layout)):
            return Reason.UPDATE_TOO_OLD
        if order_of(wanted.version) < order_of(self._version) and not wanted.downgrade:
            return Reason.UPDATE_OLDER
        return None

    def _is_with_root(self) -> bool:
        """Return whether root has one in hand, or one is tried."""
        if self._asked or (self._layout.state / TRYING).exists():
            return True
        said = state.read_tree(self._layout.state / REPORT) or {}
        return said.get("state") == "applying" and said.get("boot") == boot_id()

    async def order(self, wanted: WantedRelease) -> None:
        """As `UpdateOrders.order`."""
        async with self._changing:
            if self._is_with_root():
                raise TransientError(Reason.UPDATE_BUSY, "root has another one in hand")
            dropped = await asyncio.to_thread(self._load_order)
            content = wanted.model_dump_json().encode()
            await asyncio.to_thread(atomic_file.replace, self._folder / ORDER, content)
            self._ordered.set()
        if dropped is not None and dropped != wanted:
            newer = self._report(
                dropped, "rejected", reason=Reason.UPDATE_BUSY, detail="a newer one was ordered"
            )
            self._record(newer)
            self._publish(newer)
        self._publish(self._report(wanted, "downloading", percent=0))

    async def run(self) -> None:
        """Fetch what is ordered and follow what root reports, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_root(), name="updates:root")
            while True:
                self._ordered.clear()
                wanted = await asyncio.to_thread(self._load_order)
                if wanted is None:
                    await self._ordered.wait()
                    continue
                try:
                    await self._carry_out(wanted)
                except Exception as error:  # ends this order only
                    report_bug("command", error, "update")
                    await self._reject(wanted, Reason.INTERNAL_ERROR, type(error).__name__)

    async def _carry_out(self, wanted: WantedRelease) -> None:
        """Fetch *wanted* and hand it over, unless another one is ordered meanwhile."""
        async with asyncio.TaskGroup() as group:
            work = group.create_task(self._fetch_and_ask(wanted), name="updates:fetch")
            newer = group.create_task(self._ordered.wait(), name="updates:newer")
            await asyncio.wait((work, newer), return_when=asyncio.FIRST_COMPLETED)
            work.cancel()
            newer.cancel()

    async def _fetch_and_ask(self, wanted: WantedRelease) -> None:
        try:
            reason = self.refusal(wanted)
            if reason is None:
                await self._fetch(wanted)
                await self._settle()
                reason = self.refusal(wanted)  # a technician may have installed one meanwhile
            if reason is None:
                await self._ask_root(wanted)
            else:
                await self._reject(wanted, reason, "")
        except MessageRejected as error:
            await self._reject(wanted, Reason.UPDATE_DOWNLOAD, error.detail)
        except (UpdateRefused, TransientError) as error:
            await self._reject(wanted, error.reason, error.detail)

    async def _fetch(self, wanted: WantedRelease) -> None:
        """Fetch *wanted*, with growing pauses when it fails.

        Raises:
            UpdateRefused, TransientError, MessageRejected: As `Download.fetch`, once time is up.
        """
        until_s, delays = self._clock.now() + self._download_s, backoff(ceiling=300.0)

        def progress(got: int) -> None:
            if self._clock.now() >= until_s:  # a server may send a byte now and then for ever
                detail = f"{got} of {wanted.bytes} bytes have come in time"
                raise TransientError(Reason.TIMEOUT, detail)
            self._tell_progress(wanted, got)

        while True:
            try:
                await self._download.fetch(wanted, progress)
                return
            except TransientError as error:
                if self._clock.now() >= until_s:
                    raise
                percent = None if self._latest is None else self._latest.percent
                self._publish(
                    self._report(
                        wanted,
                        "downloading",
                        percent=percent,
                        reason=error.reason,
                        detail=error.detail,
                    )
                )
                log.info("update_waits", version=wanted.version, detail=error.detail)
            await self._clock.sleep(next(delays))

    async def _settle(self) -> None:
        """Return once the site is well, or has had its time since this program was started."""
        while self._clock.now() < self._begun_s + SETTLED_S:
            said = read_health(self._layout)
            if said.connected and set(said.enabled) <= set(said.working):
                return
            await self._clock.sleep(POLL_S)

    async def _ask_root(self, wanted: WantedRelease) -> None:
        """Leave the request; the order is carried out when root has said something of it."""
        order = Order(id=wanted.id, downgrade=wanted.downgrade).model_dump_json().encode()
        self._publish(self._report(wanted, "downloading", percent=100))
        async with self._changing:
            self._asked = wanted.id
            try:
                await asyncio.to_thread(atomic_file.replace, self._folder / REQUEST, order)
                await asyncio.to_thread(self._remove_order, wanted)
            except BaseException:
                self._asked = ""
                raise
        try:
            await self._wait_for_root(wanted)
        finally:
            self._asked = ""

    async def _wait_for_root(self, wanted: WantedRelease) -> None:
        """Return once root has said something of *wanted*, or is not going to."""
        request, begun_s = self._folder / REQUEST, self._clock.now()
        while True:
            is_waiting, is_tried = request.exists(), (self._layout.state / TRYING).exists()
            said = state.read_tree(self._layout.state / REPORT) or {}
            took_s = self._clock.now() - begun_s
            if said.get("id") == wanted.id:
                return
            if is_tried and not is_waiting:
                await self._reject(wanted, Reason.UPDATE_BUSY, "")
                return
            if is_waiting and took_s >= TAKEN_S:
                request.unlink(missing_ok=True)
                detail = "nobody took it: is camera-gateway-update.path enabled?"
                await self._reject(wanted, Reason.UPDATE_INTERRUPTED, detail)
                return
            if took_s >= max(TAKEN_S, ROOT_S):
                detail = "root has taken it and says nothing: journalctl -u camera-gateway-update"
                await self._reject(wanted, Reason.UPDATE_INTERRUPTED, detail)
                return
            await self._clock.sleep(POLL_S)

    async def _reject(self, wanted: WantedRelease, reason: Reason, detail: str) -> None:
        with suppress(TransientError):
            async with self._changing:
                await asyncio.to_thread(self._remove_order, wanted)
        report = self._report(wanted, "rejected", reason=reason, detail=detail)
        self._record(report)
        self._publish(report)

    def _remove_order(self, wanted: WantedRelease) -> None:
        """Remove *wanted*; one that came after it stays. Raises TransientError."""
        if self._load_order() == wanted:
            atomic_file.remove(self._folder / ORDER)

    async def _follow_root(self) -> None:
        """Publish what root reports, as often as it changes."""
        first = True
        while True:
            try:
                stamp = self._report_stamp()
                if stamp != self._reported_as:
                    self._reported_as = stamp
                    self._take_report(state.read_tree(self._layout.state / REPORT), first=first)
                first = False
            except Exception as error:  # ends this look only
                report_bug("report", error, "update")
            await self._clock.sleep(POLL_S)

    def _take_report(self, tree: dict[str, object] | None, *, first: bool) -> None:
        """Publish the report *tree* of root; *first*: since this start."""
        if tree is None or (first and (self._folder / ORDER).exists()):
            return
        if tree.get("state") == "applying" and tree.get("boot") != boot_id():
            tree |= {"state": "rejected", "reason": Reason.UPDATE_INTERRUPTED}
        report = self._report_of(tree)
        if report is None:
            return
        deadline_s = tree.get("deadline_s")
        is_tried = report.state == "pending_confirm" and tree.get("boot") == boot_id()
        self._deadline_s = deadline_s if is_tried and isinstance(deadline_s, float) else None
        if report.state in ("applied", "rejected", "rolled_back"):
            if self._asked in ("", report.id) and not (self._folder / ORDER).exists():
                (self._folder / BUNDLE).unlink(missing_ok=True)
            if self._is_news():
                self._record(report)
        self._publish(report)

    def _is_news(self) -> bool:
        """Return whether the report of root has not been recorded yet; it is from now on."""
        path, name = self._folder / RECORDED, f"{self._reported_as}\n"
        with suppress(OSError):
            if path.read_text("ascii") == name:
                return False
        with suppress(TransientError):  # then it may be recorded twice
            atomic_file.replace(path, name.encode())
        return True

    def _report_of(self, tree: dict[str, object]) -> UpdateReported | None:
        names = ("id", "state", "version", "previous", "why", "reason", "detail", "attempt")
        facts = {name: tree[name] for name in names if tree.get(name)}
        try:
            return UpdateReported.model_validate({**_UNSTAMPED, **facts, "running": self._version})
        except ValidationError:
            log.error("update_report_unreadable")
            return None

    def _report_stamp(self) -> object:
        """Return what tells one report of root from the next."""
        try:
            found = (self._layout.state / REPORT).stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def _load_order(self) -> WantedRelease | None:
        """Return what is ordered; None: nothing, or it cannot be read and goes."""
        path = self._folder / ORDER
        tree = state.read_tree(path)
        if tree is None:
            return None
        try:
            return WantedRelease.model_validate(tree)
        except ValidationError:
            log.error("update_order_unreadable", path=str(path))
            path.unlink(missing_ok=True)
            return None

    def _tell_progress(self, wanted: WantedRelease, got: int) -> None:
        now_s, percent = self._clock.now(), 100 * got // wanted.bytes
        if now_s - self._told_s >= TOLD_S:
            self._told_s = now_s
            self._publish(self._report(wanted, "downloading", percent=percent))

    def _report(self, wanted: WantedRelease, now: str, **facts: object) -> UpdateReported:
        said = {"id": wanted.id, "version": wanted.version, "state": now}
        detail = str(facts.pop("detail", ""))[:400]
        return UpdateReported.model_validate(
            {**_UNSTAMPED, **said, "running": self._version, "detail": detail, **facts}
        )

    def _record(self, report: UpdateReported) -> None:
        facts = {"ver": report.version, "act": report.state, "running": self._version}
        more = {"why": report.why, "reason": report.reason, "cmd": report.id}
        known = {key: value for key, value in more.items() if value}
        log.info("update_reported", **facts, **known)
        self._events.record(Event("update", facts | known, "audit"))

    def _publish(self, report: UpdateReported) -> None:
        """Publish *report*, which is current from now on."""
        if report.state != "pending_confirm":
            self._deadline_s = None
        self._latest = report
        self._bus.publish(self._message(report))

    def _message(self, report: UpdateReported) -> OutboundMessage:
        if self._deadline_s is not None:
            left_s = max(0, round(self._deadline_s - boot_s()))
            report = report.model_copy(update={"until_s": left_s})
        return build_message(
            topic_tree.UPDATE_REPORTED, self._topic, encode_update_reported(self._stamp(), report)
        )
