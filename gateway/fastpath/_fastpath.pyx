# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, binding=False
"""The compiled fast path: see `gateway.fastpath` for what it is, `_fastpath.pyi` for contracts.

It is one extension module in several files, in the order in which a byte passes them:

    polling.pxi     the thread that waits for all cameras
    relay.pxi       one read of one camera, and the buffer of what was sent
    parser.pxi      bytes of the socket -> access unit; judges what a camera has sent
    packetizer.pxi  access unit -> RTP payloads within the limit
    sender.pxi      RTP payloads -> SRTP to one destination
    pacing.pxi      what of them is sent at once, and when the rest
    frame_run.pxi   what was sent, for Python
    _fastpath.pxd   constants and C types of all of them
    system.h        system calls

This file has what Python calls: a `Forwarder` for each camera.

One mutex guards all that the thread shares with Python: forwarders, destinations and libsrtp's
sessions. The thread holds it for one read of one camera and never asks for the GIL. Python takes
it, while it holds the GIL, for a few lines that make no Python object: making one may run the
garbage collector, which may take the mutex itself (`Forwarder.__dealloc__`).
"""

import _thread

from cython cimport no_gc_clear
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc, PyMem_RawRealloc
from libc.errno cimport (
    EAGAIN, EINTR, EINVAL, EIO, EMSGSIZE, ENOPROTOOPT, EOPNOTSUPP, EPERM, errno
)
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcmp, memcpy, memmove
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

include "parser.pxi"
include "packetizer.pxi"
include "pacing.pxi"
include "sender.pxi"
include "relay.pxi"
include "polling.pxi"
include "frame_run.pxi"


INTERFACE = 5  # as in `gateway.fastpath`, which has what it is for


@no_gc_clear  # the thread may be using all that it holds, until `__dealloc__`
cdef class Forwarder:
    cdef ForwarderState c
    cdef list _destinations         # what `c.destination` points at
    cdef tuple _parameter_sets      # what `c.parameter_set` points at
    cdef object _on_buffer_full
    cdef object _on_fallback
    cdef object _on_superseded
    cdef object _on_rtcp

    def __cinit__(self):
        self.c.slot = self.c.wakeup_fd = -1

    def __init__(self, int fd, *, int rtp_channel, int rtcp_channel, int payload_type,
                 payload_format, Py_ssize_t max_payload_bytes, int max_buffered, double retain_s,
                 budget, on_buffer_full, on_fallback, on_superseded, on_rtcp, str sender=None):
        if not payload_format.header_bytes + 1 < max_payload_bytes <= MAX_PAYLOAD_BYTES:
            raise ValueError(f"payloads of {max_payload_bytes} bytes")
        if len(budget) != 5:  # indices are not checked here
            raise ValueError(f"{len(budget)} budgets instead of 5")
        self.c.fd = fd
        self.c.rtp_channel, self.c.rtcp_channel = rtp_channel, rtcp_channel
        self.c.payload_type = payload_type
        self.c.max_payload_bytes = max_payload_bytes
        self.c.max_buffered, self.c.retain_s = max_buffered, retain_s
        self._on_buffer_full, self._on_fallback = on_buffer_full, on_fallback
        self._on_superseded, self._on_rtcp = on_superseded, on_rtcp
        self._destinations = []
        self.c.read_budget = _bucket(budget[0])
        self.c.packet_budget = _bucket(budget[1])
        self.c.unit_budget = _bucket(budget[2])
        self.c.copy_budget = _bucket(budget[3])
        self.c.stranger_budget = _bucket(budget[4])
        self.c.datagrams = sender is not None
        if self.c.datagrams:
            self._set_sender(sender.encode("ascii", "replace"))
        self._set_payload_format(payload_format)

    cdef int _set_sender(self, bytes sender) except -1:
        if fastpath_parse_address(&self.c.sender, PyBytes_AS_STRING(sender), 0) == 0:
            raise ValueError(f"no IP address: {sender!r}")
        return 0

    cdef int _set_payload_format(self, payload_format) except -1:
        self.c.nal_header_bytes = payload_format.header_bytes
        self.c.nal_type_shift = payload_format.nal_type_shift
        self.c.nal_type_mask = payload_format.nal_type_mask
        self.c.fu_type = payload_format.fragment
        self.c.aggregate_type = payload_format.aggregate
        self.c.nal_type_end = payload_format.single_end
        self.c.slice_types = _bits(payload_format.slice_types)
        self.c.irap_types = _bits(payload_format.irap_types)
        self.c.parameter_set_types = _bits(payload_format.parameter_set_types)
        self.c.unneeded_types = _bits(payload_format.padding)
        self.c.parameter_set_kinds = len(payload_format.parameter_set_types)
        return 0

    def __dealloc__(self):
        if self.c.slot >= 0:  # else nobody shares it, and the mutex may be held by our caller
            fastpath_lock()
            _remove_from_poll(&self.c)
            fastpath_unlock()
        _release_list(self.c.oldest)
        PyMem_RawFree(self.c.destination)
        PyMem_RawFree(self.c.partial)

    @property
    def running(self):
        return self.c.running

    @property
    def over_budget(self):
        return self.c.over_budget

    @property
    def strangers(self):
        return self.c.strangers

    @property
    def buffered(self):
        return self.c.buffered

    @property
    def last_unit_s(self):
        return self.c.last_unit_s

    @property
    def keyframe_s(self):
        return self.c.keyframe_s

    @property
    def gop_s(self):
        return self.c.gop_s

    @property
    def position(self):
        return self.c.next_seq, self.c.rtp_time, self.c.time_90k

    def start(self, destinations, *, uint16_t seq, uint32_t rtp_time, int64_t time_90k,
              parameter_sets=(), double keyframe_s=0):
        cdef list held = list(destinations)
        cdef tuple known = tuple(
            [<bytes?> each for each in parameter_sets if 0 < len(each) <= MAX_PARAMETER_SET_BYTES]
        )[:MAX_PARAMETER_SETS]
        cdef DestinationState **states = _states_of(held)
        cdef bytes parameter_set
        cdef Py_ssize_t index
        fastpath_lock()
        PyMem_RawFree(self.c.destination)
        self.c.destination, self.c.destinations = states, <int> len(held)
        self.c.parameter_sets = <int> len(known)
        for index in range(self.c.parameter_sets):
            parameter_set = <bytes> known[index]
            self.c.parameter_set[index] = <const uint8_t *> PyBytes_AS_STRING(parameter_set)
            self.c.parameter_set_size[index] = <uint16_t> PyBytes_GET_SIZE(parameter_set)
        self.c.next_seq, self.c.rtp_time, self.c.time_90k = seq, rtp_time, time_90k
        self.c.keyframe_s, self.c.gop_s = keyframe_s, 0
        self.c.running, self.c.fallback, self.c.superseded = True, False, False
        self.c.over_budget = False
        self.c.collected_s = _now_s()
        fastpath_unlock()
        self._destinations, self._parameter_sets = held, known

    def start_polling(self, int wakeup_fd):
        cdef bint polled
        _start_thread()
        fastpath_lock()
        polled = _add_to_poll(&self.c, wakeup_fd)
        fastpath_unlock()
        return polled

    def stop(self):
        cdef uint8_t *partial
        cdef Py_ssize_t partial_bytes
        fastpath_lock()
        _remove_from_poll(&self.c)
        self.c.running = self.c.fallback = False
        self.c.destinations = 0
        partial, partial_bytes = self.c.partial, self.c.partial_bytes
        self.c.partial, self.c.partial_bytes, self.c.partial_room = NULL, 0, 0
        self.c.scanned = 0
        fastpath_unlock()
        self._destinations, self._parameter_sets = [], ()
        try:
            return PyBytes_FromStringAndSize(<char *> partial, partial_bytes)
        finally:
            PyMem_RawFree(partial)

    def take_counts(self):
        cdef int64_t packets, size, access_units, keyframes
        cdef double last_rtp_s
        cdef uint8_t newest_header[RTP_HEADER_BYTES]
        cdef uint8_t rtcp[MAX_RTCP_BYTES]
        cdef Py_ssize_t rtcp_bytes
        fastpath_lock()
        packets, size = self.c.packets, self.c.size
        access_units, keyframes = self.c.access_units, self.c.keyframes
        last_rtp_s, rtcp_bytes = self.c.last_rtp_s, self.c.rtcp_bytes
        memcpy(newest_header, self.c.newest_header, RTP_HEADER_BYTES)
        memcpy(rtcp, self.c.rtcp, rtcp_bytes)
        self.c.packets = self.c.size = self.c.access_units = self.c.keyframes = 0
        self.c.rtcp_bytes = 0
        fastpath_unlock()
        return (packets, size, access_units, keyframes, last_rtp_s,
                PyBytes_FromStringAndSize(<char *> newest_header, RTP_HEADER_BYTES),
                _unframed(rtcp, rtcp_bytes))

    def collect(self):
        cdef AccessUnit *unit
        cdef AccessUnit *following
        cdef FrameRun run = None
        cdef list runs = []
        cdef int64_t evicted_packets
        fastpath_lock()
        unit, evicted_packets = self.c.oldest, self.c.evicted_packets
        self.c.oldest = self.c.newest = self.c.newest_keyframe = NULL
        self.c.buffered = self.c.buffered_bytes = self.c.evicted_packets = 0
        self.c.collected_s, self.c.superseded = _now_s(), False
        fastpath_unlock()
        try:
            while unit != NULL:
                if run is None or unit.keyframe:
                    run = FrameRun()
                    runs.append(run)
                following = unit.next
                run._append(unit)
                unit = following
        finally:
            _release_list(unit)  # none, unless there was no memory for a run
        return runs, evicted_packets

    def read_once(self):
        fastpath_lock()
        if self.c.running and not self.c.fallback:
            _read_once(&self.c)
        _send_due(&self.c)
        fastpath_unlock()
        self.run_callbacks()

    def run_callbacks(self):
        if self.c.rtcp_bytes:
            self._on_rtcp()
        if self.c.fallback:
            self._on_fallback()
        elif _is_buffer_full(&self.c, 1):
            self._on_buffer_full()
        elif self._take_superseded():
            self._on_superseded()

    cdef bint _take_superseded(self):
        """Return whether Python is to drop what it holds; it is told so once."""
        fastpath_lock()
        cdef bint superseded = self.c.superseded
        if superseded:
            self.c.collected_s, self.c.superseded = 0, False
        fastpath_unlock()
        return superseded


cdef DestinationState **_states_of(list destinations) except NULL:
    """Return where the states of *destinations* are, in memory that the caller frees."""
    cdef Py_ssize_t count = len(destinations), index
    cdef DestinationState **states = <DestinationState **> PyMem_RawMalloc(
        (count + 1) * sizeof(DestinationState *))
    if states == NULL:
        raise MemoryError
    try:
        for index in range(count):
            states[index] = &(<RtpDestination?> destinations[index]).c
    except TypeError:
        PyMem_RawFree(states)
        raise
    return states


cdef TokenBucket _bucket(allowance):
    """Return a full bucket of *allowance*: how many a second, how many at once."""
    cdef TokenBucket bucket
    bucket.per_s, bucket.burst = allowance
    bucket.tokens = bucket.burst
    return bucket


cdef uint64_t _bits(types) except? 0:
    """Return NAL unit *types* as bits."""
    cdef uint64_t bits = 0
    for nal_type in types:
        if not 0 <= nal_type < 64:
            raise ValueError(f"NAL unit type {nal_type}")
        bits |= <uint64_t> 1 << <int> nal_type
    return bits


cdef list _unframed(const uint8_t *data, Py_ssize_t end):
    """Return the packets within the interleaved frames of *data*."""
    cdef list packets = []
    cdef Py_ssize_t at = 0, size
    while at < end:
        size = _be16(data + at + 2)
        packets.append(PyBytes_FromStringAndSize(
            <const char *> data + at + FRAME_HEADER_BYTES, size))
        at += FRAME_HEADER_BYTES + size
    return packets
