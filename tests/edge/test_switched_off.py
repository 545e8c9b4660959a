# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Features that are taken out of mail_features leave nothing behind in Postfix, and mail goes on. Runs last of all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dialogue import playbooks, world
from dialogue.clients import send_in, submitter
from dialogue.imap import arrived
from dialogue.lab import Lab, Server
from dialogue.message import new_token, plain

pytestmark = [pytest.mark.enforce, pytest.mark.disturbs, pytest.mark.together]

PLAIN = {"mail_features": ["dovecot", "sasl", "postfix"]}


@pytest.fixture(scope="module", autouse=True)
def switched_off(lab: Lab, stage: Any) -> None:
    """Nothing switches them on again: the next session of tests notices, and runs site.yml."""
    if stage.as_it_is:
        pytest.skip("runs a playbook")
    stage.set("enforce")
    playbooks.run(lab, "site", "--tags=postfix", f"--extra-vars={json.dumps(PLAIN)}")


def test_postfix_knows_nothing_of_them(server: Server) -> None:
    text = server.shell("postconf -n; postconf -Mx")
    words = ("postscreen", "dnsblog", "tlsproxy", "policyd", "opendkim", "opendmarc", "header-guard")
    assert [word for word in words if word in text] == []
    assert "smtpd" in server.output("postconf", "-M", "smtp/inet")


def test_mail_comes_in_and_goes_out(lab: Lab, server: Server) -> None:
    token = send_in(server, server.address_of("alice"))
    assert b"Authentication-Results" not in arrived(server, "alice", token)
    token, own = new_token(), server.address_of("alice")
    with submitter(server, "alice") as client:
        assert client.transaction(own, "friend@world.example", plain(token, own, "friend@world.example")).code == 250
    assert b"DKIM-Signature" not in world.received(lab.world, token)
