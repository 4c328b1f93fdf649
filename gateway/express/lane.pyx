# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, binding=False
"""The express lane, compiled: see `gateway.express` for what it is and `lane.pyi` for contracts.

Bytes of a camera are read in one place, `_scan`, which touches nothing behind *end*; what it has
found whole and ordinary is laid out by `_lay_out` and sent by `_serve`. Everything else is handed
back as it came.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from libc.errno cimport EAGAIN, ECONNREFUSED, EINTR, EINVAL, EIO, EMSGSIZE, ENOBUFS, EPERM, errno
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

cdef extern from * nogil:
    """
    #include <arpa/inet.h>
    #include <errno.h>
    #include <netinet/in.h>
    #include <string.h>
    #include <sys/socket.h>

    #ifndef UDP_SEGMENT
    #define UDP_SEGMENT 103
    #endif

    /* `sendmsg` with segmentation offload (linux/udp.h, since 4.18); 0 or an errno. */
    static int lane_send(int fd, const struct sockaddr_storage *to, socklen_t to_bytes,
                         const void *data, size_t bytes, unsigned short segment) {
        struct iovec part = {(void *)data, bytes};
        union { char room[CMSG_SPACE(sizeof(uint16_t))]; struct cmsghdr align; } control;
        struct msghdr message;
        memset(&message, 0, sizeof message);
        message.msg_name = (void *)to;
        message.msg_namelen = to_bytes;
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        if (segment) {
            struct cmsghdr *head;
            memset(&control, 0, sizeof control);
            message.msg_control = control.room;
            message.msg_controllen = sizeof control.room;
            head = CMSG_FIRSTHDR(&message);
            head->cmsg_level = 17;
            head->cmsg_type = UDP_SEGMENT;
            head->cmsg_len = CMSG_LEN(sizeof(uint16_t));
            memcpy(CMSG_DATA(head), &segment, sizeof segment);
        }
        return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? errno : 0;
    }

    /* The address in binary; its length, or 0 if the text is none. */
    static socklen_t lane_aim(struct sockaddr_storage *to, const char *host, int port) {
        struct sockaddr_in *four = (struct sockaddr_in *)to;
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)to;
        memset(to, 0, sizeof *to);
        if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
            four->sin_family = AF_INET;
            four->sin_port = htons((uint16_t)port);
            return sizeof *four;
        }
        if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
            six->sin6_family = AF_INET6;
            six->sin6_port = htons((uint16_t)port);
            return sizeof *six;
        }
        return 0;
    }
    """
    ctypedef int socklen_t
    struct sockaddr_storage:
        pass
    int lane_send(int fd, const sockaddr_storage *to, socklen_t to_bytes, const void *data,
                  size_t size, unsigned short segment)
    socklen_t lane_aim(sockaddr_storage *to, const char *host, int port)
    ssize_t recv(int fd, void *buffer, size_t size, int flags)
    int MSG_DONTWAIT

cdef enum:
    RTP_HEAD = 12
    TAG = 16            # room that a packet's SRTP tag takes
    SLACK = 160         # libsrtp may write this far behind a packet
    START = 0x80        # bits of the FU header
    END = 0x40
    SPACE = 262144      # bytes of one read, with what was left from the last
    PACKETS = 1024      # of one picture; more are not ordinary
    PAYLOADS = 4096
    SEGMENTS = 64       # the kernel's bounds of one batch
    BATCH = 65000
    LIMIT = 8192        # largest payload; none is ever above 1,500
    JUMP = 450000       # 5 s of 90 kHz: a larger step is for the timeline to judge

cdef enum Seen:
    MORE, WHOLE, ODD

ctypedef int (*Protect)(void *session, void *packet, int *length) noexcept nogil

cdef struct Unit:       # one NAL unit in the packets of a plan
    int first
    int count
    bint cut            # in fragments

cdef struct Plan:       # what `_scan` found
    Py_ssize_t stop
    uint32_t time
    int packets
    int units
    Py_ssize_t at[PACKETS]      # where each payload stands
    int size[PACKETS]
    Unit unit[PACKETS]

cdef struct Picture:    # payloads one behind the other, ready to be sent
    Picture *next
    int64_t time_90k
    double arrived_s
    int count
    Py_ssize_t size
    uint16_t *sizes
    uint8_t *data

cdef uint8_t _space[SPACE + 16]  # a header's second byte may be looked at behind the end
cdef uint8_t _batch[BATCH + LIMIT + SLACK]
cdef Plan _plan


cdef inline uint32_t _be32(const uint8_t *data) noexcept nogil:
    return (<uint32_t> data[0] << 24 | <uint32_t> data[1] << 16
            | <uint32_t> data[2] << 8 | data[3])


cdef inline double _now_s() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec + now.tv_nsec * 1e-9


cdef class Viewer:
    cdef public int64_t seq
    cdef public int64_t last_90k
    cdef public int64_t packets
    cdef public int64_t octets
    cdef public int64_t blocked
    cdef public int64_t failed
    cdef public bint refused
    cdef readonly uint32_t offset_90k
    cdef readonly Py_ssize_t burst_bytes
    cdef uint8_t _kind
    cdef uint32_t _ssrc
    cdef int _fd
    cdef sockaddr_storage _to
    cdef socklen_t _to_bytes
    cdef Protect _protect
    cdef void *_session
    cdef object _keep

    def __init__(self, *, int payload_type, uint32_t ssrc, uint32_t offset_90k, int64_t seq,
                 Py_ssize_t burst_bytes, uintptr_t protect=0, uintptr_t session=0, keep=None):
        self._kind, self._ssrc = payload_type & 0x7F, ssrc
        self.offset_90k, self.seq, self.burst_bytes = offset_90k, seq, burst_bytes
        self.last_90k = -1
        self._fd = -1
        self._protect, self._session, self._keep = <Protect> protect, <void *> session, keep

    def aim(self, int fd, str host, int port):
        cdef bytes text = host.encode("ascii", "replace")
        self._to_bytes = lane_aim(&self._to, text, port)
        self._fd = fd if self._to_bytes and self._protect != NULL else -1
        return self._fd >= 0

    def leave(self):
        self._fd = -1

    @property
    def aimed(self):
        return self._fd >= 0


cdef void _send(Viewer viewer, const uint8_t *data, Py_ssize_t size, int segment) noexcept:
    """Send a batch; one by one where the kernel will not cut it."""
    cdef int error
    cdef Py_ssize_t at, length
    if not viewer.refused:
        error = lane_send(viewer._fd, &viewer._to, viewer._to_bytes, data, size,
                          <unsigned short> (segment if size > segment else 0))
        if error in (EINVAL, EIO, EMSGSIZE, EPERM, 92, 95) and size > segment:  # ENOPROTOOPT, EOPNOTSUPP
            viewer.refused = True
        else:
            _count(viewer, error)
            return
    at = 0
    while at < size:
        length = segment if size - at > segment else size - at
        error = lane_send(viewer._fd, &viewer._to, viewer._to_bytes, data + at, length, 0)
        _count(viewer, error)
        if error == EAGAIN or error == ENOBUFS:
            return
        at += length


cdef inline void _count(Viewer viewer, int error) noexcept:
    if error == EAGAIN:
        viewer.blocked += 1
    elif error:
        viewer.failed += 1


cdef int _serve(Viewer viewer, const Picture *picture) except -1:
    """Send *picture* to *viewer*: new headers, SRTP, a batch per system call."""
    cdef uint32_t rtp_time = <uint32_t> ((picture.time_90k + viewer.offset_90k) & 0xFFFFFFFF)
    cdef uint32_t ssrc = viewer._ssrc
    cdef Py_ssize_t at = 0, end, size, first
    cdef int index = 0, taken, length, segment
    cdef uint8_t *head
    cdef uint8_t kind
    while index < picture.count:
        first = picture.sizes[index]
        end = segment = taken = 0
        while True:
            size = picture.sizes[index]
            head = _batch + end
            kind = viewer._kind | 0x80 if index == picture.count - 1 else viewer._kind
            head[0], head[1] = 0x80, kind
            head[2], head[3] = <uint8_t> (viewer.seq >> 8 & 0xFF), <uint8_t> (viewer.seq & 0xFF)
            head[4], head[5] = rtp_time >> 24, rtp_time >> 16 & 0xFF
            head[6], head[7] = rtp_time >> 8 & 0xFF, rtp_time & 0xFF
            head[8], head[9], head[10], head[11] = ssrc >> 24, ssrc >> 16 & 0xFF, ssrc >> 8 & 0xFF, ssrc & 0xFF
            memcpy(head + RTP_HEAD, picture.data + at, size)
            length = <int> size + RTP_HEAD
            if viewer._protect(viewer._session, head, &length):
                raise AssertionError("libsrtp refuses to protect a packet")
            end += length
            at += size
            index += 1
            taken += 1
            viewer.seq += 1
            segment = segment or <int> end
            if (index == picture.count or taken == SEGMENTS or size != first
                    or end > BATCH - first - RTP_HEAD - TAG or picture.sizes[index] > first):
                break
        _send(viewer, _batch, end, segment)
    viewer.packets += picture.count
    viewer.octets += picture.size
    viewer.last_90k = picture.time_90k
    return 0


cdef class Feed:
    cdef int _fd
    cdef int _channel, _payload_type
    cdef int _head, _shift, _mask, _fragment, _single_end
    cdef uint64_t _slices, _entries, _sets, _padding
    cdef Py_ssize_t _limit
    cdef uint16_t _seq
    cdef uint32_t _time
    cdef int64_t _top_90k
    cdef double _heard_s
    cdef list _viewers
    cdef bytes _rest
    cdef Picture *_first
    cdef Picture *_last
    cdef int _kept
    cdef int _most_kept
    cdef int64_t _packets, _bytes
    cdef uint8_t _newest[RTP_HEAD]
    cdef object _full, _odd
    cdef readonly bint running

    def __cinit__(self):
        self._first = self._last = NULL
        self._rest = b""
        self._viewers = []

    def __init__(self, int fd, *, int channel, int payload_type, shape, Py_ssize_t limit,
                 int most_kept, full, odd):
        if not 0 < limit <= LIMIT:
            raise ValueError(f"payloads of {limit} bytes")
        self._fd, self._channel, self._payload_type = fd, channel, payload_type
        self._head, self._shift, self._mask = shape.header_bytes, shape.kind_shift, shape.kind_mask
        self._fragment, self._single_end = shape.fragment, shape.single_end
        self._slices, self._entries = _bits(shape.slices), _bits(shape.entries)
        self._sets, self._padding = _bits(shape.sets), _bits(shape.padding)
        self._limit, self._most_kept = limit, most_kept
        self._full, self._odd = full, odd

    def __dealloc__(self):
        _free(self._first)

    def start(self, viewers, *, uint16_t seq, uint32_t time, int64_t time_90k):
        self._viewers = list(viewers)
        self._seq, self._time, self._top_90k = seq, time, time_90k
        self.running = True

    def stop(self):
        cdef bytes rest = self._rest
        self._rest, self._viewers, self.running = b"", [], False
        return rest

    @property
    def state(self):
        return self._seq, self._time, self._top_90k

    def collect(self):
        """Return what was relayed since the last call, and forget it."""
        cdef Picture *picture = self._first
        cdef Picture *after
        cdef list units = []
        cdef tuple counted = (self._packets, self._bytes, self._heard_s,
                              PyBytes_FromStringAndSize(<char *> self._newest, RTP_HEAD))
        self._first = self._last = NULL
        self._kept = 0
        self._packets = self._bytes = 0
        try:
            while picture != NULL:
                units.append((_payloads(picture), picture.time_90k, picture.arrived_s,
                              picture.size))
                after = picture.next
                PyMem_RawFree(picture)
                picture = after
        finally:
            _free(picture)
        return units, counted

    def step(self):
        """Read what the camera has sent and relay what is whole. The loop calls this."""
        if not self.running:
            return
        cdef Py_ssize_t end = PyBytes_GET_SIZE(self._rest)
        cdef ssize_t count
        memcpy(_space, PyBytes_AS_STRING(self._rest), end)
        count = recv(self._fd, _space + end, SPACE - end, MSG_DONTWAIT)
        if count < 0 and errno in (EAGAIN, EINTR):
            return
        if count <= 0:  # the connection has ended; its owner will see
            self._odd()
            return
        self._heard_s = _now_s()
        self._relay(end + count)

    cdef _relay(self, Py_ssize_t end):
        """Relay the pictures that `_space` holds whole; keep what is behind them."""
        cdef Py_ssize_t at = 0, sent = 0
        cdef int seen
        cdef Picture *picture
        cdef Viewer viewer
        while True:
            seen = self._scan(at, end)
            if seen != WHOLE:
                break
            picture = self._lay_out()
            if picture == NULL or not self._affordable(sent + picture.size):
                PyMem_RawFree(picture)
                seen = ODD
                break
            sent += picture.size
            if self._last == NULL:
                self._first = picture
            else:
                self._last.next = picture
            self._last = picture
            self._kept += 1
            self._seq += <uint16_t> _plan.packets
            self._time = _plan.time
            self._top_90k = picture.time_90k
            self._packets += _plan.packets
            self._bytes += _plan.stop - at - 4 * _plan.packets
            memcpy(self._newest, _space + _plan.at[_plan.packets - 1] - RTP_HEAD, RTP_HEAD)
            at = _plan.stop
            for viewer in self._viewers:
                _serve(viewer, picture)
        if seen == MORE and end - at == SPACE:
            seen = ODD
        self._rest = PyBytes_FromStringAndSize(<char *> _space + at, end - at)
        if seen == ODD:
            self._odd()
        elif self._kept >= self._most_kept:
            self._full()

    cdef bint _affordable(self, Py_ssize_t size):
        """Return whether every viewer's line may be given so much at once, by this lane."""
        cdef Viewer viewer
        for viewer in self._viewers:
            if size > viewer.burst_bytes or viewer.refused or viewer._fd < 0:
                return False
        return True

    cdef int _scan(self, Py_ssize_t at, Py_ssize_t end) noexcept:
        """Look for one whole, ordinary picture at *at*, into `_plan`."""
        cdef const uint8_t *data = _space
        cdef const uint8_t *packet
        cdef const uint8_t *payload
        cdef const uint8_t *opened = NULL   # first payload of an unfinished NAL unit
        cdef uint16_t seq = self._seq
        cdef bint pictured = False, marked, first
        cdef int size, kind, mark, head = self._head
        cdef Plan *plan = &_plan
        plan.packets = plan.units = 0
        while True:
            if end - at < 6:
                if end > at and data[at] != 0x24:
                    return ODD
                return MORE
            size = data[at + 2] << 8 | data[at + 3]
            if data[at] != 0x24 or data[at + 1] != self._channel or data[at + 4] != 0x80:
                return ODD
            if data[at + 5] & 0x7F != self._payload_type or size < RTP_HEAD + head:
                return ODD
            if end - at - 4 < size:
                return MORE
            packet = data + at + 4
            if <uint16_t> (packet[2] << 8 | packet[3]) != seq or plan.packets == PACKETS:
                return ODD
            if plan.packets == 0:
                plan.time = _be32(packet + 4)
                if not 0 < <int32_t> (plan.time - self._time) <= JUMP:
                    return ODD
            elif _be32(packet + 4) != plan.time:
                return ODD
            marked = packet[1] & 0x80 != 0
            payload = packet + RTP_HEAD
            size -= RTP_HEAD
            plan.at[plan.packets] = payload - data
            plan.size[plan.packets] = size
            kind = payload[0] >> self._shift & self._mask
            if kind == self._fragment:
                if size < head + 2:
                    return ODD
                mark = payload[head]
                kind = mark & self._mask
                if mark & START:
                    first = payload[head + 1] & 0x80 != 0
                    if opened != NULL or mark & END or first == pictured:
                        return ODD
                    if not self._slices >> kind & 1 or self._entries >> kind & 1:
                        return ODD
                    pictured = True
                    opened = payload
                    plan.unit[plan.units].first = plan.packets
                    plan.unit[plan.units].cut = True
                elif opened == NULL or payload[0] != opened[0]:
                    return ODD
                elif head == 2 and payload[1] != opened[1]:
                    return ODD
                elif (mark ^ opened[head]) & self._mask:
                    return ODD
                if mark & END:
                    plan.unit[plan.units].count = plan.packets + 1 - plan.unit[plan.units].first
                    plan.units += 1
                    opened = NULL
            elif opened != NULL or kind >= self._single_end or self._sets >> kind & 1:
                return ODD
            elif not self._padding >> kind & 1:
                if self._slices >> kind & 1:
                    first = size > head and payload[head] & 0x80 != 0
                    if first == pictured or self._entries >> kind & 1:
                        return ODD
                    pictured = True
                plan.unit[plan.units].first = plan.packets
                plan.unit[plan.units].count = 1
                plan.unit[plan.units].cut = False
                plan.units += 1
            plan.packets += 1
            seq += 1
            at = packet + RTP_HEAD + size - data
            if marked:
                plan.stop = at
                return WHOLE if pictured and opened == NULL else ODD

    cdef Picture *_lay_out(self) except? NULL:
        """Return the picture of `_plan` as payloads within the limit; NULL: not ordinary."""
        cdef Py_ssize_t size = 0
        cdef Py_ssize_t bodies[PACKETS]
        cdef int count = 0, pieces, index
        cdef Picture *picture
        cdef uint8_t *memory
        for index in range(_plan.units):
            pieces = self._pieces(&_plan.unit[index], &bodies[index], &size)
            count += pieces
            if count > PAYLOADS:
                return NULL
        memory = <uint8_t *> PyMem_RawMalloc(sizeof(Picture) + count * sizeof(uint16_t) + size)
        if memory == NULL:
            raise MemoryError
        picture = <Picture *> memory
        picture.next = NULL
        picture.sizes = <uint16_t *> (memory + sizeof(Picture))
        picture.data = memory + sizeof(Picture) + count * sizeof(uint16_t)
        picture.count = 0
        picture.size = size
        picture.arrived_s = self._heard_s
        picture.time_90k = self._top_90k + <int32_t> (_plan.time - self._time)
        memory = picture.data
        for index in range(_plan.units):
            memory = self._write(picture, &_plan.unit[index], bodies[index], memory)
        if picture.count != count or memory != picture.data + size:
            PyMem_RawFree(picture)
            raise AssertionError("a picture was not laid out as planned")
        return picture

    cdef int _pieces(self, Unit *unit, Py_ssize_t *body, Py_ssize_t *size) noexcept:
        """Return how many payloads *unit* becomes; *body* is 0 where they stay as they are.

        *body* is else the length of what is cut anew, without headers; *size* grows by the
        payloads' lengths.
        """
        cdef Py_ssize_t total = 0, room = self._limit - self._head - 1
        cdef int index, each, largest = 0, count
        for index in range(unit.first, unit.first + unit.count):
            each = _plan.size[index]
            total += each
            largest = max(largest, each)
        body[0] = 0
        if largest <= self._limit and not (unit.cut and unit.count == 1):
            size[0] += total
            return unit.count
        body[0] = total - (self._head + 1) * unit.count if unit.cut else total - self._head
        if self._head + body[0] <= self._limit:
            size[0] += self._head + body[0]
            return 1
        count = <int> _ceil(body[0], _ceil(body[0], max(2, _ceil(body[0], room))))
        size[0] += body[0] + count * (self._head + 1)
        return count

    cdef uint8_t *_write(self, Picture *picture, Unit *unit, Py_ssize_t body,
                         uint8_t *out) noexcept:
        """Write the payloads of *unit* to *out*; return where they end."""
        cdef int head = self._head, index = unit.first
        cdef int skip = head + 1 if unit.cut else head
        cdef const uint8_t *source
        cdef Py_ssize_t left, take, room, size, step
        cdef uint8_t kind, mark
        if body == 0:
            for index in range(unit.first, unit.first + unit.count):
                memcpy(out, _space + _plan.at[index], _plan.size[index])
                picture.sizes[picture.count] = <uint16_t> _plan.size[index]
                picture.count += 1
                out += _plan.size[index]
            return out
        source = _space + _plan.at[index]
        kind = source[head] & self._mask if unit.cut else source[0] >> self._shift & self._mask
        if head + body <= self._limit:  # fragments that fit into one packet
            size = body
            mark = kind
        else:
            size = _ceil(body, max(2, _ceil(body, self._limit - head - 1)))
            mark = self._fragment
        cdef uint8_t first_byte = (source[0] & ~(self._mask << self._shift)) | mark << self._shift
        cdef uint8_t second_byte = source[1]
        cdef bint whole = head + body <= self._limit
        left = body
        source += skip
        take = _plan.size[index] - skip     # bytes at source
        while left:
            out[0] = first_byte
            if head == 2:
                out[1] = second_byte
            room = min(size, left)
            picture.sizes[picture.count] = <uint16_t> (head + (0 if whole else 1) + room)
            picture.count += 1
            if not whole:
                out[head] = (kind | (START if left == body else 0) | (END if room == left else 0))
                out += 1
            out += head
            left -= room
            while room:
                if take == 0:
                    index += 1
                    source = _space + _plan.at[index] + skip
                    take = _plan.size[index] - skip
                    continue
                step = min(room, take)
                memcpy(out, source, step)
                out += step
                source += step
                room -= step
                take -= step
        return out


cdef inline Py_ssize_t _ceil(Py_ssize_t number, Py_ssize_t by) noexcept:
    return (number + by - 1) // by


cdef uint64_t _bits(kinds) except? 0:
    cdef uint64_t bits = 0
    for kind in kinds:
        if not 0 <= kind < 64:
            raise ValueError(f"NAL unit type {kind}")
        bits |= <uint64_t> 1 << <int> kind
    return bits


cdef tuple _payloads(const Picture *picture):
    cdef list payloads = []
    cdef const uint8_t *data = picture.data
    cdef int index
    for index in range(picture.count):
        payloads.append(PyBytes_FromStringAndSize(<const char *> data, picture.sizes[index]))
        data += picture.sizes[index]
    return tuple(payloads)


cdef void _free(Picture *picture) noexcept:
    cdef Picture *after
    while picture != NULL:
        after = picture.next
        PyMem_RawFree(picture)
        picture = after
