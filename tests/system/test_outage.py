# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Something that Postfix needs is gone: mail waits, nobody is told that a user does not exist, nothing is lost."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import pytest
from dialogue import world
from dialogue.clients import FRIEND, HELO, stranger, submitter, verdict
from dialogue.imap import arrived
from dialogue.lab import Lab, Server
from dialogue.message import new_token, plain
from dialogue.notes import Everywhere, note
from dialogue.smtp import CLOSED, Reply, Smtp

pytestmark = pytest.mark.disturbs

FLUSH = "postqueue -f"


@contextlib.contextmanager
def stopped(server: Server, unit: str) -> Iterator[None]:
    """The unit is down inside the block."""
    server.shell(f"systemctl stop {unit}")
    try:
        yield
    finally:
        server.shell(f"systemctl start {unit}")


def login_reply(server: Server, service: str) -> Reply:
    """What happens to alice, with her right password."""
    alice = server.account("alice")
    try:
        with submitter(server, service=service) as client:
            return client.auth_plain(alice.address, alice.password)
    except (OSError, AssertionError) as error:
        note(f"[{server.name}] {service}: {error!r}")
        return CLOSED


class Stopped:
    """What was seen while Dovecot was down, and after."""

    def __init__(self) -> None:
        self.codes: dict[str, Reply] = {}
        self.submission: dict[str, Reply] = {}
        self.queued = ""
        self.arrived = b""


@Everywhere
def dovecot_stopped(server: Server) -> Stopped:
    seen, token, alice = Stopped(), new_token(), server.address_of("alice")
    with stopped(server, "dovecot.service"):
        with stranger(server) as client:
            seen.codes["sender"] = client.mail(FRIEND)
            seen.codes["user"] = client.rcpt(alice)
            seen.codes["message"] = client.data(plain(token, FRIEND, alice))
        seen.codes["unknown"] = verdict(server, FRIEND, server.address_of("nobody-of-that-name"))
        seen.submission = {service: login_reply(server, service) for service in ("submission", "submissions")}
        server.wait_until("the deferral", "postqueue -j | grep -q delay_reason", timeout=30)
        seen.queued = server.output("postqueue", "-j")
    server.shell(FLUSH)
    seen.arrived = arrived(server, "alice", token, timeout=40, flush=True)
    return seen


def test_mail_is_taken_while_dovecot_is_down_and_delivered_after(server: Server, servers: list[Server]) -> None:
    seen = dovecot_stopped(server, servers)
    assert [seen.codes[step].code for step in ("sender", "user", "message")] == [250, 250, 250]
    assert "delay_reason" in seen.queued
    assert seen.arrived


def test_unknown_user_is_still_refused_while_dovecot_is_down(server: Server, servers: list[Server]) -> None:
    reply = dovecot_stopped(server, servers).codes["unknown"]
    assert (reply.code, reply.enhanced) == (550, "5.1.1"), reply


@pytest.mark.parametrize("service", ["submission", "submissions"])
def test_no_password_is_called_wrong_while_nobody_can_check_it(
    server: Server, servers: list[Server], service: str
) -> None:
    reply = dovecot_stopped(server, servers).submission[service]
    assert reply.closed or 400 <= reply.code <= 499 or reply.code == 503, reply


@Everywhere
def auth_frozen(server: Server) -> tuple[Reply, Reply, Reply]:
    """The authentication daemon hangs (SIGSTOP): a login, mail from outside meanwhile, a login afterwards."""
    frozen = server.shell("pgrep -x auth").split()
    server.shell(f"kill -STOP {' '.join(frozen)}")
    try:
        alice = server.account("alice")
        during = CLOSED
        with (
            contextlib.suppress(OSError, AssertionError),
            Smtp(server.address, server.ports["submissions"], implicit_tls=True, timeout=60) as client,
        ):
            client.ehlo(HELO)
            during = client.auth_plain(alice.address, alice.password)
        outside = verdict(server, FRIEND, alice.address)
    finally:
        server.shell(f"kill -CONT {' '.join(frozen)} || true")
    time.sleep(1)
    return during, outside, login_reply(server, "submissions")


def test_hanging_authentication_is_a_temporary_failure(server: Server, servers: list[Server]) -> None:
    during, outside, after = auth_frozen(server, servers)
    assert during.closed or 400 <= during.code <= 499, during
    assert outside.code == 250, outside
    assert after.code == 235, after


@Everywhere
def filter_down(server: Server) -> tuple[Reply, Reply]:
    """The milter that judges headers is down, and up again."""
    alice = server.address_of("alice")
    replies = []
    with stopped(server, "header-guard.service"), stranger(server) as client:
        replies.append(client.transaction(FRIEND, alice, plain(new_token(), FRIEND, alice)))
    with stranger(server) as client:
        replies.append(client.transaction(FRIEND, alice, plain(new_token(), FRIEND, alice)))
    return replies[0], replies[1]


def test_mail_is_not_let_past_a_filter_that_is_down(server: Server, servers: list[Server]) -> None:
    during, after = filter_down(server, servers)
    assert 400 <= during.code <= 499, during
    assert after.code == 250, after


@Everywhere
def resolver_dead(server: Server) -> dict[str, Reply]:
    """No DNS server can be reached: mail from outside, mail of a user; what was taken is delivered afterwards."""
    alice, tokens = server.account("alice"), {"in": new_token(), "out": new_token()}
    (resolver,) = set(server.shell("awk '/^nameserver/ {print $2}' /etc/resolv.conf").split()[:1])
    replies: dict[str, Reply] = {}
    server.shell(f"ip route add unreachable {resolver}/32")
    try:
        with stranger(server, timeout=120) as client:
            replies["in"] = client.transaction(FRIEND, alice.address, plain(tokens["in"], FRIEND, alice.address))
        with submitter(server, alice) as member:
            replies["out"] = member.transaction(alice.address, FRIEND, plain(tokens["out"], alice.address, FRIEND))
    finally:
        server.shell(f"ip route del unreachable {resolver}/32")
    server.shell(FLUSH)
    if replies["in"].code == 250:
        arrived(server, alice, tokens["in"], timeout=60, flush=True)
    replies["later"] = verdict(server, FRIEND, alice.address)
    replies["token"] = Reply(0, (tokens["out"],))
    return replies


def test_dead_resolver_is_a_temporary_failure(server: Server, servers: list[Server], lab: Lab) -> None:
    replies = resolver_dead(server, servers)
    assert replies["in"].code == 250 or 400 <= replies["in"].code <= 499, replies["in"]
    assert replies["out"].code == 250, replies["out"]
    world.received(lab.world, replies["token"].lines[0], timeout=60, queue=server)
    assert replies["later"].code == 250, replies["later"]


@Everywhere
def mail_store_full(server: Server) -> tuple[Reply, str, bytes]:
    """hashed's mailbox is on a file system of its own without a free block; then it has room again."""
    hashed, token = server.account("hashed"), new_token()
    home = server.output("doveadm", "user", "-f", "home", hashed.address)
    assert home.startswith("/") and home.count("/") >= 3, home
    owner = server.shell(f"stat -c %u:%g {home}")
    server.shell("systemctl stop dovecot")
    server.mount_small(home, "256k", "0700", owner)
    try:
        server.shell(f"dd if=/dev/zero of={home}/filler bs=4k status=none 2>/dev/null || true; systemctl start dovecot")
        with stranger(server) as client:
            reply = client.transaction(FRIEND, hashed.address, plain(token, FRIEND, hashed.address, "z" * 900))
        server.wait_until("the deferral", "postqueue -j | grep -q delay_reason", timeout=30)
        queue = server.output("postqueue", "-j")
    finally:
        server.shell("systemctl stop dovecot")
        server.unmount(home)
        server.shell(f"systemctl start dovecot; {FLUSH}")
    return reply, queue, arrived(server, hashed, token, timeout=60, flush=True)


def test_full_mail_store_makes_mail_wait(server: Server, servers: list[Server]) -> None:
    reply, queue, message = mail_store_full(server, servers)
    assert reply.code == 250, reply
    assert "delay_reason" in queue
    assert message


class FullQueue:
    """Replies before, in the middle of a message, and after."""

    def __init__(self) -> None:
        self.low = self.during = self.after = CLOSED
        self.arrived = b""


@Everywhere
def queue_full(server: Server) -> FullQueue:
    """The queue on a small file system: too little for a message of full size, then not a block left."""
    seen, alice, token = FullQueue(), server.address_of("alice"), new_token()
    queue = server.output("postconf", "-hx", "queue_directory")
    server.wait_until("an empty queue", 'test -z "$(postqueue -j)"', timeout=60)
    server.shell(f"systemctl stop postfix; rm -rf /root/queue; cp -a {queue} /root/queue")
    server.mount_small(queue, "40m", "0755")
    try:
        server.shell(f"cp -a /root/queue/. {queue}/; systemctl start postfix")
        server.wait_until("port 25", "ss -Hltn 'sport = :25' | grep -q .")
        with stranger(server, timeout=240) as client:
            client.mail(FRIEND)
            client.rcpt(alice)
            client.say("DATA")
            server.shell(f"dd if=/dev/zero of={queue}/filler bs=64k status=none 2>/dev/null || true")
            client.send(plain(new_token(), FRIEND, alice, "\r\n".join(["z" * 76] * 5000)) + b".\r\n")
            seen.during = client.read()
        seen.low = verdict(server, FRIEND, alice)
        server.shell(f"rm {queue}/filler")
        with stranger(server) as client:
            seen.after = client.transaction(FRIEND, alice, plain(token, FRIEND, alice))
        seen.arrived = arrived(server, "alice", token, timeout=40, flush=True)
        server.wait_until("an empty queue", 'test -z "$(postqueue -j)"', timeout=60)
    finally:
        server.shell(f"rm -f {queue}/filler; systemctl stop postfix")
        server.unmount(queue)
        server.shell("systemctl start postfix; rm -rf /root/queue")
        server.wait_until("port 25", "ss -Hltn 'sport = :25' | grep -q .")
    return seen


def test_full_queue_is_a_temporary_failure(server: Server, servers: list[Server]) -> None:
    seen = queue_full(server, servers)
    assert seen.during.closed or 400 <= seen.during.code <= 499, seen.during
    assert 400 <= seen.low.code <= 499, seen.low
    assert seen.after.code == 250 and seen.arrived
