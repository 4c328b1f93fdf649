"""What an installer is asked on the telephone beside the gateway itself: box, certificate, cameras.

No camera is opened: the gateway that runs has looked at them, and tells.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from pathlib import Path

from gateway.app.doctor_finding import Finding
from gateway.health.host import Host, machine
from gateway.health.raspberry_pi import UNDERVOLTAGE
from gateway.model.camera_clock import LOCAL_S, clock_fault
from gateway.model.errors import MessageRejected
from gateway.model.health import CameraHealth, HostSample
from gateway.model.reasons import Reason
from gateway.model.wording import WORDING
from gateway.mqtt.client.broker import Tls, own_certificate_info
from gateway.mqtt.payloads.health import decode_health_line
from gateway.runtime.build import FULL_VERSION
from gateway.runtime.clock import now_ms
from gateway.runtime.status_query import HEALTH_BYTES, HEALTH_NAME, query_status

HOT_C = 80.0
"""From here on a Raspberry Pi slows itself down."""

SOON_DAYS = 30.0
ASKS_S = 5.0


def versions() -> Finding:
    """Which release, system and Python this is."""
    here = machine(FULL_VERSION)
    said = f"{FULL_VERSION}, {here.os}, {here.arch}, Python {platform.python_version()}"
    return Finding("versions", "ok", f"Phiên bản {said}", f"version {said}", details=())


def time_zone() -> Finding:
    """Whether this machine's zone is Viet Nam's: people read its log, and compare."""
    off_h = time.localtime().tm_gmtoff / 3600
    right = off_h * 3600 == LOCAL_S
    return Finding(
        "time_zone",
        "ok" if right else "warn",
        f"Múi giờ của máy {off_h:+g}",
        f"this machine's time zone is UTC{off_h:+g}",
        "" if right else "Chạy: sudo timedatectl set-timezone Asia/Ho_Chi_Minh",
        "" if right else "Run: sudo timedatectl set-timezone Asia/Ho_Chi_Minh",
    )


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
    ends = time.strftime("%d/%m/%Y", time.gmtime(info.ends_ms / 1000 + LOCAL_S))
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


def cameras(runtime: Path) -> Iterator[Finding]:
    """Yield the cameras as the gateway that runs on this machine tells them; nobody logs in."""
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
    for camera in told:
        yield from camera_findings(camera)


def uplink(rtt_ms: float | None) -> Finding:
    """Return the round trip to the broker, as the gateway that runs has measured it.

    Speed and loss are not measured: nothing at the centre echoes enough to tell them honestly.
    """
    trip = "chưa đo" if rtt_ms is None else f"{rtt_ms:.0f} ms"
    said = "not measured" if rtt_ms is None else f"{rtt_ms:.0f} ms"
    return Finding(
        "uplink",
        "ok",
        f"Thời gian vòng tới trung tâm: {trip}; tốc độ và mất gói: chưa đo",
        f"round trip to the centre: {said}; speed and loss: not measured",
    )


def camera_findings(camera: CameraHealth) -> Iterator[Finding]:
    """Yield what is wrong with *camera*, and with its clock."""
    if camera.state not in ("on", "unk"):
        said = WORDING[camera.reason]
        vi, en = f"{camera.id}: {said.vi}", f"{said.en} ({camera.detail})"
        yield Finding(f"camera.{camera.id}", "warn", vi, en, said.vi_todo, said.en_todo)
    fault = None if camera.clock_off_s is None else clock_fault(camera.clock_off_s)
    if fault is not None and camera.clock_off_s is not None:
        said = WORDING[fault]
        way = "nhanh" if camera.clock_off_s > 0 else "chậm"
        factory = abs(camera.clock_off_s - 3600) < 60
        zone = ", múi giờ +8 (mặc định nhà máy)" if factory else ""
        yield Finding(
            f"clock.{camera.id}",
            "warn",
            f"{camera.id}: giờ {way} {abs(camera.clock_off_s):.0f} giây{zone}",
            f"its clock is {camera.clock_off_s:+.0f} s off",
            said.vi_todo,
            said.en_todo,
        )
