/* The server of the bench: as little as possible between epoll and the sockets, so that the client is what is measured.
 *
 * usage: tick_server [PORT]. Speaks the mt5 bridge's protocol. Prints its port, then obeys lines on stdin: `rate N`
 * (ticks a second over all subscribed connections in turn; 0 stops), `count` (prints how many ticks were sent and how
 * many connections are open). Ends with its stdin.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER 1024
#define TICK_BYTES 156
#define STEP_MS 1
#define TICK                                                                                                        \
    "{\"type\":\"tick\",\"symbol\":\"EURUSD\",\"seq\":%10llu,\"boot_id\":\"T1\",\"bid\":1.08231,\"ask\":1.08243,"     \
    "\"ts\":%.3f,\"spread\":12,\"volume\":100,\"flag\":\"bench\"}"

struct peer {
    int fd, shaken;
    size_t held;
    uint64_t seq;
    struct peer **listens; /* its place among the subscribed */
    unsigned char data[BUFFER];
};

static struct peer *listening[1 << 16];
static uint64_t subscribed, connected, sent, rate, owed_from, turn;
static double since;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- RFC 6455 4.2.2: base64(sha1(key + GUID)) */

static uint32_t rolled(uint32_t x, int by) { return x << by | x >> (32 - by); }

static void sha1_block(uint32_t state[5], const unsigned char *block) {
    uint32_t w[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 |
               block[4 * i + 3];
    for (int i = 16; i < 80; i++) w[i] = rolled(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (int i = 0; i < 80; i++) {
        uint32_t f = i < 20   ? ((b & c) | (~b & d)) + 0x5A827999
                     : i < 40 ? (b ^ c ^ d) + 0x6ED9EBA1
                     : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDC
                              : (b ^ c ^ d) + 0xCA62C1D6;
        uint32_t next = rolled(a, 5) + f + e + w[i];
        e = d, d = c, c = rolled(b, 30), b = a, a = next;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
}

static void accept_of(const char *key, char accept[29]) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    /* 24 + 36 bytes, their end, and their length in bits fill two blocks */
    unsigned char text[128] = {0}, digest[21] = {0};
    uint32_t state[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    memcpy(text, key, 24);
    memcpy(text + 24, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
    text[60] = 0x80;
    text[126] = 60 * 8 >> 8, text[127] = 60 * 8 & 0xff;
    sha1_block(state, text);
    sha1_block(state, text + 64);
    for (int i = 0; i < 20; i++) digest[i] = (unsigned char)(state[i / 4] >> (24 - 8 * (i % 4)));
    for (int i = 0; i < 7; i++) {
        uint32_t three = (uint32_t)digest[3 * i] << 16 | (uint32_t)digest[3 * i + 1] << 8 | digest[3 * i + 2];
        for (int j = 0; j < 4; j++) accept[4 * i + j] = letters[three >> (18 - 6 * j) & 63];
    }
    accept[27] = '='; /* 20 bytes end in a group of two */
    accept[28] = 0;
}

/* ---- one connection */

static void drop(struct peer *peer) {
    if (peer->listens) {
        *peer->listens = listening[--subscribed];
        (*peer->listens)->listens = peer->listens;
    }
    connected--;
    close(peer->fd);
    free(peer);
}

static void put(struct peer *peer, const void *bytes, size_t length) {
    /* All or nothing: a frame that is half in the kernel's buffer would have to be finished later. */
    ssize_t done = send(peer->fd, bytes, length, MSG_DONTWAIT);
    if (done < 0 ? errno == EAGAIN : (size_t)done < length) die("a client reads too slowly");
}

static void put_text(struct peer *peer, const char *text, size_t length) {
    unsigned char frame[512] = {0x81, (unsigned char)length};
    size_t head = 2;
    if (length > 125) {
        frame[1] = 126, frame[2] = (unsigned char)(length >> 8), frame[3] = (unsigned char)length;
        head = 4;
    }
    memcpy(frame + head, text, length);
    put(peer, frame, head + length);
}

static void answer(struct peer *peer, char *asked) {
    char text[256];
    const char *id;
    if (strstr(asked, "\"ping\"") && (id = strstr(asked, "\"id\":"))) {
        sprintf(text, "{\"type\":\"pong\",\"id\":%llu,\"sent\":0}", strtoull(id + 5, NULL, 10));
    } else if (strstr(asked, "\"auth\"")) {
        strcpy(text, "{\"type\":\"auth_ok\",\"account\":\"1\"}");
    } else if (strstr(asked, "\"subscribe\"")) {
        strcpy(text, "{\"type\":\"subscribed\",\"channels\":[\"EURUSD\"],\"heads\":{}}");
        peer->listens = &listening[subscribed++];
        *peer->listens = peer;
    } else {
        sprintf(text, "{\"type\":\"head\",\"heads\":{\"EURUSD\":{\"seq\":%llu,\"boot_id\":\"T1\"}}}",
                (unsigned long long)peer->seq);
    }
    put_text(peer, text, strlen(text));
}

static size_t shake(struct peer *peer) {
    static const char head[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                               "Sec-WebSocket-Accept: ";
    char accept[29], text[sizeof head + 64];
    char *end = memmem(peer->data, peer->held, "\r\n\r\n", 4);
    if (!end) return 0;
    *end = 0;
    char *key = strcasestr((char *)peer->data, "Sec-WebSocket-Key: ");
    if (!key) die("a handshake without a key");
    accept_of(key + 19, accept);
    put(peer, text, (size_t)sprintf(text, "%s%s\r\n\r\n", head, accept));
    peer->shaken = 1;
    return (size_t)(end + 4 - (char *)peer->data);
}

/* Take what has come; 0: the connection is over. */
static int take(struct peer *peer) {
    ssize_t got = recv(peer->fd, peer->data + peer->held, BUFFER - 1 - peer->held, MSG_DONTWAIT);
    if (got <= 0) return got < 0 && errno == EAGAIN;
    peer->held += (size_t)got;
    peer->data[peer->held] = 0;
    size_t at = peer->shaken ? 0 : shake(peer);
    while (peer->shaken && peer->held - at >= 6) {
        unsigned char *frame = peer->data + at;
        size_t length = frame[1] & 0x7f, head = 6;
        if (length > 125) die("a client says more than it should");
        if (peer->held - at < head + length) break;
        char payload[126];
        for (size_t i = 0; i < length; i++) payload[i] = (char)(frame[head + i] ^ frame[2 + i % 4]);
        payload[length] = 0;
        if ((frame[0] & 0x0f) == 8) {
            unsigned char closing[128] = {0x88, (unsigned char)length};
            memcpy(closing + 2, payload, length);
            put(peer, closing, 2 + length);
            return 0;
        }
        if ((frame[0] & 0x0f) == 1) answer(peer, payload);
        at += head + length;
    }
    peer->held -= at;
    memmove(peer->data, peer->data + at, peer->held);
    return 1;
}

/* ---- the loop */

static void accept_all(int listener, int poll) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct peer *peer = calloc(1, sizeof *peer);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        peer->fd = fd;
        connected++;
        epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
    }
    if (errno != EAGAIN) die("accept");
}

static void tick(void) {
    uint64_t due = (uint64_t)((double)rate * (seconds(CLOCK_MONOTONIC) - since)), done = sent - owed_from;
    for (; subscribed && done < due; done++, sent++) {
        char text[TICK_BYTES + 1];
        struct peer *peer = listening[turn++ % subscribed];
        int length = snprintf(text, sizeof text, TICK, (unsigned long long)++peer->seq, seconds(CLOCK_REALTIME) * 1e3);
        put_text(peer, text, (size_t)length);
    }
}

/* Obey one line of stdin; 0: there is no more. */
static int obey(void) {
    char order[64];
    if (!fgets(order, sizeof order, stdin)) return 0;
    if (!strncmp(order, "rate ", 5)) {
        rate = strtoull(order + 5, NULL, 10);
        since = seconds(CLOCK_MONOTONIC);
        owed_from = sent;
    } else if (!strcmp(order, "count\n")) {
        printf("%llu %llu\n", (unsigned long long)sent, (unsigned long long)connected);
        fflush(stdout);
    }
    return 1;
}

int main(int argc, char **argv) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN}, events[256];
    socklen_t size = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poll = epoll_create1(0), open = 1;
    int on = 1;
    signal(SIGPIPE, SIG_IGN);
    if (argc == 2) at.sin_port = htons((uint16_t)atoi(argv[1]));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&at, size) < 0 || listen(listener, 1024) < 0) die("listen");
    getsockname(listener, (struct sockaddr *)&at, &size);
    setvbuf(stdin, NULL, _IONBF, 0); /* what stdio keeps, epoll does not see */
    event.data.ptr = &listener;
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    event.data.ptr = stdin;
    epoll_ctl(poll, EPOLL_CTL_ADD, STDIN_FILENO, &event);
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    while (open) {
        int ready = epoll_wait(poll, events, 256, rate ? STEP_MS : -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr == &listener)
                accept_all(listener, poll);
            else if (events[i].data.ptr == stdin)
                open = obey();
            else if (!take(events[i].data.ptr))
                drop(events[i].data.ptr);
        }
        tick();
    }
    return 0;
}
