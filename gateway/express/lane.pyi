from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

Unit = tuple[tuple[bytes, ...], int, bool, float, int]
"""The fields of `gateway.model.media.AccessUnit`, in their order."""

Counted = tuple[int, int, int, int, float, bytes, list[bytes]]
"""Packets and their bytes, pictures and how many of them are keyframes; when RTP came last, on the
monotonic clock, and the newest RTP header of a picture; RTCP packets."""

class Shape(Protocol):
    @property
    def header_bytes(self) -> int: ...
    @property
    def kind_shift(self) -> int: ...
    @property
    def kind_mask(self) -> int: ...
    @property
    def fragment(self) -> int: ...
    @property
    def single_end(self) -> int: ...
    @property
    def slices(self) -> Iterable[int]: ...
    @property
    def entries(self) -> Iterable[int]: ...
    @property
    def sets(self) -> Iterable[int]: ...
    @property
    def padding(self) -> Iterable[int]: ...

class Viewer:
    """How one viewer's packets are numbered, and where the lane sends them.

    As a context it holds the lane's mutex: whoever uses a viewer's SRTP session while the lane may
    be serving it does so within, and nothing else within.

    Args:
        payload_type: Of the media.
        ssrc: Of the media.
        offset_90k: What is added to a stamp of the timeline, modulo 2**32.
        seq: Extended number of the first packet.
        burst_bytes: The most that may be sent at once without pacing.
        protect: Address of libsrtp's ``srtp_protect``; 0: the lane cannot serve this viewer.
        session: Its first argument.
        keep: What must live as long as those two.

    Attributes:
        seq: Extended number of the next packet.
        last_90k: Stamp of the newest picture sent; -1: none.
        last_s: When that was, on the monotonic clock.
        packets: Media packets sent, retransmissions not counted.
        octets: Their payload bytes.
        blocked: Sends of the lane that the kernel had no room for.
        failed: Sends of the lane that failed otherwise.
        refused: Whether kernel or device have refused segmentation offload.
    """

    seq: int
    last_90k: int
    last_s: float
    packets: int
    octets: int
    blocked: int
    failed: int
    refused: bool

    def __init__(
        self,
        *,
        payload_type: int,
        ssrc: int,
        offset_90k: int,
        seq: int,
        burst_bytes: int,
        protect: int = 0,
        session: int = 0,
        keep: Any = None,
    ) -> None: ...
    @property
    def offset_90k(self) -> int: ...
    @property
    def burst_bytes(self) -> int: ...
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...
    def aim(self, fd: int, host: str, port: int) -> bool:
        """Send through *fd* to *host*, an IP address; False if the lane cannot."""

    def leave(self) -> None:
        """Send nothing more; the descriptor may be closed."""

    @property
    def aimed(self) -> bool:
        """Whether the lane can send."""

class Feed:
    """One camera's connection, relayed while it sends ordinary pictures.

    Args:
        fd: The socket; it is read without blocking and not closed.
        channel: Of the interleaved RTP.
        reports_channel: Of the interleaved RTCP; negative: there is none.
        payload_type: Of the video.
        shape: Of its payloads, `gateway.rtp.payload.Shape`.
        limit: Largest payload that comes out.
        most_kept: Pictures that may wait to be collected.
        keep_s: How long ago a picture may have been sent that a viewer asks for again. What is
            older, and in front of the newest keyframe, is forgotten without being collected.
        full: Called when they are that many, or 8 MiB.
        odd: Called when something comes that is not for the lane: `stop` then returns all bytes
            that have not been relayed. Until it was called, nothing more is read.
        outlived: Called when all that was there before `start` or was collected is older than
            *keep_s*, and in front of a keyframe that waits to be collected.
        reported: Called when RTCP has come, for `count`.

    Attributes:
        running: Whether it is between `start` and `stop`.
        kept: Pictures that wait to be collected.
        pictured_s: When the newest picture was relayed, on the monotonic clock.
        keyframe_s: When the newest keyframe was, or what `start` was told.
        gop_s: Between the last two keyframes; 0 if that is not known.

    Raises:
        ValueError: *limit* is none that fits into a datagram.
    """

    @property
    def running(self) -> bool: ...
    @property
    def kept(self) -> int: ...
    @property
    def pictured_s(self) -> float: ...
    @property
    def keyframe_s(self) -> float: ...
    @property
    def gop_s(self) -> float: ...
    def __init__(
        self,
        fd: int,
        *,
        channel: int,
        reports_channel: int,
        payload_type: int,
        shape: Shape,
        limit: int,
        most_kept: int,
        keep_s: float,
        full: Callable[[], None],
        odd: Callable[[], None],
        outlived: Callable[[], None],
        reported: Callable[[], None],
    ) -> None: ...
    def start(
        self,
        viewers: Iterable[Viewer],
        *,
        seq: int,
        time: int,
        time_90k: int,
        sets: Iterable[bytes] = (),
        keyframe_s: float = 0,
    ) -> None:
        """Relay to *viewers* from the next picture on.

        Args:
            viewers: All who are to be served.
            seq: 16-bit number of the packet that comes next.
            time: RTP time of the picture before it.
            time_90k: Its stamp on the timeline.
            sets: Parameter sets that may stand before keyframes; others are not for the lane.
            keyframe_s: When the last keyframe came, on the monotonic clock; 0: never.
        """

    def ride(self, told: int) -> bool:
        """Let the lane's thread read whenever the socket is readable, until `stop`.

        Args:
            told: An eventfd; it is written to when `answer` is to be called.

        Returns:
            False if the thread cannot take another; `stop` then, or call `step` yourself.
        """

    def step(self) -> None:
        """Read once and relay what is whole, in this thread; then `answer`."""

    def answer(self) -> None:
        """Call *reported*, and *odd*, *full* or *outlived*, if it is time."""

    def stop(self) -> bytes:
        """Return the bytes that have been read and not relayed; nothing more is relayed."""

    @property
    def state(self) -> tuple[int, int, int]:
        """*seq*, *time* and *time_90k* as `start` would want them now."""

    def count(self) -> Counted:
        """Return what came since the last call, of whole pictures and of RTCP."""

    def collect(self) -> tuple[list[Relayed], int]:
        """Return the pictures relayed since the last call, in runs, but for those forgotten.

        A keyframe always begins a run of its own. The second value is how many packets every
        viewer was sent of the forgotten ones; they come before the runs.
        """

class Relayed:
    """A run of pictures that were relayed one behind the other; bytes are made when asked for.

    Attributes:
        pictures: How many.
        packets: Their RTP payloads.
        size_bytes: Of those.
        keyframe: Whether the first of them is one; none of the others is.
        oldest_s: When the first one arrived, on the monotonic clock; `newest_s`: the last one.
        oldest_90k: When the first one is shown, on the timeline; `newest_90k`: the last one.
    """

    pictures: int
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
    def __iter__(self) -> Iterator[Unit]: ...
    def locate(self, packet: int) -> tuple[Unit, int]:
        """Return the picture with payload number *packet*, and how many payloads are before it.

        Raises:
            IndexError: There is none.
        """
