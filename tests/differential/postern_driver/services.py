# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The Postfix daemons beside smtpd: a shared master, and trivial-rewrite with the configuration of the case."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path

from postern_driver.stubs import QUEUE

SHARED = Path("/etc/postern-shared")
LIBEXEC = Path("/usr/lib/postfix/sbin")

_MAIN_CF = """compatibility_level = 3.6
myhostname = shared.example.org
mydestination =
fast_flush_domains = static:all
inet_interfaces = loopback-only
rewrite_service_name = shared-rewrite
in_flow_delay = 0
"""
# Nothing delivers: there is no qmgr, and what cleanup queues is thrown away by the driver.
# in_flow_delay: else cleanup waits for a qmgr that takes its messages on.
_MASTER_CF = """cleanup   unix n - n - 0 cleanup
shared-rewrite unix - - n - - trivial-rewrite
anvil     unix - - n - 1 anvil
flush     unix n - n 1000? 0 flush
proxymap  unix - - n - - proxymap
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
tlsmgr    unix - - n 1000? 1 tlsmgr
"""


def start_shared_master() -> None:
    """Start Postfix with a configuration of its own for what answers do not depend on."""
    SHARED.mkdir(exist_ok=True)
    (SHARED / "main.cf").write_text(_MAIN_CF)
    (SHARED / "master.cf").write_text(_MASTER_CF)
    for name in ("dynamicmaps.cf", "dynamicmaps.cf.d", "postfix-files", "postfix-files.d"):
        source, link = Path("/etc/postfix") / name, SHARED / name
        if source.exists() and not link.exists():
            link.symlink_to(source)
    os.makedirs(QUEUE, exist_ok=True)
    subprocess.run(["postfix", "-c", str(SHARED), "start"], check=True, capture_output=True)


def throw_mail_away() -> None:
    """Remove what cleanup has queued."""
    for folder in ("incoming", "hold", "deferred", "active", "maildrop", "corrupt"):
        path = QUEUE / folder
        for entry in path.iterdir() if path.is_dir() else ():
            if entry.is_file():
                entry.unlink(missing_ok=True)
            else:
                shutil.rmtree(entry, ignore_errors=True)


class Rewrite:
    """Plays master(8) for one trivial-rewrite, the resolver of addresses, which must have the case's main.cf."""

    def __init__(self) -> None:
        path = QUEUE / "private/rewrite"
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        path.chmod(0o666)
        self._listener.listen(128)
        self._listener.setblocking(False)
        self._pid = 0

    def start(self) -> None:
        """Start it with the configuration in /etc/postfix; the one before must have been stopped."""
        mine, theirs = socket.socketpair()
        flow_read, flow_write = os.pipe()
        # master_proto.h: flow control on 3 and 4, status on 5, the listening socket on 6.
        sources = [flow_read, flow_write, theirs.fileno(), self._listener.fileno()]
        spare = [os.dup(source) for source in sources]
        high = [_move_up(descriptor) for descriptor in spare]
        actions = [(os.POSIX_SPAWN_DUP2, descriptor, number) for number, descriptor in enumerate(high, 3)]
        command = [str(LIBEXEC / "trivial-rewrite"), "-l", "-n", "rewrite", "-t", "unix", "-u"]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MAIL_CONFIG": "/etc/postfix", "LANG": "C"}
        self._pid = os.posix_spawn(command[0], command, environment, file_actions=actions)
        for descriptor in [*high, flow_read, flow_write]:
            os.close(descriptor)
        theirs.close()
        threading.Thread(target=_listen, args=(mine,), daemon=True).start()

    def stop(self) -> None:
        """Stop it and wait for its end."""
        if self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0


def _listen(status: socket.socket) -> None:
    """Take what a daemon tells its master until it ends: it waits when nobody reads."""
    with status:
        while status.recv(4096):
            pass


def _move_up(descriptor: int) -> int:
    """A duplicate with a number of at least 50, out of the way of 3 to 6."""
    import fcntl

    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 50)
    os.close(descriptor)
    return moved
