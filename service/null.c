/* The floor of the comparison: one static binary that answers every request with who it is, and nothing else.
   It has no /visits, no signals, no threads: what is measured with it is the substrate alone.
   Environment: PORT, BIND, NONCE. Prints the same two stamps as app.py. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS = 256 };

static long long now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static const char *setting(const char *name, const char *otherwise) {
  const char *value = getenv(name);
  return value && *value ? value : otherwise;
}

int main(void) {
  long long started = now_ns();
  int port = atoi(setting("PORT", "8080")), one = 1;
  printf("vmlab-service first-line monotonic_ns=%lld\n", started);
  fflush(stdout);

  struct utsname host;
  uname(&host);
  char body[512], answer[1024];
  int size = snprintf(body, sizeof body, "{\"version\": \"null\", \"instance\": \"%d\", \"nonce\": \"%s\", \"host\": \"%s\", "
                      "\"kernel\": \"%s\", \"started_monotonic_ns\": %lld}\n",
                      (int)getpid(), setting("NONCE", ""), host.nodename, host.release, started);
  int length = snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                        size, body);

  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, setting("BIND", "0.0.0.0"), &address.sin_addr);
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024)) {
    perror("null: listen");
    return 1;
  }
  printf("vmlab-service listening monotonic_ns=%lld port=%d\n", now_ns(), port);
  fflush(stdout);

  struct pollfd ready[CLIENTS] = {{.fd = listener, .events = POLLIN}};
  int count = 1;
  char request[16384];
  for (;;) {
    poll(ready, count, -1);
    for (int i = count - 1; i > 0; i--) {
      if (!ready[i].revents) continue;
      long got = read(ready[i].fd, request, sizeof request - 1);
      if (got > 0) request[got] = 0;
      int last = got > 0 && strcasestr(request, "\nconnection: close");
      if (got > 0 && write(ready[i].fd, answer, length) != length) got = -1;
      if (got <= 0 || last) {
        close(ready[i].fd);
        ready[i] = ready[--count];
      }
    }
    if (ready[0].revents && count < CLIENTS) {
      int client = accept(listener, 0, 0);
      setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      ready[count++] = (struct pollfd){.fd = client, .events = POLLIN};
    }
  }
}
