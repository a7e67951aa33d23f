/* The minimum service: one static binary that answers every request with its identity.
 *
 * It has no /visits, threads or settings, so that the substrate alone is measured. Environment: PORT, BIND, NONCE,
 * INSTANCE. The stamps and the keys of its answer are those of app.py. Out of scope: request bodies, and paths.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS = 1024, TEXT = 4096 };

struct client {
    int matched; /* how many bytes of END were received last; a request may arrive in pieces */
};

static const char END[] = "\r\n\r\n";
static struct pollfd ready[CLIENTS + 1]; /* the first is the listener */
static struct client clients[CLIENTS + 1];
static char answer[TEXT];
static int answer_size;

static long long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static const char *setting(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

static void end(int number) { /* without a handler, PID 1 ignores SIGTERM */
    (void)number;
    _exit(0);
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void prepare_answer(long long started) {
    char body[TEXT - 256], boot[64] = "", drawn[17] = "";
    struct utsname host;
    uname(&host);
    int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        long got = read(file, boot, sizeof boot - 1);
        boot[got > 0 ? strcspn(boot, "\n") : 0] = 0;
        close(file);
    }
    unsigned long long bits = 0;
    if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) < 0) bits = (unsigned long long)started;
    snprintf(drawn, sizeof drawn, "%016llx", bits);
    int size = snprintf(body, sizeof body,
                        "{\"version\": \"null\", \"instance\": \"%s\", \"nonce\": \"%s\", \"host\": \"%s\", "
                        "\"kernel\": \"%s\", \"boot_id\": \"%s\", \"started_monotonic_ns\": %lld}\n",
                        setting("INSTANCE", drawn), setting("NONCE", ""), host.nodename, host.release, boot, started);
    if (size >= (int)sizeof body) {
        fputs("null: NONCE or INSTANCE is too long\n", stderr);
        exit(1);
    }
    answer_size = snprintf(answer, sizeof answer,
                           "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
                           "Connection: keep-alive\r\n\r\n%s",
                           size, body);
}

static int listening(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(setting("PORT", "8080")))};
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (inet_pton(AF_INET, setting("BIND", "0.0.0.0"), &address.sin_addr) != 1) fail("null: BIND");
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024)) fail("null: listen");
    return listener;
}

/* Answer each complete request; 0 when the connection is closed or to be closed. */
static int serve(int link, struct client *client) {
    char data[16384];
    long got = read(link, data, sizeof data - 1);
    if (got <= 0) return 0;
    data[got] = 0;
    for (long i = 0; i < got; i++) {
        client->matched = data[i] == END[client->matched] ? client->matched + 1 : data[i] == END[0];
        if (client->matched < 4) continue;
        client->matched = 0;
        if (write(link, answer, answer_size) != answer_size) return 0;
    }
    return !strcasestr(data, "\nconnection: close");
}

int main(void) {
    long long started = now_ns();
    dprintf(1, "vmlab-service first-line monotonic_ns=%lld\n", started);
    signal(SIGTERM, end);
    signal(SIGPIPE, SIG_IGN);
    prepare_answer(started);
    int count = 1, on = 1;
    ready[0] = (struct pollfd){.fd = listening(), .events = POLLIN};
    dprintf(1, "vmlab-service listening monotonic_ns=%lld port=%s\n", now_ns(), setting("PORT", "8080"));

    for (;;) {
        if (poll(ready, count, -1) < 0) continue;
        for (int i = count - 1; i > 0; i--) {
            if (!ready[i].revents || serve(ready[i].fd, &clients[i])) continue;
            close(ready[i].fd);
            ready[i] = ready[--count];
            clients[i] = clients[count];
        }
        while (count <= CLIENTS) {
            int link = accept4(ready[0].fd, 0, 0, SOCK_CLOEXEC);
            if (link < 0) break;
            setsockopt(link, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            clients[count] = (struct client){0};
            ready[count++] = (struct pollfd){.fd = link, .events = POLLIN};
        }
        ready[0].events = count <= CLIENTS ? POLLIN : 0;
    }
}
