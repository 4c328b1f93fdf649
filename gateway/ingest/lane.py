"""Hands a playing camera's connection over to the express lane, and takes it back.

The lane goes on where the assembler and the timeline stand after a whole picture, and they go on
where the lane has stopped: between the two nothing is read twice and nothing is left out.

Reference: `gateway.express`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from gateway.express.built import COMPILED, Feed, Relayed, Viewer
from gateway.ingest.joint import JointAssembler
from gateway.ingest.rtsp.client import RtspClient
from gateway.ingest.rtsp.reception import Reception
from gateway.ingest.rtsp.tcp import Connection
from gateway.ingest.timeline import Timeline
from gateway.model.media import SourceCounters
from gateway.ports import Lane

MOST_KEPT = 128
"""Pictures that the lane keeps to itself before it wakes the loop: five seconds. It is not woken at
all while what may be wanted again is less: `KEEP_S`, or the GOP if that is longer."""

KEEP_S = 2.0
"""How long the lane keeps what lies before the GOP: as long as a viewer may ask for it again
(`gateway.relay.history`)."""

FRUITLESS = 8
"""So many times in a row the lane was handed back before it had relayed one picture: this camera
sends none that is ordinary, and is left to the assembler for the rest of the session."""


@runtime_checkable
class Relays(Protocol):
    """A sink whose readers the lane can serve (`gateway.media.stream.Stream`)."""

    lane: Lane | None

    @property
    def keyframe_s(self) -> float | None:
        """When the last keyframe came, on the monotonic clock; None if none ever did."""
        ...

    def express(self, time_90k: int) -> tuple[Viewer, ...] | None:
        """Return whom to serve behind *time_90k*; None: not now."""
        ...

    def relayed(self, runs: Sequence[Relayed], skipped: int) -> None:
        """Note what the lane has sent to all of them, behind *skipped* forgotten packets."""
        ...

    def outlived(self) -> None:
        """Let go of all units: the lane keeps newer ones, from a keyframe on."""
        ...


class Handover:
    """Between one RTSP session over TCP and the lane.

    Args:
        sink: Where the session's pictures go.
        connection: Where they come from; its `wire` knows the channels.
        assembler: Who takes what the lane does not.
        keep_s: How long the lane keeps what lies before the GOP.
    """

    def __init__(
        self,
        sink: Relays,
        connection: Connection,
        assembler: JointAssembler,
        *,
        timeline: Timeline,
        reception: Reception,
        counters: SourceCounters,
        keep_s: float = KEEP_S,
    ) -> None:
        self._sink, self._connection, self._assembler = sink, connection, assembler
        self._timeline, self._reception, self._counters = timeline, reception, counters
        self._loop = asyncio.get_running_loop()
        # The transport closes its own descriptor when it likes; this one is ours.
        self._fd = os.dup(connection.descriptor)
        self._told = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._loop.add_reader(self._told, self._answer)
        self._feed = Feed(
            self._fd,
            channel=connection.wire.rtp_channel,
            reports_channel=connection.wire.rtcp_channel,
            payload_type=assembler.payload_type,
            shape=assembler.shape,
            limit=assembler.payload_bytes,
            most_kept=MOST_KEPT,
            keep_s=keep_s,
            full=self.settle,
            odd=self._give_back,
            outlived=sink.outlived,
            reported=self.count,
        )
        self._relayed = False
        self._fruitless = 0
        self._recalling = self._closed = False

    def begin(self) -> None:
        """Let the lane relay from here on, if all is in order for it: after whole pictures."""
        if self._closed or self._recalling or self._feed.running or self._fruitless >= FRUITLESS:
            return
        seq, place = self._assembler.steady(), self._timeline.steady()
        if seq is None or place is None or not self._connection.wire.idle:
            return
        viewers = self._sink.express(place[1])
        if viewers is None:
            return
        self._relayed = False
        keyframe_s = self._sink.keyframe_s or 0
        self._connection.pause()
        self._sink.lane = self
        self._feed.start(
            viewers,
            seq=seq,
            time=place[0],
            time_90k=place[1],
            sets=self._assembler.sets,
            keyframe_s=keyframe_s,
        )
        if not self._feed.ride(self._told):
            self.recall()

    @property
    def pictured_s(self) -> float:
        """When the newest picture that the lane has relayed came; 0 if none did."""
        return self._feed.pictured_s

    @property
    def keyframe_s(self) -> float:
        """When the newest keyframe came, by the lane or before; 0 if none ever did."""
        return self._feed.keyframe_s

    @property
    def gop_s(self) -> float:
        """Between the last two keyframes; 0 if that is not known."""
        return self._feed.gop_s

    def count(self) -> None:
        """Tell counters and reception what has come since the last time."""
        packets, size_bytes, pictures, keyframes, heard_s, newest, reports = self._feed.count()
        if pictures:
            self._relayed = True
            self._counters.packets += packets
            self._counters.received_bytes += size_bytes
            self._counters.units += pictures
            self._counters.keyframes += keyframes
            self._reception.heard_rtp(newest, heard_s)
        elif heard_s > self._reception.heard_s:  # of a picture that has no end
            self._reception.heard_s = heard_s
        if reports:
            self._connection.on_rtcp(reports)

    def settle(self) -> None:
        """Tell the sink as well what has been relayed since the last time."""
        self.count()
        if self._feed.kept:
            self._sink.relayed(*self._feed.collect())

    def recall(self) -> None:
        """Settle, and give the connection back to the assembler with all that was not relayed.

        The lane does not go on behind that, as it may when it gives back by itself: those whom it
        served are about to change.
        """
        self._recalling = True
        try:
            self._give_back()
        finally:
            self._recalling = False

    def _give_back(self) -> None:
        if not self._feed.running:
            return
        read = self._feed.stop()
        self.settle()
        self._fruitless = 0 if self._relayed else self._fruitless + 1
        self._sink.lane = None
        if self._relayed:
            seq, rtp_time, time_90k = self._feed.state
            self._assembler.went_on(seq, rtp_time)
            self._timeline.went_on(rtp_time, time_90k, self.pictured_s)
        self._connection.resume(read)

    def close(self) -> None:
        """Recall, for good."""
        if self._closed:
            return
        self._closed = True
        try:
            self.recall()
        finally:
            self._loop.remove_reader(self._told)
            os.close(self._told)
            os.close(self._fd)

    def _answer(self) -> None:
        """The lane's thread wants us."""
        os.eventfd_read(self._told)
        try:
            self._feed.answer()
        except BaseException as error:  # the loop would log it, and we would wait for ever
            self._connection.fail(error)
            raise


def handover(
    sink: object,
    client: RtspClient,
    assembler: JointAssembler,
    *,
    timeline: Timeline,
    counters: SourceCounters,
) -> Handover | None:
    """Return the lane's access to a session that is set up; None if it cannot have it.

    It cannot over UDP or TLS, nor for a sink that is not a stream, nor where it is not compiled.
    """
    connection = client.connection
    if not COMPILED or client.udp is not None or not isinstance(sink, Relays):
        return None
    if connection is None or connection.descriptor < 0:
        return None
    return Handover(
        sink,
        connection,
        assembler,
        timeline=timeline,
        reception=client.reception,
        counters=counters,
    )
