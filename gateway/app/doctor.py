"""Looks at this machine as a gateway would, and says what is wrong with it, one finding at a time.

Nothing is changed: no camera is opened (`camera-gateway probe` does that), the broker is greeted
under a client id of our own and left.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from gateway.app.cameras import CORES_SHARE, ice_servers
from gateway.app.doctor_broker import brokers
from gateway.app.doctor_clock import clock as wall_clock
from gateway.app.doctor_finding import Finding as Finding
from gateway.app.doctor_finding import Status
from gateway.app.doctor_line import line
from gateway.app.doctor_site import board, cameras, versions
from gateway.config.secrets import Secrets
from gateway.config.settings import Settings
from gateway.fastpath import ADVICE, COMPILED, STALE
from gateway.health.disk import TrialWrite
from gateway.model.errors import ConfigRejected
from gateway.model.reasons import Reason
from gateway.model.wording import WORDING
from gateway.ports import Clock
from gateway.runtime.clock import now_ms
from gateway.runtime.descriptors import ENOUGH, LEAST, raise_descriptor_limit
from gateway.runtime.status_query import DEFAULT_FOLDER
from gateway.transcoding.capacity import reference_ms
from gateway.transcoding.encoder_choice import FALLBACK, EncoderChoice
from gateway.transcoding.libraries import program_version, pyav_version
from gateway.transcoding.output_format import output_size
from gateway.vision.landlock import landlock_version
from gateway.vision.start_patience import StartPatience
from gateway.vision.worker_process import WorkerLost, WorkerProcess
from gateway.webrtc.turn_trial import TurnTrial, try_turn

DISK_PERCENT = 95.0
STARTS_WITHIN_S = 30.0
_USUAL = 1920, 1080


async def examine(
    settings: Settings, secrets: Secrets, clock: Clock, runtime: Path = DEFAULT_FOLDER
) -> AsyncIterator[Finding]:
    """Yield what is found, in the order in which a gateway needs it.

    Args:
        settings: Of this machine.
        secrets: Likewise.
        clock: Monotonic.
        runtime: The runtime folder of the gateway that runs here, if one does.
    """
    yield versions()
    yield await asyncio.to_thread(ffmpeg)
    for each in await asyncio.to_thread(list, board(settings.state.dir)):
        yield each
    yield fast_path()
    yield descriptors()
    yield disk(settings.state.dir)
    for each in await asyncio.to_thread(list, wall_clock()):
        yield each
    async for each in brokers(settings, secrets, clock):
        yield each
    async for each in turn(settings, secrets):
        yield each
    async for each in line(settings, clock):
        yield each
    for each in await asyncio.to_thread(list, cameras(runtime, settings.state.dir)):
        yield each
    yield await sandbox()
    if not settings.transcoding.enabled:
        yield Finding("transcoding", "ok", "Chuyển mã đã tắt", "transcoding is turned off")
        return
    choice = EncoderChoice(asked=settings.transcoding.encoder)
    await choice.choose()
    yield encoder(choice)
    yield capacity(settings)


def ffmpeg() -> Finding:
    """Which FFmpeg decodes and encodes."""
    pyav, brought = pyav_version()
    program = program_version()
    own_vi = f"ffmpeg của máy {program}" if program else "máy không có ffmpeg riêng"
    own_en = f"this machine's ffmpeg {program}" if program else "no ffmpeg of this machine's own"
    said = f"PyAV {pyav}, FFmpeg {brought}"
    return Finding("ffmpeg", "ok", f"{said}; {own_vi}", f"{said}; {own_en}")


def fast_path() -> Finding:
    """Whether the compiled relay is used."""
    name = "fast_path"
    if COMPILED and not STALE:
        return Finding(name, "ok", "Phần chuyển hình nhanh đã biên dịch", "it is compiled")
    what = ADVICE if STALE else "not compiled: two to three times the processor time"
    return Finding(
        name,
        "warn",
        "Thiếu phần chuyển hình nhanh, tốn CPU gấp hai đến ba lần",
        what,
        "Cài gcc, libc6-dev, python3-dev rồi chạy lại scripts/install run",
        "Install gcc, libc6-dev and python3-dev, then run scripts/install run again",
    )


def descriptors() -> Finding:
    """How many files and sockets may be open."""
    _, now = raise_descriptor_limit()
    status: Status = "ok" if now < 0 or now >= ENOUGH else "warn" if now >= LEAST else "fail"
    allowed = "không giới hạn" if now < 0 else str(now)
    todo = status != "ok"
    return Finding(
        "descriptors",
        status,
        f"Được mở {allowed} tệp và kết nối",
        f"{'any number of' if now < 0 else now} files and sockets may be open",
        f"Tăng LimitNOFILE= trong tệp systemd lên {ENOUGH}" if todo else "",
        f"Raise LimitNOFILE= in the systemd unit to {ENOUGH}" if todo else "",
    )


def disk(folder: Path) -> Finding:
    """Whether the state folder can be written, and what is free."""
    name = "disk"
    error = TrialWrite(folder).check(0.0)
    if error is None:
        return Finding(
            name,
            "fail",
            f"Chưa có thư mục trạng thái {folder}",
            f"there is no state folder {folder}",
            "Tạo thư mục như docs/install.md mục 5",
            "Make it as in docs/install.md, section 5",
        )
    if error:
        return Finding(
            name,
            "fail",
            f"Không ghi được vào {folder} ({error})",
            f"{folder} cannot be written ({error})",
            "Xem quyền của thư mục; thẻ nhớ hoặc ổ đĩa có thể hỏng hoặc đầy",
            "See who owns it; the card or disk may be broken or full",
        )
    usage = shutil.disk_usage(folder)
    percent = 100 * usage.used / usage.total
    full = percent >= DISK_PERCENT
    return Finding(
        name,
        "warn" if full else "ok",
        f"Ghi được vào {folder}, đã dùng {percent:.0f} %",
        f"{folder} can be written, {percent:.0f} % are used",
        "Giải phóng dung lượng" if full else "",
        "Free some space" if full else "",
    )


async def turn(settings: Settings, secrets: Secrets) -> AsyncIterator[Finding]:
    """Yield whether each TURN server relays for us, by each of its ways."""
    try:
        servers = list(ice_servers(settings, secrets))
    except ConfigRejected as error:
        said = "; ".join(map(str, error.faults))
        vi = "Không đọc được mật khẩu của máy chủ TURN"
        yield Finding("turn", "fail", vi, said, "Xem docs/install.md mục 3", "See docs/install.md")
        return
    ways = [(server, url) for server in servers for url in server.server.urls]
    ways = [(server, url) for server, url in ways if not url.startswith("stun:")]
    if not ways:
        yield Finding("turn", "ok", "Không khai báo máy chủ TURN", "no TURN server is configured")
    for configured, url in ways:
        trial = await try_turn(configured.usable_by("doctor", now_ms=now_ms()), url)
        yield turn_finding(url, trial)


def turn_finding(url: str, trial: TurnTrial) -> Finding:
    """Return what *trial* says of *url*."""
    if trial.reason is Reason.OK:
        took = f"{trial.took_ms:.0f} ms"
        return Finding("turn", "ok", f"{url} chuyển tiếp được, {took}", f"it relays, {took}")
    said = WORDING[trial.reason]
    vi = "Máy chủ TURN từ chối" if trial.reason is Reason.NOT_AUTHORISED else said.vi
    todo = _TURN_CURES.get(
        trial.reason,
        (
            f"{said.vi_todo} Xem tường lửa có chặn cổng và giao thức này không.",
            f"{said.en_todo} See whether a firewall closes this port and protocol.",
        ),
    )
    return Finding("turn", "warn", f"{url}: {vi}", f"{url}: {trial.detail}", *todo)


_TURN_CURES: dict[Reason, tuple[str, str]] = {
    Reason.NOT_AUTHORISED: (
        "Kiểm tra shared_secret trong [[webrtc.ice]], đồng hồ và hạn mức của máy chủ TURN",
        "Check shared_secret in [[webrtc.ice]], and the TURN server's clock and quota",
    ),
    Reason.TLS_FAILED: (
        "Chép chứng thư gốc của trung tâm vào /usr/local/share/ca-certificates/trungtam.crt rồi "
        "chạy: sudo update-ca-certificates; kiểm tra tên máy chủ trong chứng thư",
        "Copy the centre's root to /usr/local/share/ca-certificates/trungtam.crt and run: sudo "
        "update-ca-certificates; check the name in its certificate",
    ),
}


async def sandbox() -> Finding:
    """Whether the process that decodes pictures can be locked in."""
    name = "sandbox"
    try:
        worker = await WorkerProcess.start(
            answers_within_s=STARTS_WITHIN_S, patience=StartPatience(STARTS_WITHIN_S)
        )
    except WorkerLost as error:
        return Finding(
            name,
            "fail",
            "Tiến trình giải mã không khởi động được",
            f"the process that decodes {error}",
            "Chạy lại scripts/install run; xem journalctl -u camera-gateway",
            "Run scripts/install run again; see journalctl -u camera-gateway",
        )
    try:
        status = await asyncio.to_thread(_status_of, worker.pid)
    finally:
        await worker.stop()
    version = landlock_version()
    landlock = f"Landlock {version}" if version > 0 else "no Landlock"
    if status.get("Seccomp") == "2" and status.get("NoNewPrivs") == "1":
        return Finding(
            name,
            "ok" if version > 0 else "warn",
            "Tiến trình giải mã chạy trong hộp cát",
            f"the process that decodes is locked in (seccomp; for other programs: {landlock})",
            "" if version > 0 else "Nhân Linux từ 5.13 có Landlock bảo vệ tốt hơn",
            "" if version > 0 else "A kernel from 5.13 on with Landlock protects better",
        )
    return Finding(
        name,
        "warn",
        "Nhân hệ điều hành không cho khóa tiến trình giải mã",
        f"the kernel does not lock in the process that decodes (Seccomp {status.get('Seccomp')})",
        "Dùng nhân có CONFIG_SECCOMP_FILTER",
        "Use a kernel with CONFIG_SECCOMP_FILTER",
    )


def _status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: text.strip() for key, _, text in (line.partition(":") for line in lines)}


def encoder(choice: EncoderChoice) -> Finding:
    """Which encoder transcodes, and why the better ones do not."""
    works = " + ".join((*choice.special, choice.name))
    hardware = choice.name != FALLBACK or bool(choice.special)
    return Finding(
        "encoder",
        "ok",
        f"Chuyển mã bằng {works}" + ("" if hardware else " (phần mềm)"),
        f"{works} transcodes",
        details=tuple(choice.reasons),
    )


def capacity(settings: Settings) -> Finding:
    """How many usual cameras can be transcoded at once, by the figures of a desktop."""
    most = settings.transcoding.cores or CORES_SHARE * len(os.sched_getaffinity(0))
    wide, high = output_size(*_USUAL, None, settings.transcoding.height)
    ms = reference_ms("h265", _USUAL[0] * _USUAL[1], wide * high)
    count = max(1, int(most / (ms * settings.transcoding.fps / 1000)))
    return Finding(
        "capacity",
        "ok",
        f"Chuyển mã được khoảng {count} camera H.265 1080p cùng lúc ({most:g} nhân CPU)",
        f"about {count} cameras of H.265 at 1080p at once in {most:g} cores, by the figures of a"
        " desktop; what a picture takes here is measured while one is watched",
        "Đặt luồng phụ của camera thành H.264 thì không phải chuyển mã",
        "With H.264 in its sub-stream a camera needs no transcoding",
    )
