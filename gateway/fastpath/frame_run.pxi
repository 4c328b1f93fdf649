# Access units that were sent, as Python sees them.


cdef class FrameRun:
    cdef AccessUnit *_oldest
    cdef AccessUnit *_newest
    cdef readonly int frames
    cdef readonly int packets
    cdef readonly Py_ssize_t size_bytes
    cdef readonly bint keyframe

    def __dealloc__(self):
        _free_access_units(self._oldest)

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

    def locate(self, Py_ssize_t packet):
        cdef AccessUnit *unit = self._oldest
        cdef Py_ssize_t before = 0
        while unit != NULL and packet >= before + unit.payloads:
            before += unit.payloads
            unit = unit.next
        if unit == NULL or packet < 0:
            raise IndexError(f"packet {packet} of {self.packets}")
        return _fields(unit), before


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
