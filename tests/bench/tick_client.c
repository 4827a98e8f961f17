/* The lower bound of the bench: N WebSocket clients on one epoll loop that do what a load client must do with a tick.
 *
 * usage: tick_client PORT CLIENTS [PINGS]. Connects (handshake, auth, subscribe), prints "connected", receives until
 * stdin ends, then prints "messages M gaps G p99_ns P". For each tick: find seq and ts by scanning, check that seq goes
 * on, put the latency in a log-linear histogram. With PINGS it also sends so many a second, at an even pace over all
 * clients in turn; their pongs are received, no more.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define BUFFER 4096
#define SUB_BITS 7 /* 128 sub-buckets a power of two: below 1% error */
#define BUCKETS (64 << SUB_BITS)

struct client {
    int fd;
    size_t held;
    uint64_t seq;
    unsigned char data[BUFFER];
};

static uint64_t histogram[BUCKETS], messages, gaps;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static uint64_t unix_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static unsigned bucket_of(uint64_t value) {
    if (value < (1u << SUB_BITS)) return (unsigned)value;
    unsigned shift = 63 - (unsigned)__builtin_clzll(value) - SUB_BITS;
    return ((shift + 1) << SUB_BITS) + (unsigned)((value >> shift) & ((1u << SUB_BITS) - 1));
}

static const char *after(const char *text, size_t length, const char *key) {
    const char *found = memmem(text, length, key, strlen(key));
    return found ? found + strlen(key) : NULL;
}

static void take(struct client *client, const char *text, size_t length) {
    const char *seq_at = after(text, length, "\"seq\":"), *ts_at = after(text, length, "\"ts\":");
    if (!seq_at || !ts_at || !memmem(text, length, "\"tick\"", 6)) return;
    uint64_t seq = strtoull(seq_at, NULL, 10);
    if (client->seq && seq != client->seq + 1) gaps++;
    client->seq = seq;
    int64_t latency = (int64_t)(unix_ns() - (uint64_t)(strtod(ts_at, NULL) * 1e6));
    histogram[bucket_of(latency < 0 ? 0 : (uint64_t)latency)]++;
    messages++;
}

static void parse(struct client *client) {
    size_t at = 0;
    while (client->held - at >= 2) {
        size_t head = 2, length = client->data[at + 1] & 0x7f;
        if (length == 126) {
            if (client->held - at < 4) break;
            length = (size_t)client->data[at + 2] << 8 | client->data[at + 3];
            head = 4;
        }
        if (client->held - at < head + length) break;
        if ((client->data[at] & 0x0f) == 1) take(client, (char *)client->data + at + head, length);
        at += head + length;
    }
    client->held -= at;
    memmove(client->data, client->data + at, client->held);
}

static void send_text(int fd, const char *text) {
    unsigned char frame[256] = {0x81};
    size_t length = strlen(text), head = 6; /* a mask of zeros leaves the payload as it is */
    frame[1] = (unsigned char)(0x80 | length);
    memcpy(frame + head, text, length);
    if (write(fd, frame, head + length) < 0) die("write");
}

static void connect_client(struct client *client, int port, int number) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1;
    char text[512];
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&to, sizeof to) < 0) die("connect");
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int length = snprintf(text, sizeof text,
                          "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
    if (write(client->fd, text, (size_t)length) < 0) die("write");
    size_t got = 0;
    while (!memmem(text, got, "\r\n\r\n", 4)) {
        ssize_t more = read(client->fd, text + got, sizeof text - got);
        if (more <= 0) die("handshake");
        got += (size_t)more;
    }
    snprintf(text, sizeof text, "{\"type\":\"auth\",\"account\":\"%d\",\"token\":\"\"}", number);
    send_text(client->fd, text);
    send_text(client->fd, "{\"type\":\"subscribe\",\"channels\":[\"EURUSD\"]}");
}

static int timer_of(int pings) {
    long period = 1000000000 / pings;
    struct itimerspec pace = {{period / 1000000000, period % 1000000000}, {0, 1}};
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    timerfd_settime(timer, 0, &pace, NULL);
    return timer;
}

static void ping(struct client *clients, int count, int timer) {
    static uint64_t number;
    uint64_t due = 0;
    char text[96];
    if (read(timer, &due, sizeof due) < 0 && errno != EAGAIN) die("read");
    for (; due; due--, number++) {
        snprintf(text, sizeof text, "{\"type\":\"ping\",\"id\":%llu,\"sent\":%.3f}", (unsigned long long)number,
                 (double)unix_ns() / 1e6);
        send_text(clients[number % (uint64_t)count].fd, text);
    }
}

int main(int argc, char **argv) {
    if (argc != 3 && argc != 4) return 2;
    int count = atoi(argv[2]), poll = epoll_create1(0), open = 1, timer = -1;
    struct client *clients = calloc((size_t)count, sizeof *clients);
    struct epoll_event event = {.events = EPOLLIN}, events[256];
    for (int i = 0; i < count; i++) {
        connect_client(&clients[i], atoi(argv[1]), 1001 + i);
        event.data.ptr = &clients[i];
        epoll_ctl(poll, EPOLL_CTL_ADD, clients[i].fd, &event);
    }
    event.data.ptr = NULL;
    epoll_ctl(poll, EPOLL_CTL_ADD, STDIN_FILENO, &event);
    if (argc == 4) {
        timer = timer_of(atoi(argv[3]));
        event.data.ptr = &timer;
        epoll_ctl(poll, EPOLL_CTL_ADD, timer, &event);
    }
    puts("connected");
    fflush(stdout);
    while (open) {
        int ready = epoll_wait(poll, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;
            if (!client) {
                open = 0;
                continue;
            }
            if (events[i].data.ptr == &timer) {
                ping(clients, count, timer);
                continue;
            }
            ssize_t got = recv(client->fd, client->data + client->held, BUFFER - client->held, MSG_DONTWAIT);
            if (got > 0) {
                client->held += (size_t)got;
                parse(client);
            } else if (got == 0 || errno != EAGAIN) {
                die("recv");
            }
        }
    }
    uint64_t seen = 0;
    unsigned p99 = 0;
    while (p99 < BUCKETS - 1 && (seen += histogram[p99]) * 100 < messages * 99) p99++;
    unsigned shift = p99 >> SUB_BITS ? (p99 >> SUB_BITS) - 1 : 0;
    uint64_t value = p99 >> SUB_BITS ? (uint64_t)((1u << SUB_BITS) + (p99 & ((1u << SUB_BITS) - 1))) << shift : p99;
    printf("messages %llu gaps %llu p99_ns %llu\n", (unsigned long long)messages, (unsigned long long)gaps,
           (unsigned long long)value);
    return 0;
}
