# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""What a user who logged in may do, from any network, and what others learn about them."""

from __future__ import annotations

import ipaddress
import re

import pytest
from dialogue import world
from dialogue.clients import FRIEND, stranger, submitter
from dialogue.imap import Mailbox, arrived
from dialogue.lab import Lab, Server
from dialogue.message import header_of, new_token, plain
from dialogue.smtp import Reply, Smtp

SERVICES = ["submission", "submissions"]

# Envelope sender of somebody logged in as alice: hers, or not.
SENDERS = {
    "own address": ("alice@{own}", True),
    "own address, upper case": ("ALICE@{OWN}", True),
    "own address with a tag": ("alice+news@{own}", True),
    "own alias": ("sales@{own}", True),
    "own alias with a tag": ("sales+x@{own}", True),
    "own alias in the second domain": ("alice@{second}", True),
    "postmaster, who is alice": ("postmaster@{own}", True),
    "another user": ("bob@{own}", False),
    "another user with a tag": ("bob+alice@{own}", False),
    "another user of the second domain": ("carol@{second}", False),
    "an account that is off": ("disabled@{own}", False),
    "a list alice is on": ("team@{own}", False),
    "nobody": ("nobody-of-that-name@{own}", False),
    "somebody at the catch-all": ("nobody-of-that-name@{second}", False),
    "foreign": ("someone@world.example", False),
    "null sender": ("", False),
    "source route": ("@{own}:bob@{own}", False),
    "percent": ("bob%{own}@{own}", False),
}


def _envelope(server: Server, login: str, sender: str, recipient: str, service: str) -> Reply:
    with submitter(server, login, service=service) as client:
        return _say_envelope(client, sender, recipient)


def _say_envelope(client: Smtp, sender: str, recipient: str) -> Reply:
    """The reply to MAIL when it is refused, otherwise to RCPT; the transaction is given up."""
    reply = client.mail(sender)
    reply = client.rcpt(recipient) if reply.code == 250 else reply
    client.say("RSET")
    return reply


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("case", SENDERS)
def test_sender_must_be_own(server: Server, case: str, service: str) -> None:
    pattern, own = SENDERS[case]
    sender = pattern.format(own=server.domain, OWN=server.domain.upper(), second=server.second_domain)
    with submitter(server, "alice", service=service) as client:
        for recipient in (server.address_of("bob"), FRIEND):
            reply = _say_envelope(client, sender, recipient)
            assert reply.code == 250 if own else reply.rejected, reply


def test_refusal_of_a_foreign_sender_says_why(server: Server) -> None:
    reply = _envelope(server, "alice", server.address_of("bob"), FRIEND, "submission")
    assert (reply.code, reply.enhanced) == (553, "5.7.1"), reply


def test_aliases_of_alice_are_not_bobs(server: Server) -> None:
    for sender in (server.address_of("sales"), server.address_of("postmaster"), server.address_of("alice")):
        assert _envelope(server, "bob", sender, FRIEND, "submissions").rejected


def test_unknown_recipient_here_is_told_at_once(server: Server) -> None:
    reply = _envelope(
        server, "alice", server.account("alice").address, server.address_of("nobody-of-that-name"), "submission"
    )
    assert (reply.code, reply.enhanced) == (550, "5.1.1"), reply


# What mail programs say of themselves on a hotel's network.
HELOS = ["localhost", "[192.168.1.23]", "192.168.1.23", "LAPTOP", "alices-laptop.local", "bad_name"]


@pytest.mark.parametrize("helo", HELOS)
@pytest.mark.parametrize("service", SERVICES)
def test_hotel_guest_can_submit(server: Server, service: str, helo: str) -> None:
    with submitter(server, "alice", service=service, helo=helo) as client:
        assert client.mail(server.account("alice").address).code == 250
        assert client.rcpt(FRIEND).code == 250


@pytest.mark.parametrize("port", SERVICES)
def test_address_without_name_and_on_a_blocklist_can_submit(server: Server, lab: Lab, port: str) -> None:
    """World's address number 66 has no reverse name and is listed: the usual state of a hotel's network."""
    token, alice = new_token(), server.account("alice")
    hotel = str(ipaddress.ip_network(f"{lab.world.address}/24", strict=False)[66])
    status, _ = world.swaks(
        lab.world,
        "--server", server.address, "--port", str(server.ports[port]), "--local-interface", hotel,
        "--helo", "localhost", "--auth", "PLAIN", "--auth-user", alice.address, "--auth-password", alice.password,
        *(["--tls"] if port == "submission" else ["--tls-on-connect"]),
        "--from", alice.address, "--to", server.address_of("bob"), "--header", f"Subject: {token}",
    )  # fmt: skip
    assert status == 0
    assert hotel.encode() not in arrived(server, "bob", token)


@pytest.mark.parametrize("service", SERVICES)
def test_header_does_not_tell_where_the_user_is(server: Server, service: str) -> None:
    token, alice, bob = new_token(), server.account("alice"), server.account("bob")
    private = (
        b"User-Agent: SecretMail/1.0\r\nX-Mailer: SecretMail 1\r\nX-Originating-IP: [192.0.2.77]\r\n"
        b"X-PHP-Originating-Script: 1000:secretmail.php\r\n"
    )
    with submitter(server, alice, service=service, helo="alices-secret-laptop") as client:
        own_address = client.socket.getsockname()[0]
        message = private + plain(token, alice.address, bob.address, "User-Agent: in the body stays")
        assert client.transaction(alice.address, bob.address, message).code == 250
    stored = arrived(server, bob, token)
    header = header_of(stored).lower()
    for secret in (b"secretmail", b"192.0.2.77", b"alices-secret-laptop", own_address.encode()):
        assert secret not in header, header.decode(errors="replace")
    for reverse_name in (b"gateway.world.example", b"host.containers.internal"):
        assert reverse_name not in header
    assert b"User-Agent: in the body stays" in stored


def test_mail_from_outside_keeps_its_trace(server: Server) -> None:
    """Privacy is for users; the path of foreign mail is evidence."""
    token, bob = new_token(), server.address_of("bob")
    message = b"User-Agent: Theirs/1\r\nX-Originating-IP: [192.0.2.78]\r\n" + plain(token, FRIEND, bob)
    with stranger(server) as client:
        own_address = client.socket.getsockname()[0]
        assert client.transaction(FRIEND, bob, message).code == 250
    header = header_of(arrived(server, "bob", token))
    for evidence in (own_address.encode(), b"User-Agent: Theirs/1", b"X-Originating-IP: [192.0.2.78]"):
        assert evidence in header


def test_date_and_message_id_are_added(server: Server) -> None:
    token, alice = new_token(), server.account("alice")
    message = f"From: <{alice.address}>\r\nTo: <bob>\r\nSubject: {token}\r\n\r\nHello.\r\n".encode()
    with submitter(server, alice) as client:
        assert client.transaction(alice.address, server.address_of("bob"), message).code == 250
    header = header_of(arrived(server, "bob", token))
    assert re.search(rb"^Date: .+\d{4}", header, re.MULTILINE | re.IGNORECASE)
    assert re.search(rb"^Message-ID: <\S+@\S+>", header, re.MULTILINE | re.IGNORECASE)


def test_date_and_message_id_of_the_user_are_kept(server: Server) -> None:
    token, alice, bob = new_token(), server.account("alice"), server.account("bob")
    with submitter(server, alice) as client:
        assert client.transaction(alice.address, bob.address, plain(token, alice.address, bob.address)).code == 250
    header = header_of(arrived(server, bob, token))
    assert f"Message-ID: <{token}@client.invalid>".encode() in header
    assert len(re.findall(rb"^(?:Date|Message-ID):", header, re.MULTILINE | re.IGNORECASE)) == 2


@pytest.mark.parametrize("end", [b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r"], ids=repr)
def test_user_cannot_smuggle_through_us(server: Server, lab: Lab, end: bytes) -> None:
    """What leaves for another server is one message, whatever that server takes for an end (CVE-2023-51764)."""
    token, alice = new_token(), server.account("alice")
    smuggled = (
        f"MAIL FROM:<admin@{server.domain}>\r\nRCPT TO:<{FRIEND}>\r\nDATA\r\n"
        f"From: <admin@{server.domain}>\r\nSubject: smuggled {token}\r\n\r\nsmuggled\r\n.\r\n"
    )
    with submitter(server, alice) as client:
        assert client.mail(alice.address).code == 250
        assert client.rcpt(FRIEND).code == 250
        assert client.say("DATA").code == 354
        client.send(plain(token, alice.address, FRIEND, "first").removesuffix(b"\r\n") + end + smuggled.encode())
        client.send(b"QUIT\r\n")
        codes = [reply.code for reply in client.read_to_the_end()]
    assert codes.count(250) <= 1, codes
    if 250 in codes:
        stored = world.received(lab.world, token)
        assert b"smuggled" in stored
        assert not re.search(rb"(?<!\r)\n\.\r?\n|\r\.\r", stored.replace(b"\n", b"\r\n"))


# From field of a message submitted by alice.
AUTHORS = {
    "own address": ("Alice <alice@{own}>", True),
    "own alias": ('"Alice, Sales" <sales@{own}>', True),
    "own address with a tag": ("alice+lists@{own}", True),
    "second domain": ("alice@{second}", True),
    "upper case": ("ALICE@{OWN}", True),
    "another user": ("Bob <bob@{own}>", False),
    "foreign": ("Boss <boss@world.example>", False),
    "foreign behind an own name": ('"alice@{own}" <boss@world.example>', False),
    "own and foreign": ("alice@{own}, boss@world.example", False),
}


@pytest.mark.parametrize("case", AUTHORS)
def test_author_that_readers_see_must_be_own(server: Server, case: str) -> None:
    """The envelope is alice's in all of these; readers see the From field."""
    pattern, own = AUTHORS[case]
    author = pattern.format(own=server.domain, OWN=server.domain.upper(), second=server.second_domain)
    token, alice = new_token(), server.account("alice")
    message = plain(token, alice.address, FRIEND).replace(
        f"From: <{alice.address}>".encode(), b"From: %b" % author.encode()
    )
    with submitter(server, alice) as client:
        reply = client.transaction(alice.address, server.address_of("bob"), message)
    assert reply.code == 250 if own else reply.rejected, reply
    if own:
        arrived(server, "bob", token)


def test_size_limit_holds_for_users(server: Server) -> None:
    alice = server.account("alice")
    with submitter(server, alice) as client:
        limit = int(client.extensions["SIZE"])
        assert client.mail(alice.address, f"SIZE={limit + 1}").code == 552


def test_one_message_to_fifty_names_of_a_user_arrives_at_once(server: Server) -> None:
    """What Postfix names in one LMTP transaction is not too much for Dovecot's limit for one user."""
    token, alice = new_token(), server.account("alice")
    recipients = [server.address_of(f"bob+{number}") for number in range(50)]
    with submitter(server, alice) as client:
        assert client.transaction(alice.address, recipients, plain(token, alice.address, recipients[0])).code == 250
    with Mailbox(server, "bob") as mailbox:
        assert len(mailbox.wait(token, count=50)) == 50
        mailbox.delete(token)
