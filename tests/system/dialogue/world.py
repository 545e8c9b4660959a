# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The outside host: its MTA sends, its mailbox shows what came, and it connects from addresses with a bad name."""

from __future__ import annotations

import shlex

from dialogue.lab import Host, Server, insistently, wait_for

MAILDIR = "/var/mail/world/Maildir"


def received(world: Host, token: str, *, timeout: float = 40, queue: Server | None = None) -> bytes:
    """The one message with ``token`` in it that came for any address at world. AssertionError when none comes.

    ``queue``: the server where it may wait for another attempt.
    """

    def ready() -> list[str]:
        return _files(world, token)

    wait_for(f"{token} at world", insistently(queue, ready) if queue else ready, timeout=timeout)
    files = _files(world, token)
    assert len(files) == 1, files
    return world.run("cat", files[0]).stdout


def count(world: Host, token: str) -> int:
    """How many messages with ``token`` world has."""
    return len(_files(world, token))


def _files(world: Host, token: str) -> list[str]:
    search = f"grep -rlF -- {shlex.quote(token)} {MAILDIR} 2>/dev/null || true"
    return world.shell(search).split()


def send(world: Host, sender: str, recipient: str, message: bytes) -> None:
    """Give a message to world's own MTA, which looks up the MX and delivers it."""
    world.run("/usr/sbin/sendmail", "-i", "-f", sender, "--", recipient, data=message.replace(b"\r\n", b"\n"))


def swaks(world: Host, *arguments: str) -> tuple[int, str]:
    """Exit status of swaks(1) run in world, and its transcript."""
    done = world.run("swaks", *arguments, check=False)
    transcript = (done.stdout + done.stderr).decode(errors="replace")
    print(f"[world] $ swaks {shlex.join(arguments)}\n{transcript}")
    return done.returncode, transcript
