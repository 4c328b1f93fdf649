"""Found devices as lines for installers, in Vietnamese with English beside causes, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from gateway.discovery.found import DeviceKind, FoundChannel, FoundDevice, FoundStream, Signal
from gateway.model.camera_clock import clock_fault
from gateway.model.wording import WORDING

KINDS: dict[DeviceKind, str] = {
    "recorder": "đầu ghi",
    "camera": "camera",
    "encoder": "bộ mã hóa",
    "unknown": "thiết bị",
}
SIGNALS: dict[Signal, str] = {
    "live": "có hình",
    "no_signal": "mất tín hiệu",
    "unknown": "chưa rõ tín hiệu",
}
_CODECS = {"h264": "H.264", "h265": "H.265", "mjpeg": "MJPEG", "mpeg4": "MPEG-4"}
_PROFILES = {"main": "chính", "sub": "phụ", "third": "thứ ba"}
_MEANS = {
    "onvif": "ONVIF",
    "isapi": "ISAPI",
    "dahua": "CGI Dahua",
    "template": "theo mẫu của hãng",
    "banner": "chưa hỏi được kênh",
    "address": "chưa hỏi được kênh",
}


def device_lines(device: FoundDevice) -> Iterator[str]:
    """Yield a line for *device*, its clock if that is wrong, each channel, and its cause."""
    named = " ".join(each for each in (device.maker, device.model) if each) or "chưa rõ hãng"
    facts = [KINDS[device.kind]]
    if device.channels:
        lost = sum(each.signal == "no_signal" for each in device.channels)
        facts.append(f"{len(device.channels)} kênh" + (f", {lost} mất tín hiệu" if lost else ""))
    facts += [f"phiên bản {device.firmware}"] if device.firmware else []
    facts += [f"MAC {device.mac}"] if device.mac else []
    facts += [f"cổng {', '.join(map(str, device.ports))}"] if device.ports else []
    yield f"{device.address}  {named}  ({'; '.join(facts)})  [{_MEANS[device.origin]}]"
    yield from _clock_lines(device)
    for channel in device.channels:
        yield f"  {channel_line(channel)}"
    if device.reason is not None:
        said = device.reason.wording
        yield f"  !! {said.vi}. {said.vi_todo}"
        yield f"     {said.en}. {said.en_todo}"
        if device.reason.detail:
            yield f"     {device.reason.detail}"


def _clock_lines(device: FoundDevice) -> Iterator[str]:
    fault = None if device.clock_offset_s is None else clock_fault(device.clock_offset_s)
    if fault is not None and device.clock_offset_s is not None:
        said, off_s = WORDING[fault], device.clock_offset_s
        way = "nhanh" if off_s > 0 else "chậm"
        yield f"  !! {said.vi}: {way} {abs(off_s):.0f} giây. {said.vi_todo}"
        yield f"     {said.en}. {said.en_todo}"


def channel_line(channel: FoundChannel) -> str:
    """Return *channel* on one line."""
    name = f" “{channel.name}”" if channel.name else ""
    streams = "; ".join(map(_stream, channel.streams)) or "không có luồng"
    return f"kênh {channel.number}{name}: {SIGNALS[channel.signal]}; {streams}"


def _stream(stream: FoundStream) -> str:
    facts = [_CODECS.get(stream.codec or "", stream.codec or "?")]
    facts += [f"{stream.width}×{stream.height}"] if stream.width and stream.height else []
    facts += [f"{stream.fps:g} hình/s"] if stream.fps else []
    facts += [f"{stream.kbps} kb/s"] if stream.kbps else []
    facts += [f"GOP {stream.gop}"] if stream.gop else []
    facts += ["Smart Codec bật"] if stream.smart_codec else []
    return f"{_PROFILES[stream.profile]} {' '.join(facts)} {stream.url}"


def device_json(device: FoundDevice) -> dict[str, object]:
    """Return *device* as JSON has it; what is not known is null."""
    tree = asdict(device)
    if device.reason is not None:
        said = device.reason.wording
        texts = {"vi": said.vi, "vi_todo": said.vi_todo, "en": said.en, "en_todo": said.en_todo}
        tree["reason"] = {"code": device.reason.code, "detail": device.reason.detail, **texts}
    return {"device": tree}
