"""Constants and C types of the fast path. Sizes are in bytes, times in seconds unless named else.

Seconds are those of the monotonic clock. `_90k` is a stamp on the stream's own timeline, in ticks
of 90 kHz that never go back; an RTP time is the camera's, 32 bits that wrap (RFC 3550 5.1).
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "system.h" nogil:
    ctypedef int socklen_t
    struct sockaddr_storage:
        pass
    int MSG_DONTWAIT
    ssize_t recv(int fd, void *buffer, size_t size, int flags)
    void fastpath_lock()
    void fastpath_unlock()
    void fastpath_close(int fd)
    void fastpath_block_signals()
    int fastpath_epoll_create()
    int fastpath_epoll_add(int epoll, int fd, uint32_t slot)
    void fastpath_epoll_remove(int epoll, int fd)
    int fastpath_epoll_wait(int epoll, uint32_t *slots, int room, int timeout_ms)
    void fastpath_retain(int *references)
    bint fastpath_release(int *references)
    void fastpath_wake(int fd)
    ssize_t fastpath_receive(int fd, void *data, size_t room, const sockaddr_storage *sender,
                             int *stranger)
    int fastpath_send(int fd, const sockaddr_storage *address, socklen_t address_bytes,
                      const void *data, size_t size, unsigned short segment)
    socklen_t fastpath_parse_address(sockaddr_storage *address, const char *host, int port)

cdef enum:
    # On the wire.
    DOLLAR = 0x24               # begins an interleaved frame (RFC 2326 10.12)
    FRAME_HEADER_BYTES = 4
    RTP_HEADER_BYTES = 12       # without CSRC list and extension (RFC 3550 5.1)
    RTP_VERSION_2 = 0x80        # first byte: no padding, no extension, no CSRC
    RTP_MARKER = 0x80           # bit of the second byte
    RTCP_SHORTEST_BYTES = 8     # header and SSRC (RFC 3550 6.4)
    FU_START = 0x80             # bits of the FU header (RFC 6184 5.8, RFC 7798 4.4.3)
    FU_END = 0x40
    FIRST_SLICE = 0x80          # bit behind the NAL unit header: see `_begin_slice`
    SRTP_TAG_BYTES = 16         # the longest authentication tag (RFC 7714 5)
    SRTP_SLACK_BYTES = 160      # libsrtp may write this far behind a packet

    # Bounds of one access unit; what exceeds them is not for the fast path.
    MAX_PACKETS = 1024          # that the camera sends it in
    MAX_PAYLOADS = 4096         # that it leaves in
    MAX_PAYLOAD_BYTES = 8192    # largest limit that a Forwarder takes
    MAX_TIME_STEP = 450000      # 5 s of 90 kHz; the timeline judges larger steps
    MAX_AGGREGATED = 128        # NAL units of one aggregate, as in `gateway.rtp.payload`

    # Bounds of the kernel for one send with segmentation offload.
    MAX_SEGMENTS = 64
    MAX_BATCH_BYTES = 65000

    # Memory.
    MAX_INPUT_BYTES = 1048576   # of an access unit that is not complete, and what comes behind it
    MAX_COPIED_BYTES = 16384    # more than that of one is kept where the next read goes on
    MAX_READ_BYTES = 65536      # of one camera in one turn; the others wait for no more than that
    MAX_READ_DATAGRAMS = 64     # the same over UDP
    MAX_DATAGRAM_BYTES = 65535
    MAX_READ_UNITS = 64         # access units in one read; of more than that Python is told
    MAX_BUFFERED_BYTES = 8388608
    MAX_BUFFER_FACTOR = 4       # so many times the bounds may wait while Python is busy
    MAX_RTCP_BYTES = 2048
    MAX_PARAMETER_SETS = 16
    MAX_PARAMETER_SET_BYTES = 1024
    MAX_FORWARDERS = 1024       # that the thread polls
    MAX_EVENTS = 64             # that one wait of it returns
    MAX_WAITING = 32            # access units that the pace may hold back from one destination

cdef enum ParseResult:
    INCOMPLETE  # all is well so far; the rest has not come yet
    COMPLETE
    FALLBACK    # not for the fast path: Python takes the bytes as they came

ctypedef int (*SrtpProtect)(void *session, void *packet, int *length) noexcept nogil

cdef struct NalUnit:            # which packets of a `ParsedAccessUnit` hold one NAL unit
    int first_packet
    int packets
    bint fragmented             # FU-A / FU; else one packet that is the NAL unit, or an aggregate

cdef struct ParsedAccessUnit:   # what the parser has found in the input
    Py_ssize_t end              # where the next frame begins
    uint32_t rtp_time
    bint keyframe
    int packets
    int aggregated              # NAL units within aggregates
    int nal_units
    Py_ssize_t payload_at[MAX_PACKETS]
    int payload_size[MAX_PACKETS]
    NalUnit nal_unit[MAX_PACKETS]

cdef struct AccessUnit:         # RTP payloads one behind the other, ready to be sent
    int references              # of who holds it: one list, and destinations where it waits
    AccessUnit *next            # in that list
    bint keyframe
    int64_t time_90k
    double arrived_s
    int payloads
    Py_ssize_t size
    uint16_t *payload_size      # of each payload
    uint8_t *data

cdef struct Pace:               # see `RtpDestination.set_pace`
    double s_per_byte
    double ahead_s
    double step_s
    Py_ssize_t step_bytes
    Py_ssize_t burst_bytes
    bint may_wait

cdef struct DestinationState:   # what is C of an `RtpDestination`
    int64_t seq                 # of the next packet, extended beyond 16 bits
    int64_t last_90k            # of the newest access unit sent; -1: none
    double last_s
    int64_t packets
    int64_t octets
    int64_t blocked             # sends that the kernel had no room for
    int64_t failed              # sends that failed otherwise
    bint offload_refused        # the kernel or device does not cut batches
    bint protect_failed         # libsrtp has refused
    uint32_t offset_90k         # of its RTP times to the timeline
    Pace pace
    double free_s               # when what was sent will have left, at that pace
    uint8_t payload_type
    uint32_t ssrc
    int fd                      # negative: nowhere to send
    sockaddr_storage address
    socklen_t address_bytes
    SrtpProtect protect
    void *session

    # Access units that the pace holds back, in a ring.
    AccessUnit *waiting[MAX_WAITING]
    int oldest_waiting
    int waiting_units
    int next_payload            # of the oldest: the first that was not sent
    Py_ssize_t next_at          # where that is
    double due_s                # when more of it may be sent
    DestinationState *before    # in the thread's list of those for whom something waits
    DestinationState *behind
    bint timed                  # whether it is in that list

cdef struct TokenBucket:        # gains *per_s* a second and holds *burst* at most
    double per_s
    double burst
    double tokens

cdef struct ForwarderState:     # what is C of a `Forwarder`
    int fd
    bint running
    bint over_budget            # more has come than a camera may send; `fallback` is set as well
    bint fallback               # Python must take the connection back; nothing more is read

    # The camera's connection and payload format; constant.
    bint datagrams              # one packet each, instead of interleaved frames
    sockaddr_storage sender     # whose datagrams are read
    int rtp_channel
    int rtcp_channel
    int payload_type
    int nal_header_bytes
    int nal_type_shift          # of the type in the first byte of a NAL unit header
    int nal_type_mask           # after shifting
    int fu_type                 # payload type number of FU-A / FU
    int aggregate_type          # of STAP-A / AP
    int nal_type_end            # from here on a type is that of a payload, not of a NAL unit
    uint64_t slice_types        # sets of NAL unit types: bit n is type n
    uint64_t irap_types
    uint64_t parameter_set_types
    uint64_t unneeded_types     # dropped: access unit delimiters, filler data
    int parameter_set_kinds     # how many types stand in front of a keyframe
    Py_ssize_t max_payload_bytes

    # What the camera may send. Copied is, with each read, what those before have left over.
    TokenBucket read_budget
    TokenBucket packet_budget
    TokenBucket unit_budget
    TokenBucket copy_budget
    TokenBucket stranger_budget
    int64_t strangers           # datagrams of other senders, dropped

    # Where the stream is.
    uint16_t next_seq
    uint32_t rtp_time           # of the newest access unit
    int64_t time_90k            # the same on the timeline
    double read_s               # when was read last
    double last_rtp_s
    double last_unit_s          # when the newest access unit came
    double keyframe_s           # when the newest keyframe came; 0: never
    double gop_s                # between the last two; 0: not known
    int parameter_sets          # those that the camera has sent before
    uint16_t parameter_set_size[MAX_PARAMETER_SETS]
    const uint8_t *parameter_set[MAX_PARAMETER_SETS]
    uint8_t *partial            # what the last read has left over
    Py_ssize_t partial_bytes
    Py_ssize_t partial_room
    Py_ssize_t scanned          # of that: packets that are ordinary so far
    int scanned_packets

    # Where it goes.
    DestinationState **destination
    int destinations

    # Access units that were sent and wait for Python.
    AccessUnit *oldest
    AccessUnit *newest
    AccessUnit *newest_keyframe     # NULL: none waits
    int buffered
    Py_ssize_t buffered_bytes
    int max_buffered
    double retain_s                 # how long they may be asked for again
    int64_t evicted_packets         # sent, and not buffered any more
    double collected_s              # Python holds access units up to then; 0: it holds none
    bint superseded                 # and nobody can ask for those any more

    # Counted since Python asked last.
    int64_t packets
    int64_t size
    int64_t access_units
    int64_t keyframes
    uint8_t newest_header[RTP_HEADER_BYTES]
    uint8_t rtcp[MAX_RTCP_BYTES]    # frames with their headers
    Py_ssize_t rtcp_bytes

    # The polling thread.
    int slot                    # its number there; -1: not polled
    int wakeup_fd               # eventfd that wakes Python
