# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""What was said, so that a failing test can show it; and work done on every server at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from dialogue.lab import Server

T = TypeVar("T")

_local = threading.local()


def note(text: str) -> None:
    """Print for pytest, which shows it when the test fails; inside ``Everywhere`` keep it for the server's own test."""
    transcript: list[str] | None = getattr(_local, "transcript", None)
    if transcript is None:
        print(text)
    else:
        transcript.append(text)


class Everywhere(Generic[T]):
    """Slow work, done once a session on all servers at the same time; each server's test gets its own evidence.

    Decorates a function of one server. Called with (server, all servers): returns what the function returned for the
    server, or raises what it raised, after printing what was noted meanwhile.
    """

    def __init__(self, work: Callable[[Server], T]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._results: dict[Server, Future[T]] = {}
        self._transcripts: dict[Server, list[str]] = {}

    def __call__(self, server: Server, servers: Sequence[Server]) -> T:
        with self._lock:
            if not self._results:
                self._run(servers)
        print("\n".join(self._transcripts[server]))
        return self._results[server].result()

    def _run(self, servers: Sequence[Server]) -> None:
        threads = []
        for server in servers:
            self._results[server] = Future()
            self._transcripts[server] = []
            threads.append(threading.Thread(target=self._run_one, args=(server,), daemon=True))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _run_one(self, server: Server) -> None:
        _local.transcript = self._transcripts[server]
        try:
            self._results[server].set_result(self._work(server))
        except BaseException as error:
            self._results[server].set_exception(error)
