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

from gateway.app.apply_config import PREFLIGHT_SUFFIX
from gateway.app.broker import broker_address, broker_addresses
from gateway.app.cameras import CORES_SHARE, ice_servers
from gateway.app.doctor_finding import Finding as Finding
from gateway.app.doctor_finding import Status
from gateway.app.doctor_site import board, cameras, certificate, time_zone, versions
from gateway.config.secrets import Secrets
from gateway.config.settings import Settings
from gateway.fastpath import ADVICE, COMPILED, STALE
from gateway.health.clock_status import kernel_clock
from gateway.health.disk import TrialWrite
from gateway.model.errors import BrokerUnavailable, ConfigRejected
from gateway.model.reasons import Reason
from gateway.model.wording import WORDING
from gateway.mqtt.client.broker import BrokerAddress, client_id_of
from gateway.mqtt.client.preflight import preflight_connect
from gateway.mqtt.topics import Topics
from gateway.ports import Clock
from gateway.runtime.clock import now_ms
from gateway.runtime.descriptors import ENOUGH, LEAST, raise_descriptor_limit
from gateway.runtime.status_query import DEFAULT_FOLDER
from gateway.transcoding.capacity import reference_ms
from gateway.transcoding.encoder_choice import FALLBACK, EncoderChoice
from gateway.transcoding.output_format import output_size
from gateway.vision.landlock import landlock_version
from gateway.vision.start_patience import StartPatience
from gateway.vision.worker_process import WorkerLost, WorkerProcess
from gateway.webrtc.turn_trial import TurnTrial, try_turn

DISK_PERCENT = 95.0
GREETS_WITHIN_S = 10.0
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
    for each in await asyncio.to_thread(list, board(settings.state.dir)):
        yield each
    yield fast_path()
    yield descriptors()
    yield disk(settings.state.dir)
    yield wall_clock()
    yield time_zone()
    async for each in brokers(settings, secrets, clock):
        yield each
    async for each in turn(settings, secrets):
        yield each
    for each in await asyncio.to_thread(list, cameras(runtime)):
        yield each
    yield await sandbox()
    if not settings.transcoding.enabled:
        yield Finding("transcoding", "ok", "Chuyển mã đã tắt", "transcoding is turned off")
        return
    choice = EncoderChoice(asked=settings.transcoding.encoder)
    await choice.choose()
    yield encoder(choice)
    yield capacity(settings)


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


def wall_clock() -> Finding:
    """Whether the kernel holds the wall clock to be synchronised."""
    try:
        clock = kernel_clock()
    except OSError as error:
        return Finding(
            "clock",
            "warn",
            "Không biết giờ có được đồng bộ không",
            f"the kernel does not say ({error.strerror})",
        )
    if clock.synced:
        return Finding(
            "clock",
            "ok",
            f"Giờ được đồng bộ, sai số {clock.error_ms} ms",
            f"synchronised by {clock.source}, error {clock.error_ms} ms",
        )
    return Finding(
        "clock",
        "warn",
        "Giờ chưa được đồng bộ; chứng thư và lệnh có thể bị từ chối",
        "the wall clock is not synchronised: certificates and commands may be refused",
        "Bật systemd-timesyncd hoặc chrony; mạng kín cần máy chủ NTP nội bộ",
        "Turn on systemd-timesyncd or chrony; a closed network needs an NTP server of its own",
    )


async def brokers(settings: Settings, secrets: Secrets, clock: Clock) -> AsyncIterator[Finding]:
    """Yield our certificate's end, and whether each way to the broker accepts us."""
    try:
        first = broker_address(settings, secrets)
    except ConfigRejected as error:
        said = "; ".join(map(str, error.faults))
        yield Finding(
            "broker",
            "fail",
            "Không đọc được mật khẩu của máy chủ MQTT",
            said,
            "Xem docs/install.md mục 3",
            "See docs/install.md, section 3",
        )
        return
    yield certificate(first.tls)
    topics = Topics(settings.gateway.province, settings.gateway.id)
    names = ("broker", "broker_second")
    for name, address in zip(names, broker_addresses(first, settings), strict=False):
        client_id = client_id_of(settings.gateway.id, address.tls) + PREFLIGHT_SUFFIX
        yield await broker(name, address, client_id, topics.config_desired, clock)


async def broker(
    name: str, address: BrokerAddress, client_id: str, subscription: str, clock: Clock
) -> Finding:
    """Whether the broker at *address* accepts us: name, TCP, TLS, MQTT."""
    try:
        await preflight_connect(
            address,
            client_id=client_id,
            subscription=subscription,
            clock=clock,
            within_s=GREETS_WITHIN_S,
        )
    except BrokerUnavailable as error:
        why, todo = _BROKER_CAUSES.get(error.reason, ("", ("", "")))
        return Finding(
            name,
            "fail",
            f"Máy chủ MQTT {address} không chấp nhận thiết bị" + (f": {why}" if why else ""),
            str(error),
            todo[0]
            or "Xem địa chỉ, cổng, chứng thư và mật khẩu trong [broker]; xem mạng và tường lửa",
            todo[1]
            or "See address, port, certificates, password in [broker]; the network, its firewall",
        )
    return Finding(
        name, "ok", f"Máy chủ MQTT {address} chấp nhận thiết bị", f"{address} accepts this gateway"
    )


_BROKER_CAUSES: dict[Reason, tuple[str, tuple[str, str]]] = {
    Reason.DNS_FAILED: (
        "không phân giải được tên máy chủ",
        (
            "Kiểm tra máy chủ DNS của máy (resolvectl status), hoặc dùng địa chỉ IP trong [broker]",
            "Check this machine's DNS server (resolvectl status), or use an IP address in [broker]",
        ),
    ),
    Reason.TIMEOUT: (
        "không trả lời, có thể bị tường lửa chặn cổng",
        (
            "Đề nghị mở cổng đi ra tới máy chủ, hoặc dùng đường dự phòng 443 ([broker.second])",
            "Have the firewall open the outgoing port, or use the second way by 443",
        ),
    ),
    Reason.TLS_FAILED: (
        "chứng thư gốc hoặc tên máy chủ không khớp",
        (
            "Kiểm tra [broker.tls] ca và tên máy chủ; tường lửa có kiểm soát TLS không",
            "Check [broker.tls] ca and the host's name; does a firewall inspect TLS?",
        ),
    ),
    Reason.NOT_AUTHORISED: (
        "sai tài khoản, hoặc trung tâm chưa cấp quyền",
        (
            "Kiểm tra mật khẩu hoặc chứng thư của thiết bị với trung tâm",
            "Check this gateway's password or certificate with the centre",
        ),
    ),
}


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
    refused = trial.reason is Reason.NOT_AUTHORISED
    todo = (
        "Kiểm tra shared_secret trong [[webrtc.ice]], đồng hồ và hạn mức của máy chủ TURN"
        if refused
        else f"{said.vi_todo} Xem tường lửa có chặn cổng và giao thức này không.",
        "Check shared_secret in [[webrtc.ice]], and the TURN server's clock and quota"
        if refused
        else f"{said.en_todo} See whether a firewall closes this port and protocol.",
    )
    vi = "Máy chủ TURN từ chối" if refused else said.vi
    return Finding("turn", "warn", f"{url}: {vi}", f"{url}: {trial.detail}", *todo)


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
