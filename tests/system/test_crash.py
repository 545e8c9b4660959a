# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Bursts, killed daemons, killed machines: what was acknowledged with 250 arrives."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from dialogue.chaos import Chaos, kill_under_load
from dialogue.clients import FRIEND, verdict
from dialogue.imap import Mailbox
from dialogue.lab import Server
from dialogue.load import Ledger, delivered, forget, send_many, until
from dialogue.notes import Everywhere
from dialogue.smtp import CLOSED, Reply, elapsed
from postern_lab.engine import find_engine

pytestmark = pytest.mark.disturbs


@Everywhere
def burst(server: Server) -> tuple[Ledger, Counter[str]]:
    ledger = Ledger()
    send_many(server, ledger, server.address_of("bob"), 500, connections=5)
    found = delivered(server, "bob", ledger, timeout=90)
    forget(server, "bob", ledger)
    return ledger, found


def test_five_hundred_messages_in_a_burst_arrive_exactly_once(server: Server, servers: list[Server]) -> None:
    ledger, found = burst(server, servers)
    assert len(ledger.acknowledged) == 500
    assert set(found) == ledger.acknowledged
    assert found.total() == 500


def answers(server: Server) -> bool:
    """Whether a stranger's mail for alice is taken and alice can read hers."""
    try:
        return verdict(server, FRIEND, server.address_of("alice")).code == 250 and _logs_in(server)
    except Exception:
        return False


def _logs_in(server: Server) -> bool:
    with Mailbox(server, "alice") as mailbox:
        return mailbox.select()


@Everywhere
def masters_killed(server: Server) -> float:
    """Seconds until the server answers on 25 and 993 after both masters were killed with SIGKILL."""
    pids = server.shell(_MASTERS).split()
    assert len(pids) >= 2, pids
    server.shell(f"kill -9 {' '.join(pids)}")
    started = time.monotonic()
    assert until(lambda: answers(server), 40), "neither master came back"
    return elapsed(started)


_MASTERS = "cat $(postconf -hx queue_directory)/pid/master.pid /run/dovecot/master.pid"


def test_killed_masters_come_back(server: Server, servers: list[Server]) -> None:
    """In under four seconds on a quiet machine; the time is told, and no machine is too slow."""
    print(f"back after {masters_killed(server, servers):.1f} s")
    assert answers(server)


# Any daemon, masters included; not the scripts that start them, which nobody has acknowledged mail to.
_DAEMONS = r"""ps -eo pid=,comm=,cgroup= | awk '/(postfix|dovecot|header-guard)[^ ]*[.]service/ &&
    $2 !~ /^(sh|bash|dash|sed|find|cmp|rm|sleep|seq|post.*|dovecot-.*|doveconf)$/ {print $1}'"""


@Everywhere
def chaos(server: Server) -> Chaos:
    return kill_under_load(server, _DAEMONS, lambda: answers(server), seconds=25, kills=10, mails=50)


def test_random_kills_under_load_lose_nothing(server: Server, servers: list[Server]) -> None:
    seen = chaos(server, servers)
    assert seen.kills >= 10, "nothing was killed"
    assert len(seen.ledger.acknowledged) >= 50, "there was no load"
    assert seen.lost == set()
    assert seen.ledger.refused == []


class Restart:
    """What was acknowledged before, what the first client heard, and what arrived after."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.first = CLOSED
        self.seconds = 0.0
        self.states: dict[str, str] = {}
        self.found: Counter[str] = Counter()


def restart(server: Server, *, orderly: bool) -> Restart:
    """Mail in the queue (Dovecot is down), mail just acknowledged; then the machine stops, and starts again."""
    seen = Restart(Ledger())
    server.shell("systemctl stop dovecot")
    send_many(server, seen.ledger, server.address_of("alice"), 10, connections=1)
    if orderly:
        find_engine().run("stop", "--time", "60", server.container)
    else:
        find_engine().run("kill", "--signal", "KILL", server.container)
    find_engine().run("start", server.container)
    started = time.monotonic()
    seen.first = _first_answer(server)
    seen.seconds = elapsed(started)
    assert until(lambda: answers(server), 60), "the services did not come back"
    for unit in ("postfix", "dovecot"):
        seen.states[unit] = server.output("systemctl", "show", "-P", "ActiveState", unit)
    seen.found = delivered(server, "alice", seen.ledger, timeout=60)
    forget(server, "alice", seen.ledger)
    return seen


def _first_answer(server: Server) -> Reply:
    """The reply to RCPT of the first client that is greeted after the start."""
    for _ in range(3000):
        try:
            reply = verdict(server, FRIEND, server.address_of("alice"))
        except (OSError, AssertionError):
            reply = CLOSED
        if not reply.closed:
            return reply
        time.sleep(0.1)
    return CLOSED


@Everywhere
def rebooted(server: Server) -> Restart:
    return restart(server, orderly=True)


@Everywhere
def power_lost(server: Server) -> Restart:
    return restart(server, orderly=False)


@pytest.mark.parametrize("how", [rebooted, power_lost], ids=["reboot", "power_loss"])
def test_nothing_is_lost_when_the_machine_stops(
    server: Server, servers: list[Server], how: Everywhere[Restart]
) -> None:
    seen = how(server, servers)
    assert len(seen.ledger.acknowledged) == 10
    assert set(seen.found) == seen.ledger.acknowledged
    assert seen.found.total() == 10


@pytest.mark.parametrize("how", [rebooted, power_lost], ids=["reboot", "power_loss"])
def test_services_come_back_with_the_machine(server: Server, servers: list[Server], how: Everywhere[Restart]) -> None:
    seen = how(server, servers)
    print(f"first answer {seen.seconds:.1f} s after the start")
    assert seen.states == {"postfix": "active", "dovecot": "active"}


@pytest.mark.parametrize("how", [rebooted, power_lost], ids=["reboot", "power_loss"])
def test_first_client_after_the_start_finds_every_socket(
    server: Server, servers: list[Server], how: Everywhere[Restart]
) -> None:
    assert how(server, servers).first.code == 250, how(server, servers).first
