# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Port 25 relays for nobody, in no spelling, and says at RCPT who lives here."""

from __future__ import annotations

import json

import pytest
from dialogue.clients import FRIEND, send_in, verdict
from dialogue.imap import arrived
from dialogue.lab import Lab, Server

OUTSIDE = "world.example"

# What stands after RCPT TO:, and how it is refused. 554 is "relay access denied"; where the address is broken or is
# read as one of a local domain, another permanent refusal is right as well, and is named.
SHAPES = {
    "plain": ("<victim@{out}>", {554}),
    "upper_case": ("<VICTIM@{OUT}>", {554}),
    "trailing_dot": ("<victim@{out}.>", {554, 501}),
    "percent_at_own_domain": ("<victim%{out}@{own}>", {554}),
    "percent_at_hostname": ("<victim%{out}@{host}>", {554}),
    "percent_alone": ("<victim%{out}>", {554}),
    "percent_twice": ("<victim%{out}%{own}@{own}>", {554}),
    "percent_at_catch_all": ("<victim%{out}@{second}>", {554}),
    "bang": ("<{out}!victim>", {554}),
    "bang_at_own_domain": ("<{out}!victim@{own}>", {554}),
    "source_route": ("<@{own}:victim@{out}>", {554}),
    "long_source_route": ("<@{own},@{host}:victim@{out}>", {554}),
    "quoted": ('<"victim@{out}">', {554}),
    "quoted_at_own_domain": ('<"victim@{out}"@{own}>', {554, 550}),
    "quoted_percent": ('<"victim%{out}"@{own}>', {554, 550}),
    "two_at_signs": ("<victim@{out}@{own}>", {554, 501}),
    "ipv4_literal": ("<victim@[198.51.100.7]>", {554}),
    "ipv6_literal": ("<victim@[IPv6:2001:db8::99]>", {554}),
    "own_address_literal": ("<victim@[{address}]>", {554, 550}),
    "bare_address": ("<victim@198.51.100.7>", {554, 501}),
    "colon": ("<{own}:victim@{out}>", {554, 501, 553}),
    "no_brackets": ("victim@{out}", {554, 555, 501}),
    "a_label": ("<victim@xn--bcher-kva.example>", {554}),
    "u_label": ("<victim@b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example>", {500, 501, 553, 554}),
    "subdomain_of_own": ("<victim@sub.{own}>", {554}),
    "lookalike_of_own": ("<victim@x{own}>", {554}),
    "parent_of_own": ("<victim@example>", {554}),
    "world_by_name": ("<friend@{world}>", {554}),
}


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("sender", ["", FRIEND], ids=["null_sender", "a_sender"])
@pytest.mark.parametrize("shape", SHAPES)
def test_stranger_cannot_relay(server: Server, lab: Lab, shape: str, sender: str, family: str) -> None:
    pattern, codes = SHAPES[shape]
    recipient = pattern.format(
        out=OUTSIDE,
        OUT=OUTSIDE.upper(),
        own=server.domain,
        second=server.second_domain,
        host=server.hostname,
        address=server.address,
        world=lab.world.hostname,
    )
    address = server.address if family == "ipv4" else server.address6
    reply = verdict(server, sender, recipient, address=address, raw=True)
    assert reply.code in codes, reply


def test_address_without_domain_part_is_a_syntax_error(server: Server) -> None:
    reply = verdict(server, FRIEND, "victim@")
    assert (reply.code, reply.enhanced) == (501, "5.1.3"), reply


def test_nothing_refused_is_in_the_queue(server: Server) -> None:
    queue = [json.loads(line) for line in server.output("postqueue", "-j").splitlines()]
    recipients = {recipient["address"] for entry in queue for recipient in entry["recipients"]}
    assert not {address for address in recipients if "victim" in address}


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("sender", ["", FRIEND], ids=["null_sender", "a_sender"])
def test_unknown_user_is_refused_at_rcpt(server: Server, sender: str, family: str) -> None:
    address = server.address if family == "ipv4" else server.address6
    reply = verdict(server, sender, server.address_of("nobody-of-that-name"), address=address)
    assert (reply.code, reply.enhanced) == (550, "5.1.1"), reply


def test_unknown_user_with_a_tag_is_refused_at_rcpt(server: Server) -> None:
    reply = verdict(server, FRIEND, server.address_of("nobody-of-that-name+tag"))
    assert (reply.code, reply.enhanced) == (550, "5.1.1"), reply


@pytest.mark.parametrize("pattern", ["ALICE@{OWN}", "Alice@{own}", "alice+Some.Tag@{own}", "<@{own}:alice@{own}>"])
def test_own_user_in_another_spelling_is_ours(server: Server, pattern: str) -> None:
    recipient = pattern.format(own=server.domain, OWN=server.domain.upper())
    recipient = recipient if recipient.startswith("<") else f"<{recipient}>"
    reply = verdict(server, FRIEND, recipient, raw=True)
    assert reply.code == 250, reply


def test_own_domain_with_a_trailing_dot_stays_here(server: Server) -> None:
    """It may be taken for ours or be a syntax error, but an unknown user there is never accepted for relay."""
    reply = verdict(server, FRIEND, f"nobody-of-that-name@{server.domain}.")
    assert reply.rejected, reply


@pytest.mark.parametrize("pattern", ["alice@{own}", "ALICE@{OWN}", "nobody@{own}", "alice+tag@{own}", "x@{second}"])
@pytest.mark.parametrize("recipient", ["alice", "bob"])
def test_own_domain_forged_from_outside_is_refused(server: Server, pattern: str, recipient: str) -> None:
    sender = pattern.format(own=server.domain, OWN=server.domain.upper(), second=server.second_domain)
    reply = verdict(server, sender, server.address_of(recipient))
    assert reply.rejected, reply


def test_bounce_for_a_user_is_welcome(server: Server) -> None:
    token = send_in(server, server.address_of("alice"), sender="")
    assert b"\nReturn-Path: <>" in b"\n" + arrived(server, "alice", token)


def test_sender_domain_that_does_not_exist_is_refused(server: Server) -> None:
    reply = verdict(server, "someone@does-not-exist.invalid", server.address_of("alice"))
    assert reply.code in (450, 550, 553, 554), reply
