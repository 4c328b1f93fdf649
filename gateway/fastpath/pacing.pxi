# The pace: what may be sent to one destination at once, and when the rest of it.
#
# A picture within the burst is sent in the call that has read it. A larger one waits: some of it is
# sent at once, the rest by the thread's timer, and what comes behind it waits as well. Nobody else
# waits for it. The rates are `gateway.webrtc.rtp_sender`'s (`RtpDestination.set_pace`), which sends
# what the fast path does not, by the same rules and the same account (`free_s`).

cdef enum:
    EARLY_US = 2000             # who is due so soon is sent to in the same turn of the thread

cdef double RETRY_S = 0.002     # pause after the kernel's send buffer was full

cdef DestinationState *_first_timed = NULL  # those for whom something waits; the thread's


cdef inline bint _can_take(const DestinationState *destination, Py_ssize_t size,
                           double now_s) noexcept nogil:
    """Return whether *destination* can be given *size* bytes, now or later, and from here."""
    if destination.offload_refused or destination.protect_failed or destination.fd < 0:
        return False
    if _fits_burst(destination, size, now_s):
        return True
    return destination.pace.may_wait and destination.waiting_units < MAX_WAITING


cdef inline bint _fits_burst(const DestinationState *destination, Py_ssize_t size,
                             double now_s) noexcept nogil:
    """Return whether *size* bytes may be sent at once, behind what the line still has to carry."""
    cdef const Pace *pace = &destination.pace
    if destination.waiting_units:
        return False
    return (max(0.0, destination.free_s - now_s) + size * pace.s_per_byte
            <= pace.burst_bytes * pace.s_per_byte)


cdef void _give(DestinationState *destination, AccessUnit *unit, double now_s,
                bint timed) noexcept nogil:
    """Send *unit* to *destination*, what exceeds the pace later.

    It can take it: see `_can_take`. *timed*: the thread sends the rest; else `_send_due`, called.
    """
    cdef bint at_once = _fits_burst(destination, unit.size, now_s)
    destination.packets += unit.payloads
    destination.octets += unit.size
    destination.last_90k, destination.last_s = unit.time_90k, unit.arrived_s
    if at_once:
        _send_access_unit(destination, unit, now_s)
        return
    fastpath_retain(&unit.references)
    destination.waiting[(destination.oldest_waiting + destination.waiting_units) % MAX_WAITING] = \
        unit
    destination.waiting_units += 1
    if destination.waiting_units == 1:
        destination.next_payload = 0
        destination.next_at = 0
        _send_waiting(destination, now_s)
    if timed and destination.waiting_units and not destination.timed:
        _add_timed(destination)


cdef void _send_waiting(DestinationState *destination, double now_s) noexcept nogil:
    """Send what waits, as far as the pace allows; set when there is more to do."""
    cdef const Pace *pace = &destination.pace
    cdef AccessUnit *unit
    destination.free_s = max(destination.free_s, now_s)
    destination.due_s = now_s + pace.step_s
    if destination.fd < 0 or destination.protect_failed:  # Python takes it back
        return
    while destination.waiting_units:
        if destination.free_s > now_s + pace.ahead_s:
            destination.due_s = destination.free_s - pace.ahead_s + min(pace.step_s, pace.ahead_s)
            return
        unit = destination.waiting[destination.oldest_waiting]
        if not _send_next(destination, unit, &destination.next_payload, &destination.next_at,
                          pace.step_bytes, now_s):
            return
        if destination.next_payload == unit.payloads:
            _drop_waiting(destination)


cdef inline void _drop_waiting(DestinationState *destination) noexcept nogil:
    """Drop the oldest access unit that waits."""
    _release(destination.waiting[destination.oldest_waiting])
    destination.oldest_waiting = (destination.oldest_waiting + 1) % MAX_WAITING
    destination.waiting_units -= 1
    destination.next_payload = 0
    destination.next_at = 0


cdef inline void _pay(DestinationState *destination, Py_ssize_t size, int error,
                      double now_s) noexcept nogil:
    """Charge *size* bytes to the line, and a pause if the kernel had no room for them."""
    destination.free_s = max(destination.free_s, now_s) + size * destination.pace.s_per_byte
    if error == EAGAIN:  # the viewer asks again for what this has lost
        destination.free_s += destination.pace.ahead_s + RETRY_S


cdef void _send_due(const ForwarderState *state) noexcept nogil:
    """Send what is due of *state*, which the thread does not poll."""
    cdef int index
    cdef double now_s = _now_s()
    for index in range(state.destinations):
        if state.destination[index].waiting_units and state.destination[index].due_s <= now_s:
            _send_waiting(state.destination[index], now_s)


cdef int _send_timed() noexcept nogil:
    """Send what is due of all that the thread polls; return for how many ms nothing will be."""
    cdef DestinationState *destination = _first_timed
    cdef DestinationState *following
    cdef double now_s, earliest_s
    if destination == NULL:
        return -1
    now_s = _now_s()
    earliest_s = now_s + 1
    while destination != NULL:
        following = destination.behind
        if destination.due_s <= now_s + EARLY_US * 1e-6:
            _send_waiting(destination, now_s)
        if destination.waiting_units:
            earliest_s = min(earliest_s, destination.due_s)
        else:
            _remove_timed(destination)
        destination = following
    if _first_timed == NULL:
        return -1
    return max(1, <int> ((earliest_s - now_s) * 1000 + 0.999))


cdef void _add_timed(DestinationState *destination) noexcept nogil:
    global _first_timed
    destination.before, destination.behind = NULL, _first_timed
    if _first_timed != NULL:
        _first_timed.before = destination
    _first_timed = destination
    destination.timed = True


cdef void _remove_timed(DestinationState *destination) noexcept nogil:
    global _first_timed
    if not destination.timed:
        return
    if destination.before == NULL:
        _first_timed = destination.behind
    else:
        destination.before.behind = destination.behind
    if destination.behind != NULL:
        destination.behind.before = destination.before
    destination.before = destination.behind = NULL
    destination.timed = False
