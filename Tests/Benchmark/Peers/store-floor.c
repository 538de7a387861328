/* Takes requests of a store from one client of a Unix socket and answers bytes of the size that a
   store would, in as few system calls as each way of waiting permits. It looks nothing up, decides
   nothing and keeps nothing: what it costs, no store that serves this client this way can avoid.

   epoll: three calls for what came at once, as every server of several clients needs them;
   block: two, as only a server of one client, or of one thread for each, can do with;
   uring: one, by io_uring, which some machines forbid (status 3 then). */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum { DIRECTORY = 1, READ = 2, START = 6, HEADER = 16, NAMES = 390, SIZE = 1 << 16 };

static unsigned char in[SIZE], out[4 * SIZE];
static unsigned int held;

static void fail(const char *what) {
    perror(what);
    exit(2);
}

/* Answers the whole requests among the `held` bytes; returns the length of the answers. */
static unsigned int answer(void) {
    unsigned int start = 0, end = 0;
    while (held - start >= HEADER) {
        uint32_t header[4];
        memcpy(header, in + start, HEADER);
        if (header[3] > 4096) exit(1);
        if (held - start - HEADER < header[3] || end + HEADER + NAMES > sizeof out) break;
        start += HEADER + header[3];
        header[3] = header[0] == READ ? 16 : header[0] == DIRECTORY ? NAMES
                  : header[0] == START ? 2 : 3;
        memcpy(out + end, header, HEADER);
        memcpy(out + end + HEADER, "1", 2);
        end += HEADER + header[3];
    }
    memmove(in, in + start, held - start);
    held -= start;
    return end;
}

static void write_all(int client, unsigned int count) {
    for (unsigned int done = 0; done < count;) {
        ssize_t wrote = send(client, out + done, count - done, MSG_NOSIGNAL);
        if (wrote < 0) exit(0);
        done += wrote;
    }
}

static void serve(int client, int waits) {
    int queue = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    if (waits && epoll_ctl(queue, EPOLL_CTL_ADD, client, &event)) fail("epoll_ctl");
    for (;;) {
        if (waits && epoll_wait(queue, &event, 1, -1) != 1) continue;
        ssize_t count = recv(client, in + held, SIZE - held, 0);
        if (count <= 0) exit(0);
        held += count;
        write_all(client, answer());
    }
}

static void serve_by_ring(int client) {
    struct io_uring_params p = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
    int ring = syscall(SYS_io_uring_setup, 8, &p);
    if (ring < 0) exit(3);
    size_t size = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
    size_t other = p.sq_off.array + p.sq_entries * sizeof(unsigned int);
    unsigned char *rings = mmap(0, size > other ? size : other, PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
    struct io_uring_sqe *orders = mmap(0, p.sq_entries * sizeof *orders, PROT_READ | PROT_WRITE,
                                       MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
    if (rings == MAP_FAILED || orders == MAP_FAILED || !(p.features & IORING_FEAT_SINGLE_MMAP))
        exit(3);
    unsigned int *tail = (unsigned int *)(rings + p.sq_off.tail);
    unsigned int *array = (unsigned int *)(rings + p.sq_off.array);
    unsigned int *head = (unsigned int *)(rings + p.cq_off.head);
    unsigned int *done = (unsigned int *)(rings + p.cq_off.tail);
    struct io_uring_cqe *results = (struct io_uring_cqe *)(rings + p.cq_off.cqes);
    unsigned int length = 0;
    for (;;) {
        unsigned int count = 0, place = *tail;
        for (int sends = length > 0; sends >= 0; sends--, count++, place++) {
            struct io_uring_sqe *order = &orders[place & (p.sq_entries - 1)];
            memset(order, 0, sizeof *order);
            order->opcode = sends ? IORING_OP_SEND : IORING_OP_RECV;
            order->fd = client;
            order->addr = (uintptr_t)(sends ? out : in + held);
            order->len = sends ? length : SIZE - held;
            order->msg_flags = sends ? MSG_NOSIGNAL | MSG_WAITALL : 0;
            order->user_data = sends;
            array[place & (p.sq_entries - 1)] = place & (p.sq_entries - 1);
        }
        __atomic_store_n(tail, place, __ATOMIC_RELEASE);
        if (syscall(SYS_io_uring_enter, ring, count, count, IORING_ENTER_GETEVENTS, 0, 0) < 0)
            fail("io_uring_enter");
        while (*head != __atomic_load_n(done, __ATOMIC_ACQUIRE)) {
            struct io_uring_cqe result = results[*head & (p.cq_entries - 1)];
            __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
            if (result.res <= 0) exit(0);
            if (result.user_data == 0) held += result.res;
        }
        length = answer();
    }
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fputs("usage: store-floor epoll|block|uring SOCKET\n", stderr);
        return 64;
    }
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, argv[2], sizeof address.sun_path - 1);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unlink(argv[2]);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 8))
        fail(argv[2]);
    int client = accept(listener, 0, 0);
    if (client < 0) fail("accept");
    if (!strcmp(argv[1], "uring")) serve_by_ring(client);
    else serve(client, !strcmp(argv[1], "epoll"));
}
