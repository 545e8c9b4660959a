# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Mail that flows: in from the world, out to it, between two servers, and into the right mailbox and folder."""

from __future__ import annotations

import re

import pytest
from dialogue import world
from dialogue.clients import FRIEND, send_in, stranger, submitter
from dialogue.imap import Mailbox, arrived
from dialogue.lab import Lab, Server, wait_for
from dialogue.message import body_of, header_of, new_token, plain, with_attachments
from dialogue.sieve import ManageSieve


def test_mail_from_world_arrives(server: Server, lab: Lab) -> None:
    """World looks up the MX, connects from its own address, and is let in."""
    token, alice = new_token(), server.address_of("alice")
    world.send(lab.world, FRIEND, alice, plain(token, FRIEND, alice))
    header = header_of(arrived(server, "alice", token)).decode()
    assert f"Return-Path: <{FRIEND}>" in header
    assert re.search(
        rf"Received: from {re.escape(lab.world.hostname)} .*by {re.escape(server.hostname)}", header, re.DOTALL
    )


def test_mail_from_world_is_encrypted(server: Server, lab: Lab) -> None:
    token, alice = new_token(), server.address_of("alice")
    world.send(lab.world, FRIEND, alice, plain(token, FRIEND, alice))
    assert "using TLSv1.3" in header_of(arrived(server, "alice", token)).decode()


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_mail_arrives_over_both_families(server: Server, family: str) -> None:
    address = server.address if family == "ipv4" else server.address6
    token = send_in(server, server.address_of("bob"), address=address)
    arrived(server, "bob", token)


@pytest.mark.parametrize("service", ["submission", "submissions"])
def test_submitted_mail_reaches_world(server: Server, lab: Lab, service: str) -> None:
    token, alice = new_token(), server.account("alice")
    with submitter(server, alice, service=service) as client:
        assert client.transaction(alice.address, FRIEND, plain(token, alice.address, FRIEND)).code == 250
    header = header_of(world.received(lab.world, token)).decode()
    assert f"Return-Path: <{alice.address}>" in header
    hop = re.search(
        rf"Received: from {re.escape(server.hostname)} .*?by {re.escape(lab.world.hostname)}", header, re.DOTALL
    )
    assert hop and "with ESMTPS " in header


def test_reply_to_mail_from_world_comes_back(server: Server, lab: Lab) -> None:
    question, answer, alice = new_token(), new_token(), server.account("alice")
    world.send(lab.world, FRIEND, alice.address, plain(question, FRIEND, alice.address))
    received = arrived(server, alice, question)
    message_id = re.search(rb"^Message-ID: (<.+>)", header_of(received), re.MULTILINE)
    assert message_id
    reply = b"In-Reply-To: " + message_id.group(1) + b"\r\n" + plain(answer, alice.address, FRIEND)
    with submitter(server, alice) as client:
        assert client.transaction(alice.address, FRIEND, reply).code == 250
    assert message_id.group(1) in world.received(lab.world, answer)


def test_mail_goes_from_server_to_server(server: Server, lab: Lab) -> None:
    """Each server writes to the next one; the last to the first; a server that is alone to its second domain."""
    peer = lab.servers[(lab.servers.index(server) + 1) % len(lab.servers)]
    token, alice = new_token(), server.account("alice")
    recipient = peer.account("carol").address
    with submitter(server, alice) as client:
        assert client.transaction(alice.address, recipient, plain(token, alice.address, recipient)).code == 250
    header = header_of(arrived(peer, "carol", token)).decode()
    assert peer is server or f"from {server.hostname} " in header


# Address -> whose mailbox it lands in.
ADDRESSES = {
    "alice@{own}": ["alice"],
    "ALICE@{OWN}": ["alice"],
    "alice+tag@{own}": ["alice"],
    "sales@{own}": ["alice"],
    "sales+tag@{own}": ["alice"],
    "alice@{second}": ["alice"],
    "alice+tag@{second}": ["alice"],
    "team@{own}": ["alice", "bob"],
    "carol@{second}": ["carol"],
    "whoever-this-is@{second}": ["carol"],
    "postmaster@{own}": ["alice"],
    "PostMaster@{own}": ["alice"],
    "abuse@{own}": ["alice"],
    "postmaster@{second}": ["alice"],
    "abuse@{second}": ["alice"],
    "postmaster": ["alice"],
    "hashed@{own}": ["hashed"],
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_address_leads_to_its_mailbox(server: Server, address: str) -> None:
    recipient = address.format(own=server.domain, OWN=server.domain.upper(), second=server.second_domain)
    token = send_in(server, recipient)
    for owner in ADDRESSES[address]:
        arrived(server, owner, token)
    for other in {"alice", "bob", "carol"} - set(ADDRESSES[address]):
        with Mailbox(server, other) as mailbox:
            assert mailbox.find(token) == []


def test_recipient_named_twice_gets_one_copy(server: Server) -> None:
    token, alice, team = new_token(), server.address_of("alice"), server.address_of("team")
    with stranger(server) as client:
        assert client.transaction(FRIEND, [alice, team], plain(token, FRIEND, alice)).code == 250
    arrived(server, "bob", token)
    arrived(server, "alice", token)


def test_alias_to_an_outside_address_is_forwarded(server: Server, lab: Lab) -> None:
    token = send_in(server, server.address_of("away"))
    assert b"Delivered-To: friend@world.example" in world.received(lab.world, token)


def test_bounce_of_a_users_mail_comes_home(server: Server) -> None:
    """Mail to a domain that takes none (RFC 7505) is refused at once or returned; it does not vanish."""
    token, alice = new_token(), server.account("alice")
    with submitter(server, alice) as client:
        reply = client.transaction(
            alice.address, "anyone@nullmx.example", plain(token, alice.address, "anyone@nullmx.example")
        )
    if reply.rejected:
        return
    with Mailbox(server, alice) as mailbox:
        wait_for("the bounce", lambda: any(token.encode() in text for text in _bounces(mailbox)))
        bounce = next(text for text in _bounces(mailbox) if token.encode() in text)
        mailbox.delete("Undelivered Mail")
    assert b"Return-Path: <>" in bounce and b"nullMX" in bounce


def _bounces(mailbox: Mailbox) -> list[bytes]:
    return [mailbox.fetch(uid) for uid in mailbox.find("Undelivered")]


def test_attachments_arrive_byte_for_byte(server: Server) -> None:
    token, bob = new_token(), server.account("bob")
    message = with_attachments(token, FRIEND, bob.address)
    with stranger(server) as client:
        assert client.transaction(FRIEND, bob.address, message).code == 250
    stored = arrived(server, bob, token)
    assert stored.endswith(message), "below what was added on top, every byte of header and body is as it was sent"
    added = stored.removesuffix(message)
    assert {line.split(b":")[0] for line in added.splitlines() if line[:1].strip()} <= {
        b"Return-Path", b"Delivered-To", b"X-Original-To", b"Received", b"Authentication-Results", b"Received-SPF",
    }  # fmt: skip


def test_attachments_leave_byte_for_byte(server: Server, lab: Lab) -> None:
    token, alice = new_token(), server.account("alice")
    message = with_attachments(token, alice.address, FRIEND)
    with submitter(server, alice) as client:
        assert client.transaction(alice.address, FRIEND, message).code == 250
    stored = world.received(lab.world, token)
    assert body_of(stored) == body_of(message)
    assert header_of(stored).endswith(header_of(message))


def test_large_message_arrives(server: Server) -> None:
    """Nine of the ten megabytes that are allowed."""
    token, bob = new_token(), server.account("bob")
    message = plain(token, FRIEND, bob.address, "\r\n".join(["x" * 76] * 120_000))
    with stranger(server, timeout=60, quiet=True) as client:
        assert client.transaction(FRIEND, bob.address, message).code == 250
    assert arrived(server, bob, token).endswith(message)
    with Mailbox(server, bob) as mailbox:
        mailbox.delete(token)


def test_special_use_folders_are_there(server: Server) -> None:
    with Mailbox(server, "bob") as mailbox:
        uses = {flag for flags in mailbox.folders().values() for flag in flags}
    assert {r"\Drafts", r"\Sent", r"\Junk", r"\Trash"} <= uses


def test_special_use_folders_can_be_used(server: Server) -> None:
    token, bob = new_token(), server.account("bob")
    with Mailbox(server, bob) as mailbox:
        sent = next(name for name, flags in mailbox.folders().items() if r"\Sent" in flags)
        assert mailbox.client.append(f'"{sent}"', r"(\Seen)", "", plain(token, bob.address, FRIEND))[0] == "OK"
    with Mailbox(server, bob, sent) as mailbox:
        assert len(mailbox.find(token)) == 1
        mailbox.delete(token)
        assert mailbox.find(token) == []


def test_sieve_script_files_mail(server: Server) -> None:
    token, hashed = new_token(), server.account("hashed")
    script = f'require ["fileinto", "mailbox"];\r\nif header :contains "subject" "{token}" {{\r\n' \
             '  fileinto :create "Lists/Postern";\r\n}\r\n'  # fmt: skip
    with ManageSieve(server) as sieve:
        sieve.starttls()
        assert sieve.login(hashed).startswith("OK")
        try:
            assert sieve.put("postern-test", script).startswith("OK")
            with stranger(server) as client:
                assert client.transaction(FRIEND, hashed.address, plain(token, FRIEND, hashed.address)).code == 250
            arrived(server, hashed, token, folder="Lists/Postern")
            with Mailbox(server, hashed) as inbox:
                assert inbox.find(token) == []
        finally:
            assert sieve.remove("postern-test").startswith("OK")


def test_sieve_refuses_a_broken_script(server: Server) -> None:
    with ManageSieve(server) as sieve:
        sieve.starttls()
        sieve.login(server.account("hashed"))
        assert sieve.put("broken", 'require "no-such-extension";\r\nfileinto;\r\n').startswith("NO")


def test_sieve_of_one_user_is_not_for_another(server: Server) -> None:
    token, hashed = new_token(), server.account("hashed")
    with ManageSieve(server) as sieve:
        sieve.starttls()
        sieve.login(hashed)
        try:
            assert sieve.put("discard-all", "discard;\r\n").startswith("OK")
            with stranger(server) as client:
                recipients = [hashed.address, server.address_of("bob")]
                assert client.transaction(FRIEND, recipients, plain(token, FRIEND, recipients[1])).code == 250
            arrived(server, "bob", token)
            with Mailbox(server, hashed) as inbox:
                assert inbox.find(token) == []
        finally:
            sieve.remove("discard-all")


def test_tls_is_used_but_not_demanded_of_other_servers(server: Server) -> None:
    """RFC 3207 section 4: a public server must not require STARTTLS."""
    token, bob = new_token(), server.address_of("bob")
    with stranger(server) as client:
        assert "STARTTLS" in client.extensions
        assert client.transaction(FRIEND, bob, plain(token, FRIEND, bob)).code == 250
    arrived(server, "bob", token)
