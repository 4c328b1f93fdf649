"""Rules about cameras, recorders, switches and the line to the centre. Pure.

Recorders and switches are not probed themselves. One is down if at least two cameras are behind it,
all of them whose state is known are off, and their reasons are those of a dead node. If several
nodes explain the same cameras, the recorder is named, else the nearest node.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.alarms.catalogue import (
    CAMERA_CLOCK,
    CAMERA_DOWN,
    CAMERA_PICTURE,
    NODE_DOWN,
    RECORDER_DOWN,
    UPLINK_DOWN,
)
from gateway.model.alarm import Argument, Finding
from gateway.model.camera_clock import clock_fault
from gateway.model.health import CameraHealth
from gateway.model.reasons import LOGIN_REFUSED, Reason

UPLINK = UPLINK_DOWN.key()
"""Key of the alarm about the line to the centre, the parent of much."""

UNREACHED = frozenset(
    {
        Reason.UNREACHABLE,
        Reason.TIMEOUT,
        Reason.REFUSED,
        Reason.STALLED,
        Reason.DNS_FAILED,
        Reason.CONNECTING,
    }
)
"""Reasons of a camera that a dead node explains."""

_RECORDER_REASONS = (*sorted(LOGIN_REFUSED), Reason.BUSY_SESSIONS)
"""Reasons that a living recorder gives for all its channels at once."""

_DEGRADED = frozenset({Reason.KEYFRAME_STARVED, Reason.CLOCK_JUMP, Reason.B_FRAMES})
_MIN_CAMERAS = 2
"""Cameras that must be off before the node before them is suspected."""


@dataclass(frozen=True, slots=True)
class SiteTopology:
    """What stands between the cameras and the gateway.

    Attributes:
        upstream: Camera -> the nodes whose failure takes it away, the nearest first.
        recorders: The nodes that are recorders.
        wan: The node that is the line to the outside.
    """

    upstream: Callable[[str], Sequence[str]]
    recorders: Callable[[], Iterable[str]]
    wan: str = "wan"


@dataclass(slots=True)
class _Node:
    name: str
    recorder: bool
    distance: int
    cameras: list[CameraHealth] = field(default_factory=list)
    upstream: tuple[str, ...] = ()


def camera_findings(
    cameras: Sequence[CameraHealth],
    topology: SiteTopology,
    *,
    connected: bool,
    suspected_faults: Mapping[str, frozenset[Reason]],
    clock_right: bool = False,
    standing: Collection[str] = (),
) -> Iterator[Finding]:
    """Yield one finding for each alarm about cameras, nodes and the line.

    Args:
        cameras: As they are now. A camera that is paused has no findings.
        topology: What stands before which camera.
        connected: Whether the gateway is connected to the centre.
        suspected_faults: Camera -> what the picture checks suspect.
        clock_right: Whether our own clock is known to be right; without that no other is judged.
        standing: Keys of the alarms that are raised now.
    """
    watched = [each for each in cameras if each.reason is not Reason.PAUSED_BY_CONFIG]
    seen = [each for each in watched if each.state != "unk"]
    alone = not connected and len(seen) >= _MIN_CAMERAS and all(map(_unreached, seen))
    nodes = _nodes(watched, topology)
    keys = {name: _key(node) for name, node in nodes.items()}
    yield UPLINK_DOWN.finding(not connected, Reason.UPLINK_DOWN)

    def parents(names: Iterable[str]) -> tuple[str, ...]:
        found = [UPLINK if each == topology.wan else keys[each] for each in names]
        return tuple(dict.fromkeys([*found, UPLINK] if alone else found))

    failing = _failing(nodes)
    for node in nodes.values():
        if node.name != topology.wan:
            yield _node_finding(node, node.name in failing, parents(node.upstream))
    for camera in watched:
        way = tuple(each for each in topology.upstream(camera.id) if each in nodes)
        yield _down_finding(camera, parents(way))
        yield _picture_finding(camera, suspected_faults.get(camera.id, frozenset()))
        yield _clock_finding(camera, clock_right=clock_right, standing=standing)


def _nodes(cameras: Sequence[CameraHealth], topology: SiteTopology) -> dict[str, _Node]:
    """Return the nodes before *cameras*, each with the cameras behind it."""
    nodes: dict[str, _Node] = {}
    recorders, ids = set(topology.recorders()), {each.id for each in cameras}
    for camera in cameras:
        way = [each for each in topology.upstream(camera.id) if each not in ids]
        for distance, name in enumerate(way):
            beyond = tuple(way[distance + 1 :])
            node = nodes.setdefault(name, _Node(name, name in recorders, distance, upstream=beyond))
            node.cameras.append(camera)
    return nodes


def _failing(nodes: Mapping[str, _Node]) -> set[str]:
    """Return the names of the nodes that are down; of those that explain the same cameras, one."""
    named: dict[frozenset[str], _Node] = {}
    for node in nodes.values():
        if _explains(node):
            behind = frozenset(each.id for each in node.cameras if each.state != "unk")
            other = named.setdefault(behind, node)
            if (not node.recorder, node.distance) < (not other.recorder, other.distance):
                named[behind] = node
    return {node.name for node in named.values()}


def _explains(node: _Node) -> bool:
    seen = [each for each in node.cameras if each.state != "unk"]
    if len(seen) < _MIN_CAMERAS or any(each.state != "off" for each in seen):
        return False
    return sum(map(_unreached, seen)) >= _MIN_CAMERAS or _recorder_reason(node) is not None


def _recorder_reason(node: _Node) -> Reason | None:
    """Return the reason that a recorder gives for all its channels; None: there is none."""
    reasons = {each.reason for each in node.cameras if each.state == "off"}
    only = reasons.pop() if len(reasons) == 1 else None
    return only if node.recorder and only in _RECORDER_REASONS else None


def _unreached(camera: CameraHealth) -> bool:
    return camera.state == "off" and camera.reason in UNREACHED


def _key(node: _Node) -> str:
    return RECORDER_DOWN.key(nvr=node.name) if node.recorder else NODE_DOWN.key(node=node.name)


def _node_finding(node: _Node, bad: bool, parents: tuple[str, ...]) -> Finding:
    counts = Counter(each.state for each in node.cameras)
    bad_or_unknown = bad if counts.total() > counts["unk"] else None
    arguments: dict[str, Argument] = {"cams": len(node.cameras)}
    if node.recorder:
        cause = _recorder_reason(node) or Reason.RECORDER_DOWN
        arguments["nvr"] = node.name
        return RECORDER_DOWN.finding(
            bad_or_unknown, cause, arguments, parents=parents, nvr=node.name
        )
    arguments["node"] = node.name
    return NODE_DOWN.finding(
        bad_or_unknown, Reason.PARENT_DOWN, arguments, parents=parents, node=node.name
    )


def _down_finding(camera: CameraHealth, parents: tuple[str, ...]) -> Finding:
    bad = None if camera.state == "unk" else camera.state == "off"
    arguments: dict[str, Argument] = {"cam": camera.id, "tries": camera.attempts}
    return CAMERA_DOWN.finding(bad, camera.reason, arguments, parents=parents, cam=camera.id)


def _picture_finding(camera: CameraHealth, suspected_faults: frozenset[Reason]) -> Finding:
    """Return what is wrong with a picture that comes; nothing is known of one that does not."""
    wrong = [each for each in Reason if each in suspected_faults]
    if camera.reason in _DEGRADED:
        wrong.append(camera.reason)
    return CAMERA_PICTURE.finding(
        None if camera.state in ("off", "unk") else bool(wrong),
        wrong[0] if wrong else Reason.OK,
        {"cam": camera.id, "also": " ".join(wrong[1:])} if wrong[1:] else {"cam": camera.id},
        parents=(CAMERA_DOWN.key(cam=camera.id),),
        cam=camera.id,
    )


def _clock_finding(
    camera: CameraHealth, *, clock_right: bool, standing: Collection[str]
) -> Finding:
    """Return what is wrong with the camera's clock; nothing is known of one that is not told."""
    off_s, known = camera.clock_off_s, CAMERA_CLOCK.key(cam=camera.id) in standing
    if off_s is None or not clock_right:
        return CAMERA_CLOCK.finding(None, Reason.OK, cam=camera.id)
    fault = clock_fault(off_s, known=known)
    return CAMERA_CLOCK.finding(
        fault is not None,
        fault or Reason.OK,
        {"cam": camera.id, "clk_s": round(off_s)},
        parents=(CAMERA_DOWN.key(cam=camera.id),),
        cam=camera.id,
    )
