"""A virtual camera: its footage, account, behaviour, faults and counters.

It does no I/O: `gateway.demo.rtsp_server` serves it, `gateway.demo.video_loop` sends its pictures.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from gateway.demo.auth import Account, Authenticator
from gateway.demo.encoder import LiveFootage, RecordedFootage
from gateway.demo.faults import Fault, HalfOpen, Stall

Footage = LiveFootage | RecordedFootage
FaultT = TypeVar("FaultT")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a camera behaves without faults.

    Attributes:
        join: Where a viewer's stream begins: at the ``next_keyframe``, ``at_once`` with a
            keyframe made for it (live footage only), or in the ``middle`` of a GOP.
        session_timeout_s: A session whose viewer sends nothing for so long is ended.
        session_limit: Most sessions at once; the next SETUP gets 453. 0 for no limit.
        held_s: How long a session without TEARDOWN still counts after its connection is lost,
            as with recorders.
        payload_bytes: Largest RTP payload.
        first_sequence: First RTP sequence number of every session.
        first_time_90k: First RTP timestamp of every session.
        report_s: Interval of RTCP sender reports.
        clock_ahead_s: How far its clock is ahead, as the reports say.
        get_parameter: Whether GET_PARAMETER is supported (else 551).
        content_base: Content-Base header; ``{url}`` stands for the requested URL. Empty: none.
        sound: Whether the SDP announces G.711, which is never sent.
        sockets: Which transports SETUP accepts; others get 461.
    """

    join: Literal["next_keyframe", "at_once", "middle"] = "at_once"
    session_timeout_s: float = 60.0
    session_limit: int = 0
    held_s: float = 0.0
    payload_bytes: int = 1400
    first_sequence: int = 20_000
    first_time_90k: int = 1_000_000
    report_s: float = 5.0
    clock_ahead_s: float = 0.0
    get_parameter: bool = True
    content_base: str = "{url}/"
    sound: bool = False
    sockets: tuple[Literal["tcp", "udp"], ...] = ("tcp", "udp")


@dataclass(slots=True)
class Counts:
    """Counters of a camera.

    Attributes:
        requests: By method.
        log: Method and status of the last requests, in order.
        authorizations: Requests with an ``Authorization`` header.
        refused_logins: Requests with wrong credentials.
        sessions: Open now.
        sessions_ever: Opened since the start.
        sessions_peak: Most at once.
        expired: Sessions that have timed out.
        packets: RTP packets sent.
        unsent: Pictures not sent because the viewer did not read.
    """

    requests: Counter[str] = field(default_factory=Counter)
    log: list[tuple[str, int]] = field(default_factory=list)
    authorizations: int = 0
    refused_logins: int = 0
    sessions: int = 0
    sessions_ever: int = 0
    sessions_peak: int = 0
    expired: int = 0
    packets: int = 0
    unsent: int = 0


class VirtualCamera:
    """One camera, or one channel of a recorder.

    Args:
        name: Drawn on live pictures and sent in the SDP.
        footage: Its pictures.
        path: Of its URL, e.g. ``/Streaming/Channels/101``.
        account: Who may watch; None for everybody.
        behaviour: Without faults.

    Attributes:
        faults: Its faults now; may be set at any time.
    """

    def __init__(
        self,
        name: str,
        footage: Footage,
        *,
        path: str = "/Streaming/Channels/101",
        account: Account | None = None,
        behaviour: Behaviour | None = None,
    ) -> None:
        self.name = name
        self.footage = footage
        self.path = path
        self.authenticator = Authenticator(account) if account else None
        self.behaviour = behaviour or Behaviour()
        self.faults: tuple[Fault, ...] = ()
        self.counts = Counts()

    @property
    def fault(self) -> Fault | None:
        """The first of its faults; setting it replaces all."""
        return self.faults[0] if self.faults else None

    @fault.setter
    def fault(self, fault: Fault | None) -> None:
        self.faults = (fault,) if fault else ()

    @property
    def silent(self) -> bool:
        """Whether it sends no media."""
        return any(isinstance(fault, (Stall, HalfOpen)) for fault in self.faults)

    def active_fault(self, kind: type[FaultT]) -> FaultT | None:
        """Return its fault of *kind*, None if it has none."""
        for fault in self.faults:
            if isinstance(fault, kind):
                return fault
        return None

    def record_request(self, method: str, code: int) -> None:
        """Count a request and add it to the log, which holds the last thousand."""
        self.counts.requests[method] += 1
        self.counts.log = [*self.counts.log[-999:], (method, code)]
