"""Writes the RTSP replies of a virtual camera, with the fault that it has at the moment."""

from __future__ import annotations

import asyncio
import random

from gateway.demo import faults
from gateway.demo.rtp_output import MAX_UNREAD_BYTES
from gateway.demo.rtsp_messages import format_reply
from gateway.demo.virtual_camera import VirtualCamera

Headers = list[tuple[str, str]]


def write_reply(
    transport: asyncio.Transport,
    camera: VirtualCamera,
    method: str,
    code: int,
    headers: Headers,
    body: bytes,
) -> None:
    """Write the reply to a request of *method* to *transport*, changed by the camera's faults."""
    if oversized := camera.active_fault(faults.OversizedHeader):
        headers = [*headers, ("X-Filler", "x" * oversized.size_bytes)]
    text = format_reply(code, headers, body)
    if garbage := camera.active_fault(faults.GarbageReply):
        transport.write(random.Random(garbage.size_bytes).randbytes(garbage.size_bytes))
    elif camera.active_fault(faults.EndlessHeaders):
        transport.write(text.split(b"\r\n\r\n")[0] + b"\r\n")
        flood(transport, b"X-More: and more\r\n" * 1000, float("inf"))
    elif (huge := camera.active_fault(faults.HugeBody)) and method == "DESCRIBE":
        transport.write(format_reply(code, [*headers, ("Content-Length", str(huge.size_bytes))]))
        flood(transport, b"a=filler:x\r\n" * 5000, huge.size_bytes)
    elif dripping := camera.active_fault(faults.Drip):
        drip(transport, text, dripping.bytes_per_s)
    elif slow := camera.active_fault(faults.Slow):
        asyncio.get_running_loop().call_later(slow.delay_s, _write, transport, text)
    else:
        transport.write(text)


def drip(transport: asyncio.Transport, reply: bytes, bytes_per_s: float) -> None:
    """Send *reply* a byte at a time."""
    if reply and not transport.is_closing():
        transport.write(reply[:1])
        loop = asyncio.get_running_loop()
        loop.call_later(1 / bytes_per_s, drip, transport, reply[1:], bytes_per_s)


def flood(transport: asyncio.Transport, chunk: bytes, left_bytes: float) -> None:
    """Send *chunk* repeatedly, as fast as the client reads, until *left_bytes* have been sent."""
    if left_bytes <= 0 or transport.is_closing():
        return
    if transport.get_write_buffer_size() < MAX_UNREAD_BYTES:
        transport.write(chunk)
        left_bytes -= len(chunk)
    asyncio.get_running_loop().call_later(0.001, flood, transport, chunk, left_bytes)


def _write(transport: asyncio.Transport, text: bytes) -> None:
    if not transport.is_closing():
        transport.write(text)
