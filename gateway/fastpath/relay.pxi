# One read of one camera: parse, packetize, send, and buffer what was sent.
#
# Whoever calls holds the mutex. The buffers that all cameras share hold nothing between two reads.

# 16 more, because the second byte of a header may be looked at behind the end.
cdef enum:
    LOOKED_AT_BYTES = 16

cdef uint8_t _read_buffer[MAX_COPIED_BYTES + MAX_READ_BYTES + FRAME_HEADER_BYTES
                          + MAX_DATAGRAM_BYTES + LOOKED_AT_BYTES]
cdef uint8_t *_input = NULL     # what is read and parsed: that buffer, or a camera's `partial`
cdef uint8_t _batch_buffer[MAX_BATCH_BYTES + MAX_PAYLOAD_BYTES + SRTP_SLACK_BYTES]
cdef ParsedAccessUnit _parsed


cdef void _read_once(ForwarderState *state) noexcept nogil:
    """Read what the camera has sent, behind what was left over, and relay what is complete."""
    cdef Py_ssize_t end = state.partial_bytes, copied
    cdef double now_s
    cdef ssize_t count
    cdef int64_t strangers
    if not _set_input(state, &copied):
        state.fallback = True
        return
    strangers = state.strangers
    if state.datagrams:
        count = _receive_datagrams(state, end)
        if count == 0 and state.strangers == strangers:
            return
    else:
        count = recv(state.fd, _input + end,
                     min(<Py_ssize_t> MAX_READ_BYTES, MAX_INPUT_BYTES - end), MSG_DONTWAIT)
        if count < 0 and (errno == EAGAIN or errno == EINTR):
            return
        if count <= 0:  # the connection has ended: Python reads that again and says so
            state.fallback = True
            return
    now_s = _now_s()
    _refill_budget(state, now_s - state.read_s)
    state.read_s = now_s
    if not _charge(&state.stranger_budget, state.strangers - strangers):
        state.over_budget = state.fallback = True
        _save_partial(state, 0, end + count)
        return
    if count == 0:  # strangers only
        return
    if (_charge(&state.read_budget, count) and _charge(&state.copy_budget, copied)
            and _charge(&state.packet_budget, 1)):
        _relay(state, end + count)
    else:
        state.over_budget = state.fallback = True
        _save_partial(state, 0, end + count)


cdef ssize_t _receive_datagrams(ForwarderState *state, Py_ssize_t begin) noexcept nogil:
    """Read the camera's datagrams to the input from *begin* on; return how many bytes that makes.

    Each becomes an interleaved frame (RFC 2326 10.12), so that all behind this is the same.
    """
    cdef Py_ssize_t at = begin
    cdef ssize_t count
    cdef int stranger = 0, number
    cdef uint8_t *frame
    for number in range(MAX_READ_DATAGRAMS):
        if at - begin >= MAX_READ_BYTES or at >= MAX_INPUT_BYTES:
            break
        frame = _input + at
        count = fastpath_receive(state.fd, frame + FRAME_HEADER_BYTES, MAX_DATAGRAM_BYTES,
                                 &state.sender, &stranger)
        if count < 0:
            if errno == EAGAIN:
                break
            continue  # the camera's ICMP "port unreachable" to what was sent from here
        if stranger:
            state.strangers += 1
            continue
        frame[0], frame[1] = DOLLAR, <uint8_t> state.rtp_channel
        frame[2], frame[3] = count >> 8 & 0xFF, count & 0xFF
        at += FRAME_HEADER_BYTES + count
    return at - begin


cdef inline Py_ssize_t _slack_bytes(const ForwarderState *state) noexcept nogil:
    """Return how far behind its bounds the input may be written to or looked at."""
    return (FRAME_HEADER_BYTES + MAX_DATAGRAM_BYTES + LOOKED_AT_BYTES if state.datagrams
            else LOOKED_AT_BYTES)


cdef bint _set_input(ForwarderState *state, Py_ssize_t *copied) noexcept nogil:
    """Set `_input`, with room for one more read behind what was left over; False: no memory.

    A little is copied to the buffer that all cameras share, so that they need none of their own
    between two pictures. More than that stays where it is, and the next read goes behind it: a
    picture is copied once, in however many reads it comes.
    """
    global _input
    cdef Py_ssize_t needed = min(<Py_ssize_t> MAX_INPUT_BYTES,
                                 state.partial_bytes + MAX_READ_BYTES) + _slack_bytes(state)
    cdef uint8_t *larger
    copied[0] = 0
    if state.partial_bytes <= MAX_COPIED_BYTES:
        _input = _read_buffer
        if state.partial_bytes:
            memcpy(_input, state.partial, state.partial_bytes)
            copied[0] = state.partial_bytes
        return True
    if state.partial_room < needed:
        needed = max(needed, min(MAX_INPUT_BYTES + _slack_bytes(state),
                                 2 * state.partial_room))
        larger = <uint8_t *> PyMem_RawRealloc(state.partial, needed)
        if larger == NULL:
            return False
        state.partial, state.partial_room = larger, needed
    _input = state.partial
    return True


cdef inline void _refill_budget(ForwarderState *state, double passed_s) noexcept nogil:
    _refill(&state.read_budget, passed_s)
    _refill(&state.packet_budget, passed_s)
    _refill(&state.unit_budget, passed_s)
    _refill(&state.copy_budget, passed_s)
    _refill(&state.stranger_budget, passed_s)


cdef inline void _refill(TokenBucket *bucket, double passed_s) noexcept nogil:
    bucket.tokens = min(bucket.burst, bucket.tokens + passed_s * bucket.per_s)


cdef inline bint _charge(TokenBucket *bucket, double tokens) noexcept nogil:
    """Remove *tokens*; False if there are not as many."""
    if bucket.tokens < tokens:
        return False
    bucket.tokens -= tokens
    return True


cdef void _relay(ForwarderState *state, Py_ssize_t end) noexcept nogil:
    """Relay the access units that the input holds whole; save what is behind them."""
    cdef Py_ssize_t at = 0
    cdef ParseResult result = INCOMPLETE
    cdef AccessUnit *unit
    cdef int index, units = 0
    while True:
        result = _set_rtcp_aside(state, &at, end)
        if result == COMPLETE and not _may_be_complete(state, at, end):
            result = INCOMPLETE
            break
        state.scanned = 0
        if result == COMPLETE:
            result = _parse_access_unit(state, at, end)
            if result == INCOMPLETE:
                state.scanned, state.scanned_packets = _parsed.end - at, _parsed.packets
        if result == COMPLETE and not _may_send_unit(state, units):
            result = FALLBACK
        if result != COMPLETE:
            break
        units += 1
        unit = _packetize(state)
        if unit == NULL or not _can_take_all(state, unit.size):
            if unit != NULL:
                _release(unit)
            result = FALLBACK
            break
        state.packets += _parsed.packets
        state.size += _parsed.end - at - FRAME_HEADER_BYTES * _parsed.packets
        at = _parsed.end
        _record(state, unit)
        for index in range(state.destinations):
            _give(state.destination[index], unit, state.read_s, state.slot >= 0)
    if result == INCOMPLETE and end - at > 1 and _input[at + 1] == state.rtp_channel:
        state.last_rtp_s = state.read_s  # an access unit is on its way: the camera is not silent
    if result == INCOMPLETE and end - at >= MAX_INPUT_BYTES:
        result = FALLBACK  # and never would it be complete
    state.fallback = result == FALLBACK
    _evict(state)
    _save_partial(state, at, end - at)


cdef inline bint _may_send_unit(ForwarderState *state, int units) noexcept nogil:
    """Charge the access unit in `_parsed`, behind *units* of this read; False: it is too much."""
    if units == MAX_READ_UNITS:
        return False
    if (not _charge(&state.unit_budget, 1)
            or not _charge(&state.packet_budget, _parsed.packets + _parsed.aggregated)):
        state.over_budget = True
        return False
    return True


cdef bint _can_take_all(const ForwarderState *state, Py_ssize_t size) noexcept nogil:
    """Return whether every destination can be given *size* bytes."""
    cdef int index
    for index in range(state.destinations):
        if not _can_take(state.destination[index], size, state.read_s):
            return False
    return True


cdef void _record(ForwarderState *state, AccessUnit *unit) noexcept nogil:
    """Buffer *unit*, which is that of `_parsed`; count it, and expect the next one behind it."""
    if state.newest == NULL:
        state.oldest = unit
    else:
        state.newest.next = unit
    state.newest = unit
    state.buffered += 1
    state.buffered_bytes += unit.size
    state.access_units += 1
    if unit.keyframe:
        state.newest_keyframe = unit
        state.keyframes += 1
        state.gop_s = state.read_s - state.keyframe_s if state.keyframe_s else 0
        state.keyframe_s = state.read_s
    state.next_seq += <uint16_t> _parsed.packets
    state.rtp_time = _parsed.rtp_time
    state.time_90k = unit.time_90k
    state.last_unit_s = state.last_rtp_s = state.read_s
    memcpy(state.newest_header,
           _input + _parsed.payload_at[_parsed.packets - 1] - RTP_HEADER_BYTES,
           RTP_HEADER_BYTES)


cdef void _evict(ForwarderState *state) noexcept nogil:
    """Drop access units in front of the GOP that are too old for a retransmission.

    A viewer who joins is sent the GOP, so all of that stays, however old. Once what Python has
    collected is as old as what is dropped here, it is superseded: Python may drop it as well.
    """
    cdef double oldest_s = state.read_s - state.retain_s
    cdef AccessUnit *unit
    if state.newest_keyframe == NULL:
        return
    while state.oldest != state.newest_keyframe and state.oldest.arrived_s < oldest_s:
        unit = state.oldest
        state.oldest = unit.next
        state.buffered -= 1
        state.buffered_bytes -= unit.size
        state.evicted_packets += unit.payloads
        _release(unit)
    state.superseded = 0 < state.collected_s < oldest_s


cdef void _save_partial(ForwarderState *state, Py_ssize_t at, Py_ssize_t size) noexcept nogil:
    """Keep *size* bytes of the input from *at* on, an access unit that is not complete yet."""
    cdef uint8_t *before = state.partial
    state.partial_bytes = size
    if size > MAX_COPIED_BYTES and _input == before:
        if at:
            memmove(before, before + at, size)
        return
    state.partial = <uint8_t *> PyMem_RawMalloc(size) if size else NULL
    state.partial_room = size
    if size and state.partial == NULL:  # the bytes are lost, and Python will find the gap
        state.partial_bytes = state.partial_room = 0
        state.fallback = True
    elif size:
        memcpy(state.partial, _input + at, size)
    PyMem_RawFree(before)


cdef inline bint _is_buffer_full(const ForwarderState *state, int factor) noexcept nogil:
    """Return whether *factor* times as much waits as should before Python collects it."""
    return (state.buffered >= factor * state.max_buffered
            or state.buffered_bytes >= factor * MAX_BUFFERED_BYTES)


cdef inline double _now_s() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec + now.tv_nsec * 1e-9
