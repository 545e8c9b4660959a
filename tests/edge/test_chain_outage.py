# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""A part of the chain dies, in the middle of a session or for longer: nobody hears a 5xx, and nothing is lost."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from dialogue import world
from dialogue.clients import FRIEND, HELO, stranger, submitter
from dialogue.imap import Mailbox, arrived
from dialogue.lab import Lab, Server
from dialogue.load import Ledger, delivered, forget, keep_sending, until
from dialogue.message import new_token, plain
from dialogue.notes import Everywhere, note
from dialogue.smtp import CLOSED, Reply, Smtp

pytestmark = pytest.mark.disturbs

MILTERS = ("opendkim", "opendmarc", "header-guard")
# Part -> how it is killed.
KILL = {
    **{name: f"systemctl kill -s KILL {name}.service" for name in MILTERS},
    "policyd-spf": "pkill -KILL -u policyd-spf || true",
    "spawn of policyd-spf": "pkill -KILL -x spawn || true",
}
SCREEN = ("postscreen", "dnsblog", "tlsproxy")
STEPS = ("MAIL", "RCPT", "DATA")
CHAOS_SECONDS = 15


@dataclass
class Interrupted:
    """The replies of a session during which something died, and how often its message was there in the end."""

    replies: list[Reply]
    copies: int = 0


def _send_around(server: Server, token: str, before: str, kill: str) -> list[Reply]:
    """All replies of a session; ``kill`` happens before the command ``before``."""
    bob = server.address_of("bob")
    replies = []
    with Smtp(server.address, server.ports["smtp"], timeout=60) as client:
        replies.append(client.ehlo(HELO))
        for step, line in zip(STEPS, (f"MAIL FROM:<{FRIEND}>", f"RCPT TO:<{bob}>", "DATA"), strict=True):
            if step == before:
                server.shell(kill)
            replies.append(client.say(line))
            if replies[-1].code not in (250, 354):
                return replies
        client.send(plain(token, FRIEND, bob) + b".\r\n")
        replies.append(client.read())
    return replies


def _accepts(server: Server, token: str) -> bool:
    with contextlib.suppress(OSError, AssertionError), stranger(server, timeout=60) as client:
        bob = server.address_of("bob")
        return client.transaction(FRIEND, bob, plain(token, FRIEND, bob)).code == 250
    return False


@Everywhere
def killed(server: Server) -> dict[tuple[str, str], Interrupted]:
    seen = {}
    for part, kill in KILL.items():
        for before in STEPS:
            token = new_token()
            session = Interrupted(_send_around(server, token, before, kill))
            if session.replies[-1].code != 250:
                # As any MTA: come again. Whoever heard 250 does not.
                assert until(functools.partial(_accepts, server, token), 20), f"{part} did not come back"
            with Mailbox(server, "bob") as mailbox:
                session.copies = len(mailbox.wait(token))
            seen[part, before] = session
    return seen


@pytest.mark.parametrize("before", STEPS)
@pytest.mark.parametrize("part", KILL)
def test_killed_in_the_middle_of_a_session(server: Server, servers: Sequence[Server], part: str, before: str) -> None:
    session = killed(server, servers)[part, before]
    assert [reply for reply in session.replies if reply.rejected] == []
    assert session.copies == 1


@dataclass
class Stopped:
    """What was heard while a milter was down, what left the server meanwhile, and what arrived after."""

    incoming: Reply = CLOSED
    outgoing: Reply = CLOSED
    left: int = 0
    arrived: bytes = b""


@contextlib.contextmanager
def stopped(server: Server, unit: str) -> Iterator[None]:
    server.shell(f"systemctl stop {unit}")
    try:
        yield
    finally:
        server.shell(f"systemctl start {unit}")


def _incoming(server: Server, token: str) -> Reply:
    alice = server.address_of("alice")
    with Smtp(server.address, server.ports["smtp"], timeout=60) as client:
        reply = client.ehlo(HELO)
        return client.transaction(FRIEND, alice, plain(token, FRIEND, alice)) if reply.code == 250 else reply


def _outgoing(server: Server, token: str) -> Reply:
    own = server.address_of("alice")
    try:
        with submitter(server, "alice") as client:
            return client.transaction(own, "friend@world.example", plain(token, own, "friend@world.example"))
    except AssertionError as error:
        note(f"[{server.name}] {error}")  # refused before the message could be offered
        return CLOSED


@pytest.mark.parametrize("unit", MILTERS)
def test_a_milter_that_is_stopped_lets_mail_wait(lab: Lab, server: Server, unit: str) -> None:
    """In and out: nothing passes unseen, and nothing leaves unsigned."""
    inwards, outwards, own = new_token(), new_token(), server.address_of("alice")
    with stopped(server, f"{unit}.service"):
        refused = [_incoming(server, inwards), _outgoing(server, outwards)]
        # The host's own programs hand over without asking: their mail waits in the queue.
        server.run("/usr/sbin/sendmail", "-i", "-f", own, "friend@world.example", data=_local(outwards, own))
        assert world.count(lab.world, outwards) == 0 or unit != "opendkim"
    assert all(reply.closed or 400 <= reply.code <= 499 for reply in refused[:1]), refused
    assert not any(reply.rejected for reply in refused), refused
    assert until(lambda: _incoming(server, inwards).code == 250, 20)
    assert arrived(server, "alice", inwards)


def _local(token: str, own: str) -> bytes:
    return f"From: {own}\nSubject: {token}\n\nFrom cron.\n".encode()


# Any part of the chain, again and again.
_KILL_SOMETHING = f"""
end=$((SECONDS + {CHAOS_SECONDS})); kills=0
while [ $SECONDS -lt $end ]; do
    pid=$(ps -eo pid=,comm=,args= | awk '$2 ~ /^(opendkim|opendmarc|dnsblog|tlsproxy|postscreen|spawn)$/ ||
        $2 ~ /^(python3|header-guard|policyd-spf)$/ && $0 ~ /header-guard|policyd-spf/ {{print $1}}' | shuf -n 1)
    [ -z "$pid" ] || {{ kill -9 $pid 2>/dev/null && kills=$((kills + 1)); }}
    sleep 0.7
done
echo $kills
"""


@Everywhere
def chaos(server: Server) -> tuple[int, Ledger, Counter[str]]:
    ledger = Ledger()
    kills: list[str] = []
    killer = threading.Thread(target=lambda: kills.append(server.shell(_KILL_SOMETHING, timeout=CHAOS_SECONDS + 60)))
    killer.start()
    keep_sending(server, ledger, server.address_of("bob"), CHAOS_SECONDS, clients=4, pause=0.1)
    killer.join()
    assert until(lambda: _accepts(server, new_token()), 60), "the server did not come back"
    found = delivered(server, "bob", ledger, timeout=120)
    forget(server, "bob", ledger)
    note(f"[{server.name}] {kills} kills, {len(ledger.acknowledged)} acknowledged, {found.total()} arrived")
    return int(kills[0]), ledger, found


def test_random_kills_of_the_chain_under_load_lose_nothing(server: Server, servers: Sequence[Server]) -> None:
    kills, ledger, found = chaos(server, servers)
    assert kills >= 5, "nothing was killed"
    assert len(ledger.acknowledged) >= 10, "there was no load"
    assert ledger.acknowledged - set(found) == set()
    assert ledger.refused == []


def test_without_any_dns_mail_waits(lab: Lab, server: Server) -> None:
    """No list, no SPF, no key can be asked for. A message may wait; none is refused for good or takes a false mark."""
    token, alice = new_token(), server.address_of("alice")
    with _without_dns(lab):
        replies = _send_around(server, token, "", "")
    assert [reply for reply in replies if reply.rejected] == []
    started = time.monotonic()
    assert replies[-1].code == 250 or until(lambda: _accepts(server, token), 60), time.monotonic() - started
    with Mailbox(server, "bob") as mailbox:
        assert len(mailbox.wait(token, timeout=60)) == 1, alice


@contextlib.contextmanager
def _without_dns(lab: Lab) -> Iterator[None]:
    lab.world.shell("systemctl stop named.service")
    try:
        yield
    finally:
        lab.world.shell("systemctl start named.service")
