/* Open-loop load: requests leave at times that were fixed beforehand, whether or not earlier ones were answered.
 *
 *     openloop PORT CONNECTIONS TIMES REQUEST RESULT
 *
 * TIMES holds the intended send times as 64-bit nanoseconds after the start, REQUEST a whole HTTP request. A
 * request that finds no free connection waits for one, and its time runs on. RESULT gets two 64-bit numbers for
 * each request, when it was sent and when its answer was complete. Any answer that is not a 2xx ends the run.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_BYTES 65536
#define DRAIN_S 60

struct connection {
    int fd;
    size_t sent, got, wanted; /* wanted: bytes of the whole answer, 0 until its head is known */
    int64_t number;           /* the request it carries, -1: none */
    char answer[ANSWER_BYTES];
};

static int64_t *times, *results;
static char *request;
static size_t request_bytes, count, next, done;
static struct connection *connections;
static int *idle, idle_count, poll_fd, timer_fd;
static int64_t began_ns;

static void fail(const char *what)
{
    fprintf(stderr, "openloop: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void *read_file(const char *path, size_t *size)
{
    struct stat about;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &about))
        fail(path);
    char *text = malloc(about.st_size + 1);
    for (*size = 0; *size < (size_t)about.st_size;) {
        ssize_t part = read(fd, text + *size, about.st_size - *size);
        if (part <= 0)
            fail(path);
        *size += part;
    }
    close(fd);
    return text;
}

static void watch(int index, uint32_t events, int operation)
{
    struct epoll_event event = {.events = events, .data.u32 = index};
    if (epoll_ctl(poll_fd, operation, connections[index].fd, &event))
        fail("epoll_ctl");
}

static void open_connection(int index, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address))
        fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    connections[index] = (struct connection){.fd = fd, .number = -1};
    watch(index, EPOLLIN, EPOLL_CTL_ADD);
    idle[idle_count++] = index;
}

static void send_more(int index)
{
    struct connection *c = &connections[index];
    while (c->sent < request_bytes) {
        ssize_t part = send(c->fd, request + c->sent, request_bytes - c->sent, MSG_NOSIGNAL);
        if (part < 0 && errno == EAGAIN)
            return watch(index, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
        if (part < 0)
            fail("send");
        c->sent += part;
    }
}

/* Sends all that is due and finds a free connection. */
static void send_due(void)
{
    while (next < count && idle_count) {
        int64_t now = now_ns();
        if (began_ns + times[next] > now)
            break;
        int index = idle[--idle_count];
        struct connection *c = &connections[index];
        c->number = next;
        c->sent = c->got = c->wanted = 0;
        results[2 * next++] = now - began_ns;
        send_more(index);
    }
    if (next < count && idle_count) {
        int64_t at = began_ns + times[next];
        struct itimerspec due = {.it_value = {at / 1000000000, at % 1000000000}};
        timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &due, NULL);
    }
}

/* Learns the answer's length from its head, once that is complete. */
static void read_head(struct connection *c)
{
    c->answer[c->got] = 0;
    char *end = strstr(c->answer, "\r\n\r\n");
    if (!end) {
        if (c->got == ANSWER_BYTES - 1)
            fail("an answer's head is too long");
        return;
    }
    char *length = strcasestr(c->answer, "\r\ncontent-length:");
    if (strncmp(c->answer, "HTTP/1.1 2", 10) || !length || length > end) {
        fprintf(stderr, "%.1000s\n", c->answer);
        errno = 0;
        fail("not a success of known length");
    }
    c->wanted = end + 4 - c->answer + strtoull(length + 17, NULL, 10);
}

static void receive(int index)
{
    struct connection *c = &connections[index];
    for (;;) {
        /* The body's content is of no interest, so it may go where the body before it went. */
        size_t offset = c->wanted ? 0 : c->got, room = ANSWER_BYTES - 1 - offset;
        ssize_t part = recv(c->fd, c->answer + offset, room, 0);
        if (part < 0 && errno == EAGAIN)
            return;
        if (part <= 0 || c->number < 0)
            fail("the server closed a connection, or spoke unasked");
        c->got += part;
        if (!c->wanted)
            read_head(c);
        if (c->wanted && c->got >= c->wanted) {
            results[2 * c->number + 1] = now_ns() - began_ns;
            c->number = -1;
            idle[idle_count++] = index;
            done++;
            return;
        }
    }
}

static void run(int size)
{
    struct epoll_event events[256];
    uint64_t expired;
    int64_t end_ns = began_ns + times[count - 1] + (int64_t)DRAIN_S * 1000000000;
    while (done < count) {
        send_due();
        int ready = epoll_wait(poll_fd, events, 256, 1000);
        for (int i = 0; i < ready; i++) {
            uint32_t index = events[i].data.u32;
            if (index == (uint32_t)size) {
                if (read(timer_fd, &expired, sizeof expired) < 0 && errno != EAGAIN)
                    fail("timer");
                continue;
            }
            if (events[i].events & EPOLLOUT) {
                watch(index, EPOLLIN, EPOLL_CTL_MOD);
                send_more(index);
            }
            if (events[i].events & ~EPOLLOUT)
                receive(index);
        }
        errno = 0;
        if (now_ns() > end_ns)
            fail("answers are missing");
    }
}

int main(int argc, char **argv)
{
    size_t bytes;
    if (argc != 6)
        fail("usage: openloop PORT CONNECTIONS TIMES REQUEST RESULT");
    int size = atoi(argv[2]);
    times = read_file(argv[3], &bytes);
    count = bytes / sizeof *times;
    request = read_file(argv[4], &request_bytes);
    results = calloc(2 * count, sizeof *results);
    connections = calloc(size, sizeof *connections);
    idle = calloc(size, sizeof *idle);
    poll_fd = epoll_create1(0);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    for (int index = 0; index < size; index++)
        open_connection(index, atoi(argv[1]));
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = size};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, timer_fd, &event);
    began_ns = now_ns();
    run(size);
    FILE *out = fopen(argv[5], "wb");
    if (!out || fwrite(results, 2 * sizeof *results, count, out) != count || fclose(out))
        fail(argv[5]);
    return 0;
}
