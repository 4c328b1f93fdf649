# The parser: bytes of the camera's socket in, one access unit out.
#
# What is not complete is looked at once when it comes, and once more when its marker has come.
#
# This is the only place that judges bytes which a camera has sent. Every check compares with what
# an ordinary stream has there, and a byte is looked at only after its place was found to be in
# front of *end*. What fails a check is not repaired: the parser says FALLBACK, and Python takes
# the same bytes.
#
# References: RFC 2326 10.12 (interleaved frames), RFC 3550 5.1 (RTP), RFC 6184 5.1, 5.6, 5.7.1 and
# 5.8 (H.264), RFC 7798 4.1 and 4.4.1 to 4.4.3 (H.265).

cdef struct RtpPacket:          # one packet in the input
    const uint8_t *payload
    int size                    # of the payload; at least a NAL unit header
    uint16_t seq
    uint32_t rtp_time
    bint marker
    Py_ssize_t end              # where the next frame begins

cdef struct ParserState:        # of the access unit that is being parsed
    uint16_t next_seq
    const uint8_t *open_payload     # first fragment of the NAL unit that has not ended; NULL: none
    bint has_slice
    bint has_irap
    uint64_t parameter_set_types    # that were found; bit n is type n


cdef ParseResult _parse_access_unit(const ForwarderState *state, Py_ssize_t at,
                                    Py_ssize_t end) noexcept nogil:
    """Parse the access unit at *at* of the input, which is filled up to *end*.

    COMPLETE: `_parsed` describes it. INCOMPLETE: it says how many packets have come, and where they
    end. Else it means nothing.
    """
    cdef ParserState parser
    cdef RtpPacket packet
    cdef ParsedAccessUnit *parsed = &_parsed
    cdef ParseResult result
    parsed.packets = parsed.nal_units = parsed.aggregated = 0
    parser.next_seq = state.next_seq
    parser.open_payload = NULL
    parser.has_slice = parser.has_irap = False
    parser.parameter_set_types = 0
    while True:
        parsed.end = at
        result = _parse_packet(state, at, end, &packet)
        if result != COMPLETE:
            return result
        if not _is_next_packet(state, &parser, parsed, &packet):
            return FALLBACK
        parsed.rtp_time = packet.rtp_time
        if not _parse_payload(state, &parser, parsed, &packet):
            return FALLBACK
        parsed.payload_at[parsed.packets] = packet.payload - _input
        parsed.payload_size[parsed.packets] = packet.size
        parsed.packets += 1
        parser.next_seq += 1
        at = packet.end
        if packet.marker:
            break
    parsed.end = at
    parsed.keyframe = parser.has_irap
    return COMPLETE if _is_whole(state, &parser) else FALLBACK


cdef bint _may_be_complete(ForwarderState *state, Py_ssize_t at,
                           Py_ssize_t end) noexcept nogil:
    """Return whether the access unit at *at* is to be parsed.

    Not if all of its packets in front were found ordinary before, those behind continue them, and
    none has the marker.
    """
    cdef const uint8_t *first = _input + at + FRAME_HEADER_BYTES
    cdef RtpPacket packet
    cdef ParseResult result
    if state.scanned == 0 or state.scanned_packets == 0:
        return True
    while True:
        result = _parse_packet(state, at + state.scanned, end, &packet)
        if result == INCOMPLETE:
            return False
        if (result == FALLBACK or packet.marker or packet.rtp_time != _be32(first + 4)
                or packet.seq != <uint16_t> (state.next_seq + state.scanned_packets)
                or state.scanned_packets == MAX_PACKETS):
            return True
        state.scanned = packet.end - at
        state.scanned_packets += 1


cdef inline ParseResult _parse_packet(const ForwarderState *state, Py_ssize_t at, Py_ssize_t end,
                                      RtpPacket *packet) noexcept nogil:
    """Parse the interleaved frame at *at* as an RTP packet of the video."""
    cdef const uint8_t *frame = _input + at
    cdef const uint8_t *header = frame + FRAME_HEADER_BYTES
    cdef int size
    if end - at < FRAME_HEADER_BYTES + 2:  # the two bytes of RTP that are looked at first
        return FALLBACK if end > at and frame[0] != DOLLAR else INCOMPLETE
    if not _is_rtp_frame(state, frame) or not _is_plain_rtp(state, header):
        return FALLBACK
    size = _be16(frame + 2)
    if size < RTP_HEADER_BYTES + state.nal_header_bytes:
        return FALLBACK
    if end - at < FRAME_HEADER_BYTES + size:
        return INCOMPLETE
    packet.marker = header[1] & RTP_MARKER != 0
    packet.seq = _be16(header + 2)
    packet.rtp_time = _be32(header + 4)
    packet.payload = header + RTP_HEADER_BYTES
    packet.size = size - RTP_HEADER_BYTES
    packet.end = at + FRAME_HEADER_BYTES + size
    return COMPLETE


cdef inline bint _is_rtp_frame(const ForwarderState *state, const uint8_t *frame) noexcept nogil:
    """RFC 2326 10.12: a dollar sign and the channel that SETUP has agreed on for RTP."""
    return frame[0] == DOLLAR and frame[1] == state.rtp_channel


cdef inline bint _is_plain_rtp(const ForwarderState *state, const uint8_t *header) noexcept nogil:
    """RFC 3550 5.1: version 2 without padding, extension and CSRC; the video's payload type."""
    return header[0] == RTP_VERSION_2 and header[1] & 0x7F == state.payload_type


cdef inline bint _is_next_packet(const ForwarderState *state, const ParserState *parser,
                                 const ParsedAccessUnit *parsed,
                                 const RtpPacket *packet) noexcept nogil:
    """Return whether *packet* follows: none is missing, and it is of the same access unit."""
    if packet.seq != parser.next_seq or parsed.packets == MAX_PACKETS:  # RFC 3550 5.1
        return False
    if parsed.packets == 0:
        return _is_next_rtp_time(state, packet.rtp_time)
    return packet.rtp_time == parsed.rtp_time  # RFC 6184 5.1, RFC 7798 4.1: one time for all


cdef inline bint _is_next_rtp_time(const ForwarderState *state,
                                   uint32_t rtp_time) noexcept nogil:
    """Return whether *rtp_time* is later than the last access unit's, by 5 s at most.

    The difference is signed, because RTP times wrap (RFC 3550 5.1).
    """
    return 0 < <int32_t> (rtp_time - state.rtp_time) <= MAX_TIME_STEP


cdef inline bint _parse_payload(const ForwarderState *state, ParserState *parser,
                                ParsedAccessUnit *parsed, const RtpPacket *packet) noexcept nogil:
    """Add the payload of *packet* to the NAL units of *parsed*; False: FALLBACK."""
    cdef int nal_type = _nal_type(state, packet.payload)
    if nal_type == state.fu_type:
        return _parse_fragment(state, parser, parsed, packet)
    if parser.open_payload != NULL:  # RFC 6184 5.8: nothing may stand between fragments
        return False
    if nal_type == state.aggregate_type:
        return _parse_aggregate(state, parser, parsed, packet)
    if nal_type >= state.nal_type_end:
        return False
    return _parse_single(state, parser, parsed, packet, nal_type)


cdef inline bint _parse_single(const ForwarderState *state, ParserState *parser,
                               ParsedAccessUnit *parsed, const RtpPacket *packet,
                               int nal_type) noexcept nogil:
    """Add a packet that is one NAL unit (RFC 6184 5.6, RFC 7798 4.4.1)."""
    if not _judge_nal_unit(state, parser, packet.payload, packet.size, nal_type):
        return False
    if not _has(state.unneeded_types, nal_type):
        _add_single(parsed)
    return True


cdef inline bint _parse_aggregate(const ForwarderState *state, ParserState *parser,
                                  ParsedAccessUnit *parsed,
                                  const RtpPacket *packet) noexcept nogil:
    """Add a packet with several NAL units (RFC 6184 5.7.1: STAP-A; RFC 7798 4.4.2: AP).

    It leaves as it came; one that must be cut is not for the fast path.
    """
    cdef const uint8_t *payload = packet.payload
    cdef int at = state.nal_header_bytes, size, nal_type, nal_units = 0
    if packet.size > state.max_payload_bytes:
        return False
    while at < packet.size:
        if packet.size - at < 2 or nal_units == MAX_AGGREGATED:
            return False
        size = _be16(payload + at)
        at += 2
        if size < state.nal_header_bytes or size > packet.size - at:
            return False
        nal_type = _nal_type(state, payload + at)
        if (nal_type >= state.nal_type_end
                or not _judge_nal_unit(state, parser, payload + at, size, nal_type)):
            return False
        at += size
        nal_units += 1
    if nal_units == 0:
        return False
    parsed.aggregated += nal_units
    _add_single(parsed)
    return True


cdef inline void _add_single(ParsedAccessUnit *parsed) noexcept nogil:
    """Add the packet that comes next as a NAL unit in one piece."""
    cdef NalUnit *unit = &parsed.nal_unit[parsed.nal_units]
    unit.first_packet = parsed.packets
    unit.packets = 1
    unit.fragmented = False
    parsed.nal_units += 1


cdef inline bint _judge_nal_unit(const ForwarderState *state, ParserState *parser,
                                 const uint8_t *data, int size, int nal_type) noexcept nogil:
    """Return whether the NAL unit *data* may stand here, and note what it is."""
    cdef int header_bytes = state.nal_header_bytes
    if not _has(state.slice_types, nal_type):
        if _has_start_code(data, size):
            return False
    elif _is_start_code(state, data, nal_type):
        return False
    if _has(state.slice_types, nal_type):
        return _begin_slice(state, parser, nal_type,
                            size > header_bytes and data[header_bytes] & FIRST_SLICE != 0)
    if _has(state.parameter_set_types, nal_type):
        if not _is_known_parameter_set(state, data, size):
            return False
        if not parser.has_slice:  # only in front of it do they help who begins here
            parser.parameter_set_types |= <uint64_t> 1 << nal_type
    return True


cdef inline bint _parse_fragment(const ForwarderState *state, ParserState *parser,
                                 ParsedAccessUnit *parsed, const RtpPacket *packet) noexcept nogil:
    """Add a fragmentation unit (RFC 6184 5.8: FU-A; RFC 7798 4.4.3: FU)."""
    cdef NalUnit *unit = &parsed.nal_unit[parsed.nal_units]
    cdef const uint8_t *fu_header = packet.payload + state.nal_header_bytes
    if packet.size < state.nal_header_bytes + 2:  # FU header, and at least a byte of the NAL unit
        return False
    if fu_header[0] & FU_START:
        if not _begin_fragments(state, parser, packet.payload, fu_header):
            return False
        parser.open_payload = packet.payload
        unit.first_packet = parsed.packets
        unit.fragmented = True
    elif not _continues_fragments(state, parser, packet.payload):
        return False
    if fu_header[0] & FU_END:
        unit.packets = parsed.packets + 1 - unit.first_packet
        parsed.nal_units += 1
        parser.open_payload = NULL
    return True


cdef inline bint _begin_fragments(const ForwarderState *state, ParserState *parser,
                                  const uint8_t *payload,
                                  const uint8_t *fu_header) noexcept nogil:
    """Begin a NAL unit in fragments, if it may begin here and is a slice.

    RFC 6184 5.8, RFC 7798 4.4.3: the start and end bits are never set in one FU header.
    """
    cdef int nal_type = fu_header[0] & state.nal_type_mask
    if parser.open_payload != NULL or fu_header[0] & FU_END:
        return False
    if not _has(state.slice_types, nal_type) or _is_start_code(state, payload, nal_type):
        return False
    return _begin_slice(state, parser, nal_type, fu_header[1] & FIRST_SLICE != 0)


cdef inline bint _is_start_code(const ForwarderState *state, const uint8_t *payload,
                                int nal_type) noexcept nogil:
    """Return whether a slice's NAL unit header is the beginning of a start code (annex B).

    That of H.265 with type 0 and a temporal id of 0, which there is not; H.264 has no such slice.
    """
    return state.nal_header_bytes == 2 and nal_type == 0 and payload[1] == 0


cdef bint _has_start_code(const uint8_t *data, int size) noexcept nogil:
    """Return whether there is a start code in *data*: it is not one NAL unit, but several."""
    cdef int index = 2
    while index < size:
        if data[index] > 1:
            index += 3
        elif data[index] == 1 and data[index - 1] == 0 and data[index - 2] == 0:
            return True
        else:
            index += 1
    return False


cdef inline bint _continues_fragments(const ForwarderState *state, const ParserState *parser,
                                      const uint8_t *payload) noexcept nogil:
    """Return whether *payload* is of the open NAL unit: the same payload header, the same type."""
    cdef const uint8_t *first = parser.open_payload
    cdef int header_bytes = state.nal_header_bytes
    if first == NULL or payload[0] != first[0]:
        return False
    if header_bytes == 2 and payload[1] != first[1]:
        return False
    return (payload[header_bytes] ^ first[header_bytes]) & state.nal_type_mask == 0


cdef inline bint _begin_slice(const ForwarderState *state, ParserState *parser, int nal_type,
                              bint first_slice) noexcept nogil:
    """Note a slice; False if a first one comes later, or another one first.

    The bit is first_mb_in_slice = 0, which ue(v) writes as the single bit 1 (H.264 7.3.3), or
    first_slice_segment_in_pic_flag (H.265 7.3.6.1).
    """
    if first_slice == parser.has_slice:
        return False
    parser.has_slice = True
    parser.has_irap |= _has(state.irap_types, nal_type)
    return True


cdef inline bint _is_whole(const ForwarderState *state, const ParserState *parser) noexcept nogil:
    """Return whether the marker may stand here: a picture, no open NAL unit; a keyframe with sets.

    RFC 6184 5.1, RFC 7798 4.1: the marker is on the last packet of an access unit. Every type of
    parameter set must stand in front of a keyframe, because viewers may join there.
    """
    if parser.open_payload != NULL or not parser.has_slice:
        return False
    return (not parser.has_irap
            or _bit_count(parser.parameter_set_types) == state.parameter_set_kinds)


cdef bint _is_known_parameter_set(const ForwarderState *state, const uint8_t *payload,
                                  int size) noexcept nogil:
    """Return whether the camera has sent the parameter set *payload* before: it changes nothing."""
    cdef int index
    for index in range(state.parameter_sets):
        if (state.parameter_set_size[index] == size
                and memcmp(state.parameter_set[index], payload, size) == 0):
            return True
    return False


cdef ParseResult _set_rtcp_aside(ForwarderState *state, Py_ssize_t *at,
                                 Py_ssize_t end) noexcept nogil:
    """Copy RTCP frames at *at* to `rtcp` and move *at* behind them; COMPLETE: something else comes.

    A frame is taken only if the RTCP packets in it fill it (nothing has to follow a goodbye) or if
    another one follows: until then its length may be a lie, and Python's parser must judge.
    """
    cdef const uint8_t *frame
    cdef Py_ssize_t size
    while end - at[0] >= FRAME_HEADER_BYTES:
        frame = _input + at[0]
        if frame[0] != DOLLAR or frame[1] != state.rtcp_channel:
            return COMPLETE
        size = FRAME_HEADER_BYTES + _be16(frame + 2)
        if (size < FRAME_HEADER_BYTES + RTCP_SHORTEST_BYTES
                or size > MAX_RTCP_BYTES - state.rtcp_bytes):
            return FALLBACK
        if end - at[0] < size:
            return INCOMPLETE
        if not _is_filled(frame + FRAME_HEADER_BYTES, size - FRAME_HEADER_BYTES):
            if end - at[0] == size:
                return INCOMPLETE
            # RFC 3550 6.4: version
            if frame[FRAME_HEADER_BYTES] >> 6 != 2 or frame[size] != DOLLAR:
                return FALLBACK
        memcpy(state.rtcp + state.rtcp_bytes, frame, size)
        state.rtcp_bytes += size
        at[0] += size
    return COMPLETE


cdef bint _is_filled(const uint8_t *data, Py_ssize_t size) noexcept nogil:
    """Return whether *data* is RTCP packets one behind the other, up to its end (RFC 3550 6.4)."""
    cdef Py_ssize_t at = 0
    while size - at >= 4:
        if data[at] >> 6 != 2 or not 200 <= data[at + 1] <= 207:
            return False
        at += 4 + 4 * <Py_ssize_t> _be16(data + at + 2)
    return at == size


cdef inline int _nal_type(const ForwarderState *state, const uint8_t *nal_header) noexcept nogil:
    return nal_header[0] >> state.nal_type_shift & state.nal_type_mask


cdef inline bint _has(uint64_t types, int nal_type) noexcept nogil:
    return types >> nal_type & 1


cdef inline int _bit_count(uint64_t bits) noexcept nogil:
    cdef int count = 0
    while bits:
        bits &= bits - 1
        count += 1
    return count


cdef inline uint16_t _be16(const uint8_t *data) noexcept nogil:
    return <uint16_t> (data[0] << 8 | data[1])


cdef inline uint32_t _be32(const uint8_t *data) noexcept nogil:
    return (<uint32_t> data[0] << 24 | <uint32_t> data[1] << 16
            | <uint32_t> data[2] << 8 | data[3])
