# Access units that were sent, as Python sees them.


cdef class FrameRun:
    cdef AccessUnit *_oldest
    cdef AccessUnit *_newest
    cdef AccessUnit *_found         # with the payload that was asked for last; NULL: none was
    cdef Py_ssize_t _found_packets  # before it
    cdef int _found_payload         # of it
    cdef Py_ssize_t _found_at       # where that is
    cdef readonly int frames
    cdef readonly int packets
    cdef readonly Py_ssize_t size_bytes
    cdef readonly bint keyframe

    def __dealloc__(self):
        _release_list(self._oldest)

    cdef void _append(self, AccessUnit *unit) noexcept:
        """Take *unit*, which is this run's from now on."""
        unit.next = NULL
        if self._newest == NULL:
            self._oldest, self.keyframe = unit, unit.keyframe
        else:
            self._newest.next = unit
        self._newest = unit
        self.frames += 1
        self.packets += unit.payloads
        self.size_bytes += unit.size

    @property
    def oldest_s(self):
        return self._oldest.arrived_s if self._oldest != NULL else 0

    @property
    def newest_s(self):
        return self._newest.arrived_s if self._newest != NULL else 0

    @property
    def oldest_90k(self):
        return self._oldest.time_90k if self._oldest != NULL else 0

    @property
    def newest_90k(self):
        return self._newest.time_90k if self._newest != NULL else 0

    def __iter__(self):
        cdef list units = []
        cdef AccessUnit *unit = self._oldest
        while unit != NULL:
            units.append(_fields(unit))
            unit = unit.next
        return iter(units)

    def first(self):
        if self._oldest == NULL:
            raise IndexError("no access unit")
        return _fields(self._oldest)

    def packet(self, Py_ssize_t number):
        cdef AccessUnit *unit
        if not 0 <= number < self.packets:
            raise IndexError(f"packet {number} of {self.packets}")
        self._find(number)
        unit = self._found
        return (PyBytes_FromStringAndSize(<const char *> unit.data + self._found_at,
                                          unit.payload_size[self._found_payload]),
                unit.time_90k, self._found_payload == unit.payloads - 1)

    cdef void _find(self, Py_ssize_t number) noexcept:
        """Move `_found` to payload *number*, which there is: from where it is, or from the oldest.

        Whoever misses many asks for them in order, so that all together are one walk.
        """
        if self._found == NULL or number < self._found_packets + self._found_payload:
            self._found, self._found_packets = self._oldest, 0
            self._found_payload = 0
            self._found_at = 0
        while number >= self._found_packets + self._found.payloads:
            self._found_packets += self._found.payloads
            self._found = self._found.next
            self._found_payload = 0
            self._found_at = 0
        while self._found_packets + self._found_payload < number:
            self._found_at += self._found.payload_size[self._found_payload]
            self._found_payload += 1


cdef tuple _fields(const AccessUnit *unit):
    """Return what `gateway.model.media.AccessUnit` is made of."""
    return (_payloads(unit), unit.time_90k, unit.keyframe, unit.arrived_s, unit.size)


cdef tuple _payloads(const AccessUnit *unit):
    cdef list payloads = []
    cdef const uint8_t *data = unit.data
    cdef int index
    for index in range(unit.payloads):
        payloads.append(PyBytes_FromStringAndSize(<const char *> data, unit.payload_size[index]))
        data += unit.payload_size[index]
    return tuple(payloads)
