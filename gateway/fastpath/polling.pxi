# The polling thread: one for all cameras, started with the first one, never ended.
#
# It waits for readable sockets without the interpreter, and reads each once per turn with the
# mutex held; then it sends what the pace has held back and is due. When Python must do something it
# writes to the eventfd of that camera.

cdef ForwarderState *_polled[MAX_FORWARDERS]  # by slot; NULL: the slot is free
cdef int _epoll = -1


cdef int _start_thread() except -1:
    """Start the thread, if it does not run yet."""
    global _epoll
    if _epoll < 0:
        _epoll = fastpath_epoll_create()
        if _epoll < 0:
            raise OSError(errno, "epoll_create1 for the fast path")
        try:
            _thread.start_new_thread(_run_poll_loop, ())
        except BaseException:
            fastpath_close(_epoll)
            _epoll = -1
            raise
    return 0


def _run_poll_loop():
    """Run the poll loop, for ever. This is the thread."""
    with nogil:
        _poll_loop()


cdef void _poll_loop() noexcept nogil:
    cdef uint32_t ready[MAX_EVENTS]
    cdef int count, index, timeout_ms = -1
    fastpath_block_signals()
    while True:
        count = fastpath_epoll_wait(_epoll, ready, MAX_EVENTS, timeout_ms)
        for index in range(count):
            fastpath_lock()
            # The slot may be free or another camera's by now: to read that one does no harm.
            _poll(_polled[ready[index]])
            fastpath_unlock()
        fastpath_lock()
        timeout_ms = _send_timed()
        fastpath_unlock()


cdef void _poll(ForwarderState *state) noexcept nogil:
    """Read *state*, whose socket is readable, and wake Python if it must do something."""
    if state == NULL or not state.running or state.fallback:
        return
    _read_once(state)
    if _is_buffer_full(state, MAX_BUFFER_FACTOR):
        state.fallback = True  # Python does not come to collect, so nothing more is read
    if state.fallback:
        fastpath_epoll_remove(_epoll, state.fd)
    if state.fallback or state.superseded or state.rtcp_bytes or _is_buffer_full(state, 1):
        fastpath_wake(state.wakeup_fd)


cdef bint _add_to_poll(ForwarderState *state, int wakeup_fd) noexcept nogil:
    """Let the thread poll *state*; False if it has no slot free. The mutex is held."""
    cdef int slot
    if state.slot >= 0:
        return True
    if not state.running:
        return False
    for slot in range(MAX_FORWARDERS):
        if _polled[slot] == NULL:
            break
    else:
        return False
    if fastpath_epoll_add(_epoll, state.fd, slot):
        return False
    state.wakeup_fd, state.slot = wakeup_fd, slot
    _polled[slot] = state
    return True


cdef void _remove_from_poll(ForwarderState *state) noexcept nogil:
    """Let the thread forget *state*, and send nothing more for it. The mutex is held."""
    cdef int index
    for index in range(state.destinations):
        _remove_timed(state.destination[index])
    if state.slot >= 0:
        fastpath_epoll_remove(_epoll, state.fd)
        _polled[state.slot] = NULL
        state.slot = state.wakeup_fd = -1
