/* What reading, cipher and sending cost alone: see floor.py.
 *
 *     floor SOURCE_PORT VIEWER_PORT STREAMS PACKETS PARTS SECONDS
 *
 * Prints processor seconds and packets of SECONDS, after half a second to settle. OpenSSL is declared
 * here and linked by its run-time name, so that no headers have to be installed for a benchmark. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
enum { PACKET = 1192, TAG = 16, HEAD = 12, MOST = 64, GET_TAG = 0x10, STREAMS = 256 };

void *EVP_CIPHER_CTX_new(void);
const void *EVP_aes_128_gcm(void);
int EVP_EncryptInit_ex(void *, const void *, void *, const unsigned char *, const unsigned char *);
int EVP_EncryptUpdate(void *, unsigned char *, int *, const unsigned char *, int);
int EVP_EncryptFinal_ex(void *, unsigned char *, int *);
int EVP_CIPHER_CTX_ctrl(void *, int, int, void *);

struct stream {
    int source;
    int have;
    uint64_t sent;
    void *cipher;
    struct sockaddr_in viewer;
    unsigned char picture[MOST * PACKET];
};

static struct stream *streams[STREAMS];
static unsigned char batch[MOST * (PACKET + TAG)];
static int out;

static double now_s(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

static void protect(struct stream *each, int packets) {
    int index, length;
    for (index = 0; index < packets; index++) {
        unsigned char *to = batch + index * (PACKET + TAG), iv[12] = {0};
        const unsigned char *from = each->picture + index * PACKET;
        each->sent++;
        memcpy(iv, &each->sent, sizeof each->sent);
        memcpy(to, from, HEAD);
        EVP_EncryptInit_ex(each->cipher, NULL, NULL, NULL, iv);
        EVP_EncryptUpdate(each->cipher, NULL, &length, to, HEAD);
        EVP_EncryptUpdate(each->cipher, to + HEAD, &length, from + HEAD, PACKET - HEAD);
        EVP_EncryptFinal_ex(each->cipher, to + PACKET, &length);
        EVP_CIPHER_CTX_ctrl(each->cipher, GET_TAG, TAG, to + PACKET);
    }
}

static void give(struct stream *each, int packets) {
    struct iovec part = {batch, (size_t)packets * (PACKET + TAG)};
    union { char room[CMSG_SPACE(sizeof(uint16_t))]; struct cmsghdr align; } control;
    struct msghdr message = {.msg_name = &each->viewer, .msg_namelen = sizeof each->viewer,
                             .msg_iov = &part, .msg_iovlen = 1,
                             .msg_control = control.room, .msg_controllen = sizeof control.room};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    uint16_t segment = PACKET + TAG;
    head->cmsg_level = IPPROTO_UDP;
    head->cmsg_type = UDP_SEGMENT;
    head->cmsg_len = CMSG_LEN(sizeof segment);
    memcpy(CMSG_DATA(head), &segment, sizeof segment);
    if (sendmsg(out, &message, 0) < 0) {
        perror("floor: sendmsg");
        exit(1);
    }
}

static long work(int epoll, int packets, int parts, double seconds) {
    double end_s = now_s(CLOCK_MONOTONIC) + seconds;
    long done = 0;
    while (now_s(CLOCK_MONOTONIC) < end_s) {
        struct epoll_event ready[64];
        int index, count = epoll_wait(epoll, ready, 64, -1);
        for (index = 0; index < count; index++) {
            struct stream *each = ready[index].data.ptr;
            ssize_t got = recv(each->source, each->picture + each->have,
                               (size_t)(packets * PACKET - each->have), 0);
            if (got <= 0)
                continue;
            each->have += (int)got;
            if (each->have < packets * PACKET)
                continue;
            each->have = 0;
            done += packets;
            if (parts > 1)
                protect(each, packets);
            if (parts > 2)
                give(each, packets);
        }
    }
    return done;
}

static struct stream *opened(int source, int viewer) {
    struct stream *each = calloc(1, sizeof *each);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)source),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    unsigned char key[16] = {1};
    if (each == NULL)
        exit(1);
    each->source = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(each->source, (struct sockaddr *)&at, sizeof at)) {
        perror("floor: connect");
        exit(1);
    }
    fcntl(each->source, F_SETFL, O_NONBLOCK);
    each->viewer = at;
    each->viewer.sin_port = htons((uint16_t)viewer);
    each->cipher = EVP_CIPHER_CTX_new();
    EVP_EncryptInit_ex(each->cipher, EVP_aes_128_gcm(), NULL, key, NULL);
    return each;
}

int main(int count, char **words) {
    int index, number, packets, parts, epoll = epoll_create1(0);
    double before_s;
    long done;
    if (count != 7 || (number = atoi(words[3])) > STREAMS || (packets = atoi(words[4])) > MOST) {
        fputs("floor: SOURCE_PORT VIEWER_PORT STREAMS PACKETS PARTS SECONDS\n", stderr);
        return 2;
    }
    parts = atoi(words[5]);
    out = socket(AF_INET, SOCK_DGRAM, 0);
    for (index = 0; index < number; index++) {
        struct epoll_event event = {.events = EPOLLIN};
        event.data.ptr = streams[index] = opened(atoi(words[1]), atoi(words[2]) + index);
        epoll_ctl(epoll, EPOLL_CTL_ADD, streams[index]->source, &event);
    }
    work(epoll, packets, parts, 0.5);
    before_s = now_s(CLOCK_PROCESS_CPUTIME_ID);
    done = work(epoll, packets, parts, atof(words[6]));
    printf("{\"cpu_s\": %f, \"packets\": %ld}\n", now_s(CLOCK_PROCESS_CPUTIME_ID) - before_s, done);
    return 0;
}
