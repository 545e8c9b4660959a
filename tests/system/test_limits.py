# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Too much of something: connections, recipients, sessions, mail for a small mailbox."""

from __future__ import annotations

import contextlib
import imaplib
import socket
from collections.abc import Iterator

import pytest
from dialogue.clients import FRIEND, forget_clients, send_in, stranger, verdict
from dialogue.imap import Mailbox
from dialogue.lab import Server, wait_for
from dialogue.message import new_token, plain
from dialogue.notes import Everywhere
from dialogue.smtp import Smtp, tls_context


@pytest.fixture
def clean_slate(server: Server) -> Iterator[None]:
    """The counters of this client start, and are left, at zero."""
    forget_clients(server)
    yield
    forget_clients(server)


@pytest.mark.usefixtures("clean_slate")
def test_fifty_first_connection_is_turned_away(server: Server) -> None:
    """421 4.7.0, and only for that client: another address is served meanwhile."""
    with contextlib.ExitStack() as stack:
        greetings = []
        for _ in range(51):
            client = stack.enter_context(Smtp(server.address, server.ports["smtp"], quiet=True))
            greetings.append(client.greeting.code)
        assert greetings == [220] * 50 + [421]
        assert verdict(server, FRIEND, server.address_of("alice"), address=server.address6).code == 250
    wait_for("a connection after the others are gone", lambda: _greeted(server), timeout=20)


def _greeted(server: Server) -> bool:
    with Smtp(server.address, server.ports["smtp"]) as client:
        return client.greeting.code == 220


@Everywhere
def many_recipients(server: Server) -> list[str]:
    with stranger(server, quiet=True, timeout=240) as client:
        client.mail(FRIEND)
        replies = []
        for start in range(0, 1001, 91):
            numbers = range(start, min(start + 91, 1001))
            client.send(b"".join(b"RCPT TO:<%b>\r\n" % server.address_of(f"bob+{n}").encode() for n in numbers))
            replies += [client.read() for _ in numbers]
        return [f"{reply.code} {reply.enhanced}" for reply in replies]


def test_recipient_after_the_thousandth_must_wait(server: Server, servers: list[Server]) -> None:
    replies = many_recipients(server, servers)
    assert set(replies[:1000]) == {"250 2.1.5"}
    assert replies[1000] == "452 4.5.3"


def test_imap_sessions_of_one_user_are_limited(server: Server) -> None:
    """One user from one address cannot take all of the server's sessions."""
    with contextlib.ExitStack() as stack:
        opened = 0
        with contextlib.suppress(imaplib.IMAP4.error):
            while opened < 120:
                stack.enter_context(Mailbox(server, "hashed"))
                opened += 1
        assert 4 <= opened < 120
        with Mailbox(server, "bob") as other:
            assert other.select()


# Before login: literals and parentheses without an end, which older servers kept in memory.
IMAP_JUNK = {
    "parentheses": b"a NOOP " + b"(" * 300_000 + b"\r\n",
    "long_id": b'a ID ("name" "' + b"x" * 300_000 + b'")\r\n',
    "literal": b"a LOGIN {4294967295}\r\n",
    "endless_line": b"x" * 1_000_000,
}


@pytest.mark.parametrize("junk", IMAP_JUNK)
def test_imap_junk_before_login_is_cut_off(server: Server, junk: str) -> None:
    raw = socket.create_connection((server.address, server.ports["imaps"]), timeout=20)
    with tls_context().wrap_socket(raw) as client:
        assert client.recv(4096).startswith(b"* OK")
        with contextlib.suppress(OSError):
            client.sendall(IMAP_JUNK[junk])
        answer = b""
        with contextlib.suppress(OSError):
            answer = client.recv(4096)
    assert not answer or b"BAD" in answer or b"NO " in answer or b"BYE" in answer, answer
    with Mailbox(server, "bob") as mailbox:
        assert mailbox.select()


@pytest.fixture
def full_mailbox(server: Server) -> Iterator[Server]:
    """tiny's mailbox filled up to the refusal; emptied again afterwards."""
    tiny = server.account("tiny")
    token, chunk = new_token(), "\r\n".join(["x" * 76] * 2600)  # 200 kB each
    delivered = 0
    try:
        while delivered < 12:
            if verdict(server, FRIEND, tiny.address).code != 250:
                break
            with stranger(server, quiet=True) as client:
                reply = client.transaction(FRIEND, tiny.address, plain(token, FRIEND, tiny.address, chunk))
            assert reply.code == 250, reply
            delivered += 1
            server.wait_until("delivery", 'test -z "$(postqueue -j)"')
        assert delivered >= 4, "the mailbox has room for five messages of this size"
        yield server
    finally:
        with Mailbox(server, tiny) as mailbox:
            mailbox.delete(token)
        with Mailbox(server, "alice") as mailbox:
            mailbox.delete(token)


def test_full_mailbox_is_refused_at_rcpt(full_mailbox: Server) -> None:
    """Also under its other names; the neighbours' mail goes on, and once emptied it takes mail again."""
    server, tiny = full_mailbox, full_mailbox.account("tiny")
    for recipient in (tiny.address, tiny.address.upper(), server.address_of("tiny+tag"), *tiny.aliases):
        reply = verdict(server, FRIEND, recipient)
        assert (reply.code, reply.enhanced) == (552, "5.2.2"), f"{recipient}: {reply}"
    assert verdict(server, FRIEND, server.address_of("alice")).code == 250
    assert verdict(server, FRIEND, server.address_of("nobody")).code == 550
    with Mailbox(server, tiny) as mailbox:
        mailbox.client.select()
        mailbox.client.store("1:*", "+FLAGS.SILENT", r"(\Deleted)")
        mailbox.client.expunge()
    token = send_in(server, tiny.address)
    with Mailbox(server, tiny) as mailbox:
        mailbox.wait(token)


def test_size_is_part_of_the_question_to_a_mailbox_with_little_room(server: Server) -> None:
    """Two megabytes never fit into one: said at RCPT when the client announces the size."""
    with stranger(server) as client:
        client.mail(FRIEND, "SIZE=2000000")
        reply = client.rcpt(server.account("tiny").address)
    assert (reply.code, reply.enhanced) == (552, "5.2.2"), reply


def test_quota_is_shown_to_the_user(server: Server) -> None:
    with Mailbox(server, "tiny") as mailbox:
        status, lines = mailbox.client.getquotaroot("INBOX")
    assert status == "OK"
    assert b"STORAGE" in repr(lines).encode() and b" 1024)" in repr(lines).encode(), lines
