"""Health of a site and of its cameras: one table of spellings, read and written by it.

All cameras travel in one columnar message: a third of the size of objects, and two messages a
minute per gateway instead of one per camera.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from gateway.model.errors import Fault, MessageRejected, refuse
from gateway.model.health import (
    CameraHealth,
    SiteHealth,
)
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.codec import decode_tree, encode, faults_of
from gateway.mqtt.payloads.numbers import (
    AMOUNT,
    COUNT,
    DURATION_MS,
    DURATION_S,
    OFFSET_MS,
    OFFSET_S,
    PERCENT,
    PIXELS,
    TEMPERATURE_C,
    TIME_MS,
)
from gateway.mqtt.payloads.presence import EncodedPayload
from gateway.mqtt.topic_tree import LEVELS
from gateway.runtime.strict_json import dumps

SITE = {
    "host": {
        "up": "uptime_s",
        "clk.src": "clock_source",
        "clk.off_ms": "clock_offset_ms",
        "clk.sync": "clock_synced",
        "clk.err_ms": "clock_error_ms",
        "clk.behind_s": "clock_behind_s",
        "cpu.p": "cpu_percent",
        "cpu.load": "load",
        "cpu.temp": "temperature_c",
        "cpu.thr": "throttled",
        "mem.p": "memory_percent",
        "mem.rss": "rss_mib",
        "disk.p": "disk_percent",
        "disk.sd_ro": "disk_read_only",
        "disk.err": "disk_error",
        "disk.w_mb": "written_mib",
        "fd.n": "descriptors",
        "fd.max": "descriptors_limit",
        "net.if": "interface",
        "net.tx_kbps": "sent_kbps",
        "net.rx_kbps": "received_kbps",
    },
    "link": {
        "mqtt.rc": "connects",
        "mqtt.q": "waiting",
        "mqtt.q_oldest_s": "oldest_s",
        "mqtt.drop": "dropped",
        "mqtt.ref": "refused",
        "net.rtt_ms": "rtt_ms",
    },
    "relay": {
        "rtc.s": "sessions",
        "rtc.relay": "relayed",
        "rtc.narrow": "narrow",
        "rtc.slates": "slates",
        "rtc.kbps": "kbps",
    },
    "transcoding": {
        "tc.n": "running",
        "tc.enc": "encoder",
        "tc.why": "encoder_why",
        "tc.cores": "cores",
        "tc.max": "cores_most",
    },
    "deaths": {
        "dead.tc": "transcoder_deaths",
        "dead.slates": "slate_deaths",
        "dead.dec": "decoder_deaths",
    },
    "cameras": {
        "cams.n": "total",
        "cams.on": "on",
        "cams.deg": "degraded",
        "cams.off": "off",
        "cams.unk": "unknown",
    },
}
"""Part of `SiteHealth` -> place in the payload -> field of that part."""

CAMERA = {
    "id": "id",
    "st": "state",
    "why": "reason",
    "detail": "detail",
    "since_s": "since_s",
    "tries": "attempts",
    "again_s": "again_in_s",
    "fps": "fps",
    "kbps": "kbps",
    "lost": "lost",
    "rec": "reconnects",
    "age_ms": "age_ms",
    "codec": "codec",
    "w": "width",
    "h": "height",
    "viewers": "viewers",
    "gop_s": "gop_s",
    "tc": "transcodes",
    "tc_div": "transcode_divisor",
    "tc_drop": "transcode_dropped",
    "tc_dead": "transcode_deaths",
    "adv": "advice",
    "clk_s": "clock_off_s",
    "kf_ask": "keyframe_requests",
    "kf_fail": "keyframe_failures",
}
"""Column or key -> field of `CameraHealth`."""

BOUNDS: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(("since_s", "again_in_s", "gop_s", "uptime_s", "oldest_s"), DURATION_S),
    **dict.fromkeys(("age_ms", "rtt_ms", "clock_error_ms"), DURATION_MS),
    **dict.fromkeys(("fps", "kbps", "sent_kbps", "received_kbps"), AMOUNT),
    **dict.fromkeys(("load", "rss_mib", "written_mib"), AMOUNT),
    **dict.fromkeys(("attempts", "lost", "reconnects", "viewers", "throttled"), COUNT),
    **dict.fromkeys(("descriptors", "descriptors_limit"), COUNT),
    **dict.fromkeys(("connects", "waiting", "dropped", "refused"), COUNT),
    **dict.fromkeys(("sessions", "relayed", "narrow", "slates", "running"), COUNT),
    **dict.fromkeys(("transcodes", "transcode_divisor"), COUNT),
    **dict.fromkeys(("transcode_dropped", "transcode_deaths"), COUNT),
    **dict.fromkeys(("transcoder_deaths", "slate_deaths", "decoder_deaths"), COUNT),
    **dict.fromkeys(("keyframe_requests", "keyframe_failures"), COUNT),
    **dict.fromkeys(("cores", "cores_most"), AMOUNT),
    **dict.fromkeys(("total", "on", "degraded", "off", "unknown"), COUNT),
    **dict.fromkeys(("cpu_percent", "memory_percent", "disk_percent"), PERCENT),
    **dict.fromkeys(("width", "height"), PIXELS),
    "clock_offset_ms": OFFSET_MS,
    "clock_behind_s": DURATION_S,
    "clock_off_s": OFFSET_S,
    "temperature_c": TEMPERATURE_C,
}
"""Field of `CameraHealth` or of a part of `SiteHealth` -> its least and greatest value. Every
number has its row; a writer says the nearest one within, a reader refuses the payload."""

TEXT_LENGTH = 1000
"""Most characters of a text. A writer cuts it, a reader refuses the payload."""

_SITE_READER = TypeAdapter(SiteHealth)
_CAMERA_READER = TypeAdapter(CameraHealth)
_CAMERA_ID = re.compile(LEVELS["cam"])
_ROWS = 512

_STAMP_READER = TypeAdapter(Stamp)

T = TypeVar("T")


def encode_site_health(stamp: Stamp, site: SiteHealth) -> EncodedPayload:
    """Write the health of the site; what is unknown is left out."""
    tree: dict[str, Any] = _stamp(stamp)
    for part, spellings in SITE.items():
        for place, name in spellings.items():
            value = _bounded(name, getattr(getattr(site, part), name))
            if value is not None:
                *above, key = place.split(".")
                branch = tree.setdefault(above[0], {}) if above else tree
                branch[key] = value
    return encode(tree)


def encode_cameras_health(stamp: Stamp, cameras: Iterable[CameraHealth]) -> EncodedPayload:
    """Write the health of all cameras, one row each."""
    rows = [[_bounded(name, getattr(each, name)) for name in CAMERA.values()] for each in cameras]
    return encode({**_stamp(stamp), "cols": list(CAMERA), "rows": rows})


def encode_camera_state(stamp: Stamp, camera: CameraHealth) -> EncodedPayload:
    """Write the state of one camera."""
    named = {key: _bounded(name, getattr(camera, name)) for key, name in CAMERA.items()}
    return encode({**_stamp(stamp), **{k: v for k, v in named.items() if v is not None}})


def health_line(site: tuple[str, bytes], cameras: tuple[str, bytes]) -> str:
    """Return the health of a site and of its cameras, both encoded, as one line of ASCII."""
    return " ".join(
        text for kind, payload in (site, cameras) for text in (kind, b64encode(payload).decode())
    )


def decode_health_line(line: str) -> tuple[Stamp, SiteHealth, tuple[CameraHealth, ...]]:
    """Read what `health_line` has written. Raises MessageRejected."""
    try:
        site_kind, site, cameras_kind, cameras = line.split()
        raw = b64decode(site, validate=True), b64decode(cameras, validate=True)
    except ValueError:
        refuse("form", "it is no line of health", "")
    _, of_site = decode_site_health(raw[0], site_kind)
    stamp, of_cameras = decode_cameras_health(raw[1], cameras_kind)
    return stamp, of_site, of_cameras


def decode_site_health(payload: bytes, content_type: str) -> tuple[Stamp, SiteHealth]:
    """Read the health of a site. Raises MessageRejected."""
    tree = decode_tree(payload, content_type)
    parts = {
        part: {
            name: value
            for place, name in spellings.items()
            if (value := _at(tree, place)) is not None
        }
        for part, spellings in SITE.items()
    }
    _check_bounds(
        (place, name, parts[part].get(name))
        for part, spellings in SITE.items()
        for place, name in spellings.items()
    )
    return _read_stamp(tree), _checked(_SITE_READER, parts, "")


def decode_cameras_health(
    payload: bytes, content_type: str
) -> tuple[Stamp, tuple[CameraHealth, ...]]:
    """Read the health of all cameras of a site. Raises MessageRejected."""
    tree = decode_tree(payload, content_type)
    columns, rows = tree.get("cols"), tree.get("rows")
    if not isinstance(columns, list) or not all(isinstance(each, str) for each in columns):
        refuse("type", "a list of column names", "/cols")
    if not isinstance(rows, list) or len(rows) > _ROWS:
        refuse("type", f"a list of at most {_ROWS} rows", "/rows")
    return _read_stamp(tree), tuple(
        _read_row(columns, row, f"/rows/{number}") for number, row in enumerate(rows)
    )


def decode_camera_state(payload: bytes, content_type: str) -> tuple[Stamp, CameraHealth]:
    """Read the state of one camera. Raises MessageRejected."""
    tree = decode_tree(payload, content_type)
    return _read_stamp(tree), _read_camera(tree, "")


def _stamp(stamp: Stamp) -> dict[str, Any]:
    return {"t": stamp.time_ms, "ep": stamp.epoch, "n": stamp.number}


def _read_stamp(tree: Mapping[str, object]) -> Stamp:
    fields = {"time_ms": tree.get("t"), "epoch": tree.get("ep"), "number": tree.get("n")}
    stamp = _checked(_STAMP_READER, fields, "")
    _check_range("/t", stamp.time_ms, TIME_MS)
    _check_range("/ep", stamp.epoch, COUNT)
    _check_range("/n", stamp.number, COUNT)
    return stamp


def _read_row(columns: list[str], row: object, at: str) -> CameraHealth:
    if not isinstance(row, list) or len(row) != len(columns):
        refuse("type", f"a list of {len(columns)} values", at)
    return _read_camera(dict(zip(columns, row, strict=True)), at)


def _read_camera(tree: Mapping[str, object], at: str) -> CameraHealth:
    """Return the camera in *tree*, whose place in the payload is *at*."""
    named = _named(tree)
    camera = _checked(_CAMERA_READER, named, at)
    if not _CAMERA_ID.fullmatch(camera.id):
        refuse("pattern", f"a camera's id has the form {_CAMERA_ID.pattern}", f"{at}/id")
    _check_bounds(((key, name, named.get(name)) for key, name in CAMERA.items()), at)
    return camera


def _named(tree: Mapping[str, object]) -> dict[str, object]:
    """Return the fields of a camera; None is as good as absent."""
    return {name: value for key, name in CAMERA.items() if (value := tree.get(key)) is not None}


def _check_bounds(values: Iterable[tuple[str, str, object]], at: str = "") -> None:
    """Refuse the first of *values* (place, field, value) that is not within its bounds."""
    for place, name, value in values:
        where = f"{at}/{place.replace('.', '/')}"
        for each in value if isinstance(value, list) else (value,):
            if isinstance(each, str) and len(each) > TEXT_LENGTH:
                refuse("string_too_long", f"at most {TEXT_LENGTH} characters", where)
            if isinstance(each, (int, float)) and name in BOUNDS:
                _check_range(where, each, BOUNDS[name])


def _check_range(at: str, value: float, bounds: tuple[float, float]) -> None:
    least, greatest = bounds
    if value < least:
        refuse("greater_than_equal", f"at least {least}", at)
    if value > greatest:
        refuse("less_than_equal", f"at most {greatest}", at)


def _at(tree: object, place: str) -> object:
    for key in place.split("."):
        if not isinstance(tree, dict):
            return None
        tree = tree.get(key)
    return tree


def _bounded(name: str, value: object) -> object:
    """Return *value* of the field *name* as it is written: rounded, and within its bounds."""
    if isinstance(value, str):
        return value[:TEXT_LENGTH]
    if isinstance(value, tuple):
        return [_bounded(name, each) for each in value]
    if isinstance(value, (int, float)) and name in BOUNDS:
        least, greatest = BOUNDS[name]
        value = min(max(value, least), greatest)
    return round(value, 1) if isinstance(value, float) else value


def _checked(reader: TypeAdapter[T], fields: object, at: str) -> T:
    """Return *fields* as the reader's type, or reject them with their place on the wire."""
    try:
        return reader.validate_json(dumps(fields), strict=True)
    except ValidationError as error:
        raise MessageRejected(
            tuple(Fault(f"{at}{each.at}", each.code, each.message) for each in faults_of(error))
        ) from None
