# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""All features together: what a message meets on its way in and out, and what happens when a part of the chain dies."""

from __future__ import annotations

import pytest
from dialogue.imap import arrived
from dialogue.journal import Journal
from dialogue.lab import Lab, Server
from dialogue.message import new_token, plain
from dialogue.outside import CLEAN, GATEWAY, WORLD, deliver
from dialogue.signing import sign, signatures

SENDER = "someone@signed.example"


@pytest.mark.parametrize("number", [WORLD, CLEAN, GATEWAY])
def test_a_signed_message_is_still_signed_when_it_arrives(lab: Lab, server: Server, number: int) -> None:
    token = new_token()
    alice = server.address_of("alice")
    message = sign(lab, plain(token, SENDER, alice))
    log = Journal(server)
    reply = deliver(lab, server, number, alice, message, sender=SENDER)
    assert reply.code == 250, reply
    found = signatures(lab, arrived(server, "alice", token))
    assert [(signature.domain, signature.valid) for signature in found] == [("signed.example", True)]
    assert log.wait("status=sent", "postfix/lmtp")
