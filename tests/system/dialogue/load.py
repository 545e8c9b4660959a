# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Many messages at once, and the accounts of which were acknowledged and which arrived."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from dialogue.clients import FRIEND, stranger
from dialogue.imap import Mailbox
from dialogue.lab import PATIENCE, Server
from dialogue.message import new_token, plain
from dialogue.notes import note

# What a client sees of a server whose daemons die: no answer, a closed connection, half a line.
TROUBLE = (OSError, AssertionError)


@dataclass
class Ledger:
    """What was acknowledged with 250, by number; and every permanent refusal, of which there must be none."""

    token: str = field(default_factory=new_token)
    acknowledged: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    _numbers: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> str:
        """A number that no other message has."""
        with self._lock:
            self._numbers += 1
            return f"n{self._numbers}"


def send_one(server: Server, ledger: Ledger, recipient: str) -> bool:
    """One message on a connection of its own; whether it was acknowledged."""
    number = ledger.next()
    message = plain(f"{ledger.token} {number}", FRIEND, recipient, "y" * 70)
    try:
        with stranger(server, quiet=True, timeout=30) as client:
            reply = client.transaction(FRIEND, recipient, message)
    except TROUBLE:
        return False
    if reply.code == 250:
        ledger.acknowledged.add(number)
    elif reply.rejected:
        ledger.refused.append(str(reply))
    return reply.code == 250


def send_many(server: Server, ledger: Ledger, recipient: str, count: int, connections: int) -> None:
    """``count`` messages over ``connections`` parallel connections, each carrying its share; all are acknowledged."""

    def share(size: int) -> None:
        with stranger(server, quiet=True, timeout=240) as client:
            for _ in range(size):
                number = ledger.next()
                reply = client.transaction(
                    FRIEND, recipient, plain(f"{ledger.token} {number}", FRIEND, recipient, "y" * 70)
                )
                assert reply.code == 250, reply
                ledger.acknowledged.add(number)

    with ThreadPoolExecutor(max_workers=connections) as pool:
        list(pool.map(share, [count // connections] * connections))


def keep_sending(server: Server, ledger: Ledger, recipient: str, seconds: float, clients: int, pause: float) -> None:
    """Messages from ``clients`` at once for ``seconds``, whatever happens to them."""
    end = time.monotonic() + seconds

    def client() -> None:
        while time.monotonic() < end:
            send_one(server, ledger, recipient)
            time.sleep(pause)

    with ThreadPoolExecutor(max_workers=clients) as pool:
        for _ in range(clients):
            pool.submit(client)


def delivered(server: Server, owner: str, ledger: Ledger, *, timeout: float) -> Counter[str]:
    """Number -> copies, once every acknowledged message is there, or after ``timeout`` x PATIENCE.

    Meanwhile deferred mail is tried again at once instead of in minutes.
    """
    end = time.monotonic() + timeout * PATIENCE
    found: Counter[str] = Counter()
    while time.monotonic() < end:
        found = _look(server, owner, ledger)
        if not ledger.acknowledged - set(found):
            break
        server.run("postqueue", "-f", check=False)
        time.sleep(1)
    note(f"[{server.name}] acknowledged {len(ledger.acknowledged)}, arrived {len(found)}, copies {found.total()}")
    return found


def _look(server: Server, owner: str, ledger: Ledger) -> Counter[str]:
    try:
        with Mailbox(server, owner) as mailbox:
            return mailbox.subjects(ledger.token)
    except Exception as error:
        note(f"[{server.name}] IMAP: {error}")
        return Counter()


def forget(server: Server, owner: str, ledger: Ledger) -> None:
    """Remove the messages of the ledger from the mailbox."""
    with Mailbox(server, owner) as mailbox:
        mailbox.delete(ledger.token)


def until(ready: Callable[[], bool], seconds: float) -> bool:
    """Whether ``ready`` comes true within ``seconds`` x PATIENCE."""
    end = time.monotonic() + seconds * PATIENCE
    while not (done := ready()) and time.monotonic() < end:
        time.sleep(0.1)
    return done
