# The sender: an access unit to one destination as SRTP, a batch of datagrams per system call.
#
# A batch is packets of one size, the last one at most as long, which the kernel cuts apart (UDP
# segmentation offload). Where kernel or device refuse that, packets go one by one.
#
# References: RFC 3550 5.1 (RTP header), RFC 3711 3.1 and RFC 7714 (SRTP, by libsrtp).

cdef struct Batch:              # datagrams in `_batch_buffer`, one behind the other
    Py_ssize_t size
    int segment_bytes           # of each but the last
    int packets


cdef void _send_access_unit(DestinationState *destination, const AccessUnit *unit,
                            double now_s) noexcept nogil:
    """Send *unit* to *destination*: with headers of its own, protected, in batches."""
    cdef Py_ssize_t at = 0
    cdef int index = 0
    while index < unit.payloads:
        if not _send_next(destination, unit, &index, &at, MAX_BATCH_BYTES, now_s):
            return


cdef inline bint _send_next(DestinationState *destination, const AccessUnit *unit, int *index,
                            Py_ssize_t *at, Py_ssize_t most_bytes, double now_s) noexcept nogil:
    """Send one batch of *unit*, from payload number *index* on, which is at *at*.

    Both are moved behind what was sent. False if libsrtp refuses.
    """
    cdef Batch batch
    if not _fill_batch(destination, unit, index, at, most_bytes, &batch):
        destination.protect_failed = True  # the Python sender will meet and tell the error
        return False
    _pay(destination, batch.size, _send_batch(destination, &batch), now_s)
    return True


cdef inline bint _fill_batch(DestinationState *destination, const AccessUnit *unit, int *index,
                             Py_ssize_t *at, Py_ssize_t most_bytes, Batch *batch) noexcept nogil:
    """Protect payloads of *unit* into `_batch_buffer`, *most_bytes* in all; see `_send_next`."""
    cdef uint32_t rtp_time = <uint32_t> (<uint64_t> unit.time_90k + destination.offset_90k)
    cdef Py_ssize_t first = unit.payload_size[index[0]], size
    cdef uint8_t *packet
    cdef bint last
    cdef int length
    batch.size = batch.packets = batch.segment_bytes = 0
    while True:
        size = unit.payload_size[index[0]]
        last = index[0] == unit.payloads - 1
        packet = _batch_buffer + batch.size
        _write_rtp_header(destination, last, rtp_time, packet)
        memcpy(packet + RTP_HEADER_BYTES, unit.data + at[0], size)
        length = <int> size + RTP_HEADER_BYTES
        if destination.protect(destination.session, packet, &length):
            return False
        batch.size += length
        batch.packets += 1
        at[0] += size
        index[0] += 1
        destination.seq += 1
        if batch.packets == 1:
            batch.segment_bytes = length
        if (last or size != first or unit.payload_size[index[0]] > first
                or _is_full(batch, first, most_bytes)):
            return True


cdef inline void _write_rtp_header(const DestinationState *destination, bint marker,
                                   uint32_t rtp_time, uint8_t *out) noexcept nogil:
    """RFC 3550 5.1; the marker is on the last packet of an access unit (RFC 6184 5.1)."""
    out[0] = RTP_VERSION_2
    out[1] = destination.payload_type | RTP_MARKER if marker else destination.payload_type
    out[2], out[3] = destination.seq >> 8 & 0xFF, destination.seq & 0xFF
    _put_be32(out + 4, rtp_time)
    _put_be32(out + 8, destination.ssrc)


cdef inline bint _is_full(const Batch *batch, Py_ssize_t payload_bytes,
                          Py_ssize_t most_bytes) noexcept nogil:
    """Return whether *batch* has no room for one more payload of that size."""
    return (batch.packets == MAX_SEGMENTS
            or batch.size > most_bytes - payload_bytes - RTP_HEADER_BYTES - SRTP_TAG_BYTES)


cdef int _send_batch(DestinationState *destination, const Batch *batch) noexcept nogil:
    """Send *batch* in one call; packet by packet where it may not be cut. Return 0 or an errno."""
    cdef int error
    cdef bint cut = batch.size > batch.segment_bytes
    if not destination.offload_refused:
        error = _send(destination, _batch_buffer, batch.size, batch.segment_bytes if cut else 0)
        if not (cut and _refuses_offload(error)):
            _count(destination, error)
            return error
        destination.offload_refused = True
    return _send_one_by_one(destination, batch)


cdef int _send_one_by_one(DestinationState *destination, const Batch *batch) noexcept nogil:
    cdef int error = 0
    cdef Py_ssize_t at = 0, length
    while at < batch.size:
        length = min(<Py_ssize_t> batch.segment_bytes, batch.size - at)
        error = _send(destination, _batch_buffer + at, length, 0)
        _count(destination, error)
        if error == EAGAIN:  # the rest would find no room either
            break
        at += length
    return error


cdef inline int _send(const DestinationState *destination, const uint8_t *data, Py_ssize_t size,
                      int segment_bytes) noexcept nogil:
    return fastpath_send(destination.fd, &destination.address, destination.address_bytes, data,
                         size, <unsigned short> segment_bytes)


cdef inline bint _refuses_offload(int error) noexcept nogil:
    """Return whether *error* means that kernel or device cannot cut a batch."""
    return (error == EINVAL or error == EIO or error == EMSGSIZE or error == EPERM
            or error == ENOPROTOOPT or error == EOPNOTSUPP)


cdef inline void _count(DestinationState *destination, int error) noexcept nogil:
    if error == EAGAIN:
        destination.blocked += 1
    elif error:
        destination.failed += 1


cdef inline void _put_be32(uint8_t *out, uint32_t number) noexcept nogil:
    out[0], out[1] = number >> 24 & 0xFF, number >> 16 & 0xFF
    out[2], out[3] = number >> 8 & 0xFF, number & 0xFF


@no_gc_clear  # the thread may be sending to it until it is let go of
cdef class RtpDestination:
    cdef DestinationState c
    cdef object _keep_alive

    def __init__(self, *, int payload_type, uint32_t ssrc, uint32_t offset_90k, int64_t seq,
                 uintptr_t protect=0, uintptr_t session=0, keep_alive=None):
        self.c.payload_type, self.c.ssrc = payload_type & 0x7F, ssrc
        self.c.offset_90k, self.c.seq = offset_90k, seq
        self.c.last_90k = self.c.fd = -1
        self.c.protect, self.c.session = <SrtpProtect> protect, <void *> session
        self._keep_alive = keep_alive

    def __dealloc__(self):
        while self.c.waiting_units:
            _drop_waiting(&self.c)

    def set_pace(self, *, double bytes_per_s, double ahead_s, double step_s,
                 Py_ssize_t step_bytes, Py_ssize_t burst_bytes, bint may_wait):
        fastpath_lock()
        self.c.pace.s_per_byte = 1 / bytes_per_s if bytes_per_s else 0.0
        self.c.pace.ahead_s, self.c.pace.step_s = ahead_s, step_s
        self.c.pace.step_bytes = min(step_bytes, MAX_BATCH_BYTES)
        self.c.pace.burst_bytes, self.c.pace.may_wait = burst_bytes, may_wait
        self.c.due_s = 0  # by the pace before; it is reckoned anew
        fastpath_unlock()

    def take_waiting(self):
        cdef AccessUnit *taken[MAX_WAITING]
        cdef int index, count, sent
        fastpath_lock()
        count, sent = self.c.waiting_units, self.c.next_payload
        for index in range(count):
            taken[index] = self.c.waiting[(self.c.oldest_waiting + index) % MAX_WAITING]
        self.c.waiting_units = self.c.next_payload = 0
        self.c.next_at = 0
        _remove_timed(&self.c)
        fastpath_unlock()
        try:
            return [_fields(taken[index]) for index in range(count)], sent
        finally:
            for index in range(count):
                _release(taken[index])

    @property
    def waiting(self):
        return self.c.waiting_units

    @property
    def seq(self):
        return self.c.seq

    @seq.setter
    def seq(self, int64_t seq):
        self.c.seq = seq

    @property
    def last_90k(self):
        return self.c.last_90k

    @last_90k.setter
    def last_90k(self, int64_t last_90k):
        self.c.last_90k = last_90k

    @property
    def last_s(self):
        return self.c.last_s

    @last_s.setter
    def last_s(self, double last_s):
        self.c.last_s = last_s

    @property
    def packets(self):
        return self.c.packets

    @packets.setter
    def packets(self, int64_t packets):
        self.c.packets = packets

    @property
    def octets(self):
        return self.c.octets

    @octets.setter
    def octets(self, int64_t octets):
        self.c.octets = octets

    @property
    def offload_refused(self):
        return self.c.offload_refused

    @offload_refused.setter
    def offload_refused(self, bint offload_refused):
        self.c.offload_refused = offload_refused

    @property
    def blocked(self):
        return self.c.blocked

    @property
    def failed(self):
        return self.c.failed

    @property
    def offset_90k(self):
        return self.c.offset_90k

    @offset_90k.setter
    def offset_90k(self, uint32_t offset_90k):
        fastpath_lock()
        self.c.offset_90k = offset_90k
        fastpath_unlock()

    @property
    def burst_bytes(self):
        return self.c.pace.burst_bytes

    @property
    def free_s(self):
        return self.c.free_s

    @free_s.setter
    def free_s(self, double free_s):
        self.c.free_s = free_s

    @property
    def sendable(self):
        return self.c.fd >= 0 and not self.c.protect_failed

    def set_address(self, int fd, str host, int port):
        cdef bytes text = host.encode("ascii", "replace")
        cdef const char *address = text
        fastpath_lock()
        self.c.address_bytes = fastpath_parse_address(&self.c.address, address, port)
        self.c.fd = fd if self.c.address_bytes and self.c.protect != NULL else -1
        fastpath_unlock()
        return self.c.fd >= 0

    def clear_address(self):
        fastpath_lock()
        self.c.fd = -1
        fastpath_unlock()

    def __enter__(self):
        fastpath_lock()

    def __exit__(self, *_):
        fastpath_unlock()
