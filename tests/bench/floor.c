/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor - the least that a server can do for a request: epoll_wait, recv, send of a fixed answer.
 *
 * usage: floor PORT BYTES THREADS. Nothing is parsed, looked up or logged, so its CPU for each
 * request is the kernel's share of what any server takes.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static char answer[1 << 20];
static size_t answer_n;
static int epolls[64];

static void *serve(void *arg)
{
    struct epoll_event events[256];
    static _Thread_local char in[16384];

    for (;;) {
        int n = epoll_wait(*(int *)arg, events, 256, -1);

        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;

            if (recv(fd, in, sizeof(in), 0) <= 0)
                close(fd);
            else
                (void)send(fd, answer, answer_n, MSG_NOSIGNAL);
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int s = socket(AF_INET, SOCK_STREAM, 0), body, threads;

    if (argc != 4)
        return 2;
    at.sin_port = htons((unsigned short)atoi(argv[1]));
    body = atoi(argv[2]);
    threads = atoi(argv[3]);
    answer_n = (size_t)snprintf(answer, 512,
                                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                "Content-Length: %d\r\nX-Of-Usual-Length: %0300d\r\n\r\n",
                                body, 0);
    memset(answer + answer_n, 'x', (size_t)body);
    answer_n += (size_t)body;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(s, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(s, 4096) < 0)
        return 1;
    for (int i = 0; i < threads; i++) {
        pthread_t t;

        epolls[i] = epoll_create1(0);
        pthread_create(&t, NULL, serve, &epolls[i]);
    }
    for (int i = 0;; i = (i + 1) % threads) {
        struct epoll_event e = {.events = EPOLLIN};
        int fd = accept(s, NULL, NULL);

        if (fd < 0)
            continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        e.data.fd = fd;
        epoll_ctl(epolls[i], EPOLL_CTL_ADD, fd, &e);
    }
}
