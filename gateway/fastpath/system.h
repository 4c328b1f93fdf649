/* The system calls of the fast path: one mutex, epoll, eventfd, UDP in, and out with segmentation
   offload.

   Everything here is static, because it is included once, by the C that Cython makes of
   _fastpath.pyx. Nothing here needs the Python interpreter. */

#ifndef GATEWAY_FASTPATH_SYSTEM_H
#define GATEWAY_FASTPATH_SYSTEM_H

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
#define UDP_SEGMENT 103 /* linux/udp.h, since Linux 4.18 */
#endif

/* Guards all that the polling thread shares with Python; see _fastpath.pyx. */
static pthread_mutex_t fastpath_mutex = PTHREAD_MUTEX_INITIALIZER;
static void fastpath_lock(void) { pthread_mutex_lock(&fastpath_mutex); }
static void fastpath_unlock(void) { pthread_mutex_unlock(&fastpath_mutex); }

static void fastpath_close(int fd) { close(fd); }

/* Counts one more, or one less, who holds something; the latter returns whether nobody does then.
   Whoever frees what Python had holds the GIL and not the mutex, so the mutex does not do here. */
static void fastpath_retain(int *references) { __atomic_add_fetch(references, 1, __ATOMIC_RELAXED); }
static int fastpath_release(int *references) {
    return __atomic_sub_fetch(references, 1, __ATOMIC_ACQ_REL) == 0;
}

/* Blocks all signals in the calling thread: they are for the thread that has an interpreter. */
static void fastpath_block_signals(void) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
}

/* Returns a new epoll descriptor; -1 with errno on failure. */
static int fastpath_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

/* Waits for *fd* to become readable, as number *slot*; 0, or -1 with errno. */
static int fastpath_epoll_add(int epoll, int fd, uint32_t slot) {
    struct epoll_event event;
    memset(&event, 0, sizeof event);
    event.events = EPOLLIN;
    event.data.u32 = slot;
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void fastpath_epoll_remove(int epoll, int fd) {
    epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
}

/* Blocks until descriptors are readable, for *timeout_ms* at most if that is not negative; writes
   the numbers of at most *room* of them, and 64, to *slots*. Returns how many; -1 with errno on
   failure. */
static int fastpath_epoll_wait(int epoll, uint32_t *slots, int room, int timeout_ms) {
    struct epoll_event events[64];
    int index, count = epoll_wait(epoll, events, room < 64 ? room : 64, timeout_ms);
    for (index = 0; index < count; index++)
        slots[index] = events[index].data.u32;
    return count;
}

/* Adds one to the eventfd *fd*; a negative *fd* is none. */
static void fastpath_wake(int fd) {
    uint64_t one = 1;
    if (fd >= 0 && write(fd, &one, sizeof one) < 0) {
        /* The counter is full: whoever reads it is woken already. */
    }
}

/* Reads one datagram of *fd* to *data* without blocking. Returns its length, with *stranger* set if it
   is not from the IP address *sender*, whatever the port; -1 with errno. */
static ssize_t fastpath_receive(int fd, void *data, size_t room,
                                const struct sockaddr_storage *sender, int *stranger) {
    struct sockaddr_storage from;
    socklen_t from_bytes = sizeof from;
    ssize_t count;
    from.ss_family = AF_UNSPEC;
    count = recvfrom(fd, data, room, MSG_DONTWAIT, (struct sockaddr *)&from, &from_bytes);
    if (count < 0)
        return count;
    if (from.ss_family != sender->ss_family)
        *stranger = 1;
    else if (from.ss_family == AF_INET)
        *stranger = memcmp(&((struct sockaddr_in *)&from)->sin_addr,
                           &((const struct sockaddr_in *)sender)->sin_addr,
                           sizeof(struct in_addr)) != 0;
    else
        *stranger = memcmp(&((struct sockaddr_in6 *)&from)->sin6_addr,
                           &((const struct sockaddr_in6 *)sender)->sin6_addr,
                           sizeof(struct in6_addr)) != 0;
    return count;
}

/* Sends *data* as datagrams of *segment* bytes, the last one of what is left (UDP generic
   segmentation offload); 0: as one datagram. Never blocks. Returns 0 or an errno. */
static int fastpath_send(int fd, const struct sockaddr_storage *address, socklen_t address_bytes,
                         const void *data, size_t bytes, unsigned short segment) {
    struct iovec part = {(void *)data, bytes};
    union { char room[CMSG_SPACE(sizeof(uint16_t))]; struct cmsghdr align; } control;
    struct msghdr message;
    memset(&message, 0, sizeof message);
    message.msg_name = (void *)address;
    message.msg_namelen = address_bytes;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (segment) {
        struct cmsghdr *head;
        memset(&control, 0, sizeof control);
        message.msg_control = control.room;
        message.msg_controllen = sizeof control.room;
        head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = IPPROTO_UDP;
        head->cmsg_type = UDP_SEGMENT;
        head->cmsg_len = CMSG_LEN(sizeof(uint16_t));
        memcpy(CMSG_DATA(head), &segment, sizeof segment);
    }
    return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? errno : 0;
}

/* Writes the IP address *host* with *port* to *address*. Returns its length; 0 if *host* is no
   IP address. */
static socklen_t fastpath_parse_address(struct sockaddr_storage *address, const char *host,
                                        int port) {
    struct sockaddr_in *four = (struct sockaddr_in *)address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
    memset(address, 0, sizeof *address);
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

#endif
