# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Processes killed at random while mail comes in, and the account of what became of it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from dialogue.lab import PATIENCE, Server
from dialogue.load import Ledger, delivered, forget, keep_sending, until
from dialogue.notes import note

_KILL = """
end=$((SECONDS + {seconds})); kills=0
while [ $SECONDS -lt $end ]; do
    pid=$({processes} | shuf -n 1)
    [ -z "$pid" ] || {{ kill -9 $pid 2>/dev/null && kills=$((kills + 1)); }}
    sleep 0.8
done
echo $kills
"""


@dataclass(frozen=True)
class Chaos:
    """How many processes were killed, what was acknowledged meanwhile, and number -> copies of what arrived."""

    kills: int
    ledger: Ledger
    found: Counter[str]

    @property
    def lost(self) -> set[str]:
        """What was acknowledged and never came."""
        return self.ledger.acknowledged - set(self.found)


def kill_under_load(
    server: Server, processes: str, back: Callable[[], bool], *, seconds: int, kills: int, mails: int
) -> Chaos:
    """Mail for bob from four clients while, again and again, one of the ``processes`` dies.

    ``processes`` is a shell command that prints their numbers, ``back`` says whether the server serves again. On a slow
    machine it lasts several times ``seconds``, until there were as many ``kills`` and acknowledged ``mails`` as wanted.
    """
    ledger, killed = Ledger(), 0
    for _ in range(2 * PATIENCE):
        killed += _round(server, processes, ledger, seconds)
        assert until(back, 60), "the server did not come back"
        if killed >= kills and len(ledger.acknowledged) >= mails:
            break
    found = delivered(server, "bob", ledger, timeout=120)
    forget(server, "bob", ledger)
    note(f"[{server.name}] {killed} kills, {found.total() - len(found)} duplicates")
    return Chaos(killed, ledger, found)


def _round(server: Server, processes: str, ledger: Ledger, seconds: int) -> int:
    """Number of processes killed meanwhile."""
    kills = list[str]()
    script = _KILL.format(seconds=seconds, processes=processes)
    killer = threading.Thread(target=lambda: kills.append(server.shell(script, timeout=seconds + 60)))
    killer.start()
    keep_sending(server, ledger, server.address_of("bob"), seconds, clients=4, pause=0.05)
    killer.join()
    return int(kills[0])
