"""Each way to the broker, step by step: name, TCP, TLS, and whether it lets us in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace

from gateway.app.apply_config import PREFLIGHT_SUFFIX
from gateway.app.broker import broker_address, broker_addresses
from gateway.app.doctor_finding import Finding, Status
from gateway.app.doctor_site import certificate
from gateway.config.secrets import Secrets
from gateway.config.settings import Settings
from gateway.model.errors import BrokerUnavailable, ConfigRejected
from gateway.model.reasons import Reason
from gateway.model.wording import WORDING
from gateway.mqtt.client.broker import BrokerAddress, client_id_of
from gateway.mqtt.client.dialer import Dialer, DialStep
from gateway.mqtt.client.preflight import preflight_connect
from gateway.mqtt.topics import Topics
from gateway.ports import Clock

GREETS_WITHIN_S = 10.0
"""For name, TCP and TLS together, and once more for MQTT."""

TLS_PORT, HTTPS_PORT = 8883, 443
"""Where a broker usually listens, and where only HTTPS passes."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to the broker, and how far it led.

    Attributes:
        address: Of the broker.
        taken: The steps that were taken, and what was seen.
        failed: The step that could not be: one of these, or ``mqtt``; empty: the broker accepts us.
        error: Why.
    """

    address: BrokerAddress
    taken: dict[DialStep, str] = field(default_factory=dict)
    failed: str = ""
    error: BrokerUnavailable | None = None


async def brokers(settings: Settings, secrets: Secrets, clock: Clock) -> AsyncIterator[Finding]:
    """Yield our certificate's end, and how far each way to the broker leads."""
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
    configured = broker_addresses(first, settings)
    addresses = [*configured, *_unconfigured(configured)]
    topics = Topics(settings.gateway.province, settings.gateway.id)

    async with asyncio.TaskGroup() as group:
        trials = [
            group.create_task(
                try_way(
                    address,
                    f"{client_id_of(settings.gateway.id, address.tls)}{PREFLIGHT_SUFFIX}{number}",
                    topics.config_desired,
                    clock,
                ),
                name=f"broker:{address}",
            )
            for number, address in enumerate(addresses)
        ]
    ways = [each.result() for each in trials]
    for finding in findings_of(ways[: len(configured)], ways[len(configured) :]):
        yield finding


def _unconfigured(configured: tuple[BrokerAddress, ...]) -> Iterator[BrokerAddress]:
    """Yield the other usual way, by 443 or by 8883, where the settings have one way only."""
    first = configured[0]
    if len(configured) > 1 or first.tls is None:
        return
    if first.port == HTTPS_PORT:
        yield first.model_copy(update={"port": TLS_PORT, "transport": "tcp"})
    else:
        yield first.model_copy(update={"port": HTTPS_PORT, "transport": "websockets"})


async def try_way(
    address: BrokerAddress,
    client_id: str,
    subscription: str,
    clock: Clock,
    within_s: float = GREETS_WITHIN_S,
) -> Way:
    """Return how far the way to *address* leads; it is left again."""
    way = Way(address)
    dialer = Dialer(address, on_step=way.taken.__setitem__)
    try:
        (await dialer.dial(within_s=within_s)).close()
    except BrokerUnavailable as error:
        return replace(way, failed=_failed_step(way, error), error=error)
    try:
        await preflight_connect(
            address,
            client_id=client_id,
            subscription=subscription,
            clock=clock,
            within_s=within_s,
        )
    except BrokerUnavailable as error:
        return replace(way, failed="mqtt", error=error)
    return way


def _failed_step(way: Way, error: BrokerUnavailable) -> DialStep:
    if error.reason in (Reason.TLS_FAILED, Reason.TLS_EXPIRED, Reason.TLS_NOT_YET_VALID):
        return "tls"
    steps: tuple[DialStep, ...] = ("dns", "tcp")
    return next((each for each in steps if each not in way.taken), "tls")


def findings_of(configured: list[Way], others: list[Way]) -> Iterator[Finding]:
    """Yield what is to be said of the ways that are configured, and of those that could be.

    A way that fails keeps a gateway from working unless another leads to the broker.
    """
    works = any(not way.failed for way in configured)
    for name, way in zip(("broker", "broker_second"), configured, strict=False):
        yield from _steps(name, way, works=works)
    for way in others:
        yield _unused(way, works=works)


def _steps(name: str, way: Way, *, works: bool) -> Iterator[Finding]:
    for step, seen in way.taken.items():
        vi, en = _TAKEN[step]
        yield Finding(f"{name}.{step}", "ok", f"{vi}: {seen}", f"{en}: {seen}")
    how = _shown(way.address)
    if way.error is None:
        vi, en = f"Máy chủ MQTT {how} chấp nhận thiết bị", f"{how} accepts this gateway"
        yield Finding(name, "ok", vi, en)
        return
    status: Status = "warn" if works else "fail"
    vi, en, vi_todo, en_todo = _cause(way.failed, way.error)
    if way.failed != "mqtt":
        failed = f"{name}.{way.failed}"
        yield Finding(failed, status, vi, f"{en}: {way.error}", vi_todo, en_todo)
        vi, vi_todo = f"bước {way.failed.upper()}", f"Sửa bước {way.failed.upper()} ở trên"
        en_todo = f"Mend the step {way.failed.upper()} above"
    vi = f"Máy chủ MQTT {how} không chấp nhận thiết bị: {vi}"
    yield Finding(name, status, vi, str(way.error), vi_todo, en_todo)


def _unused(way: Way, *, works: bool) -> Finding:
    """Say of the way that nobody has configured whether it would lead there, too."""
    how, name = _shown(way.address), "broker_second"
    if way.error is not None:
        vi = f"Chưa khai báo đường dự phòng; thử {how}: không dùng được ({way.failed.upper()})"
        en = f"no second way is configured; {how} does not lead there either: {way.error}"
        return Finding(name, "ok", vi, en)
    vi = f"Chưa khai báo đường dự phòng; thử {how}: dùng được"
    en = f"no second way is configured; {how} would lead there, too"
    text = f"[broker.second] port = {way.address.port}, transport = {way.address.transport}"
    return Finding(
        name,
        "ok" if works else "warn",
        vi,
        en,
        f"Thêm vào gateway.toml: {text}",
        f"Add to gateway.toml: {text}",
    )


def _shown(address: BrokerAddress) -> str:
    websocket = " (WebSocket)" if address.transport == "websockets" else ""
    return f"{address}{websocket}"


_TAKEN: dict[DialStep, tuple[str, str]] = {
    "dns": ("Phân giải được tên máy chủ MQTT", "the broker's name resolves"),
    "tcp": ("Kết nối được", "connected"),
    "tls": ("Bắt tay TLS xong, chứng thư máy chủ đúng", "TLS, and its certificate is right"),
}


def _cause(step: str, error: BrokerUnavailable) -> tuple[str, str, str, str]:
    """Return cause and cure, each in Vietnamese and English."""
    cause = _CAUSES.get((step, error.reason)) or _CAUSES.get(("", error.reason))
    if cause is not None:
        return cause
    said = WORDING[error.reason]
    if error.reason in (Reason.TLS_EXPIRED, Reason.TLS_NOT_YET_VALID):
        return said.vi, said.en, said.vi_todo, said.en_todo
    return (
        "kết nối bị ngắt hoặc bị từ chối",
        "it breaks off or refuses",
        "Xem địa chỉ, cổng, chứng thư và mật khẩu trong [broker]; xem mạng và tường lửa",
        "See address, port, certificates, password in [broker]; the network, its firewall",
    )


_CAUSES: dict[tuple[str, Reason], tuple[str, str, str, str]] = {
    ("", Reason.DNS_FAILED): (
        "Không phân giải được tên máy chủ",
        "its name does not resolve",
        "Kiểm tra máy chủ DNS của máy (resolvectl status), hoặc dùng địa chỉ IP trong [broker]",
        "Check this machine's DNS server (resolvectl status), or use an IP address in [broker]",
    ),
    ("", Reason.REFUSED): (
        "Máy chủ từ chối kết nối ở cổng này: sai cổng, hoặc dịch vụ MQTT chưa chạy",
        "the host refuses this port: another port, or the broker does not run",
        "Xem host và port trong [broker]; hỏi trung tâm dịch vụ có đang chạy không",
        "See host and port in [broker]; ask the centre whether the broker runs",
    ),
    ("", Reason.UNREACHABLE): (
        "Không có đường mạng tới máy chủ",
        "there is no route to the host",
        "Xem cáp mạng, địa chỉ và cổng ra của máy (ip route); xem modem",
        "See the cable, this machine's address and gateway (ip route), the modem",
    ),
    ("tcp", Reason.TIMEOUT): (
        "Máy chủ không trả lời, có thể bị tường lửa chặn cổng",
        "no answer, a firewall may close the port",
        "Đề nghị mở cổng đi ra tới máy chủ, hoặc dùng đường dự phòng 443 ([broker.second])",
        "Have the firewall open the outgoing port, or use the second way by 443",
    ),
    ("tls", Reason.TIMEOUT): (
        "Kết nối được nhưng không ai bắt tay TLS: tường lửa chặn TLS, hoặc cổng của dịch vụ khác",
        "somebody accepts and does not speak TLS: a firewall, or the port of another service",
        "Kiểm tra port trong [broker]; đề nghị tường lửa không chặn hay kiểm soát TLS tới máy chủ",
        "Check port in [broker]; have the firewall let TLS to this host pass unopened",
    ),
    ("mqtt", Reason.TIMEOUT): (
        "máy chủ nhận kết nối nhưng không trả lời MQTT",
        "it accepts the connection and does not answer by MQTT",
        "Kiểm tra port, transport và path trong [broker]; hỏi trung tâm",
        "Check port, transport and path in [broker]; ask the centre",
    ),
    ("", Reason.TLS_FAILED): (
        "Chứng thư gốc hoặc tên máy chủ không khớp",
        "authority or name do not match",
        "Kiểm tra [broker.tls] ca và tên máy chủ; tường lửa có kiểm soát TLS không",
        "Check [broker.tls] ca and the host's name; does a firewall inspect TLS?",
    ),
    ("", Reason.NOT_AUTHORISED): (
        "sai tài khoản, hoặc trung tâm chưa cấp quyền",
        "a wrong account, or the centre has not admitted it",
        "Kiểm tra mật khẩu hoặc chứng thư của thiết bị với trung tâm",
        "Check this gateway's password or certificate with the centre",
    ),
}
