"""What devices say of themselves, beside what people have declared of them.

It comes with the inventory (section ``net``, `found`), by MQTT as on the box itself, or as
``camera-gateway discover --json`` prints it: a line of JSON a device. Cameras and recorders are
known by their addresses; two spellings of one name are no mismatch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from gateway.config.documents import faults_of, parse_plain_json
from gateway.model.errors import ConfigRejected, Fault
from gateway.mqtt.payloads.codec import WireDocument
from gateway.mqtt.payloads.inventory import InventoryNet
from gateway.mqtt.payloads.inventory_items import (
    KnownWord,
    WireCamera,
    WireFound,
    WireRecorder,
)
from gateway.mqtt.payloads.numbers import Count
from gateway.mqtt.payloads.presence import Word
from gateway.runtime.strict_json import dumps

MOST_LINES = 4096
MOST_BYTES = 16_777_216
MOST_CHANNELS, MOST_WORD = 1024, 200
MOST_TOLD = 8
"""Cameras of which a mismatch is told one by one."""


class DetectedChannel(WireDocument):
    """One camera, or one input of a recorder."""

    number: Count
    signal: Literal["live", "no_signal", "unknown"] = "unknown"


class DetectedDevice(WireDocument):
    """One device at one address, as `gateway.discovery.found` describes it."""

    address: Word
    maker: Word | None = None
    model: Word | None = None
    firmware: Word | None = None
    kind: Literal["recorder", "camera", "encoder", "unknown"] = "unknown"
    channels: Annotated[tuple[DetectedChannel, ...], Field(max_length=MOST_CHANNELS)] = ()

    @property
    def product(self) -> str:
        """Maker and model."""
        return " ".join(each for each in (self.maker, self.model) if each)


class _Line(WireDocument):
    device: DetectedDevice | None = None


@dataclass(frozen=True, slots=True)
class Detected:
    """All devices that were found, and when.

    Attributes:
        devices: By address.
        time_ms: Wall clock; None: nothing was looked for.
    """

    devices: Mapping[str, DetectedDevice] = field(default_factory=dict)
    time_ms: int | None = None

    def at(self, ip: KnownWord) -> DetectedDevice | None:
        """Return the device at the address *ip*; None: none is known there."""
        return None if ip is None else self.devices.get(ip.value)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was detected of a field, and how that disagrees with what is declared.

    Attributes:
        values: Each with how often it was found, the most frequent first.
        mismatch: In Vietnamese; empty: it does not.
    """

    values: tuple[tuple[str, int | None], ...] = ()
    mismatch: str = ""


def parse_detected(raw: bytes, time_ms: int) -> Detected:
    """Return the devices in *raw*, found at *time_ms*; lines that tell of none are ignored.

    Raises:
        ConfigRejected: A line is wrong, or there are too many.
    """
    lines = [line for line in raw.splitlines() if line.strip()]
    if len(raw) > MOST_BYTES or len(lines) > MOST_LINES:
        message = f"more than {MOST_LINES} lines or {MOST_BYTES} bytes"
        raise ConfigRejected((Fault("", "size", message),))
    found = (_device(line, number) for number, line in enumerate(lines, 1))
    return Detected({each.address: each for each in found if each is not None}, time_ms)


def of_inventory(net: InventoryNet) -> Detected:
    """Return the devices that the inventory says were found: what MQTT told of them."""
    devices = {each.id: _of_row(each) for each in net.found}
    times = [each.time_ms for each in net.found if each.time_ms is not None]
    return Detected(devices, max(times, default=None))


def _of_row(row: WireFound) -> DetectedDevice:
    dark = min(row.no_signal or 0, MOST_CHANNELS)
    count = max(dark, min(row.channels or 0, MOST_CHANNELS))
    return DetectedDevice(
        address=row.id,
        maker=_word(row.manufacturer),
        model=_word(row.model),
        firmware=_word(row.firmware),
        kind=row.kind,
        channels=tuple(
            DetectedChannel(number=each + 1, signal="no_signal" if each < dark else "unknown")
            for each in range(count)
        ),
    )


def _word(text: str | None) -> str | None:
    return text[:MOST_WORD] if text else None


def compare_cameras(
    cameras: Iterable[WireCamera], detected: Detected, what: Literal["model", "manufacturer"]
) -> Comparison:
    """Return what the cameras that have an address of their own say of themselves."""
    values: Counter[str] = Counter()
    differing: list[str] = []
    for camera in cameras:
        device = detected.at(camera.ip)
        if device is None:
            continue
        said = device.model if what == "model" else device.maker
        if not said:
            continue
        values[said] += 1
        declared = camera.model if what == "model" else camera.manufacturer
        name = camera.id if camera.name is None else camera.name.value
        differing += _differing(name, declared, said)
    return Comparison(tuple(values.most_common()), _told(differing))


def compare_recorders(recorders: Iterable[WireRecorder], detected: Detected) -> Comparison:
    """Return what recorders say of themselves: maker, model, channels, those with a picture."""
    values: list[tuple[str, int | None]] = []
    differing: list[str] = []
    for recorder in recorders:
        device = detected.at(recorder.ip)
        if device is None or not device.product:
            continue
        live = sum(each.signal == "live" for each in device.channels)
        dark = sum(each.signal == "no_signal" for each in device.channels)
        name = recorder.id if recorder.name is None else recorder.name.value
        parts = [f"{name}: {device.product}"]
        if device.channels:
            parts.append(f"{len(device.channels)} kênh")
        if live:
            parts.append(f"{live} kênh có hình")
        elif dark:
            parts.append(f"{dark} kênh không có tín hiệu")
        if device.firmware:
            parts.append(f"phiên bản {device.firmware}")
        values.append((", ".join(parts), None))
        for declared, said in (
            (recorder.manufacturer, device.maker),
            (recorder.model, device.model),
        ):
            differing += _differing(name, declared, said)
    return Comparison(tuple(values), _told(differing))


def undeclared(
    cameras: Iterable[WireCamera], recorders: Iterable[WireRecorder], detected: Detected
) -> str:
    """Return which cameras and recorders were found that nobody has declared, in Vietnamese."""
    known = {each.ip.value for each in cameras if each.ip is not None}
    known |= {each.ip.value for each in recorders if each.ip is not None}
    others = [
        f"{each.address} {each.product}".strip()
        for each in detected.devices.values()
        if each.kind in ("recorder", "camera", "encoder") and each.address not in known
    ]
    return f"thiết bị tìm thấy chưa khai báo: {_told(others)}" if others else ""


def _device(line: bytes, number: int) -> DetectedDevice | None:
    try:
        return _Line.model_validate_json(dumps(parse_plain_json(line))).device
    except ConfigRejected as error:
        faults = error.faults
    except ValidationError as error:
        faults = tuple(faults_of(error, _Line))
    raise ConfigRejected(
        tuple(Fault(f"/{number}{each.at}", each.code, each.message) for each in faults)
    )


def _differing(name: str, declared: KnownWord, said: str | None) -> Iterator[str]:
    if declared is not None and said and _plain(declared.value) != _plain(said):
        yield f"{name} khai báo {declared.value}, phát hiện {said}"


def _plain(name: str) -> str:
    """Return *name* without what makers write in several ways."""
    return "".join(each for each in name.casefold() if each.isalnum())


def _told(texts: list[str]) -> str:
    more = len(texts) - MOST_TOLD
    return "; ".join(texts[:MOST_TOLD]) + (f"; và {more} nữa" if more > 0 else "")
