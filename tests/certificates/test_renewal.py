# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Renewals: nobody notices those that work, and the administrator those that do not."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest
from dialogue.clients import send_in
from dialogue.imap import Mailbox
from dialogue.lab import Host, Lab, Server
from dialogue.served import SERVICES, public_key, serials, settled, shown

pytestmark = pytest.mark.disturbs

AUTHORITY = "acme-normal.socket"


def renew(server: Server) -> None:
    server.run("certbot", "renew", "--force-renewal", "--no-random-sleep-on-renew", timeout=300)


def test_the_timer_runs(server: Server) -> None:
    assert server.output("systemctl", "is-active", "certbot.timer") == "active"
    assert server.output("systemctl", "is-enabled", "certbot.timer") == "enabled"


def test_a_renewal_is_served_while_sessions_stay_and_mail_flows(server: Server) -> None:
    before = settled(server, within=lambda now: len(set(now.values())) == 1)
    keys = {service: public_key(shown(server, service)) for service in SERVICES}
    tokens: list[str] = []
    over = threading.Event()

    def flow() -> None:
        while not over.is_set():
            tokens.append(send_in(server, server.address_of("alice")))
            over.wait(1)

    sender = threading.Thread(target=flow)
    with Mailbox(server, "alice") as mailbox:
        assert mailbox.select()
        sender.start()
        try:
            renew(server)
        finally:
            over.set()
            sender.join()
        assert mailbox.client.noop()[0] == "OK"  # the session that was open before
        assert tokens
        for token in tokens:
            assert len(mailbox.wait(token)) == 1
            mailbox.delete(token)
    settled(server, within=lambda now: len(set(now.values())) == 1 and not set(now.values()) & set(before.values()))
    # What DNS says of the key stays true.
    assert {service: public_key(shown(server, service)) for service in SERVICES} == keys


@contextlib.contextmanager
def authority_down(world: Host) -> Iterator[None]:
    world.run("systemctl", "stop", AUTHORITY)
    try:
        yield
    finally:
        world.run("systemctl", "start", AUTHORITY)


@pytest.mark.together
def test_an_authority_that_is_down_is_told_to_the_administrator(lab: Lab, server: Server) -> None:
    before, settings = serials(server), f"/etc/letsencrypt/renewal/{server.hostname}.conf"
    postmaster = server.output(
        "sed", "-n", 's/.*"administrator": "\\([^@"]*\\).*/\\1/p', "/etc/postern-certbot/settings.json"
    )
    server.shell(f"cp -p {settings} /root/kept.conf; sed -i '1i renew_before_expiry = 999 days' {settings}")  # due now
    try:
        with authority_down(lab.world):
            assert server.run("systemctl", "start", "certbot.service", check=False, timeout=300).returncode != 0
        assert serials(server) == before
        with Mailbox(server, postmaster) as mailbox:
            found = mailbox.wait("was not renewed")
            assert b"certbot.service" in found[-1]
            mailbox.delete("was not renewed")
    finally:
        server.shell(f"mv /root/kept.conf {settings}; systemctl reset-failed certbot.service")
    assert server.run("systemctl", "start", "certbot.service", timeout=300).returncode == 0
    assert serials(server) == before
