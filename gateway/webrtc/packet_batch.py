"""RTP packets written one behind the other and encrypted in place, for one system call.

Each packet is a new 12-byte header and the camera's payload, copied once. Nothing is allocated
per packet.

References: RFC 3550 §5.1 (header), RFC 4588 (RTX), RFC 3711 (SRTP).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from gateway.webrtc.aiortc_compat import InPlaceSrtp
from gateway.webrtc.udp_path import SEGMENTS

HEADER_BYTES = 12
TAG_BYTES = 16

_write_header = struct.Struct("!BBHII").pack_into


@dataclass(frozen=True, slots=True)
class RtpParameters:
    """SSRCs and payload types of one viewer (W3C RTCRtpParameters).

    Attributes:
        payload_type: Of the media.
        ssrc: Of the media.
        rtx_payload_type: Of retransmissions; None if the viewer has no RTX.
        rtx_ssrc: Of retransmissions.
        playout_delay_id: Of that header extension; None if the viewer does not know it.
    """

    payload_type: int
    ssrc: int
    rtx_payload_type: int | None
    rtx_ssrc: int
    playout_delay_id: int | None = None


class PacketBatch:
    """Writes the packets of one viewer into the shared buffer.

    Args:
        srtp: The outbound session; used by this batch alone.
        parameters: SSRCs and payload types; may be changed.
        max_bytes: The most that is written for one send; may be changed.
    """

    def __init__(self, srtp: InPlaceSrtp, parameters: RtpParameters, *, max_bytes: int) -> None:
        self._srtp = srtp
        self.parameters = parameters
        self.max_bytes = max_bytes
        self.view = memoryview(srtp.buffer)
        """The buffer; what was written is valid until the next write."""

    def write(
        self,
        payloads: tuple[bytes, ...],
        at: int,
        seq: int,
        rtp_time: int,
        extension: bytes = b"",
    ) -> tuple[int, int, int]:
        """Write packets from index *at* on, as many as segmentation offload can send at once.

        They have equal sizes, but the last may be shorter. The last of *payloads* gets the marker
        bit (RFC 6184 §5.1), each the header *extension* (RFC 8285), if there is one.

        Returns:
            The index after the last one written, the bytes written, and the segment size.
        """
        srtp, numbers = self._srtp, self.parameters
        buffer, base, length = srtp.buffer, srtp.base, srtp.length
        handle, protect = srtp.handle, srtp.protect
        payload_type, ssrc = numbers.payload_type, numbers.ssrc
        header_bytes, flags = HEADER_BYTES + len(extension), 0x90 if extension else 0x80
        count = len(payloads)
        size = first_size = len(payloads[at])
        segment, end, stop = 0, 0, min(count, at + SEGMENTS)
        full = self.max_bytes - first_size - header_bytes - TAG_BYTES
        while True:
            payload = payloads[at]
            at += 1
            start = end + header_bytes
            kind = payload_type if at < count else payload_type | 0x80
            _write_header(buffer, end, flags, kind, seq & 0xFFFF, rtp_time, ssrc)
            if extension:
                buffer[end + HEADER_BYTES : start] = extension
            buffer[start : start + size] = payload
            length[0] = size + header_bytes
            if protect(handle, base + end, length):
                raise AssertionError("libsrtp refuses to protect a packet")
            end += length[0]
            seq += 1
            segment = segment or end
            if at == stop or size != first_size or end > full:
                break
            size = len(payloads[at])
            if size > first_size:
                break
        return at, end, segment

    def write_single(self, kind: int, seq: int, rtp_time: int, ssrc: int, payload: bytes) -> int:
        """Write one packet of any stream; *kind* is marker and payload type.

        Returns:
            The bytes written.
        """
        srtp = self._srtp
        _write_header(srtp.buffer, 0, 0x80, kind, seq, rtp_time, ssrc)
        srtp.buffer[HEADER_BYTES : HEADER_BYTES + len(payload)] = payload
        srtp.length[0] = len(payload) + HEADER_BYTES
        if srtp.protect(srtp.handle, srtp.base, srtp.length):
            raise AssertionError("libsrtp refuses to protect a packet")
        return int(srtp.length[0])

    def close(self) -> None:
        """Release the buffer."""
        self.view.release()
