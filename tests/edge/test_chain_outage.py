# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""A part of the chain dies, in the middle of a session or for longer: nobody hears a 5xx, and nothing is lost."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from dialogue import world
from dialogue.chaos import Chaos, kill_under_load
from dialogue.clients import FRIEND, HELO, stranger, submitter
from dialogue.imap import Mailbox, arrived
from dialogue.lab import Host, Server, load
from dialogue.load import until
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


@dataclass
class Interrupted:
    """The replies of a session during which something died, and how often its message was there in the end."""

    replies: list[Reply]
    copies: int = 0


def _send_around(server: Server, token: str, before: str, kill: str) -> list[Reply]:
    """All replies of a session; ``kill`` happens before the command ``before``."""
    bob = server.address_of("bob")
    replies = []
    with Smtp(server.address, server.ports["smtp"], timeout=240) as client:
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
    with contextlib.suppress(OSError, AssertionError), stranger(server) as client:
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

    token: str = field(default_factory=new_token)
    incoming: Reply = CLOSED
    outgoing: Reply = CLOSED
    left: int = 0
    arrived: bytes = b""


@functools.cache
def lab_world(server: Server) -> Host:
    """World of the server's lab."""
    return load(server.lab).world


@contextlib.contextmanager
def stopped(server: Server, unit: str) -> Iterator[None]:
    server.shell(f"systemctl stop {unit}")
    try:
        yield
    finally:
        server.shell(f"systemctl start {unit}")


def _incoming(server: Server, token: str) -> Reply:
    alice = server.address_of("alice")
    with Smtp(server.address, server.ports["smtp"], timeout=240) as client:
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


@Everywhere
def milters_stopped(server: Server) -> dict[str, Stopped]:
    seen = {}
    for unit in MILTERS:
        down = Stopped()
        with stopped(server, f"{unit}.service"):
            down.incoming, down.outgoing = _incoming(server, down.token), _outgoing(server, down.token)
            # The host's own programs hand over without asking: their mail waits in the queue.
            own = server.address_of("alice")
            server.run("/usr/sbin/sendmail", "-i", "-f", own, "friend@world.example", data=_local(down.token, own))
            down.left = world.count(lab_world(server), down.token)
        assert until(functools.partial(_accepted, server, down.token), 20), f"{unit} did not come back"
        down.arrived = arrived(server, "alice", down.token)
        seen[unit] = down
    return seen


def _accepted(server: Server, token: str) -> bool:
    return _incoming(server, token).code == 250


@pytest.mark.parametrize("unit", MILTERS)
def test_a_milter_that_is_stopped_lets_mail_wait(server: Server, servers: Sequence[Server], unit: str) -> None:
    """In and out: nothing passes unseen, and nothing leaves unsigned."""
    seen = milters_stopped(server, servers)[unit]
    assert seen.incoming.closed or 400 <= seen.incoming.code <= 499, seen.incoming
    assert not seen.outgoing.rejected, seen.outgoing
    assert unit != "opendkim" or seen.left == 0
    assert seen.arrived


def _local(token: str, own: str) -> bytes:
    return f"From: {own}\nSubject: {token}\n\nFrom cron.\n".encode()


# Any part of the chain.
_PARTS = r"""ps -eo pid=,comm=,args= | awk '$2 ~ /^(opendkim|opendmarc|dnsblog|tlsproxy|postscreen|spawn)$/ ||
    $2 ~ /^(python3|header-guard|policyd-spf)$/ && $0 ~ /header-guard|policyd-spf/ {print $1}'"""


@Everywhere
def chaos(server: Server) -> Chaos:
    return kill_under_load(server, _PARTS, lambda: _accepts(server, new_token()), seconds=15, kills=5, mails=10)


def test_random_kills_of_the_chain_under_load_lose_nothing(server: Server, servers: Sequence[Server]) -> None:
    seen = chaos(server, servers)
    assert seen.kills >= 5, "nothing was killed"
    assert len(seen.ledger.acknowledged) >= 10, "there was no load"
    assert seen.lost == set()
    assert seen.ledger.refused == []


@functools.cache
def without_dns(servers: tuple[Server, ...]) -> dict[Server, tuple[str, list[Reply]]]:
    """A session with each server while world's name servers, on which all depend, are down."""
    host, tokens = lab_world(servers[0]), [new_token() for _ in servers]
    host.shell("systemctl stop named.service")
    try:
        with ThreadPoolExecutor() as pool:
            replies = list(pool.map(lambda server, token: _send_around(server, token, "", ""), servers, tokens))
    finally:
        host.shell("systemctl start named.service")
    return dict(zip(servers, zip(tokens, replies, strict=True), strict=True))


@pytest.mark.together
def test_without_any_dns_mail_waits(server: Server, servers: Sequence[Server]) -> None:
    """No list, no SPF, no key can be asked for: a message may wait, none is refused for good."""
    token, replies = without_dns(tuple(servers))[server]
    assert [reply for reply in replies if reply.rejected] == []
    assert replies[-1].code == 250 or until(functools.partial(_accepts, server, token), 60)
    with Mailbox(server, "bob") as mailbox:
        assert len(mailbox.wait(token, timeout=60)) == 1
