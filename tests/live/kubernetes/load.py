"""Two kinds of load: requests that come whether or not the last was answered, and workers that keep the pods busy."""

from __future__ import annotations

import json
import threading
import time
from types import TracebackType
from typing import Self

from clients.http_probe import ask

ANSWER_SECONDS = 5.0


class OpenLoad:
    """So many requests a second, each on a connection and a thread of its own; counts what was answered, and by whom."""

    def __init__(self, url: str, per_second: int) -> None:
        self._url, self._pause = f"{url}/", 1 / per_second
        self._stop = threading.Event()
        self._asked: list[threading.Thread] = []
        self._clock = threading.Thread(target=self._run)
        self.answered = 0
        self.failures: list[str] = []
        self.hosts: set[str] = set()

    def __enter__(self) -> Self:
        self._clock.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._clock.join()
        for thread in self._asked:
            thread.join()

    def go_on(self, seconds: float) -> None:
        """Let it go on for a while."""
        self._stop.wait(seconds)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due += self._pause
            self._asked.append(threading.Thread(target=self._ask, args=(time.monotonic(),)))
            self._asked[-1].start()

    def _ask(self, since: float) -> None:
        answer = ask(self._url, ANSWER_SECONDS)
        if answer is None or answer.status != 200:
            self.failures.append(
                f"{answer.status if answer else 'no answer'} after {time.monotonic() - since:.3f} s"
            )
            return
        self.answered += 1
        self.hosts.add(json.loads(answer.body)["host"])


class Workers:
    """So many clients that make the service compute, one request after the other."""

    def __init__(self, url: str, count: int) -> None:
        self._url = f"{url}/work?ms=100"
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            ask(self._url, ANSWER_SECONDS)
