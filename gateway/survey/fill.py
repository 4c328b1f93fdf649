"""Fills the form of one site from its inventory and the health of its cameras. Pure functions.

Each value keeps its source. Where two sources speak of the same thing and disagree, the answer says
so, and keeps both: a person decides.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.model import local_time
from gateway.model.contacts import ContactConfig
from gateway.model.health import CameraHealth
from gateway.model.provenance import Origin
from gateway.model.provinces import ProvinceScheme
from gateway.model.survey import SystemSurvey
from gateway.mqtt.payloads.inventory import (
    InventoryCameras,
    InventoryIoc,
    InventoryNet,
    InventoryRecorders,
    InventorySection,
    InventorySite,
)
from gateway.mqtt.payloads.inventory_items import KnownValue, WireCamera, WireLine
from gateway.runtime.plain_text import cut
from gateway.survey.answers import ITEMS, LAST_MS, Answer, Item, Said, SiteForm, Source
from gateway.survey.detected import (
    Comparison,
    Detected,
    compare_cameras,
    compare_recorders,
    of_inventory,
    undeclared,
)
from gateway.survey.form import FORM, Number
from gateway.survey.path_text import device_text, path_texts

BY_ORIGIN: Mapping[Origin, Source] = {
    "survey": "declared",
    "config": "declared",
    "observed": "measured",
    "onvif": "detected",
    "scan": "detected",
}
"""Origin of a value in the inventory -> whose word it is in the form. What is set in the site's
configuration was written by a person."""

KINDS: Mapping[str, str] = {
    "NVR": "Đầu ghi (NVR)",
    "DVR": "Đầu ghi (DVR)",
    "VMS": "Hệ thống quản lý camera chuyên dụng (VMS)",
}
LINES: Mapping[str, str] = {
    "lan": "mạng nội bộ (LAN)",
    "internet": "Internet",
    "leased": "kênh thuê riêng",
    "vpn_over_internet": "VPN over Internet",
    "other": "loại khác",
}
DAY_MS = 86_400_000

LONGEST, MOST = 1900, 1_000_000
"""Characters of a label or remark, and how many of a thing, that a site is believed."""

DECLARED, CONFIGURED, REACHABLE, LIVE = "khai báo", "cấu hình", "kết nối được", "có hình"


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """All that is known of a site.

    Attributes:
        province: Two digits of the list `scheme`.
        scheme: Which list that is.
        gateway: Id of the gateway.
        made_ms: When the form is filled, wall clock.
        site: Section of the inventory, as those that follow.
        recorders: See `site`.
        cameras: See `site`.
        net: See `site`.
        ioc: See `site`.
        health: Of the cameras, as of `health_ms`; None: not known now.
        health_ms: Wall clock.
        rtt_ms: Round trip to the centre's broker; None: not known.
        contacts: Part I of the form; None: kept apart.
        detected: What devices have said of themselves; nothing: what `net` says of it counts.
    """

    province: str
    gateway: str
    made_ms: int
    scheme: ProvinceScheme = "vn-2025"
    site: InventorySite = field(default_factory=InventorySite)
    recorders: InventoryRecorders = field(default_factory=InventoryRecorders)
    cameras: InventoryCameras = field(default_factory=InventoryCameras)
    net: InventoryNet = field(default_factory=InventoryNet)
    ioc: InventoryIoc = field(default_factory=InventoryIoc)
    health: tuple[CameraHealth, ...] | None = None
    health_ms: int | None = None
    rtt_ms: float | None = None
    contacts: tuple[ContactConfig, ...] | None = None
    detected: Detected = field(default_factory=Detected)

    @property
    def has_inventory(self) -> bool:
        """Whether the site has told what it is or which cameras it has."""
        return bool(self.site.sha or self.cameras.sha)

    def with_section(self, section: InventorySection) -> SiteFacts:
        """Return the facts with *section* in place of the one of its kind that was known."""
        match section:
            case InventorySite():
                return replace(self, site=section)
            case InventoryRecorders():
                return replace(self, recorders=section)
            case InventoryCameras():
                return replace(self, cameras=section)
            case InventoryNet():
                return replace(self, net=section)
            case InventoryIoc():
                return replace(self, ioc=section)
        return self


def fill_form(facts: SiteFacts) -> SiteForm:
    """Return the form of the site that *facts* describe."""
    if facts.detected.time_ms is None:
        facts = replace(facts, detected=of_inventory(facts.net))
    name = facts.site.centre.name
    former = facts.site.centre.former_province
    return SiteForm(
        form=FORM,
        made_ms=facts.made_ms,
        province=facts.province,
        scheme=facts.scheme,
        former_province=None if former is None else former.value,
        gateway=facts.gateway,
        name="" if name is None else name.value,
        contacts=facts.contacts,
        answers=tuple(_answers(facts)),
        systems=tuple(
            SystemSurvey(
                name=each.name,
                functions=each.functions or None,
                data_managed=each.data_managed or None,
            )
            for each in facts.ioc.ioc
            if each.name
        ),
    )


def day_text(time_ms: int) -> str:
    """Return the day of *time_ms* in Viet Nam, dd/MM/yyyy."""
    return local_time.day_text(_bounded(time_ms))


def day_of(time_ms: int) -> str:
    """Return the day of *time_ms* in Viet Nam as ISO 8601 has it."""
    return local_time.local_time(_bounded(time_ms)).strftime("%Y-%m-%d")


def time_text(time_ms: int) -> str:
    """Return *time_ms* in Viet Nam, dd/MM/yyyy HH:mm:ss."""
    return local_time.time_text(_bounded(time_ms))


def utc_text(time_ms: int) -> str:
    """Return *time_ms* as RFC 3339 has it, in seconds."""
    moment = dt.datetime.fromtimestamp(_bounded(time_ms) // 1000, dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _bounded(time_ms: int) -> int:
    """Return *time_ms*; at the end of the year 9999 time stands still."""
    return min(time_ms, LAST_MS - DAY_MS)


def _answers(facts: SiteFacts) -> Iterator[Answer]:
    cameras, site = facts.cameras.cameras, facts.site
    yield _types(facts)
    models = compare_cameras(cameras, facts.detected, "model")
    makers = compare_cameras(cameras, facts.detected, "manufacturer")
    yield _compared(facts, "II.I.2", _tally(each.model for each in cameras), models)
    yield _compared(facts, "II.I.3", _tally(each.manufacturer for each in cameras), makers)
    yield _counts(facts)
    yield _places(cameras)
    yield _kind(facts)
    yield _recorders(facts)
    yield _exposure(site)
    lines = path_texts(facts.net, facts.recorders, (each.id for each in cameras))
    times = [each.time_ms for each in facts.net.links if each.time_ms is not None]
    yield _answer("II.II.1", _listed("declared", lines, max(times, default=None)))
    yield _networks(facts)
    yield _reach(site)
    yield _line(facts)


def _compared(
    facts: SiteFacts, number: Number, said: Iterable[Said], comparison: Comparison
) -> Answer:
    """Answer with what is *said*, and beside it what devices say of themselves."""
    found = tuple(_item(label, count) for label, count in comparison.values[: ITEMS - 1])
    detected = (
        Said(source="detected", items=found, time_ms=facts.detected.time_ms) if found else None
    )
    both = (*said, *(() if detected is None else (detected,)))
    return _answer(number, both, comparison.mismatch)


def _answer(number: Number, said: Iterable[Said], mismatch: str = "") -> Answer:
    return Answer(number=number, said=tuple(said), mismatch=cut(mismatch, LONGEST))


def _item(label: str, count: int | None = None) -> Item:
    """Return an item whatever a site says: shortened, and within the bounds of a count."""
    return Item(label=cut(label, LONGEST), count=None if count is None else min(count, MOST))


def _listed(source: Source, labels: Iterable[str], time_ms: int | None) -> Iterator[Said]:
    """Yield what *source* says, unless it says nothing."""
    items = tuple(_item(each) for each in labels if each)
    if items:
        yield Said(source=source, items=items, time_ms=time_ms)


def _tally(values: Iterable[KnownValue[Any] | None]) -> Iterator[Said]:
    """Yield for each source how often it says which of *values*, the most frequent first."""
    counts: dict[Source, dict[str, int]] = {}
    newest: dict[Source, int] = {}
    for each in values:
        if each is None or not str(each.value).strip():
            continue
        source, label = BY_ORIGIN[each.origin], str(each.value).strip()
        said = counts.setdefault(source, {})
        said[label] = said.get(label, 0) + 1
        if each.time_ms is not None:
            newest[source] = max(each.time_ms, newest.get(source, 0))
    for source in sorted(counts):
        ranked = sorted(counts[source].items(), key=lambda item: -item[1])
        items = tuple(_item(label, count=count) for label, count in ranked)
        yield Said(source=source, items=items, time_ms=newest.get(source))


def _types(facts: SiteFacts) -> Answer:
    """Answer by the cameras; where none says its type, by the counts that people have declared."""
    said = tuple(_tally(each.type for each in facts.cameras.cameras))
    counts = facts.site.camera_count
    if not said:
        counted = [("Analog", counts.analog), ("IP", counts.ip)]
        items = tuple(
            _item(label, count=each.value)
            for label, each in counted
            if each is not None and each.value
        )
        times = [each.time_ms for _, each in counted if each is not None and each.time_ms]
        if items:
            said = (Said(source="declared", items=items, time_ms=max(times, default=None)),)
    return _answer("II.I.1", said)


def _counts(facts: SiteFacts) -> Answer:
    """Answer with the counts: declared, connected, with a picture.

    Connected is a camera that answers now; if that is not known now, none is told. It has a picture
    if one arrives, or, while nobody watches it, if one has been seen and it still answers.
    """
    counts = facts.site.camera_count
    said, mismatches = [], []
    declared, configured = counts.declared, counts.configured
    if declared is not None:
        item = _item(DECLARED, count=declared.value)
        said.append(Said(source="declared", items=(item,), time_ms=declared.time_ms))
        if configured is not None and configured.value != declared.value:
            mismatches.append(f"khai báo {declared.value}, cấu hình {configured.value} camera")
    elif configured is not None and configured.value:
        item = _item(CONFIGURED, count=configured.value)
        said.append(Said(source="declared", items=(item,), time_ms=configured.time_ms))
    if facts.health is not None:
        answering = [each for each in facts.health if each.state in ("on", "deg")]
        live = [each for each in answering if _is_live(each, facts.cameras.cameras)]
        items = (
            _item(REACHABLE, count=len(answering)),
            _item(LIVE, count=len(live)),
        )
        said.append(Said(source="measured", items=items, time_ms=facts.health_ms))
        expected = declared or configured
        if expected is not None and len(answering) < expected.value:
            mismatches.append(f"{expected.value - len(answering)} camera không kết nối được")
        if len(live) < len(answering):
            mismatches.append(f"{len(answering) - len(live)} camera chưa có hình")
    elif counts.observed is not None:
        item = _item(LIVE, count=counts.observed.value)
        said.append(Said(source="measured", items=(item,), time_ms=counts.observed.time_ms))
    unknown = undeclared(facts.cameras.cameras, facts.recorders.recorders, facts.detected)
    return _answer("II.I.4", said, "; ".join(filter(None, (*mismatches, unknown))))


def _is_live(health: CameraHealth, cameras: Iterable[WireCamera]) -> bool:
    if health.fps > 0:
        return True
    seen = (stream for each in cameras if each.id == health.id for stream in each.streams)
    return health.reason == "IDLE" and any(each.codec is not None for each in seen)


def _places(cameras: Iterable[WireCamera]) -> Answer:
    """Answer with the places, and which cameras are at each."""
    by_place: dict[str, list[str]] = {}
    for each in cameras:
        place = "" if each.location.text is None else each.location.text.value
        name = each.id if each.name is None else each.name.value
        by_place.setdefault(place, []).append(name)
    labels = [
        f"{place}: {', '.join(names)}" if place else ", ".join(names)
        for place, names in by_place.items()
    ]
    times = [each.name.time_ms for each in cameras if each.name is not None and each.name.time_ms]
    return _answer("II.I.5", _listed("declared", labels, max(times, default=None)))


def _kind(facts: SiteFacts) -> Answer:
    said, mismatch = [], ""
    kind = facts.site.vms_kind
    kinds = [each.kind for each in facts.recorders.recorders if each.kind is not None]
    if kind is not None:
        item = _item(KINDS.get(kind.value, kind.value))
        said.append(Said(source=BY_ORIGIN[kind.origin], items=(item,), time_ms=kind.time_ms))
        others = sorted({each.value for each in kinds} - {kind.value})
        if others:
            mismatch = f"khai báo {kind.value}, danh sách đầu ghi có {', '.join(others)}"
    else:
        said += _tally(
            each.model_copy(update={"value": KINDS.get(each.value, each.value)}) for each in kinds
        )
    return _answer("II.I.6", said, mismatch)


def _recorders(facts: SiteFacts) -> Answer:
    """Answer with the recorders of which a maker or a model is known."""
    recorders = facts.recorders.recorders
    by_source: dict[Source, list[str]] = {}
    newest: dict[Source, int] = {}
    for each in recorders:
        known = each.model or each.manufacturer
        if known is None:
            continue
        source = BY_ORIGIN[known.origin]
        more = [
            f"{each.channels.value} kênh" if each.channels is not None else "",
            f"phiên bản {each.firmware.value}" if each.firmware is not None else "",
        ]
        text = ", ".join([device_text(each), *filter(None, more)])
        by_source.setdefault(source, []).append(text)
        if known.time_ms is not None:
            newest[source] = max(known.time_ms, newest.get(source, 0))
    said = (
        Said(
            source=source,
            items=tuple(_item(text) for text in texts),
            time_ms=newest.get(source),
        )
        for source, texts in sorted(by_source.items())
    )
    return _compared(facts, "II.I.7", said, compare_recorders(recorders, facts.detected))


def _exposure(site: InventorySite) -> Answer:
    """Answer with what is declared; nothing is ever looked for from outside."""
    declared = site.exposed.declared
    if declared is None:
        return _answer("II.I.8", ())
    protocols = site.exposed.protocols
    listed = "" if protocols is None else ", ".join(protocols.value)
    if declared.value:
        label = f"Có: {listed}" if listed else "Có"
    else:
        label = "Không có" + (f" (trong mạng nội bộ: {listed})" if listed else "")
    return _answer("II.I.8", _listed("declared", (label,), declared.time_ms))


def _networks(facts: SiteFacts) -> Answer:
    ranges = facts.site.camera_ip_range
    if ranges is None:
        return _answer("II.II.2", ())
    source = BY_ORIGIN[ranges.origin]
    networks = [net for each in ranges.value if (net := _network(each)) is not None]
    known = [each.ip for each in facts.cameras.cameras]
    known += [each.ip for each in facts.recorders.recorders]
    addresses = {each.value for each in known if each is not None}
    outside = sorted(each for each in addresses if not _is_within(each, networks))
    mismatch = f"nằm ngoài dải: {', '.join(outside[:8])}" if outside and networks else ""
    return _answer("II.II.2", _listed(source, ranges.value, ranges.time_ms), mismatch)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _is_within(
    text: str, networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]
) -> bool:
    """Return whether *text* is in one of *networks*; what is no address is nowhere outside."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return True
    return any(address in each for each in networks)


def _reach(site: InventorySite) -> Answer:
    labels, times = [], []
    managed, reach = site.central_managed, site.reach_from_office
    if managed is not None:
        labels.append(f"Quản lý tập trung: {_yes(managed.value)}")
        times.append(managed.time_ms or 0)
    if reach.ok is not None:
        net = "mạng Văn phòng UBND" if reach.net is None else reach.net.value
        labels.append(f"Truy cập được từ {net}: {_yes(reach.ok.value)}")
        times.append(reach.ok.time_ms or 0)
    return _answer("II.III.1", _listed("declared", labels, max(times, default=0) or None))


def _yes(said: bool) -> str:
    return "Có" if said else "Không"


def _line(facts: SiteFacts) -> Answer:
    """Answer with the lines as declared, and what the gateway measures on them."""
    inside, outside = _line_text(facts.site.line), _line_text(facts.site.uplink)
    times = [
        each.time_ms
        for line in (facts.site.line, facts.site.uplink)
        for each in (line.type, line.down_mbps, line.up_mbps)
        if each is not None and each.time_ms is not None
    ]
    labels = [inside, f"từ điểm ra ngoài: {outside}" if outside else ""]
    said = [*_listed("declared", labels, max(times, default=None))]
    measured, mismatch = _measured(facts)
    said += _listed("measured", measured, facts.health_ms)
    return _answer("II.III.2", said, mismatch)


def _line_text(line: WireLine) -> str:
    kind = "" if line.type is None else LINES.get(line.type.value, line.type.value)
    isp = "" if line.isp is None else line.isp.value
    rates = [
        f"{word} {_rate(each.value)}"
        for word, each in (("tải xuống", line.down_mbps), ("tải lên", line.up_mbps))
        if each is not None
    ]
    return ", ".join(each for each in (" ".join(filter(None, (kind, isp))), *rates) if each)


def _rate(mbps: float) -> str:
    """Return a bit rate as Vietnamese writes numbers: 2,5 Mb/s."""
    return f"{mbps:.1f}".removesuffix(".0").replace(".", ",") + " Mb/s"


def _measured(facts: SiteFacts) -> tuple[list[str], str]:
    """Return what is measured of the lines, and how it disagrees with what is declared."""
    labels, mismatch = [], ""
    pulled = [each for each in facts.health or () if each.kbps > 0]
    if pulled:
        mbps, lost = sum(each.kbps for each in pulled) / 1000, sum(each.lost for each in pulled)
        labels.append(
            f"đang nhận {_rate(mbps)} từ {len(pulled)} camera, mất {lost} gói trong phút cuối"
        )
        declared = facts.site.line.down_mbps
        if declared is not None and mbps > declared.value:
            mismatch = f"khai báo {_rate(declared.value)}, đo được {_rate(mbps)}"
    if facts.rtt_ms is not None:
        labels.append(f"tới trung tâm và về: {facts.rtt_ms:.0f} ms")
    return labels, mismatch
