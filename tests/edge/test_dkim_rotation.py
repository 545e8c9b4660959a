# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The life of a DKIM key against real DNS: made, published, used, kept, revoked, forgotten."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from dialogue import playbooks, world
from dialogue.clients import FRIEND, submitter
from dialogue.lab import Lab, Server, wait_for
from dialogue.message import new_token, plain
from dialogue.notes import note
from dialogue.signing import query_txt, signatures

pytestmark = pytest.mark.disturbs

State = dict[str, dict[str, str]]


def state(server: Server) -> State:
    """Domain -> status -> selector."""
    found: State = {}
    for key in json.loads(server.output("cat", "/etc/dkimkeys/state.json"))["keys"]:
        found.setdefault(key["domain"], {})[key["status"]] = key["selector"]
    return found


def rotate(lab: Lab, *variables: str) -> str:
    return playbooks.run(lab, "rotate_dkim", *(f"--extra-vars={variable}" for variable in variables))[1]


def changes(output: str) -> int:
    recap = output.rpartition("PLAY RECAP")[2]
    return sum(int(word.removeprefix("changed=")) for word in recap.split() if word.startswith("changed="))


def send(lab: Lab, server: Server) -> bytes:
    token, own = new_token(), server.address_of("alice")
    with submitter(server, "alice") as client:
        assert client.transaction(own, FRIEND, plain(token, own, FRIEND)).code == 250
    return world.received(lab.world, token)


def record(lab: Lab, server: Server, selector: str) -> list[bytes | None]:
    """What each name server has for a selector of the server's domain."""
    return [query_txt(each, f"{selector}._domainkey.{server.domain}") for each in lab.nameservers]


@pytest.mark.usefixtures("published")
def test_a_rotation_from_beginning_to_end(lab: Lab, servers: Sequence[Server]) -> None:
    # Whatever an earlier session left behind.
    rotate(lab, "opendkim_rotate_keep=0s", "opendkim_rotate_keep_revoked=0s")
    before = {server: state(server)[server.domain]["active"] for server in servers}
    old_mail = {server: send(lab, server) for server in servers}

    # The second name server does not answer: the new key is published, and nobody signs with it.
    lab.world.shell("systemctl stop named-secondary.service")
    try:
        rotate(lab, "opendkim_rotate_now=true")
    finally:
        lab.world.shell("systemctl start named-secondary.service")
    for server in servers:
        keys = state(server)[server.domain]
        assert keys["active"] == before[server]
        assert query_txt(lab.nameservers[0], f"{keys['pending']}._domainkey.{server.domain}")
        (signature,) = signatures(lab, send(lab, server))
        assert (signature.selector, signature.valid) == (before[server], True)

    # It answers again: the same command goes on where it stopped.
    rotate(lab, "opendkim_rotate_now=true", "opendkim_rotate_wait=600")
    after = {server: state(server)[server.domain] for server in servers}
    for server in servers:
        assert after[server]["retiring"] == before[server]
        assert after[server]["active"] != before[server]
        (signature,) = signatures(lab, send(lab, server))
        assert (signature.selector, signature.valid) == (after[server]["active"], True)
        # Mail that was on its way can still be verified.
        assert [each.valid for each in signatures(lab, old_mail[server])] == [True]

    # Repeated at once, by mistake or by cron: nothing more happens.
    assert changes(rotate(lab, "opendkim_rotate_now=true")) == 0
    assert changes(rotate(lab)) == 0
    assert {server: state(server)[server.domain] for server in servers} == after

    # The end of the old key.
    note(rotate(lab, "opendkim_rotate_keep=0s")[-2000:])
    for server in servers:
        assert state(server)[server.domain]["revoked"] == before[server]
        wait_for(
            "an empty p= at every name server",
            lambda: all(text and text.endswith(b"p=") for text in record(lab, server, before[server])),  # noqa: B023
        )
        gone = server.run("test", "-e", f"/etc/dkimkeys/{server.domain}/{before[server]}.pem", check=False)
        assert gone.returncode == 1
        assert [each.valid for each in signatures(lab, old_mail[server])] == [False]
    rotate(lab, "opendkim_rotate_keep=0s", "opendkim_rotate_keep_revoked=0s")
    for server in servers:
        assert set(state(server)[server.domain]) == {"active"}
        assert query_txt(lab.nameservers[0], f"{before[server]}._domainkey.{server.domain}") is None
