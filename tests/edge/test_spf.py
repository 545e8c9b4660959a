# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""SPF: what each result does to a message, observed and enforced, and what happens when nobody can be asked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest
from dialogue.clients import reload_postfix, submitter
from dialogue.fields import fields
from dialogue.imap import Mailbox, arrived
from dialogue.journal import Journal
from dialogue.lab import Lab, Server
from dialogue.message import new_token, plain
from dialogue.outside import HELO, WORLD, connect, send_from
from dialogue.smtp import Reply

DAEMON = "/usr/bin/policyd-spf"
SERVFAIL = "spf-temperror"
# What tests/lab/postern_lab/senders.py publishes, and what RFC 7208 makes of it for world's address.
RESULTS = {
    "spf-pass": "Pass",
    "spf-fail": "Fail",
    "spf-softfail": "Softfail",
    "spf-neutral": "Neutral",
    "spf-none": "None",
    "spf-ten": "Pass",
    "spf-lookups": "Permerror",
    "spf-two": "Permerror",
    "spf-syntax": "Permerror",
    SERVFAIL: "Temperror",
}
REFUSED = {"spf-fail": (550, "5.7.23"), SERVFAIL: (450, "4.7.24")}
FORGED = "Pass (mailfrom) identity=mailfrom; client-ip=192.0.2.1; envelope-from=somebody@spf-fail.example"


@dataclass
class Sent:
    """Replies by sender domain, and the messages that arrived."""

    replies: dict[str, Reply] = field(default_factory=dict)
    messages: dict[str, bytes] = field(default_factory=dict)

    def results(self) -> Mapping[str, list[str]]:
        """The first word of each Received-SPF, from the top."""
        return {
            domain: [value.split(" ", 1)[0] for value in fields(message, "Received-SPF")]
            for domain, message in self.messages.items()
        }


def send_all(lab: Lab, server: Server, *, before: bytes = b"") -> Sent:
    """One message from each domain, in one session of world's; ``before`` stands above each header."""
    sent, tokens, alice = Sent(), {domain: new_token() for domain in RESULTS}, server.address_of("alice")
    with connect(lab, server, WORLD) as client:
        client.ehlo(HELO[WORLD])
        for domain, token in tokens.items():
            sender = f"somebody@{domain}.example"
            sent.replies[domain] = client.transaction(sender, alice, before + plain(token, sender, alice))
            client.say("RSET")
    with Mailbox(server, "alice") as mailbox:
        for domain, token in tokens.items():
            if sent.replies[domain].code == 250:
                (sent.messages[domain],) = mailbox.wait(token)
    return sent


def test_observing_every_result_is_told_and_nobody_is_refused(lab: Lab, server: Server) -> None:
    sent = send_all(lab, server, before=f"Received-SPF: {FORGED}\r\n".encode())
    assert {domain: reply.code for domain, reply in sent.replies.items()} == dict.fromkeys(RESULTS, 250)
    # On top of what the sender wrote, above the line of this server.
    assert sent.results() == {domain: [result, "Pass"] for domain, result in RESULTS.items()}
    for message in sent.messages.values():
        taken = message.index(f"Received: from {HELO[WORLD]}".encode())
        assert message.index(b"Received-SPF:") < taken < message.index(FORGED.encode())


def test_observing_a_bounce_is_judged_by_its_helo_name(lab: Lab, server: Server) -> None:
    token, alice = new_token(), server.address_of("alice")
    reply = send_from(lab, server, WORLD, alice, plain(token, "", alice), sender="", helo="spf-fail.example")
    assert reply.code == 250, reply
    (value,) = fields(arrived(server, "alice", token), "Received-SPF")
    assert value.startswith("Fail ") and "identity=helo;" in value


def test_several_recipients_see_one_result(lab: Lab, server: Server) -> None:
    token, recipients = new_token(), [server.address_of("alice"), server.address_of("bob")]
    with connect(lab, server, WORLD) as client:
        client.ehlo(HELO[WORLD])
        message = plain(token, "somebody@spf-pass.example", recipients[0])
        assert client.transaction("somebody@spf-pass.example", recipients, message).code == 250
    delivered = arrived(server, "bob", token)
    (value,) = fields(delivered, "Received-SPF")
    # Not whom else it went to.
    assert value.startswith("Pass ") and "alice" not in value and "bob" not in value


def test_nobody_asks_about_our_own_users(server: Server) -> None:
    token, alice, bob = new_token(), server.account("alice"), server.address_of("bob")
    with submitter(server, alice) as client:
        assert client.transaction(alice.address, bob, plain(token, alice.address, bob)).code == 250
    assert fields(arrived(server, "bob", token), "Received-SPF") == []


def test_who_is_refused_anyway_costs_no_question(lab: Lab, server: Server) -> None:
    log = Journal(server)
    with connect(lab, server, WORLD) as client:
        client.ehlo(HELO[WORLD])
        client.mail("somebody@spf-fail.example")
        assert client.rcpt("somebody@nodmarc.example").code == 554
        assert client.rcpt(server.address_of("nobody-is-called-so")).code == 550
    assert log.find("spf", "policyd-spf") == []


@pytest.mark.enforce
def test_enforcing_fail_is_refused_and_an_error_is_not_a_pass(lab: Lab, server: Server) -> None:
    sent = send_all(lab, server)
    assert {
        domain: (reply.code, reply.enhanced) for domain, reply in sent.replies.items() if reply.code != 250
    } == REFUSED
    assert sent.results() == {domain: [result] for domain, result in RESULTS.items() if domain not in REFUSED}
    # The reply's words are ours: not those that the sender's domain chose, nor the resolver's address.
    words = {reply.text.partition("rejected: ")[2] for reply in sent.replies.values() if reply.code != 250}
    assert words == {
        f"Message {what}, see the SPF record of the domain of sender or HELO (RFC 7208)"
        for what in ("rejected", "deferred")
    }


@pytest.mark.enforce
def test_enforcing_a_helo_name_that_fails_is_refused(lab: Lab, server: Server) -> None:
    alice = server.address_of("alice")
    for sender in ("", "somebody@spf-pass.example"):
        reply = send_from(lab, server, WORLD, alice, sender=sender, helo="spf-fail.example")
        assert (reply.code, reply.enhanced) == (550, "5.7.23"), reply


@contextlib.contextmanager
def daemon_replaced(server: Server, script: str, *, timeout: int = 60) -> Iterator[None]:
    """Another program in the daemon's place, and Postfix waiting ``timeout`` seconds for it."""
    server.shell(
        f"mv {DAEMON} {DAEMON}.aside; printf '#!/bin/sh\\n{script}\\n' > {DAEMON}; chmod 755 {DAEMON}\n"
        f"cp -a /etc/postfix/main.cf /root/main.cf; sed -i 's/timeout=60s/timeout={timeout}s/' /etc/postfix/main.cf\n"
        "pkill -u policyd-spf || true"
    )
    reload_postfix(server)
    try:
        yield
    finally:
        server.shell(
            f"mv -f {DAEMON}.aside {DAEMON}; mv -f /root/main.cf /etc/postfix/main.cf\npkill -u policyd-spf || true"
        )
        reload_postfix(server)


@pytest.mark.disturbs
@pytest.mark.parametrize("script", ["exit 1", "sleep 600", "echo nonsense; exit 0"], ids=["crashes", "hangs", "lies"])
def test_without_the_daemon_mail_is_accepted_and_the_log_says_so(lab: Lab, server: Server, script: str) -> None:
    token, alice, sender = new_token(), server.address_of("alice"), "somebody@spf-fail.example"
    with daemon_replaced(server, script, timeout=2):
        log = Journal(server)
        reply = send_from(lab, server, WORLD, alice, plain(token, sender, alice), sender=sender)
        assert reply.code == 250, reply
        assert fields(arrived(server, "alice", token), "Received-SPF") == []
        assert log.wait("warning: .*private/policyd-spf", "postfix/smtpd")


@pytest.mark.disturbs
def test_a_killed_process_is_replaced_without_a_lost_answer(lab: Lab, server: Server) -> None:
    alice, sender = server.address_of("alice"), "somebody@spf-pass.example"
    with connect(lab, server, WORLD) as client:
        client.ehlo(HELO[WORLD])
        for _ in range(2):
            token = new_token()
            assert client.transaction(sender, alice, plain(token, sender, alice)).code == 250
            (value,) = fields(arrived(server, "alice", token), "Received-SPF")
            assert value.startswith("Pass ")
            server.shell("pkill -9 -u policyd-spf")
