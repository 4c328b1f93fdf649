"""What an installer is asked on the telephone beside the gateway itself: box, certificate, cameras.

No camera is opened: the gateway that runs has looked at them, and tells.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

from gateway.app.doctor_finding import Finding, Status
from gateway.config.site_store import SITE_NAME, load_site
from gateway.health.host import Host, machine
from gateway.health.raspberry_pi import UNDERVOLTAGE
from gateway.model.camera_clock import TOLERANCE_S, clock_fault
from gateway.model.errors import ConfigRejected, MessageRejected
from gateway.model.health import CameraHealth, HostSample
from gateway.model.local_time import OFFSET_S, day_text
from gateway.model.reasons import Reason, Wording
from gateway.model.wording import WORDING
from gateway.mqtt.client.broker import Tls, own_certificate_info
from gateway.mqtt.payloads.health import decode_health_line
from gateway.runtime.build import FULL_VERSION
from gateway.runtime.clock import now_ms
from gateway.runtime.status_query import HEALTH_BYTES, HEALTH_NAME, query_status

HOT_C = 80.0
"""From here on a Raspberry Pi slows itself down."""

SOON_DAYS = 30.0
FACTORY_S = 3600.0
"""By how much a recorder is ahead that has China's time zone, as most leave the factory with."""

ASKS_S = 5.0


def versions() -> Finding:
    """Which release, system and Python this is."""
    here = machine(FULL_VERSION)
    said = f"{FULL_VERSION}, {here.os}, {here.arch}, Python {platform.python_version()}"
    return Finding("versions", "ok", f"Phiên bản {said}", f"version {said}", details=())


def board(folder: Path) -> Iterator[Finding]:
    """Yield temperature and power supply of this machine, as far as it measures them."""
    yield from board_findings(Host(folder).sample(0.0))


def board_findings(sample: HostSample) -> Iterator[Finding]:
    """Yield what is to be said of *sample*."""
    if sample.temperature_c is None:
        yield Finding("temperature", "ok", "Máy không có cảm biến nhiệt độ", "no sensor to read")
    else:
        hot = sample.temperature_c >= HOT_C
        at = f"{sample.temperature_c:.0f} °C"
        yield _of("temperature", Reason.OVERHEATED if hot else None, at)
    if sample.throttled is not None:
        weak = bool(sample.throttled & UNDERVOLTAGE)
        bits = f"0x{sample.throttled:x}"
        yield _of("power", Reason.UNDERVOLTAGE if weak else None, bits)


def _of(name: str, reason: Reason | None, value: str) -> Finding:
    called = {"temperature": ("Nhiệt độ", "temperature"), "power": ("Nguồn điện", "power")}[name]
    if reason is None:
        return Finding(name, "ok", f"{called[0]} {value}", f"{called[1]} {value}")
    said = WORDING[reason]
    vi, en = f"{said.vi} ({value})", f"{said.en} ({value})"
    return Finding(name, "warn", vi, en, said.vi_todo, said.en_todo)


def certificate(tls: Tls | None, wall_ms: int | None = None) -> Finding:
    """When our certificate ends."""
    info = own_certificate_info(tls)
    if info is None:
        vi, en = "Không dùng chứng thư của thiết bị", "no certificate of our own is used"
        return Finding("certificate", "ok", vi, en)
    wall_ms = now_ms() if wall_ms is None else wall_ms
    days = (info.ends_ms - wall_ms) / 86_400_000
    ends = day_text(info.ends_ms)
    begins_later = info.begins_ms > wall_ms
    reason = Reason.TLS_NOT_YET_VALID if begins_later else Reason.CERT_ENDS_SOON
    reason = Reason.TLS_EXPIRED if days <= 0 else reason
    if days > SOON_DAYS and not begins_later:
        vi, en = f"Chứng thư còn hạn đến {ends}", f"valid until {info.ends}"
        return Finding("certificate", "ok", vi, en)
    said = WORDING[reason]
    return Finding(
        "certificate",
        "fail" if days <= 0 or begins_later else "warn",
        f"{said.vi} (hạn {ends}, còn {days:.0f} ngày)",
        f"{said.en} (until {info.ends})",
        said.vi_todo,
        said.en_todo,
    )


def cameras(runtime: Path, state: Path) -> Iterator[Finding]:
    """Yield the cameras as the gateway that runs on this machine tells them; nobody logs in.

    Args:
        runtime: Its runtime folder.
        state: Its state folder, where the site document says what the cameras are called.
    """
    try:
        line = query_status(runtime, ASKS_S, name=HEALTH_NAME, most_bytes=HEALTH_BYTES)
        _, site, told = decode_health_line(line)
    except (OSError, MessageRejected):
        yield Finding(
            "cameras",
            "warn",
            "Chưa biết tình trạng camera: dịch vụ không chạy, hoặc không có quyền hỏi",
            "not measured: the gateway does not run here, or may not be asked",
            "Chạy: sudo systemctl start camera-gateway; hoặc thử từng camera bằng lệnh probe",
            "Run: sudo systemctl start camera-gateway; or try each camera by probe",
        )
        return
    yield uplink(site.link.rtt_ms)
    well = [each for each in told if each.state in ("on", "unk")]
    off = len(told) - len(well)
    vi, en = f"{len(told)} camera, {off} có lỗi", f"{len(told)} cameras, {off} with faults"
    yield Finding("cameras", "warn" if off else "ok", vi, en)
    names = _names(state)
    for camera in told:
        yield from camera_findings(camera, names.get(camera.id, ""))


def _names(state: Path) -> dict[str, str]:
    """Return what the cameras of the site document are called, by their ids."""
    try:
        site = load_site(state / SITE_NAME)
    except ConfigRejected:  # told where the settings are checked
        return {}
    return {} if site is None else {camera.id: camera.name for camera in site.cameras}


def uplink(rtt_ms: float | None) -> Finding:
    """Return the round trip to the broker, as the gateway that runs has measured it."""
    if rtt_ms is None:
        vi, en = "Dịch vụ chưa đo thời gian vòng tới máy chủ MQTT", "no round trip is measured yet"
    else:
        vi = f"Thời gian vòng tới máy chủ MQTT {rtt_ms:.0f} ms"
        en = f"round trip to the broker {rtt_ms:.0f} ms"
    return Finding("uplink", "ok", vi, en)


def camera_findings(camera: CameraHealth, name: str = "") -> Iterator[Finding]:
    """Yield how *camera*, which people call *name*, is, and what is wrong with its clock."""
    called = f'{camera.id} "{name}"' if name else camera.id
    said = WORDING[camera.reason]
    detail = f" ({camera.detail})" if camera.detail else ""
    todo = (said.vi_todo, said.en_todo) if camera.state not in ("on", "unk") else ("", "")
    status: Status = "warn" if any(todo) or camera.state not in ("on", "unk") else "ok"
    vi, en = f"{called}: {said.vi}", f"{said.en}{detail}"
    yield Finding(f"camera.{camera.id}", status, vi, en, *todo)
    fault = None if camera.clock_off_s is None else clock_fault(camera.clock_off_s)
    if fault is not None and camera.clock_off_s is not None:
        yield _camera_clock(camera.id, called, camera.clock_off_s, WORDING[fault])


def _camera_clock(key: str, called: str, off_s: float, said: Wording) -> Finding:
    # Many a camera tells its local time as if it were UTC: what it shows is what counts.
    shown_s = min(off_s, off_s - OFFSET_S, key=abs)
    way = "nhanh" if shown_s > 0 else "chậm"
    factory = abs(shown_s - FACTORY_S) <= TOLERANCE_S
    zone = ", múi giờ +8 (mặc định nhà máy)" if factory else ""
    zone_en = ", time zone +8 (as it left the factory)" if factory else ""
    return Finding(
        f"clock.{key}",
        "warn",
        f"{called}: giờ {way} {abs(shown_s):.0f} giây{zone}",
        f"its clock is {shown_s:+.0f} s off{zone_en}",
        said.vi_todo,
        said.en_todo,
    )
