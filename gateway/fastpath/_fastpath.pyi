from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

INTERFACE: int
"""See `gateway.fastpath.INTERFACE`."""

UnitFields = tuple[tuple[bytes, ...], int, bool, float, int]
"""The fields of `gateway.model.media.AccessUnit`, in their order."""

Counts = tuple[int, int, int, int, float, bytes, list[bytes]]
"""What came since the last call: RTP packets and their bytes, access units and how many of them
are keyframes; when RTP came last, on the monotonic clock; the newest RTP header of a whole access
unit; RTCP packets."""

Budget = tuple[tuple[float, float], ...]
"""Five allowances, each as how many a second and how many at once."""

class PayloadFormat(Protocol):
    """What is read of `gateway.rtp.payload.PayloadFormat`."""

    @property
    def header_bytes(self) -> int: ...
    @property
    def nal_type_shift(self) -> int: ...
    @property
    def nal_type_mask(self) -> int: ...
    @property
    def fragment(self) -> int: ...
    @property
    def aggregate(self) -> int: ...
    @property
    def single_end(self) -> int: ...
    @property
    def slice_types(self) -> Iterable[int]: ...
    @property
    def irap_types(self) -> Iterable[int]: ...
    @property
    def parameter_set_types(self) -> Iterable[int]: ...
    @property
    def padding(self) -> Iterable[int]: ...

class RtpDestination:
    """Where one viewer's packets go, and how they are numbered.

    The fast path and the Python sender use it in turn, and number on where the other has stopped.

    As a context manager it holds the mutex of the fast path: whoever uses the SRTP session while
    the fast path may be sending does so within, and does nothing else within.

    Args:
        payload_type: Of the media, 7 bits.
        ssrc: Of the media.
        offset_90k: What is added to a stamp of the timeline, modulo 2**32, to make the RTP time.
        seq: Extended sequence number of the first packet.
        protect: Address of libsrtp's ``srtp_protect``; 0: the fast path cannot send to it.
        session: Address of the SRTP session, which is that function's first argument.
        keep_alive: What must live as long as those two.

    Attributes:
        seq: Extended sequence number of the next packet.
        last_90k: Stamp of the newest access unit sent or waiting, on the timeline; -1: none.
        last_s: When that was, on the monotonic clock.
        packets: Media packets sent or waiting for the pace, retransmissions not counted.
        octets: Their payload bytes.
        free_s: When all that was sent will have left at the pace, on the monotonic clock.
        burst_bytes: See `set_pace`.
        waiting: Access units that the pace holds back, and that were not sent whole.
        blocked: Sends of the fast path that the kernel had no room for.
        failed: Sends of the fast path that failed otherwise.
        offload_refused: Whether kernel or device have refused segmentation offload.
    """

    offset_90k: int
    seq: int
    last_90k: int
    last_s: float
    packets: int
    octets: int
    free_s: float
    blocked: int
    failed: int
    offload_refused: bool

    def __init__(
        self,
        *,
        payload_type: int,
        ssrc: int,
        offset_90k: int,
        seq: int,
        protect: int = 0,
        session: int = 0,
        keep_alive: Any = None,
    ) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...
    def set_address(self, fd: int, host: str, port: int) -> bool:
        """Send through the socket *fd* to *host*, an IP address; the socket is not closed.

        Returns:
            False if the fast path cannot: *host* is no IP address, or *protect* is 0.
        """

    def clear_address(self) -> None:
        """Send nothing more; once this returns the socket may be closed."""

    @property
    def burst_bytes(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    def set_pace(
        self,
        *,
        bytes_per_s: float,
        ahead_s: float,
        step_s: float,
        step_bytes: int,
        burst_bytes: int,
        may_wait: bool,
    ) -> None:
        """Send at this pace from now on, also what waits; before the first call nothing does.

        Args:
            bytes_per_s: The pace, of packets with their headers; 0: there is none.
            ahead_s: How far ahead of it is sent what waits.
            step_s: After so long at least the thread sends more of it.
            step_bytes: The most in one send of it.
            burst_bytes: An access unit is sent at once if no more than so many bytes, of payload,
                are then ahead of the pace; any other waits.
            may_wait: Whether any may; if not, those are not for the fast path. At most 32 may.
        """

    def take_waiting(self) -> tuple[list[UnitFields], int]:
        """Return what waits, and how many packets of the first were sent; called after `stop`.

        The caller sends the rest, in this order, numbered on: nothing waits here any more.
        """

    @property
    def sendable(self) -> bool:
        """Whether there is an address, and libsrtp has not refused."""

class Forwarder:
    """One camera's connection, relayed while it sends ordinary access units.

    Its callbacks are called in `run_callbacks` and `read_once`, never by the polling thread.

    Args:
        fd: The socket of the RTSP connection, or of the video's RTP over UDP; it is read without
            blocking and not closed.
        rtp_channel: Interleaved channel of the video's RTP.
        rtcp_channel: That of its RTCP; negative: there is none.
        payload_type: Of the video.
        payload_format: Of its payloads, `gateway.rtp.payload.PayloadFormat`.
        max_payload_bytes: Largest payload that is sent; at most 8,192.
        max_buffered: Access units that may wait to be collected.
        retain_s: How long ago an access unit may have been sent that a viewer asks for again.
            What is older, and in front of the newest keyframe, is dropped without being collected.
        budget: What the camera may send, each as so many a second and so many at once: bytes;
            packets and reads, and NAL units of aggregates; access units; bytes copied because an
            access unit was not complete; datagrams of strangers.
        on_buffer_full: Called when *max_buffered* wait, or 8 MiB; `collect` then.
        on_fallback: Called when something comes that is not for the fast path; `stop` then.
            Until then nothing more is read.
        on_superseded: Called once when all that was there before `start`, or was collected, is
            older than *retain_s* and in front of a keyframe that waits to be collected: nobody
            can ask for it any more.
        on_rtcp: Called when RTCP has come; `take_counts` then.
        sender: IP address of the camera, whose datagrams are read; those of others are dropped.
            What `stop` returns is then an interleaved frame each. None: *fd* is of the connection.

    Attributes:
        running: Whether it is between `start` and `stop`.
        over_budget: Whether it has fallen back because more has come than *budget* has.
        strangers: Datagrams from other addresses than *sender*, since this was made.
        buffered: Access units that wait to be collected.
        last_unit_s: When the newest access unit was relayed, on the monotonic clock; 0: none was.
        keyframe_s: When the newest keyframe was, or what `start` was told.
        gop_s: Between the last two keyframes; 0 if that is not known.
        position: *seq*, *rtp_time* and *time_90k* as `start` would want them now.

    Raises:
        ValueError: *max_payload_bytes* has no room for a fragment, or exceeds its bound; *sender*
            is no IP address.
    """

    @property
    def running(self) -> bool: ...
    @property
    def over_budget(self) -> bool: ...
    @property
    def strangers(self) -> int: ...
    @property
    def buffered(self) -> int: ...
    @property
    def last_unit_s(self) -> float: ...
    @property
    def keyframe_s(self) -> float: ...
    @property
    def gop_s(self) -> float: ...
    @property
    def position(self) -> tuple[int, int, int]: ...
    def __init__(
        self,
        fd: int,
        *,
        rtp_channel: int,
        rtcp_channel: int,
        payload_type: int,
        payload_format: PayloadFormat,
        max_payload_bytes: int,
        max_buffered: int,
        retain_s: float,
        budget: Budget,
        on_buffer_full: Callable[[], None],
        on_fallback: Callable[[], None],
        on_superseded: Callable[[], None],
        on_rtcp: Callable[[], None],
        sender: str | None = None,
    ) -> None: ...
    def start(
        self,
        destinations: Iterable[RtpDestination],
        *,
        seq: int,
        rtp_time: int,
        time_90k: int,
        parameter_sets: Iterable[bytes] = (),
        keyframe_s: float = 0,
    ) -> None:
        """Relay to *destinations* from the next access unit on.

        Args:
            destinations: All of them.
            seq: 16-bit sequence number of the packet that comes next.
            rtp_time: RTP time of the access unit before it.
            time_90k: The stamp of that on the timeline.
            parameter_sets: NAL units that may stand in front of keyframes; others are not for
                the fast path.
            keyframe_s: When the last keyframe came, on the monotonic clock; 0: never.
        """

    def start_polling(self, wakeup_fd: int) -> bool:
        """Let the polling thread read whenever the socket is readable, until `stop`.

        Args:
            wakeup_fd: An eventfd; it is written to when `run_callbacks` is to be called.

        Returns:
            False if the thread has no room for another; the caller then calls `stop`.

        Raises:
            OSError: The thread could not be started.
        """

    def read_once(self) -> None:
        """Read once and relay what is whole, in the calling thread; then `run_callbacks`."""

    def run_callbacks(self) -> None:
        """Call *on_rtcp*, and *on_fallback*, *on_buffer_full* or *on_superseded*, if it is time."""

    def stop(self) -> bytes:
        """Relay nothing more; return the bytes that were read and not relayed."""

    def take_counts(self) -> Counts:
        """Return what came since the last call."""

    def collect(self) -> tuple[list[FrameRun], int]:
        """Return the access units relayed since the last call, but for those dropped.

        A keyframe always begins a run of its own. The second value is how many packets every
        destination was sent of the dropped ones; they come before the runs.
        """

class FrameRun:
    """Access units that were relayed one behind the other; `bytes` are made when asked for.

    Iterating gives the fields of each access unit.

    Attributes:
        frames: How many access units.
        packets: Their RTP payloads.
        size_bytes: The bytes of those.
        keyframe: Whether the first one is a keyframe; none of the others is.
        oldest_s: When the first one came, on the monotonic clock; `newest_s`: the last one.
        oldest_90k: When the first one is shown, on the timeline; `newest_90k`: the last one.
    """

    frames: int
    packets: int
    size_bytes: int
    keyframe: bool
    @property
    def oldest_s(self) -> float: ...
    @property
    def newest_s(self) -> float: ...
    @property
    def oldest_90k(self) -> int: ...
    @property
    def newest_90k(self) -> int: ...
    def __iter__(self) -> Iterator[UnitFields]: ...
    def first(self) -> UnitFields:
        """Return the first access unit."""

    def packet(self, number: int) -> tuple[bytes, int, bool]:
        """Return payload *number*, the time of its access unit, and whether it is its last.

        To ask for all in order costs one walk, however many there are.

        Raises:
            IndexError: There is none.
        """
