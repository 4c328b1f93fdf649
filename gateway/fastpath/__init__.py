"""The fast path: ordinary access units from a camera's socket to its viewers, compiled.

Nearly all that a relay does is the same access unit over and over: fragments of one P slice, no
packet missing, the marker on the last one. The fast path (`_fastpath.pyx`, C by way of Cython)
does that and nothing else: it reads the socket (the RTSP connection, or RTP over UDP), fragments
payloads to size, writes headers, protects and sends. What is in any way out of the ordinary (new
parameter sets, a gap, an RTSP message, a viewer whose line is narrow) is handed back byte by byte
as it came. Then `gateway.sources` and `gateway.streams` take it as if there were no fast path, and
behind it the fast path may start again.

It buffers what it has sent: the GOP, for viewers who join, and two seconds, for retransmissions.
Cache and history get them when somebody asks. What those have held from before is dropped once
the fast path has all that anybody could ask for. Counters, the times of keyframes and the
camera's RTCP are read without that.

Where it is not compiled, or was compiled from other sources than these, `gateway.fastpath.fallback`
stands in, and all goes through Python: the same bytes, at two to three times the processor time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

INTERFACE = 5
"""Number of the contracts in `_fastpath.pyi`. It grows when they change; the compiled module has
the one that it was compiled with."""

try:
    from gateway.fastpath import _fastpath
except ImportError:  # not compiled here
    _found = None
else:
    _found = getattr(_fastpath, "INTERFACE", 0)

STALE = _found not in (None, INTERFACE)
"""Whether the compiled module has other contracts; it is not used then."""

if TYPE_CHECKING or _found == INTERFACE:
    from gateway.fastpath._fastpath import Forwarder, FrameRun, RtpDestination
else:
    from gateway.fastpath.fallback import Forwarder, FrameRun, RtpDestination

COMPILED = Forwarder.__module__ == "gateway.fastpath._fastpath"
"""Whether the fast path is compiled, and used."""

ADVICE = "it was compiled from other sources; compile it again: scripts/install run"
"""What to do about one that is `STALE`."""

__all__ = ["ADVICE", "COMPILED", "INTERFACE", "STALE", "Forwarder", "FrameRun", "RtpDestination"]
