# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""All features together: what one message meets on its way in, and on its way out."""

from __future__ import annotations

import pytest
from dialogue import world
from dialogue.clients import submitter
from dialogue.fields import fields, results
from dialogue.imap import arrived
from dialogue.lab import Lab, Server
from dialogue.message import body_of, new_token, plain, with_attachments
from dialogue.outside import CLEAN, FORGED, GATEWAY, WORLD, deliver
from dialogue.signing import sign, signatures

SENDER = "someone@signed.example"

# What somebody may write to pass for one whom this server has checked; {name} is the server's.
FORGERIES = {
    "plain": "Authentication-Results: {name}; dkim=pass header.d=bank.example; spf=pass; dmarc=pass",
    "upper case": "AUTHENTICATION-RESULTS: {NAME}; dmarc=pass header.from=bank.example",
    "folded": "Authentication-Results:\r\n {name};\r\n dmarc=pass header.from=bank.example",
    "version": "Authentication-Results: {name} 1; dmarc=pass header.from=bank.example",
    "comment": "Authentication-Results: (checked) {name}; dmarc=pass header.from=bank.example",
    "blank before the colon": "Authentication-Results : {name}; dmarc=pass header.from=bank.example",
}


def forged(server: Server, case: str) -> bytes:
    return (FORGERIES[case].format(name=server.hostname, NAME=server.hostname.upper()) + "\r\n").encode()


def incoming(lab: Lab, server: Server, number: int, message: bytes, token: str) -> bytes:
    """The message as alice finds it."""
    reply = deliver(lab, server, number, server.address_of("alice"), message, sender=SENDER)
    assert reply.code == 250, reply
    return arrived(server, "alice", token)


@pytest.mark.parametrize("number", [WORLD, CLEAN, GATEWAY])
def test_an_honest_message_arrives_with_one_result_of_each_kind(lab: Lab, server: Server, number: int) -> None:
    token = new_token()
    message = sign(lab, plain(token, SENDER, server.address_of("alice")))
    found = incoming(lab, server, number, message, token)
    assert results(found, server.hostname) == {
        "dkim": ["pass"],
        "dkim-atps": ["neutral"],
        "spf": ["pass"],
        "dmarc": ["pass"],
    }
    assert [value.split()[0] for value in fields(found, "Received-SPF")] == ["Pass"]


def test_all_at_once_over_ipv6(lab: Lab, server: Server) -> None:
    token = new_token()
    message = sign(lab, plain(token, SENDER, server.address_of("alice")))
    reply = deliver(lab, server, CLEAN, server.address_of("alice"), message, sender=SENDER, ipv6=True)
    assert reply.code == 250, reply
    found = results(arrived(server, "alice", token), server.hostname)
    assert (found["dkim"], found["spf"], found["dmarc"]) == (["pass"], ["pass"], ["pass"])


def test_the_signature_survives_the_way_through(lab: Lab, server: Server) -> None:
    """Every feature may add fields on top and must change nothing below."""
    token = new_token()
    message = sign(lab, with_attachments(token, SENDER, server.address_of("alice")))
    found = incoming(lab, server, CLEAN, message, token)
    assert [(signature.domain, signature.valid) for signature in signatures(lab, found)] == [("signed.example", True)]
    assert found.replace(b"\r\n", b"\n").endswith(message.replace(b"\r\n", b"\n"))


@pytest.mark.parametrize("case", FORGERIES)
def test_results_in_our_name_are_ours(lab: Lab, server: Server, case: str) -> None:
    """An honest host delivers a message that claims to have been checked: the claim is gone, the truth is there."""
    token = new_token()
    message = forged(server, case) * 2 + plain(token, "boss@unsigned.example", server.address_of("alice"))
    found = incoming(lab, server, CLEAN, message, token)
    assert b"bank.example" not in found.partition(b"Received: from clean.world.example")[2], found.decode()
    claims = " ".join(fields(found, "Authentication-Results"))
    assert "bank.example" not in claims
    assert results(found, server.hostname)["dmarc"] == ["fail"]


def test_results_of_others_are_left_alone(lab: Lab, server: Server) -> None:
    token = new_token()
    theirs = b"Authentication-Results: relay.world.example; dkim=pass header.d=elsewhere.example\r\n"
    message = theirs + plain(token, SENDER, server.address_of("alice"))
    assert theirs.strip() in incoming(lab, server, CLEAN, message, token)


def test_a_host_with_a_bad_name_is_told_apart(lab: Lab, server: Server) -> None:
    """Observing: the message arrives, and its header says what is wrong with it."""
    token = new_token()
    found = incoming(lab, server, FORGED, plain(token, SENDER, server.address_of("alice")), token)
    assert [value.split()[0] for value in fields(found, "Received-SPF")] == ["Fail"]
    assert results(found, server.hostname)["dmarc"] == ["fail"]


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("service", ["submission", "submissions"])
def test_what_leaves_is_signed_and_the_world_can_verify_it(lab: Lab, server: Server, service: str) -> None:
    token, own = new_token(), server.address_of("alice")
    message = with_attachments(token, own, "friend@world.example")
    with submitter(server, "alice", service=service) as client:
        assert client.transaction(own, "friend@world.example", message).code == 250
    found = world.received(lab.world, token)
    for nameserver in lab.nameservers:
        (signature,) = signatures(lab, found, nameserver=nameserver)
        assert signature.valid
        assert signature.domain == server.domain
        assert signature.fields.count("from") == 2, "a second From could be added"
    assert body_of(found) == body_of(message)


@pytest.mark.usefixtures("published")
def test_one_changed_byte_is_noticed(lab: Lab, server: Server) -> None:
    token, own = new_token(), server.address_of("alice")
    with submitter(server, "alice") as client:
        reply = client.transaction(own, "friend@world.example", plain(token, own, "friend@world.example", "Pay 100."))
        assert reply.code == 250, reply
    found = world.received(lab.world, token)
    assert [signature.valid for signature in signatures(lab, found)] == [True]
    assert [signature.valid for signature in signatures(lab, found.replace(b"Pay 100.", b"Pay 900."))] == [False]
    header = found.replace(b"Subject: ", b"Subject: Re: ")
    assert [signature.valid for signature in signatures(lab, header)] == [False]


@pytest.mark.enforce
def test_a_message_is_as_good_as_its_signature(lab: Lab, server: Server) -> None:
    """Somebody forwards it, so SPF has nothing to say for the author: one byte decides."""
    token, alice = new_token(), server.address_of("alice")
    message = sign(lab, plain(token, SENDER, alice, "Pay 100."))
    forwarder = "forwarder@world.example"
    reply = deliver(lab, server, CLEAN, alice, message.replace(b"Pay 100.", b"Pay 900."), sender=forwarder)
    assert (reply.code, reply.enhanced) == (550, "5.7.1"), reply
    reply = deliver(lab, server, CLEAN, alice, message, sender=forwarder)
    assert reply.code == 250, reply
    found = arrived(server, "alice", token)
    assert b"Pay 100." in found
    assert results(found, server.hostname)["dmarc"] == ["pass"]
