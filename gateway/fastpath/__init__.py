"""The fast path: ordinary access units from a camera's socket to its viewers, compiled.

Nearly all that a relay does is the same access unit over and over: fragments of one P slice, no
packet missing, the marker on the last one. The fast path (`_fastpath.pyx`, C by way of Cython)
does that and nothing else: it reads the socket, fragments payloads to size, writes headers,
protects and sends. What is in any way out of the ordinary (new parameter sets, a gap, an RTSP
message, a viewer whose packets must be paced) is handed back byte by byte as it came. Then
`gateway.sources` and `gateway.streams` take it as if there were no fast path, and behind it the
fast path may start again.

It buffers what it has sent: the GOP, for viewers who join, and two seconds, for retransmissions.
Cache and history get them when somebody asks. What those have held from before is dropped once
the fast path has all that anybody could ask for. Counters, the times of keyframes and the
camera's RTCP are read without that.

Where it is not compiled, `gateway.fastpath.fallback` stands in, and all goes through Python: the
same bytes, at two to three times the processor time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.fastpath._fastpath import Forwarder, FrameRun, RtpDestination
else:
    try:
        from gateway.fastpath._fastpath import Forwarder, FrameRun, RtpDestination
    except ImportError:  # not compiled here
        from gateway.fastpath.fallback import Forwarder, FrameRun, RtpDestination

COMPILED = Forwarder.__module__ == "gateway.fastpath._fastpath"
"""Whether the fast path is compiled."""

__all__ = ["COMPILED", "Forwarder", "FrameRun", "RtpDestination"]
