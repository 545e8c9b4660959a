# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Run the commands of a config_tree task, and keep secrets out of what they print."""

from __future__ import annotations

import os
import re
import select
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

# A fixed language so that messages can be understood and tested, and sbin, where the daemons live.
ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "LC_ALL": "C.UTF-8",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
    }
)
_OUTPUT_LIMIT = 4_000  # bytes of each stream, its end; an error must fit on a screen
_MASK = "********"


@dataclass(frozen=True)
class Outcome:
    """What a command did. `problem` is "" when it succeeded, else why it did not, in words."""

    command: str
    rc: int
    stdout: str
    stderr: str
    problem: str


def run(
    argv: Iterable[str], *, timeout: float, cwd: str, silent: bool = False, environment: Mapping[str, str] = ENVIRONMENT
) -> Outcome:
    """Run one program without a shell; never raises for what the program does.

    Args:
        timeout: seconds, after which its whole process group is killed (rc 124, as timeout(1) has it).
        silent: take anything on stderr for a failure (postconf(1) warns of unknown parameters and exits 0).
    """
    words = list(argv)
    shown = shlex.join(words)
    program = find(words[0], environment)
    if program is None:
        return Outcome(shown, 127, "", "", f"the program {words[0]!r} does not exist (PATH={environment['PATH']})")
    # Files instead of pipes: a daemon started by the command keeps a pipe open for its whole life.
    stdout, stderr = os.memfd_create("stdout"), os.memfd_create("stderr")
    try:
        try:
            process = subprocess.Popen(
                [program, *words[1:]],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=cwd,
                env=dict(environment),
                start_new_session=True,
                umask=0o022,
            )
        except OSError as error:
            return Outcome(shown, 126, "", "", f"could not be started: {error.strerror or error}")
        problem = ""
        try:
            rc = _wait(process, timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            rc, problem = 124, f"did not end within {timeout:.0f} s and was killed"
        out, err = _read(stdout), _read(stderr)
    finally:
        os.close(stdout)
        os.close(stderr)
    if not problem and rc != 0:
        problem = f"ended with exit status {rc}" if rc > 0 else f"was killed by signal {-rc}"
    elif not problem and silent and err.strip():
        problem = "ended with exit status 0, but must not write to stderr and did"
    return Outcome(shown, rc, out, err, problem)


def _wait(process: subprocess.Popen[bytes], timeout: float) -> int:
    """Wait without polling, as Popen.wait with a timeout does: half of a short command's time would be sleep."""
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:  # forbidden to this container, or a kernel before 5.3
        return process.wait(timeout)
    try:
        watch = select.poll()
        watch.register(handle, select.POLLIN)
        if not watch.poll(timeout * 1000):
            raise subprocess.TimeoutExpired(process.args, timeout)
    finally:
        os.close(handle)
    return process.wait()


def find(program: str, environment: Mapping[str, str] = ENVIRONMENT) -> str | None:
    """Return the path of a program, None when there is none that can be executed."""
    return shutil.which(program, path=environment["PATH"])


def _read(handle: int) -> str:
    size = os.fstat(handle).st_size
    text = os.pread(handle, _OUTPUT_LIMIT, max(0, size - _OUTPUT_LIMIT)).decode("utf-8", "replace")
    return f"[... {size - _OUTPUT_LIMIT} bytes left out]\n{text}" if size > _OUTPUT_LIMIT else text


class Masker:
    """Replaces what comes from a secret file by asterisks.

    A program may quote a whole line, or only a word of it, so both are masked. The name in front of `name = value`
    and words that also occur in files that are no secret stay readable: an error must still be understood.
    """

    _KEY = re.compile(r"^\s*[A-Za-z_][\w.-]*\s*=(?=\s*\S)")
    _WORDS = re.compile(r"""[\s=:,;"'{}()<>|]+""")
    _SHORTEST = 4

    def __init__(self, secret: Iterable[bytes], public: Iterable[bytes] = ()) -> None:
        known = {word for content in public for word in self._WORDS.split(content.decode("utf-8", "replace"))}
        found: set[str] = set()
        for content in secret:
            for line in content.decode("utf-8", "replace").splitlines():
                value = self._KEY.sub("", line).strip()
                found.add(line.strip())
                pieces = {value, *value.split(), *self._WORDS.split(value)}
                found |= pieces - known
        self._found = sorted((text for text in found if len(text) >= self._SHORTEST), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return the text without any of the secrets."""
        for secret in self._found:
            if secret in text:
                text = text.replace(secret, _MASK)
        return text
