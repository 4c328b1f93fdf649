"""The network of a site as the form's arrow text: camera -> switch -> firewall -> Internet.

Paths from the cameras to the line out, the shortest ones; cameras of the same one share a line.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping

from gateway.model.survey import GATEWAY, WAN
from gateway.mqtt.payloads.inventory import InventoryNet, InventoryRecorders
from gateway.mqtt.payloads.inventory_items import WireNode, WireRecorder

ARROW = " -> "
MOST_PATHS = 5
"""Different paths that are written out; a form is read by people."""

KINDS: Mapping[str, str] = {
    "switch": "switch",
    "firewall": "firewall",
    "router": "router",
    "modem": "modem",
    "encoder": "bộ mã hóa",
    "server": "máy chủ",
    "NVR": "đầu ghi NVR",
    "DVR": "đầu ghi DVR",
    "VMS": "VMS",
}
"""Kind of a device -> how the form calls it."""


def path_texts(
    net: InventoryNet, recorders: InventoryRecorders, cameras: Iterable[str]
) -> tuple[str, ...]:
    """Return a line for each way from *cameras* outwards, the one of most cameras first.

    A way ends at the line out, or where no link leads on to it. The last line says where the
    gateway is connected. No links: no lines.
    """
    if not net.links:
        return ()
    neighbours = _neighbours(net)
    names = _names(net, recorders)
    towards = _towards(neighbours, WAN if WAN in neighbours else GATEWAY)
    paths = Counter(_way(camera, towards, neighbours) for camera in cameras)
    lines = [
        ARROW.join((f"camera ({count})", *(names.get(each, each) for each in way)))
        for way, count in paths.most_common(MOST_PATHS)
        if way
    ]
    if lines and len(paths) > MOST_PATHS:
        lines.append(f"và {len(paths) - MOST_PATHS} đường khác")
    if lines and (beside := neighbours.get(GATEWAY)):
        lines.append(
            f"thiết bị chuyển hình (camera-gateway) nối vào {names.get(beside[0], beside[0])}"
        )
    return tuple(lines)


def device_text(device: WireNode | WireRecorder) -> str:
    """Return a device as people write it: name, kind, maker, model."""
    if isinstance(device, WireRecorder):
        said = (device.name, device.kind, device.manufacturer, device.model)
        name, kind, maker, model = ("" if each is None else each.value for each in said)
    else:
        name, kind = device.name or "", device.kind
        maker, model = device.manufacturer or "", device.model or ""
    kind = KINDS.get(kind, "")
    product = " ".join(each for each in (maker, model) if each)
    if not name and not product:
        return f"{kind} {device.id}".strip()
    details = ", ".join(each for each in (kind, product) if each)
    return f"{name} ({details})" if name and details else name or details


def _neighbours(net: InventoryNet) -> Mapping[str, tuple[str, ...]]:
    joined: dict[str, dict[str, None]] = {}
    for link in net.links:
        one, other = link.ends
        joined.setdefault(one, {})[other] = None
        joined.setdefault(other, {})[one] = None
    return {name: tuple(ends) for name, ends in joined.items()}


def _names(net: InventoryNet, recorders: InventoryRecorders) -> dict[str, str]:
    devices: list[WireNode | WireRecorder] = [*net.nodes, *recorders.recorders]
    named = {each.id: device_text(each) for each in devices}
    return {**named, WAN: "Internet", GATEWAY: "thiết bị chuyển hình (camera-gateway)"}


def _towards(neighbours: Mapping[str, tuple[str, ...]], end: str) -> Mapping[str, str]:
    """Return of each device that *end* can be reached from the next one on the way there."""
    following: dict[str, str] = {end: ""}
    waiting = deque([end])
    while waiting:
        here = waiting.popleft()
        for each in neighbours.get(here, ()):
            if each not in following:
                following[each] = here
                if each != GATEWAY:  # what only the gateway joins is not joined for others
                    waiting.append(each)
    return following


def _way(
    camera: str, towards: Mapping[str, str], neighbours: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    """Return the devices behind *camera*; empty: none is known."""
    if camera not in towards:
        return neighbours.get(camera, ())[:1]
    way: list[str] = []
    here = towards[camera]
    while here:
        way.append(here)
        here = towards[here]
    return tuple(way)
