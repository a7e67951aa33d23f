"""The service that every substrate runs: a small HTTP server in one file of standard-library Python.

Its own start must add little to a boot: `import socket` alone costs 6 ms, `json` 7, `http.server` 40 (python3 -I -S, 2 cores),
hence the built-in modules below. One epoll loop answers all requests; `/work` uses its CPU time on a thread.
Environment: PORT, BIND, DATA_DIR, SECRET_FILE, NONCE, INSTANCE, DRAIN_SECONDS, SETTING_*. Out of scope: TLS, chunks, HTTP/2.
"""

import _signal
import _socket
import _thread
import os
import select
import time

STARTED = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
MAX_REQUEST_BYTES = 16384
REASONS = {200: "OK", 503: "Service Unavailable"}  # the others are "Refused"


def say(event: str, **members: object) -> None:
    """Print one line. CLOCK_MONOTONIC, in nanoseconds, is the host's clock except in a VM."""
    at = members.pop("at", time.monotonic_ns())
    words = "".join(f" {name}={value}" for name, value in members.items())
    os.write(1, f"vmlab-service {event} monotonic_ns={at}{words}\n".encode())


def as_json(members: dict) -> bytes:
    """A flat object of strings, numbers and booleans."""
    texts = {k: quoted(v) if isinstance(v, str) else str(v).lower() for k, v in members.items()}
    return ("{" + ", ".join(f"{quoted(k)}: {text}" for k, text in texts.items()) + "}\n").encode()


def quoted(text: str) -> str:
    """A JSON string. `_json` is not in python3-minimal, and `json` takes 7 ms to import."""
    plain = text.translate({34: '\\"', 92: "\\\\", **{code: f"\\u{code:04x}" for code in range(32)}})
    return f'"{plain}"'


class Visits:
    """A counter stored as the size of a file: appending one byte is atomic, also from several replicas on one volume.

    A visit is acknowledged after `sync`, once for each round of the loop, and then survives a power failure.
    """

    def __init__(self, directory: str) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self.file = os.open(f"{directory}/visits", flags, 0o600)
        self.dirty = False

    def add(self) -> int:
        """Count one visit; it is durable after `sync`."""
        os.write(self.file, b"\n")
        self.dirty = True
        return os.fstat(self.file).st_size

    def count(self) -> int:
        """Visits so far."""
        return os.fstat(self.file).st_size

    def sync(self) -> None:
        """Make every counted visit durable."""
        if self.dirty:
            os.fdatasync(self.file)
            self.dirty = False


class Service:
    """The answers: one method for each path, which returns status, content type and body."""

    def __init__(self, environment: dict) -> None:
        self.environment = environment
        self.visitors = Visits(environment.get("DATA_DIR", "/tmp"))
        self.held = bytearray()
        self.requests = 0
        self.draining = False
        identity = {
            "version": "1",
            "instance": environment.get("INSTANCE") or os.urandom(8).hex(),
            "nonce": environment.get("NONCE", ""),
            "host": os.uname().nodename,
            "kernel": os.uname().release,
            "boot_id": content("/proc/sys/kernel/random/boot_id").decode().strip(),
            "started_monotonic_ns": STARTED,
        }
        self.identity = as_json(identity)
        named = ("healthz", "readyz", "memory", "visits", "config", "metrics", "crash")
        self.routes = {"/": self.root, **{f"/{name}": getattr(self, name) for name in named}}

    def root(self, method: str, query: str) -> tuple:
        """The identity of this instance."""
        return 200, "application/json", self.identity

    def healthz(self, method: str, query: str) -> tuple:
        """Liveness."""
        return 200, "text/plain", b"ok\n"

    def readyz(self, method: str, query: str) -> tuple:
        """Readiness: 503 after SIGTERM."""
        return (503, "text/plain", b"draining\n") if self.draining else (200, "text/plain", b"ready\n")

    def memory(self, method: str, query: str) -> tuple:
        """Hold `mb` MiB from now on, written to, so that they are resident."""
        megabytes = whole(query, "mb", 0, 65536)
        self.held = bytearray()
        self.held = bytearray(b"\1") * (megabytes << 20)
        return 200, "application/json", as_json({"held_bytes": len(self.held)})

    def visits(self, method: str, query: str) -> tuple:
        """POST counts a visit, GET reads the count."""
        count = self.visitors.add() if method == "POST" else self.visitors.count()
        return 200, "application/json", as_json({"visits": count})

    def config(self, method: str, query: str) -> tuple:
        """The settings, and a fingerprint of the secret."""
        members = {k: v for k, v in sorted(self.environment.items()) if k.startswith("SETTING_")}
        return 200, "application/json", as_json({**members, "secret_sha256_prefix": self.fingerprint()})

    def fingerprint(self) -> str:
        """The first 12 hexadecimal digits of the secret's SHA-256; empty without a secret."""
        import _sha256  # 1 ms that only this answer needs

        secret = content(self.environment.get("SECRET_FILE", ""))
        return _sha256.sha256(secret).hexdigest()[:12] if secret else ""

    def metrics(self, method: str, query: str) -> tuple:
        """Prometheus text format."""
        usage = os.times()
        rows = [
            ("vmlab_requests_total", "counter", self.requests),
            ("vmlab_visits_total", "counter", self.visitors.count()),
            ("vmlab_held_bytes", "gauge", len(self.held)),
            ("process_cpu_seconds_total", "counter", usage.user + usage.system),
            ("vmlab_uptime_seconds", "gauge", (time.monotonic_ns() - STARTED) / 1e9),
        ]
        text = "".join(f"# TYPE {name} {kind}\n{name} {value}\n" for name, kind, value in rows)
        return 200, "text/plain; version=0.0.4", text.encode()

    def crash(self, method: str, query: str) -> tuple:
        """Exit at once, without a message, as a defect would."""
        os._exit(70)

    def answer(self, method: str, path: str, query: str) -> tuple:
        """Route one request."""
        self.requests += 1
        if method not in ("GET", "HEAD", "POST"):
            return 405, "text/plain", b"method not allowed\n"
        if path not in self.routes:
            return 404, "text/plain", b"no such path\n"
        try:
            return self.routes[path](method, query)
        except ValueError as error:
            return 400, "text/plain", f"{error}\n".encode()


class Connection:
    """One client: bytes received and not yet handled, bytes to send."""

    def __init__(self, link: _socket.socket) -> None:
        self.link = link
        self.received = b""
        self.to_send = b""
        self.waiting = False  # for the result of /work
        self.closing = False
        self.blocked = False  # the socket's send buffer is full


class Server:
    """The loop: accepts, reads, answers in order, and stops after SIGTERM."""

    def __init__(self, service: Service, link: _socket.socket, drain_seconds: float) -> None:
        self.service = service
        self.link = link
        self.drain_seconds = drain_seconds
        self.connections: dict = {}
        self.fresh: list = []  # connections with an answer from this round
        self.deadline = 0.0  # of the drain, after SIGTERM
        self.poll = select.epoll()
        self.poll.register(link.fileno(), select.EPOLLIN)
        self.wake_in, self.wake_out = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.poll.register(self.wake_in, select.EPOLLIN)
        self.done: list = []  # (connection, answer) of finished /work
        _signal.signal(_signal.SIGTERM, self.stop)
        _signal.set_wakeup_fd(self.wake_out)

    def run(self) -> None:
        """Serve until stopped."""
        while not (self.deadline and self.finished()):
            for number, _ in self.poll.poll(self.timeout()):
                self.handle(number)
            self.finish_work()
            self.flush()

    def stop(self, number: int, frame: object) -> None:
        """SIGTERM: not ready from now on; after DRAIN_SECONDS refuse new clients and finish running requests."""
        self.service.draining = True
        self.deadline = self.deadline or time.monotonic() + self.drain_seconds

    def timeout(self) -> float:
        """How long the poll may block, in seconds; -1 is without a limit."""
        return max(0.0, self.deadline - time.monotonic()) or 0.05 if self.deadline else -1

    def finished(self) -> bool:
        """After the drain: refuse new clients; true when no client waits for an answer."""
        if time.monotonic() < self.deadline:
            return False
        if self.link.fileno() >= 0:
            self.poll.unregister(self.link.fileno())
            self.link.close()
        return not any(c.waiting or c.to_send or c.received for c in self.connections.values())

    def handle(self, number: int) -> None:
        """One descriptor is ready."""
        if number == self.link.fileno():
            self.accept()
        elif number == self.wake_in:
            os.read(self.wake_in, 4096)
        elif connection := self.connections.get(number):
            self.receive(connection)

    def accept(self) -> None:
        """Accept all pending connections."""
        while True:
            try:
                descriptor, _ = self.link._accept()  # type: ignore[attr-defined]  # `socket` adds the public name
            except (BlockingIOError, ConnectionAbortedError):
                return
            link = _socket.socket(fileno=descriptor)
            link.setblocking(False)
            link.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
            self.connections[descriptor] = Connection(link)
            self.poll.register(descriptor, select.EPOLLIN)

    def receive(self, connection: Connection) -> None:
        """Read, and answer complete requests."""
        self.fresh += [connection] if connection.to_send else []
        try:
            data = connection.link.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close(connection)
            return
        connection.received += data
        self.answer(connection)

    def answer(self, connection: Connection) -> None:
        """Answer complete requests in order; those after a /work wait for it."""
        while not connection.waiting and not connection.closing:
            head, mark, rest = connection.received.partition(b"\r\n\r\n")
            if not mark:
                if len(head) > MAX_REQUEST_BYTES:
                    self.reply(connection, (431, "text/plain", b"request too large\n"), False, True)
                return
            words, headers = parse(head)
            length = headers.get(b"content-length", b"0")
            if len(words) != 3 or not length.isdigit() or int(length) > MAX_REQUEST_BYTES:
                self.reply(connection, (400, "text/plain", b"bad request\n"), False, True)
                return
            if len(rest) < int(length):
                return
            connection.received = rest[int(length) :]
            self.dispatch(connection, words, headers)

    def dispatch(self, connection: Connection, words: list, headers: dict) -> None:
        """One request."""
        method = words[0].decode("latin-1")
        path, _, query = words[1].decode("latin-1").partition("?")
        last = headers.get(b"connection", b"").lower() == b"close" or words[2] == b"HTTP/1.0"
        if path == "/work":
            self.start_work(connection, query, last)
        else:
            self.reply(connection, self.service.answer(method, path, query), method == "HEAD", last)

    def start_work(self, connection: Connection, query: str, last: bool) -> None:
        """Use CPU time on a thread."""
        self.service.requests += 1
        try:
            milliseconds = whole(query, "ms", 10, 60000)
        except ValueError as error:
            self.reply(connection, (400, "text/plain", f"{error}\n".encode()), False, last)
            return
        connection.waiting = True

        def work() -> None:
            rounds = burn(milliseconds)
            self.done.append((connection, (200, "application/json", as_json({"rounds": rounds})), last))
            os.write(self.wake_out, b"\0")

        _thread.start_new_thread(work, ())

    def finish_work(self) -> None:
        """Answer the requests whose threads have finished."""
        while self.done:
            connection, answer, last = self.done.pop(0)
            connection.waiting = False
            self.reply(connection, answer, False, last)
            self.answer(connection)

    def reply(self, connection: Connection, answer: tuple, bare: bool, last: bool) -> None:
        """Queue an answer; it is sent at the end of the round, when visits are on disk."""
        status, kind, body = answer
        end = "close" if last or self.service.draining else "keep-alive"
        head = f"HTTP/1.1 {status} {REASONS.get(status, 'Refused')}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        connection.to_send += f"{head}Connection: {end}\r\n\r\n".encode() + (b"" if bare else body)
        connection.closing = end == "close"
        self.fresh.append(connection)

    def flush(self) -> None:
        """Send the answers of this round."""
        if not self.fresh:
            return
        self.service.visitors.sync()
        fresh, self.fresh = self.fresh, []
        for connection in fresh:
            self.send(connection)

    def send(self, connection: Connection) -> None:
        """Send as much as the socket accepts; the rest when it is writable again."""
        try:
            connection.to_send = connection.to_send[connection.link.send(connection.to_send) :]
        except BlockingIOError:
            pass
        except OSError:
            self.close(connection)
            return
        if connection.closing and not connection.to_send:
            self.close(connection)
        elif connection.blocked != bool(connection.to_send):
            connection.blocked = bool(connection.to_send)
            wanted = select.EPOLLIN | (select.EPOLLOUT if connection.blocked else 0)
            self.poll.modify(connection.link.fileno(), wanted)

    def close(self, connection: Connection) -> None:
        """Close a client's connection."""
        number = connection.link.fileno()
        if self.connections.pop(number, None) is not None:
            self.poll.unregister(number)
            connection.to_send = connection.received = b""
            connection.link.close()


def parse(head: bytes) -> tuple:
    """The words of the request line, and the headers by lower-case name."""
    line, *rest = head.split(b"\r\n")
    headers = {}
    for name, _, value in (row.partition(b":") for row in rest):
        headers[name.strip().lower()] = value.strip()
    return line.split(b" "), headers


def whole(query: str, name: str, default: int, most: int) -> int:
    """A whole number from the query; ValueError if it is not one or above `most`."""
    for part in query.split("&"):
        key, _, value = part.partition("=")
        if key == name:
            if not value.isdigit() or int(value) > most:
                raise ValueError(f"{name} must be a whole number from 0 to {most}")
            return int(value)
    return default


def burn(milliseconds: int) -> int:
    """Use that much CPU time of this thread (not wall time, so that a quota has an effect)."""
    end = time.clock_gettime_ns(time.CLOCK_THREAD_CPUTIME_ID) + milliseconds * 1_000_000
    rounds = 0
    while time.clock_gettime_ns(time.CLOCK_THREAD_CPUTIME_ID) < end:
        rounds += 1
        sum(range(200))
    return rounds


def content(path: str) -> bytes:
    """The content of a small file; empty if it cannot be read."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - pathlib takes 10 ms to import
            return file.read(65536)
    except OSError:
        return b""


def main(environment: dict) -> None:
    """Listen and serve."""
    say("first-line", at=STARTED)
    service = Service(environment)
    link = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    link.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    link.bind((environment.get("BIND", "0.0.0.0"), int(environment.get("PORT", "8080"))))
    link.setblocking(False)
    server = Server(service, link, float(environment.get("DRAIN_SECONDS", "0")))
    link.listen(1024)
    say("listening", port=link.getsockname()[1])
    server.run()
    say("stopped")


if __name__ == "__main__":
    main(dict(os.environ))
