"""What the doctor says of this machine's clock: whether it is right, who sets it, its zone."""

from __future__ import annotations

import time
from collections.abc import Iterator

from gateway.app.doctor_finding import Finding
from gateway.health.clock_status import KernelClock, kernel_clock
from gateway.health.time_sync import TimeSync, time_sync
from gateway.model.local_time import OFFSET_S

FAR_MS = 1_000.0
"""Further off, commands and view tokens begin to be refused."""


def clock() -> Iterator[Finding]:
    """Yield what is to be said of this machine's clock. Runs programs; blocks for seconds."""
    try:
        kernel = kernel_clock()
    except OSError as error:
        vi, en = (
            "Không biết giờ có được đồng bộ không",
            f"the kernel does not say ({error.strerror})",
        )
        yield Finding("clock", "warn", vi, en)
        kernel = KernelClock()
    else:
        yield wall_clock(kernel)
    yield ntp(time_sync(), synced=bool(kernel.synced))
    yield time_zone()


def wall_clock(kernel: KernelClock) -> Finding:
    """Whether the kernel holds the wall clock to be synchronised."""
    if kernel.synced:
        return Finding(
            "clock",
            "ok",
            f"Giờ được đồng bộ, sai số {kernel.error_ms} ms",
            f"synchronised by {kernel.source}, error {kernel.error_ms} ms",
        )
    return Finding(
        "clock",
        "warn",
        "Giờ chưa được đồng bộ; chứng thư và lệnh có thể bị từ chối",
        "the wall clock is not synchronised: certificates and commands may be refused",
        "Bật systemd-timesyncd hoặc chrony; mạng kín cần máy chủ NTP nội bộ",
        "Turn on systemd-timesyncd or chrony; a closed network needs an NTP server of its own",
    )


def ntp(sync: TimeSync | None, *, synced: bool) -> Finding:
    """Who sets the clock, by which server, how far off it is."""
    if sync is None:
        return Finding(
            "ntp",
            "ok" if synced else "warn",
            "Không thấy chrony hay systemd-timesyncd" + (", giờ do chương trình khác đặt" * synced),
            "neither chrony nor systemd-timesyncd tells" + (", something else sets it" * synced),
            "" if synced else "Chạy: sudo timedatectl set-ntp true",
            "" if synced else "Run: sudo timedatectl set-ntp true",
        )
    if not sync.server:
        return Finding(
            "ntp",
            "warn",
            f"{sync.program} đang chạy nhưng chưa máy chủ NTP nào trả lời",
            f"{sync.program} runs, and no NTP server has answered it",
            "Cho cổng UDP 123 đi ra, hoặc khai báo máy chủ NTP nội bộ trong "
            "/etc/systemd/timesyncd.conf (NTP=) hay /etc/chrony/chrony.conf (server)",
            "Let UDP 123 out, or name an NTP server of your own in /etc/systemd/timesyncd.conf "
            "(NTP=) or /etc/chrony/chrony.conf (server)",
        )
    off = "" if sync.offset_ms is None else f"{sync.offset_ms:+.1f} ms"
    far = sync.offset_ms is not None and abs(sync.offset_ms) > FAR_MS
    vi_off, en_off = (f", lệch {off}", f", off by {off}") if off else ("", "")
    layer = "" if sync.stratum is None else f", stratum {sync.stratum}"
    return Finding(
        "ntp",
        "warn" if far else "ok",
        f"{sync.program} theo máy chủ {sync.server}{vi_off}{layer}",
        f"{sync.program} follows {sync.server}{en_off}{layer}",
        "Chờ vài phút rồi chạy lại; nếu vẫn lệch, kiểm tra máy chủ NTP đó" if far else "",
        "Wait some minutes and try again; if it stays, check that NTP server" if far else "",
    )


def time_zone() -> Finding:
    """Whether this machine's zone is Viet Nam's: people read its log, and compare."""
    off_h = time.localtime().tm_gmtoff / 3600
    right = off_h * 3600 == OFFSET_S
    return Finding(
        "time_zone",
        "ok" if right else "warn",
        f"Múi giờ của máy {off_h:+g}",
        f"this machine's time zone is UTC{off_h:+g}",
        "" if right else "Chạy: sudo timedatectl set-timezone Asia/Ho_Chi_Minh",
        "" if right else "Run: sudo timedatectl set-timezone Asia/Ho_Chi_Minh",
    )
