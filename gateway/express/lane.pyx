# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, binding=False
"""The express lane, compiled: see `gateway.express` for what it is and `lane.pyi` for contracts.

Bytes of a camera are read in one place, `_scan`, which touches nothing behind *end*; what it has
found whole and ordinary is laid out by `_lay_out` and sent by `_serve`. Everything else is handed
back as it came.

One thread of its own (`_ride`) waits for all cameras and never needs the interpreter. One mutex
guards all that it shares with Python: feeds, viewers, and libsrtp's sessions. The thread holds it
for one read of one camera; Python takes it for the few lines that touch them, while it holds the
GIL, which the thread never asks for.
"""

import _thread


from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from libc.errno cimport (
    EAGAIN, EINTR, EINVAL, EIO, EMSGSIZE, ENOPROTOOPT, EOPNOTSUPP, EPERM, errno
)
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcmp, memcpy
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

cdef extern from * nogil:
    """
    #include <arpa/inet.h>
    #include <errno.h>
    #include <netinet/in.h>
    #include <pthread.h>
    #include <signal.h>
    #include <string.h>
    #include <sys/epoll.h>
    #include <sys/socket.h>
    #include <unistd.h>

    #ifndef UDP_SEGMENT
    #define UDP_SEGMENT 103
    #endif

    static pthread_mutex_t lane_mutex = PTHREAD_MUTEX_INITIALIZER;
    static void lane_lock(void) { pthread_mutex_lock(&lane_mutex); }
    static void lane_unlock(void) { pthread_mutex_unlock(&lane_mutex); }

    static void lane_close(int fd) { close(fd); }

    /* Signals are for the thread that has an interpreter. */
    static void lane_deaf(void) {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, NULL);
    }

    static int lane_epoll(void) { return epoll_create1(EPOLL_CLOEXEC); }

    static int lane_watch(int epoll, int fd, uint32_t slot) {
        struct epoll_event event;
        memset(&event, 0, sizeof event);
        event.events = EPOLLIN;
        event.data.u32 = slot;
        return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }

    static void lane_unwatch(int epoll, int fd) { epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL); }

    /* Waits for at most *room* readable descriptors; their slots, and how many. */
    static int lane_wait(int epoll, uint32_t *slots, int room) {
        struct epoll_event events[64];
        int index, count = epoll_wait(epoll, events, room < 64 ? room : 64, -1);
        for (index = 0; index < count; index++)
            slots[index] = events[index].data.u32;
        return count;
    }

    static void lane_tell(int fd) {
        uint64_t one = 1;
        if (fd >= 0 && write(fd, &one, sizeof one) < 0) { /* told already */ }
    }

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
    void lane_lock()
    void lane_unlock()
    int lane_epoll()
    void lane_close(int fd)
    void lane_deaf()
    int lane_watch(int epoll, int fd, uint32_t slot)
    void lane_unwatch(int epoll, int fd)
    int lane_wait(int epoll, uint32_t *slots, int room)
    void lane_tell(int fd)
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
    BEHIND = 4          # times `most_kept` that may wait while Python is busy
    MOST_BYTES = 8388608  # of pictures that may wait
    REPORTS = 2048      # bytes of RTCP that may wait
    SETS = 16           # parameter sets that are known
    SET = 1024          # and how long one may be
    SLOTS = 1024        # feeds that the thread can watch
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
    bint keyframe
    int packets
    int units
    Py_ssize_t at[PACKETS]      # where each payload stands
    int size[PACKETS]
    Unit unit[PACKETS]

cdef struct Picture:    # payloads one behind the other, ready to be sent
    Picture *next
    bint keyframe
    int64_t time_90k
    double arrived_s
    int count
    Py_ssize_t size
    uint16_t *sizes
    uint8_t *data

cdef struct Watcher:    # what is C of a `Viewer`
    int64_t seq
    int64_t last_90k
    double last_s
    int64_t packets
    int64_t octets
    int64_t blocked
    int64_t failed
    bint refused
    bint broken
    uint32_t offset_90k
    Py_ssize_t burst_bytes
    uint8_t kind
    uint32_t ssrc
    int fd
    sockaddr_storage to
    socklen_t to_bytes
    Protect protect
    void *session

cdef struct Line:       # what is C of a `Feed`
    int fd
    int told            # eventfd that says: Python is wanted
    int slot
    int channel
    int reports_channel # of the RTCP
    int payload_type
    int head
    int shift
    int mask
    int fragment
    int single_end
    uint64_t slices
    uint64_t entries
    uint64_t sets
    uint64_t padding
    int kinds           # types of parameter sets that a keyframe has in front
    int known           # parameter sets, as the camera sent them before
    uint16_t set_size[SETS]
    const uint8_t *set_at[SETS]
    Py_ssize_t limit
    uint16_t seq
    uint32_t time
    int64_t top_90k
    double now_s        # of the last read
    double heard_s      # RTP came last
    double pictured_s
    double keyframe_s   # the newest keyframe came; 0: never
    double gop_s        # between the last two; 0: not known
    Watcher **watchers
    int watching
    uint8_t *rest
    Py_ssize_t rest_size
    Picture *first
    Picture *last
    Picture *key        # the newest keyframe that is kept; NULL: none
    int kept
    Py_ssize_t kept_bytes
    int most_kept
    double keep_s
    int64_t skipped     # packets that viewers were sent of pictures no longer kept
    double held_s       # until when pictures came that Python keeps; 0: it keeps none
    bint outlived       # and has no use for them any more
    int64_t packets     # these and the next since they were counted last
    int64_t size
    int64_t pictures
    int64_t keyframes
    uint8_t newest[RTP_HEAD]
    uint8_t reports[REPORTS]    # RTCP with its framing
    Py_ssize_t reports_size
    bint running
    bint odd

cdef uint8_t _space[SPACE + 16]  # a header's second byte may be looked at behind the end
cdef uint8_t _batch[BATCH + LIMIT + SLACK]
cdef Plan _plan
cdef Line *_slots[SLOTS]
cdef int _epoll = -1


cdef inline uint32_t _be32(const uint8_t *data) noexcept nogil:
    return (<uint32_t> data[0] << 24 | <uint32_t> data[1] << 16
            | <uint32_t> data[2] << 8 | data[3])


cdef inline double _now_s() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec + now.tv_nsec * 1e-9


cdef class Viewer:
    cdef Watcher c
    cdef object _keep

    def __init__(self, *, int payload_type, uint32_t ssrc, uint32_t offset_90k, int64_t seq,
                 Py_ssize_t burst_bytes, uintptr_t protect=0, uintptr_t session=0, keep=None):
        self.c.kind, self.c.ssrc = payload_type & 0x7F, ssrc
        self.c.offset_90k, self.c.seq, self.c.burst_bytes = offset_90k, seq, burst_bytes
        self.c.last_90k = self.c.fd = -1
        self.c.protect, self.c.session = <Protect> protect, <void *> session
        self._keep = keep

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
    def refused(self):
        return self.c.refused

    @refused.setter
    def refused(self, bint refused):
        self.c.refused = refused

    @property
    def blocked(self):
        return self.c.blocked

    @property
    def failed(self):
        return self.c.failed

    @property
    def offset_90k(self):
        return self.c.offset_90k

    @property
    def burst_bytes(self):
        return self.c.burst_bytes

    @property
    def aimed(self):
        return self.c.fd >= 0 and not self.c.broken

    def aim(self, int fd, str host, int port):
        cdef bytes text = host.encode("ascii", "replace")
        cdef const char *address = text
        lane_lock()
        self.c.to_bytes = lane_aim(&self.c.to, address, port)
        self.c.fd = fd if self.c.to_bytes and self.c.protect != NULL else -1
        lane_unlock()
        return self.c.fd >= 0

    def leave(self):
        lane_lock()
        self.c.fd = -1
        lane_unlock()

    def __enter__(self):
        lane_lock()

    def __exit__(self, *_):
        lane_unlock()


cdef void _send(Watcher *viewer, const uint8_t *data, Py_ssize_t size, int segment) noexcept nogil:
    """Send a batch; one by one where the kernel will not cut it."""
    cdef int error
    cdef Py_ssize_t at = 0, length
    if not viewer.refused:
        error = lane_send(viewer.fd, &viewer.to, viewer.to_bytes, data, size,
                          <unsigned short> (segment if size > segment else 0))
        if not (size > segment and _refuses(error)):
            _count(viewer, error)
            return
        viewer.refused = True
    while at < size:
        length = segment if size - at > segment else size - at
        error = lane_send(viewer.fd, &viewer.to, viewer.to_bytes, data + at, length, 0)
        _count(viewer, error)
        if error == EAGAIN:
            return
        at += length


cdef inline bint _refuses(int error) noexcept nogil:
    """Return whether *error* means that batches are not cut here."""
    return (error == EINVAL or error == EIO or error == EMSGSIZE or error == EPERM
            or error == ENOPROTOOPT or error == EOPNOTSUPP)


cdef inline void _count(Watcher *viewer, int error) noexcept nogil:
    if error == EAGAIN:
        viewer.blocked += 1
    elif error:
        viewer.failed += 1


cdef void _serve(Watcher *viewer, const Picture *picture) noexcept nogil:
    """Send *picture* to *viewer*: new headers, SRTP, a batch per system call."""
    cdef uint32_t rtp_time = <uint32_t> (<uint64_t> picture.time_90k + viewer.offset_90k)
    cdef uint32_t ssrc = viewer.ssrc
    cdef Py_ssize_t at = 0, end, size, first
    cdef int index = 0, taken, length, segment
    cdef uint8_t *head
    while index < picture.count:
        first = picture.sizes[index]
        end = segment = taken = 0
        while True:
            size = picture.sizes[index]
            head = _batch + end
            head[0] = 0x80
            head[1] = viewer.kind | 0x80 if index == picture.count - 1 else viewer.kind
            head[2], head[3] = viewer.seq >> 8 & 0xFF, viewer.seq & 0xFF
            _put32(head + 4, rtp_time)
            _put32(head + 8, ssrc)
            memcpy(head + RTP_HEAD, picture.data + at, size)
            length = <int> size + RTP_HEAD
            if viewer.protect(viewer.session, head, &length):
                viewer.broken = True  # libsrtp refuses: the ordinary way will say so
                return
            end += length
            at += size
            index += 1
            taken += 1
            viewer.seq += 1
            if segment == 0:
                segment = <int> end
            if (index == picture.count or taken == SEGMENTS or size != first
                    or end > BATCH - first - RTP_HEAD - TAG or picture.sizes[index] > first):
                break
        _send(viewer, _batch, end, segment)
    viewer.packets += picture.count
    viewer.octets += picture.size
    viewer.last_90k, viewer.last_s = picture.time_90k, picture.arrived_s


cdef inline void _put32(uint8_t *out, uint32_t number) noexcept nogil:
    out[0], out[1] = number >> 24 & 0xFF, number >> 16 & 0xFF
    out[2], out[3] = number >> 8 & 0xFF, number & 0xFF


cdef class Feed:
    cdef Line c
    cdef list _viewers  # whom `c.watchers` points at
    cdef tuple _sets    # whom `c.set_at` points at
    cdef object _full
    cdef object _odd
    cdef object _outlived
    cdef object _reported

    def __cinit__(self):
        self.c.slot = self.c.told = -1

    def __init__(self, int fd, *, int channel, int reports_channel, int payload_type, shape,
                 Py_ssize_t limit, int most_kept, double keep_s, full, odd, outlived, reported):
        if not shape.header_bytes + 1 < limit <= LIMIT:
            raise ValueError(f"payloads of {limit} bytes")
        self.c.fd, self.c.channel, self.c.payload_type = fd, channel, payload_type
        self.c.reports_channel = reports_channel
        self.c.head, self.c.shift, self.c.mask = shape.header_bytes, shape.kind_shift, shape.kind_mask
        self.c.fragment, self.c.single_end = shape.fragment, shape.single_end
        self.c.slices, self.c.entries = _bits(shape.slices), _bits(shape.entries)
        self.c.sets, self.c.padding = _bits(shape.sets), _bits(shape.padding)
        self.c.kinds = len(shape.sets)
        self.c.limit, self.c.most_kept, self.c.keep_s = limit, most_kept, keep_s
        self._full, self._odd, self._outlived, self._reported = full, odd, outlived, reported
        self._viewers = []

    def __dealloc__(self):
        if self.c.slot >= 0:  # else the collector may have come while the mutex is held
            lane_lock()
            _leave(&self.c)
            lane_unlock()
        _free(self.c.first)
        PyMem_RawFree(self.c.watchers)
        PyMem_RawFree(self.c.rest)

    @property
    def running(self):
        return self.c.running

    @property
    def kept(self):
        return self.c.kept

    @property
    def pictured_s(self):
        return self.c.pictured_s

    @property
    def keyframe_s(self):
        return self.c.keyframe_s

    @property
    def gop_s(self):
        return self.c.gop_s

    @property
    def state(self):
        return self.c.seq, self.c.time, self.c.top_90k

    def start(self, viewers, *, uint16_t seq, uint32_t time, int64_t time_90k, sets=(),
              double keyframe_s=0):
        cdef list held = list(viewers)
        cdef tuple known = tuple([each for each in sets if 0 < len(each) <= SET])[:SETS]
        cdef bytes each_set
        cdef Py_ssize_t count = len(held), index
        cdef Watcher **watchers = <Watcher **> PyMem_RawMalloc((count + 1) * sizeof(Watcher *))
        if watchers == NULL:
            raise MemoryError
        try:
            for index in range(count):
                watchers[index] = &(<Viewer?> held[index]).c
        except TypeError:
            PyMem_RawFree(watchers)
            raise
        lane_lock()
        PyMem_RawFree(self.c.watchers)
        self.c.watchers, self.c.watching = watchers, <int> count
        self.c.known = <int> len(known)
        for index in range(self.c.known):
            each_set = known[index]
            self.c.set_at[index] = <const uint8_t *> PyBytes_AS_STRING(each_set)
            self.c.set_size[index] = <uint16_t> PyBytes_GET_SIZE(each_set)
        self.c.seq, self.c.time, self.c.top_90k = seq, time, time_90k
        self.c.keyframe_s, self.c.gop_s = keyframe_s, 0
        self.c.running, self.c.odd, self.c.outlived = True, False, False
        self.c.held_s = _now_s()
        lane_unlock()
        self._viewers, self._sets = held, known

    def ride(self, int told):
        """Let the thread do `step`."""
        cdef int slot
        _set_off()
        lane_lock()
        try:
            if self.c.slot >= 0 or not self.c.running:
                return self.c.slot >= 0
            for slot in range(SLOTS):
                if _slots[slot] == NULL:
                    break
            else:
                return False
            if lane_watch(_epoll, self.c.fd, slot):
                return False
            self.c.told, self.c.slot = told, slot
            _slots[slot] = &self.c
            return True
        finally:
            lane_unlock()

    def stop(self):
        cdef bytes rest
        lane_lock()
        try:
            _leave(&self.c)
            self.c.running = self.c.odd = False
            self.c.watching = 0
            rest = PyBytes_FromStringAndSize(<char *> self.c.rest, self.c.rest_size)
            PyMem_RawFree(self.c.rest)
            self.c.rest, self.c.rest_size = NULL, 0
        finally:
            lane_unlock()
        self._viewers, self._sets = [], ()
        return rest

    def count(self):
        """Return what came since the last call."""
        cdef int64_t packets, size, pictures, keyframes
        cdef double heard_s
        cdef uint8_t newest[RTP_HEAD]
        cdef uint8_t reports[REPORTS]
        cdef Py_ssize_t reports_size
        lane_lock()  # objects are made behind it: the collector may come with each
        packets, size = self.c.packets, self.c.size
        pictures, keyframes = self.c.pictures, self.c.keyframes
        heard_s, reports_size = self.c.heard_s, self.c.reports_size
        memcpy(newest, self.c.newest, RTP_HEAD)
        memcpy(reports, self.c.reports, reports_size)
        self.c.packets = self.c.size = self.c.pictures = self.c.keyframes = 0
        self.c.reports_size = 0
        lane_unlock()
        return (packets, size, pictures, keyframes, heard_s,
                PyBytes_FromStringAndSize(<char *> newest, RTP_HEAD),
                _framed(reports, reports_size))

    def collect(self):
        """Return what was relayed since the last call and is kept, and forget it."""
        cdef Picture *picture
        cdef Picture *after
        cdef Relayed run = None
        cdef list runs = []
        cdef int64_t skipped
        lane_lock()
        picture, skipped = self.c.first, self.c.skipped
        self.c.first = self.c.last = self.c.key = NULL
        self.c.kept = self.c.kept_bytes = self.c.skipped = 0
        self.c.held_s, self.c.outlived = _now_s(), False
        lane_unlock()
        try:
            while picture != NULL:
                if run is None or picture.keyframe:
                    run = Relayed()
                    runs.append(run)
                after = picture.next
                run._add(picture)
                picture = after
        finally:
            _free(picture)
        return runs, skipped

    def step(self):
        """Read what the camera has sent and relay what is whole."""
        lane_lock()
        if self.c.running and not self.c.odd:
            _step(&self.c)
        lane_unlock()
        self.answer()

    def answer(self):
        """Call whom the last steps want to be called."""
        if self.c.reports_size:
            self._reported()
        if self.c.odd:
            self._odd()
        elif _is_full(&self.c, 1):
            self._full()
        elif self._let_go():
            self._outlived()

    cdef bint _let_go(self):
        """Return whether Python is to let go of what it keeps; it is told so once."""
        lane_lock()
        cdef bint outlived = self.c.outlived
        if outlived:
            self.c.held_s, self.c.outlived = 0, False
        lane_unlock()
        return outlived


cdef class Relayed:
    cdef Picture *_first
    cdef Picture *_last
    cdef readonly int pictures
    cdef readonly int packets
    cdef readonly Py_ssize_t size_bytes
    cdef readonly bint keyframe

    def __dealloc__(self):
        _free(self._first)

    cdef void _add(self, Picture *picture) noexcept:
        picture.next = NULL
        if self._last == NULL:
            self._first, self.keyframe = picture, picture.keyframe
        else:
            self._last.next = picture
        self._last = picture
        self.pictures += 1
        self.packets += picture.count
        self.size_bytes += picture.size

    @property
    def oldest_s(self):
        return self._first.arrived_s if self._first != NULL else 0

    @property
    def newest_s(self):
        return self._last.arrived_s if self._last != NULL else 0

    @property
    def oldest_90k(self):
        return self._first.time_90k if self._first != NULL else 0

    @property
    def newest_90k(self):
        return self._last.time_90k if self._last != NULL else 0

    def __iter__(self):
        cdef list units = []
        cdef Picture *picture = self._first
        while picture != NULL:
            units.append(_fields(picture))
            picture = picture.next
        return iter(units)

    def locate(self, Py_ssize_t packet):
        cdef Picture *picture = self._first
        cdef Py_ssize_t before = 0
        while picture != NULL and packet >= before + picture.count:
            before += picture.count
            picture = picture.next
        if picture == NULL or packet < 0:
            raise IndexError(f"packet {packet} of {self.packets}")
        return _fields(picture), before


cdef list _framed(const uint8_t *data, Py_ssize_t end):
    """Return the packets within the frames of *data*."""
    cdef list packets = []
    cdef Py_ssize_t at = 0, size
    while at < end:
        size = data[at + 2] << 8 | data[at + 3]
        packets.append(PyBytes_FromStringAndSize(<const char *> data + at + 4, size))
        at += 4 + size
    return packets


cdef tuple _fields(const Picture *picture):
    return (_payloads(picture), picture.time_90k, picture.keyframe, picture.arrived_s,
            picture.size)


cdef int _set_off() except -1:
    """Start the thread, once."""
    global _epoll
    if _epoll < 0:
        _epoll = lane_epoll()
        if _epoll < 0:
            raise OSError(errno, "the lane's epoll")
        try:
            _thread.start_new_thread(_ride, ())
        except BaseException:
            lane_close(_epoll)
            _epoll = -1
            raise
    return 0


def _ride():
    """Serve all feeds, for ever. This is the thread."""
    with nogil:
        _ride_on()


cdef void _ride_on() noexcept nogil:
    cdef uint32_t ready[64]
    cdef int count, index
    cdef Line *line
    lane_deaf()
    while True:
        count = lane_wait(_epoll, ready, 64)
        for index in range(count):
            lane_lock()
            line = _slots[ready[index]]  # NULL, or another, if it has left meanwhile: no harm
            if line != NULL and line.running and not line.odd:
                _step(line)
                if _is_full(line, BEHIND):
                    line.odd = True  # Python does not come to collect: nor does it read on
                if line.odd:
                    lane_unwatch(_epoll, line.fd)
                if line.odd or line.outlived or line.reports_size or _is_full(line, 1):
                    lane_tell(line.told)
            lane_unlock()


cdef inline bint _is_full(const Line *line, int times) noexcept nogil:
    """Return whether so much waits for Python that it should come, or *times* as much."""
    return line.kept >= times * line.most_kept or line.kept_bytes >= times * MOST_BYTES


cdef void _leave(Line *line) noexcept nogil:
    """Take *line* off the thread; the mutex is held."""
    if line.slot >= 0:
        lane_unwatch(_epoll, line.fd)
        _slots[line.slot] = NULL
        line.slot = line.told = -1


cdef void _step(Line *line) noexcept nogil:
    """Read once, relay; what is left is kept in `rest`. The mutex is held."""
    cdef Py_ssize_t end = line.rest_size
    cdef ssize_t count
    if end:
        memcpy(_space, line.rest, end)
    count = recv(line.fd, _space + end, SPACE - end, MSG_DONTWAIT)
    if count < 0 and (errno == EAGAIN or errno == EINTR):
        return
    if count <= 0:  # the connection has ended; its owner will see
        line.odd = True
        return
    line.now_s = _now_s()
    _relay(line, end + count)


cdef void _relay(Line *line, Py_ssize_t end) noexcept nogil:
    """Relay the pictures that `_space` holds whole; keep what is behind them."""
    cdef Py_ssize_t at = 0, sent = 0
    cdef int seen, index
    cdef Picture *picture
    while True:
        seen = _skip_reports(line, &at, end)
        if seen == WHOLE:
            seen = _scan(line, at, end)
        if seen != WHOLE:
            break
        picture = _lay_out(line)
        if picture == NULL or not _affordable(line, sent + picture.size):
            PyMem_RawFree(picture)
            seen = ODD
            break
        sent += picture.size
        line.packets += _plan.packets
        line.size += _plan.stop - at - 4 * _plan.packets
        at = _plan.stop
        _note(line, picture)
        for index in range(line.watching):
            _serve(line.watchers[index], picture)
    if seen == MORE and end - at > 1 and _space[at + 1] == line.channel:
        line.heard_s = line.now_s
    if seen == MORE and end - at == SPACE:
        seen = ODD
    line.odd = seen == ODD
    _trim(line)
    _keep(line, _space + at, end - at)


cdef int _skip_reports(Line *line, Py_ssize_t *at, Py_ssize_t end) noexcept nogil:
    """Put RTCP in front of a picture aside and move *at* behind it; WHOLE: something else comes.

    Only if another frame follows: else its length is not to be trusted, and others judge.
    """
    cdef const uint8_t *data
    cdef Py_ssize_t size
    while end - at[0] >= 4:
        data = _space + at[0]
        if data[0] != 0x24 or data[1] != line.reports_channel:
            return WHOLE
        size = 4 + (data[2] << 8 | data[3])
        if size < 4 + 8 or size > REPORTS - line.reports_size:
            return ODD
        if end - at[0] <= size:
            return MORE
        if data[4] >> 6 != 2 or data[size] != 0x24:
            return ODD
        memcpy(line.reports + line.reports_size, data, size)
        line.reports_size += size
        at[0] += size
    return WHOLE


cdef void _note(Line *line, Picture *picture) noexcept nogil:
    """Keep *picture*, the one of `_plan`, and count it."""
    if line.last == NULL:
        line.first = picture
    else:
        line.last.next = picture
    line.last = picture
    line.kept += 1
    line.kept_bytes += picture.size
    line.pictures += 1
    if picture.keyframe:
        line.key = picture
        line.keyframes += 1
        line.gop_s = line.now_s - line.keyframe_s if line.keyframe_s else 0
        line.keyframe_s = line.now_s
    line.seq += <uint16_t> _plan.packets
    line.time = _plan.time
    line.top_90k = picture.time_90k
    line.pictured_s = line.heard_s = line.now_s
    memcpy(line.newest, _space + _plan.at[_plan.packets - 1] - RTP_HEAD, RTP_HEAD)


cdef void _trim(Line *line) noexcept nogil:
    """Forget pictures in front of the GOP that no viewer will ask for again.

    Once Python keeps only such ones, it has outlived them too.
    """
    cdef double oldest_s = line.now_s - line.keep_s
    cdef Picture *picture
    if line.key == NULL:
        return
    while line.first != line.key and line.first.arrived_s < oldest_s:
        picture = line.first
        line.first = picture.next
        line.kept -= 1
        line.kept_bytes -= picture.size
        line.skipped += picture.count
        PyMem_RawFree(picture)
    line.outlived = 0 < line.held_s < oldest_s


cdef void _keep(Line *line, const uint8_t *data, Py_ssize_t size) noexcept nogil:
    """Make *data* the rest."""
    PyMem_RawFree(line.rest)
    line.rest, line.rest_size = NULL, 0
    if size:
        line.rest = <uint8_t *> PyMem_RawMalloc(size)
        if line.rest == NULL:  # out of memory; the assembler will find a gap
            line.odd = True
            return
        memcpy(line.rest, data, size)
        line.rest_size = size


cdef bint _affordable(Line *line, Py_ssize_t size) noexcept nogil:
    """Return whether every viewer's line may be given so much at once, by the lane."""
    cdef Watcher *viewer
    cdef int index
    for index in range(line.watching):
        viewer = line.watchers[index]
        if size > viewer.burst_bytes or viewer.refused or viewer.broken or viewer.fd < 0:
            return False
    return True


cdef int _scan(const Line *line, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    """Look for one whole, ordinary picture at *at*, into `_plan`."""
    cdef const uint8_t *data = _space
    cdef const uint8_t *packet
    cdef const uint8_t *payload
    cdef const uint8_t *opened = NULL   # first payload of an unfinished NAL unit
    cdef uint16_t seq = line.seq
    cdef bint pictured = False, entered = False, marked, first
    cdef int size, kind, mark, head = line.head
    cdef uint64_t sets = 0  # types of the parameter sets in this picture
    cdef Plan *plan = &_plan
    plan.packets = plan.units = 0
    while True:
        if end - at < 6:
            if end > at and data[at] != 0x24:
                return ODD
            return MORE
        size = data[at + 2] << 8 | data[at + 3]
        if data[at] != 0x24 or data[at + 1] != line.channel or data[at + 4] != 0x80:
            return ODD
        if data[at + 5] & 0x7F != line.payload_type or size < RTP_HEAD + head:
            return ODD
        if end - at - 4 < size:
            return MORE
        packet = data + at + 4
        if <uint16_t> (packet[2] << 8 | packet[3]) != seq or plan.packets == PACKETS:
            return ODD
        if plan.packets == 0:
            plan.time = _be32(packet + 4)
            if not 0 < <int32_t> (plan.time - line.time) <= JUMP:
                return ODD
        elif _be32(packet + 4) != plan.time:
            return ODD
        marked = packet[1] & 0x80 != 0
        payload = packet + RTP_HEAD
        size -= RTP_HEAD
        plan.at[plan.packets] = payload - data
        plan.size[plan.packets] = size
        kind = payload[0] >> line.shift & line.mask
        if kind == line.fragment:
            if size < head + 2:
                return ODD
            mark = payload[head]
            kind = mark & line.mask
            if mark & START:
                first = payload[head + 1] & 0x80 != 0
                if opened != NULL or mark & END or first == pictured:
                    return ODD
                if not line.slices >> kind & 1:
                    return ODD
                entered |= line.entries >> kind & 1
                pictured = True
                opened = payload
                plan.unit[plan.units].first = plan.packets
                plan.unit[plan.units].cut = True
            elif opened == NULL or payload[0] != opened[0]:
                return ODD
            elif head == 2 and payload[1] != opened[1]:
                return ODD
            elif (mark ^ opened[head]) & line.mask:
                return ODD
            if mark & END:
                plan.unit[plan.units].count = plan.packets + 1 - plan.unit[plan.units].first
                plan.units += 1
                opened = NULL
        elif opened != NULL or kind >= line.single_end:
            return ODD
        elif not line.padding >> kind & 1:
            if line.slices >> kind & 1:
                first = size > head and payload[head] & 0x80 != 0
                if first == pictured:
                    return ODD
                entered |= line.entries >> kind & 1
                pictured = True
            elif line.sets >> kind & 1:
                if not _is_known(line, payload, size):
                    return ODD
                sets |= <uint64_t> 1 << kind
            plan.unit[plan.units].first = plan.packets
            plan.unit[plan.units].count = 1
            plan.unit[plan.units].cut = False
            plan.units += 1
        plan.packets += 1
        seq += 1
        at = packet + RTP_HEAD + size - data
        if marked:
            plan.stop = at
            plan.keyframe = entered
            if entered and _ones(sets) != line.kinds or not pictured or opened != NULL:
                return ODD
            return WHOLE


cdef bint _is_known(const Line *line, const uint8_t *payload, int size) noexcept nogil:
    """Return whether *payload* is a parameter set that the camera has sent before."""
    cdef int index
    for index in range(line.known):
        if line.set_size[index] == size and memcmp(line.set_at[index], payload, size) == 0:
            return True
    return False


cdef inline int _ones(uint64_t bits) noexcept nogil:
    cdef int count = 0
    while bits:
        bits &= bits - 1
        count += 1
    return count

cdef Picture *_lay_out(const Line *line) noexcept nogil:
    """Return the picture of `_plan` as payloads within the limit; NULL: not ordinary."""
    cdef Py_ssize_t size = 0
    cdef Py_ssize_t bodies[PACKETS]
    cdef int count = 0, pieces, index
    cdef Picture *picture
    cdef uint8_t *memory
    for index in range(_plan.units):
        pieces = _pieces(line, &_plan.unit[index], &bodies[index], &size)
        count += pieces
        if count > PAYLOADS:
            return NULL
    memory = <uint8_t *> PyMem_RawMalloc(sizeof(Picture) + count * sizeof(uint16_t) + size)
    if memory == NULL:
        return NULL
    picture = <Picture *> memory
    picture.next = NULL
    picture.sizes = <uint16_t *> (memory + sizeof(Picture))
    picture.data = memory + sizeof(Picture) + count * sizeof(uint16_t)
    picture.keyframe = _plan.keyframe
    picture.count = 0
    picture.size = size
    picture.arrived_s = line.now_s
    picture.time_90k = line.top_90k + <int32_t> (_plan.time - line.time)
    memory = picture.data
    for index in range(_plan.units):
        memory = _write(line, picture, &_plan.unit[index], bodies[index], memory)
    if picture.count != count or memory != picture.data + size:  # never
        PyMem_RawFree(picture)
        return NULL
    return picture

cdef int _pieces(const Line *line, Unit *unit, Py_ssize_t *body,
                 Py_ssize_t *size) noexcept nogil:
    """Return how many payloads *unit* becomes; *body* is 0 where they stay as they are.

    *body* is else the length of what is cut anew, without headers; *size* grows by the
    payloads' lengths.
    """
    cdef Py_ssize_t total = 0, room = line.limit - line.head - 1
    cdef int index, each, largest = 0, count
    for index in range(unit.first, unit.first + unit.count):
        each = _plan.size[index]
        total += each
        largest = max(largest, each)
    body[0] = 0
    if largest <= line.limit and not (unit.cut and unit.count == 1):
        size[0] += total
        return unit.count
    body[0] = total - (line.head + 1) * unit.count if unit.cut else total - line.head
    if line.head + body[0] <= line.limit:
        size[0] += line.head + body[0]
        return 1
    count = <int> _ceil(body[0], _ceil(body[0], max(2, _ceil(body[0], room))))
    size[0] += body[0] + count * (line.head + 1)
    return count

cdef uint8_t *_write(const Line *line, Picture *picture, Unit *unit, Py_ssize_t body,
                     uint8_t *out) noexcept nogil:
    """Write the payloads of *unit* to *out*; return where they end."""
    cdef int head = line.head, index = unit.first
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
    kind = source[head] & line.mask if unit.cut else source[0] >> line.shift & line.mask
    if head + body <= line.limit:  # fragments that fit into one packet
        size = body
        mark = kind
    else:
        size = _ceil(body, max(2, _ceil(body, line.limit - head - 1)))
        mark = line.fragment
    cdef uint8_t first_byte = (source[0] & ~(line.mask << line.shift)) | mark << line.shift
    cdef uint8_t second_byte = source[1]
    cdef bint whole = head + body <= line.limit
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


cdef inline Py_ssize_t _ceil(Py_ssize_t number, Py_ssize_t by) noexcept nogil:
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


cdef void _free(Picture *picture) noexcept nogil:
    cdef Picture *after
    while picture != NULL:
        after = picture.next
        PyMem_RawFree(picture)
        picture = after
