# The packetizer: a parsed access unit in, RTP payloads within the limit out.
#
# Payloads within the limit stay as the camera has made them. A NAL unit with a payload above it
# is fragmented anew, all fragments of one size but the last, so that a batch of them can leave
# with segmentation offload. `gateway.rtp.payload` does the same in Python, byte for byte.
#
# References: RFC 6184 5.6 and 5.8 (H.264), RFC 7798 4.4.1 and 4.4.3 (H.265).

cdef struct FragmentReader:     # reads the body of a NAL unit out of the packets that hold it
    int packet                  # index of the packet that is being read
    const uint8_t *at
    Py_ssize_t left             # bytes of that packet behind *at*
    int header_bytes            # in front of the body, in each packet


cdef AccessUnit *_packetize(const ForwarderState *state) noexcept nogil:
    """Return the access unit of `_parsed`; NULL: too many payloads, or no memory."""
    cdef Py_ssize_t size = 0
    cdef Py_ssize_t body_bytes[MAX_PACKETS]
    cdef int payloads = 0, index
    cdef AccessUnit *unit
    cdef uint8_t *out
    for index in range(_parsed.nal_units):
        payloads += _measure_nal_unit(state, &_parsed.nal_unit[index], &body_bytes[index], &size)
        if payloads > MAX_PAYLOADS:
            return NULL
    unit = _allocate_access_unit(payloads, size)
    if unit == NULL:
        return NULL
    unit.keyframe = _parsed.keyframe
    unit.arrived_s = state.read_s
    unit.time_90k = state.time_90k + <int32_t> (_parsed.rtp_time - state.rtp_time)
    out = unit.data
    for index in range(_parsed.nal_units):
        out = _write_nal_unit(state, unit, &_parsed.nal_unit[index], body_bytes[index], out)
    if unit.payloads != payloads or out != unit.data + size:  # never: both count alike
        _release(unit)
        return NULL
    return unit


cdef AccessUnit *_allocate_access_unit(int payloads, Py_ssize_t size) noexcept nogil:
    """Return an access unit with room for so many payloads, still without any; NULL: no memory.

    It is one block of memory, and the caller's until `_release`.
    """
    cdef size_t sizes_bytes = payloads * sizeof(uint16_t)
    cdef uint8_t *memory = <uint8_t *> PyMem_RawMalloc(sizeof(AccessUnit) + sizes_bytes + size)
    cdef AccessUnit *unit = <AccessUnit *> memory
    if unit == NULL:
        return NULL
    unit.references = 1
    unit.next = NULL
    unit.payloads = 0
    unit.size = size
    unit.payload_size = <uint16_t *> (memory + sizeof(AccessUnit))
    unit.data = memory + sizeof(AccessUnit) + sizes_bytes
    return unit


cdef int _measure_nal_unit(const ForwarderState *state, const NalUnit *unit,
                           Py_ssize_t *body_bytes, Py_ssize_t *size) noexcept nogil:
    """Return how many payloads *unit* becomes, and add their bytes to *size*.

    *body_bytes* becomes 0 where the payloads stay as they are, else the length of the NAL unit
    without its header.
    """
    cdef Py_ssize_t total = 0, body, room = state.max_payload_bytes - state.nal_header_bytes - 1
    cdef int index, packet_bytes, largest = 0, payloads
    for index in range(unit.first_packet, unit.first_packet + unit.packets):
        packet_bytes = _parsed.payload_size[index]
        total += packet_bytes
        largest = max(largest, packet_bytes)
    # A single fragment would have both start and end bit, which RFC 6184 5.8 forbids.
    if largest <= state.max_payload_bytes and not (unit.fragmented and unit.packets == 1):
        body_bytes[0] = 0
        size[0] += total
        return unit.packets
    body = total - _header_bytes(state, unit) * unit.packets
    body_bytes[0] = body
    if _fits(state, body):
        size[0] += state.nal_header_bytes + body
        return 1
    payloads = <int> _ceil_div(body, _fragment_bytes(body, room))
    size[0] += body + payloads * (state.nal_header_bytes + 1)
    return payloads


cdef inline int _header_bytes(const ForwarderState *state, const NalUnit *unit) noexcept nogil:
    """Return the bytes of a payload of *unit* in front of the NAL unit's body."""
    return state.nal_header_bytes + 1 if unit.fragmented else state.nal_header_bytes


cdef inline bint _fits(const ForwarderState *state, Py_ssize_t body) noexcept nogil:
    """Return whether a NAL unit with *body* fits into one payload."""
    return state.nal_header_bytes + body <= state.max_payload_bytes


cdef inline Py_ssize_t _fragment_bytes(Py_ssize_t body, Py_ssize_t room) noexcept nogil:
    """Return how much of *body* each fragment takes: as much as the others, within *room*."""
    return _ceil_div(body, max(2, _ceil_div(body, room)))


cdef uint8_t *_write_nal_unit(const ForwarderState *state, AccessUnit *unit, const NalUnit *parsed,
                              Py_ssize_t body, uint8_t *out) noexcept nogil:
    """Write the payloads of *parsed* to *out*; return where they end.

    *body* is what `_measure_nal_unit` has found.
    """
    if body == 0:
        return _copy_payloads(unit, parsed, out)
    if _fits(state, body):
        return _write_single(state, unit, parsed, body, out)
    return _write_fragments(state, unit, parsed, body, out)


cdef uint8_t *_copy_payloads(AccessUnit *unit, const NalUnit *parsed,
                             uint8_t *out) noexcept nogil:
    cdef int index, size
    for index in range(parsed.first_packet, parsed.first_packet + parsed.packets):
        size = _parsed.payload_size[index]
        memcpy(out, _input + _parsed.payload_at[index], size)
        _add_payload(unit, size)
        out += size
    return out


cdef uint8_t *_write_single(const ForwarderState *state, AccessUnit *unit, const NalUnit *parsed,
                            Py_ssize_t body, uint8_t *out) noexcept nogil:
    """Write a NAL unit that came in fragments and fits into one payload (RFC 6184 5.6)."""
    cdef const uint8_t *payload = _input + _parsed.payload_at[parsed.first_packet]
    cdef FragmentReader reader
    _open_fragments(state, parsed, &reader)
    out = _write_nal_header(state, payload, _type_of(state, parsed, payload), out)
    _add_payload(unit, state.nal_header_bytes + body)
    return _read_body(&reader, body, out)


cdef uint8_t *_write_fragments(const ForwarderState *state, AccessUnit *unit,
                               const NalUnit *parsed, Py_ssize_t body,
                               uint8_t *out) noexcept nogil:
    """Write a NAL unit as fragmentation units (RFC 6184 5.8: FU-A; RFC 7798 4.4.3: FU)."""
    cdef const uint8_t *payload = _input + _parsed.payload_at[parsed.first_packet]
    cdef uint8_t fu_header = _type_of(state, parsed, payload)
    cdef uint8_t start_bit = FU_START, end_bit
    cdef Py_ssize_t each = _fragment_bytes(
        body, state.max_payload_bytes - state.nal_header_bytes - 1)
    cdef Py_ssize_t left = body, size
    cdef FragmentReader reader
    _open_fragments(state, parsed, &reader)
    while left:
        size = min(each, left)
        left -= size
        end_bit = 0 if left else FU_END
        out = _write_nal_header(state, payload, <uint8_t> state.fu_type, out)
        out[0] = fu_header | start_bit | end_bit
        out = _read_body(&reader, size, out + 1)
        _add_payload(unit, state.nal_header_bytes + 1 + size)
        start_bit = 0
    return out


cdef inline uint8_t _type_of(const ForwarderState *state, const NalUnit *parsed,
                             const uint8_t *payload) noexcept nogil:
    """Return the NAL unit type, of which *payload* is the first: an FU has it in its own header."""
    if parsed.fragmented:
        return <uint8_t> (payload[state.nal_header_bytes] & state.nal_type_mask)
    return <uint8_t> _nal_type(state, payload)


cdef inline uint8_t *_write_nal_header(const ForwarderState *state, const uint8_t *header,
                                       uint8_t nal_type, uint8_t *out) noexcept nogil:
    """Write *header* with its type replaced; return where it ends. All else in it is kept."""
    cdef int keep = ~(state.nal_type_mask << state.nal_type_shift)
    out[0] = <uint8_t> (header[0] & keep | nal_type << state.nal_type_shift)
    if state.nal_header_bytes == 2:
        out[1] = header[1]
    return out + state.nal_header_bytes


cdef inline void _add_payload(AccessUnit *unit, Py_ssize_t size) noexcept nogil:
    unit.payload_size[unit.payloads] = <uint16_t> size
    unit.payloads += 1


cdef inline void _open_fragments(const ForwarderState *state, const NalUnit *parsed,
                                 FragmentReader *reader) noexcept nogil:
    """Set *reader* to the beginning of the body of *parsed*."""
    reader.packet = parsed.first_packet
    reader.header_bytes = _header_bytes(state, parsed)
    reader.at = _input + _parsed.payload_at[reader.packet] + reader.header_bytes
    reader.left = _parsed.payload_size[reader.packet] - reader.header_bytes


cdef inline uint8_t *_read_body(FragmentReader *reader, Py_ssize_t size,
                                uint8_t *out) noexcept nogil:
    """Copy the next *size* bytes of the body to *out*; return where they end there.

    The body has so many: the caller has measured it.
    """
    cdef Py_ssize_t step
    while size:
        if reader.left == 0:
            reader.packet += 1
            reader.at = _input + _parsed.payload_at[reader.packet] + reader.header_bytes
            reader.left = _parsed.payload_size[reader.packet] - reader.header_bytes
        step = min(size, reader.left)
        memcpy(out, reader.at, step)
        out += step
        reader.at += step
        reader.left -= step
        size -= step
    return out


cdef inline Py_ssize_t _ceil_div(Py_ssize_t number, Py_ssize_t by) noexcept nogil:
    return (number + by - 1) // by


cdef inline void _release(AccessUnit *unit) noexcept nogil:
    """Hold *unit* no longer; it is freed if nobody else does."""
    if fastpath_release(&unit.references):
        PyMem_RawFree(unit)


cdef void _release_list(AccessUnit *unit) noexcept nogil:
    """Release *unit* and all that are linked behind it."""
    cdef AccessUnit *following
    while unit != NULL:
        following = unit.next
        _release(unit)
        unit = following
