/* The floor of a fan-out: frames made once, written to each client in pieces of 64 KiB as it takes
 * them, with epoll and nothing else. Commands on stdin: "burst N", "pace N RATE". Usage: writer PORT */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 65536, MOST = 4096 };

static const char accepted[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static int clients[MOST], count, waker;
static size_t written[MOST];

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static size_t frame(char *at, int seq) {
    double time = now();
    int length = sprintf(at + 4,
        "{\"event_type\":\"diagnostic_found\",\"data\":{\"timestamp\":%.6f,\"step_id\":"
        "\"run_fast_hooks_001\",\"hook\":\"ruff-check\",\"path\":\"src/package/module.py\",\"line\":"
        "120,\"column\":17,\"code\":\"E501\",\"severity\":\"error\",\"message\":\"Line too long\","
        "\"fixable\":false,\"fingerprint\":\"0123456789abcdef01234567\"},\"timestamp\":"
        "%.6f,\"job_id\":\"bench\",\"seq\":%d}", time, time, seq);
    at[0] = (char)0x81, at[1] = 126, at[2] = (char)(length >> 8), at[3] = (char)length;
    return 4 + (size_t)length;
}

static void burst(int events) {
    size_t size = 0;
    char *frames = malloc((size_t)events * 512);
    for (int i = 0; i < events; i++) size += frame(frames + size, i + 1);
    memset(written, 0, sizeof written);
    for (int left = size ? count : 0; left;) {
        int stuck = 1;
        for (int i = 0; i < count; i++) {
            if (written[i] == size) continue;
            size_t piece = size - written[i] < PIECE ? size - written[i] : PIECE;
            ssize_t took = write(clients[i], frames + written[i], piece);
            if (took <= 0) continue;
            stuck = 0;
            if ((written[i] += (size_t)took) == size) left--;
        }
        struct epoll_event ready[64];
        if (stuck) epoll_wait(waker, ready, 64, 1000);
    }
    free(frames);
}

static void pace(int events, double rate) {
    double started = now();
    for (int i = 0; i < events; i++) {
        double wait = started + i / rate - now();
        struct timespec pause = {(time_t)wait, (long)((wait - (double)(time_t)wait) * 1e9)};
        if (wait > 0) nanosleep(&pause, NULL);
        burst(1);
    }
}

static void greet(int client) {
    char request[8192];
    size_t size = 0;
    while (!size || !memmem(request, size, "\r\n\r\n", 4)) {
        ssize_t got = read(client, request + size, sizeof request - size);
        if (got <= 0) {
            close(client);
            return;
        }
        size += (size_t)got;
    }
    if (write(client, accepted, sizeof accepted - 1) < 0) exit(1);
    fcntl(client, F_SETFL, O_NONBLOCK);
    int on = 1;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event wanted = {.events = EPOLLOUT | EPOLLET};
    epoll_ctl(waker, EPOLL_CTL_ADD, client, &wanted);
    clients[count++] = client;
}

int main(int argc, char **argv) {
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1, number;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[argc - 1]))};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 4096)) return 1;
    waker = epoll_create1(0);
    char line[64];
    double rate;
    for (;;) {
        fd_set ready;
        FD_ZERO(&ready);
        FD_SET(listener, &ready);
        FD_SET(0, &ready);
        if (select(listener + 1, &ready, NULL, NULL, NULL) <= 0) return 1;
        if (FD_ISSET(listener, &ready)) {
            greet(accept(listener, NULL, NULL));
            continue;
        }
        ssize_t got = read(0, line, sizeof line - 1);
        if (got <= 0) return 0;
        line[got] = 0;
        if (sscanf(line, "burst %d", &number) == 1) burst(number);
        if (sscanf(line, "pace %d %lf", &number, &rate) == 2) pace(number, rate);
        puts("done"), fflush(stdout);
    }
}
