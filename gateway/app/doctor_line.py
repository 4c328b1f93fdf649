"""What the doctor says of the line to the centre: loss and round trip by UDP, speed by HTTPS.

Measured against what the centre has: its STUN and TURN servers, which media pass, and the server
where machines enrol. Where there is neither, it says what is not measured.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from gateway.app.doctor_finding import Finding
from gateway.config.settings import Settings
from gateway.enrolment.errors import WORDING, EnrolmentError, EnrolmentReason
from gateway.enrolment.upload_trial import UploadTrial, try_upload
from gateway.model.errors import SourceUnavailable
from gateway.model.signalling import parse_ice_url
from gateway.ports import Clock
from gateway.webrtc.line_trial import LineTrial, try_line

MOST_SERVERS = 2
"""STUN and TURN servers that are asked."""

LOSS_PERCENT, TRIP_MS = 2.0, 300.0
"""From here on pictures break, or people notice the delay."""

CAMERA_KBPS = 600
"""What a sub-stream takes as we advise it (H.264, 640 by 360, 512 kb/s), with its headers."""


async def line(settings: Settings, clock: Clock) -> AsyncIterator[Finding]:
    """Yield what is to be said of the line; takes up to 50 s and 3.4 MB, on a weak line 66 kB."""
    servers = list(dict.fromkeys(udp_servers(settings)))[:MOST_SERVERS]
    for host, port in servers:
        try:
            yield loss(f"{host}:{port}", await try_line(host, port, clock=clock))
        except (OSError, SourceUnavailable) as error:
            vi = f"Không đo được mất gói tới {host}:{port}"
            yield Finding("loss", "warn", vi, f"not measured: {error}", *_SEE_DNS)
    if not servers:
        vi = "Chưa đo mất gói: không khai báo máy chủ STUN/TURN nào dùng UDP"
        yield Finding("loss", "ok", vi, "not measured: no STUN or TURN server by UDP is configured")
    yield await _upload(settings, clock)


_SEE_DNS = ("Kiểm tra tên máy chủ trong [[webrtc.ice]] và DNS", "Check [[webrtc.ice]] and the DNS")


def udp_servers(settings: Settings) -> Iterator[tuple[str, int]]:
    """Yield host and port of each STUN and TURN server that listens by UDP."""
    for server in settings.webrtc.ice:
        for url in server.urls:
            address = parse_ice_url(url)
            if address.transport == "udp":
                yield address.host, address.port


def loss(server: str, trial: LineTrial) -> Finding:
    """Return what *trial* says of the way to *server* and back."""
    counted = f"{trial.answered}/{trial.sent}"
    if trial.rtt_ms is None:
        return Finding(
            "loss",
            "warn",
            f"{server}: không có trả lời nào qua UDP ({counted})",
            f"{server}: nothing comes back by UDP ({counted})",
            "Đề nghị tường lửa mở UDP đi ra tới máy chủ này; khi chưa mở, hình đi qua TURN/TCP",
            "Have the firewall let UDP out to this server; until then media go by TURN over TCP",
        )
    said = f"{trial.loss_percent:.0f} %", f"{trial.rtt_ms:.0f} ms"
    vi = f"{server}: mất gói {said[0]} ({counted} trả lời), vòng {said[1]}"
    en = f"{server}: loss {said[0]} ({counted} answered), round trip {said[1]}"
    if trial.loss_percent >= LOSS_PERCENT:
        return Finding(
            "loss",
            "warn",
            vi,
            en,
            "Thử cáp mạng khác, bỏ Wi-Fi; xem ai đang dùng hết đường truyền; báo nhà mạng",
            "Try another cable, no Wi-Fi; see who fills the line; tell the provider",
        )
    if trial.rtt_ms >= TRIP_MS:
        return Finding(
            "loss",
            "warn",
            vi,
            en,
            "Trễ cao: xem đường truyền có đi vòng (VPN, 4G, vệ tinh) hoặc đang quá tải không",
            "It is slow: see whether the line takes a detour (VPN, 4G, satellite) or is full",
        )
    return Finding("loss", "ok", vi, en)


async def _upload(settings: Settings, clock: Clock) -> Finding:
    url, tls = settings.enrolment.url, settings.broker.tls
    if url is None or tls is None or tls.ca is None:
        vi = "Chưa đo tốc độ: thiết bị không đăng ký qua mã nên không biết máy chủ HTTPS nào"
        en = "not measured: this machine was not enrolled, it knows no HTTPS server of the centre"
        return Finding("speed", "ok", vi, en)
    try:
        ca = await asyncio.to_thread(settings.resolve_path(tls.ca).read_text, "ascii")
        return speed(await try_upload(url, ca, clock=clock))
    except (OSError, UnicodeDecodeError) as error:
        vi, en = "Không đọc được chứng thư gốc", f"the root cannot be read: {error}"
        return Finding("speed", "warn", vi, en, "Xem [broker.tls] ca", "See [broker.tls] ca")
    except EnrolmentError as error:
        said = WORDING[error.reason]
        old = error.reason is EnrolmentReason.NOT_ENROLMENT
        return Finding(
            "speed",
            "ok" if error.reason is EnrolmentReason.TOO_OFTEN else "warn",
            f"Chưa đo được tốc độ tới {url}: {said.vi}",
            f"not measured at {url}: {error}",
            "Máy chủ trung tâm có thể là bản cũ; hỏi trung tâm" if old else said.vi_todo,
            "The centre's server may be older; ask the centre" if old else said.en_todo,
        )


def speed(trial: UploadTrial) -> Finding:
    """Return what *trial* says of the speed to the centre."""
    figure = f"{trial.kbps / 1000:.1f}"
    how = f"{trial.sent_bytes / 1000:.0f} kB, {trial.took_s:.1f} s"
    cameras = int(trial.kbps // CAMERA_KBPS)
    if not trial.sent_bytes:
        vi = f"Tốc độ gửi lên trung tâm dưới {figure.replace('.', ',')} Mb/s"
        en = f"upload to the centre: less than {figure} Mb/s"
    else:
        vi = f"Tốc độ gửi lên trung tâm ít nhất {figure.replace('.', ',')} Mb/s ({how})"
        en = f"upload to the centre: at least {figure} Mb/s ({how})"
    if trial.sent_bytes and cameras:
        vi += f", đủ cho khoảng {cameras} camera luồng phụ cùng lúc"
        en += f", enough for about {cameras} sub-streams at once"
        return Finding("speed", "ok", vi, en)
    return Finding(
        "speed",
        "warn",
        f"{vi}: không đủ cho một camera ({CAMERA_KBPS} kb/s)",
        f"{en}: not enough for one camera ({CAMERA_KBPS} kb/s)",
        "Chạy lại lúc vắng; nếu vẫn vậy: hỏi nhà mạng về tốc độ tải lên, hạ bitrate luồng phụ",
        "Try again when nobody uses it; else ask the provider for upload, lower the bitrate",
    )
