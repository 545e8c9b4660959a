# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Commands in containers without the engine's own start for each: one process stays there and runs what it is told.

Tests ask thousands of questions, and ask them again while they wait.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import itertools
import json
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import Future

from postern_lab.engine import find_engine

# Reads a question in a line, answers it in another, in whatever order they are ready. Output goes to memory and not
# through pipes: a daemon that was started and keeps them open would never let them end.
_PROGRAM = """
import base64, json, os, subprocess, sys, threading
lock = threading.Lock()
def answer(number, command, data):
    files = [os.fdopen(os.memfd_create(name), "w+b") for name in ("input", "output", "error")]
    files[0].write(base64.b64decode(data or ""))
    files[0].seek(0)
    try:
        stdin = subprocess.DEVNULL if data is None else files[0]
        status = subprocess.run(command, stdin=stdin, stdout=files[1], stderr=files[2]).returncode
    except OSError as error:
        status = 127
        files[2].write(str(error).encode())
    words = []
    for file in files[1:]:
        file.seek(0)
        words.append(base64.b64encode(file.read()).decode())
    for file in files:
        file.close()
    with lock:
        print(json.dumps([number, status, *words]), flush=True)
for line in sys.stdin:
    threading.Thread(target=answer, args=json.loads(line), daemon=True).start()
"""

_GONE = 255

Answer = tuple[int, bytes, bytes]  # exit status, output, error output


class _Link:
    """One such process, until it ends."""

    def __init__(self, container: str) -> None:
        line = find_engine().command("exec", "--interactive", container, "python3", "-c", _PROGRAM)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self._process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors)
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._waiting: dict[int, Future[Answer]] = {}
        self.ended = False
        threading.Thread(target=self._read, daemon=True).start()

    def ask(self, command: list[str], data: str | None) -> Future[Answer] | None:
        """The answer to come; None when nobody is there to be asked."""
        assert self._process.stdin
        with self._lock:
            if self.ended:
                return None
            number, future = next(self._numbers), Future[Answer]()
            self._waiting[number] = future
            with contextlib.suppress(BrokenPipeError):  # then the end is near
                self._process.stdin.write(json.dumps([number, command, data]).encode() + b"\n")
                self._process.stdin.flush()
            return future

    def _read(self) -> None:
        """Hand over the answers; what has none in the end is a failure."""
        assert self._process.stdout
        for line in self._process.stdout:
            number, status, *words = json.loads(line)
            output, errors = map(base64.b64decode, words)
            self._waiting.pop(number).set_result((status, output, errors))
        status = self._process.wait()
        self._errors.seek(0)
        words = self._errors.read() or b"the container has stopped"
        with self._lock:
            self.ended = True
            for future in self._waiting.values():
                future.set_result((status or _GONE, b"", words))


class Agent:
    """The process in one container, for all threads of a session of tests; started when it is needed, and again."""

    def __init__(self, container: str) -> None:
        self._container = container
        self._lock = threading.Lock()
        self._link: _Link | None = None

    def run(self, command: Sequence[str], data: bytes | None, timeout: float) -> subprocess.CompletedProcess[bytes]:
        """As the engine's ``exec``: when the container is not running, or stops, the status is not zero.

        Raises TimeoutExpired after ``timeout`` seconds; what was begun goes on.
        """
        text = None if data is None else base64.b64encode(data).decode()
        with self._lock:
            future = self._link.ask(list(command), text) if self._link else None
            if future is None:
                self._link = _Link(self._container)
                future = self._link.ask(list(command), text)
        if future is None:
            return subprocess.CompletedProcess(list(command), _GONE, b"", b"the container does not run")
        try:
            status, output, errors = future.result(timeout)
        except TimeoutError as error:
            raise subprocess.TimeoutExpired(list(command), timeout) from error
        return subprocess.CompletedProcess(list(command), status, output, errors)


@functools.cache
def agent_of(container: str) -> Agent:
    """The agent of a container, the same for everybody."""
    return Agent(container)
