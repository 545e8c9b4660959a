# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Mail that leaves: proved by DANE or MTA-STS where the other side offers it, and held back where the proof fails.

To world's destinations, each in another state, and between two servers of the lab, whose records are their own.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence

import dns.message
import dns.query
import dns.update
import pytest
from dialogue import zone
from dialogue.clients import submitter
from dialogue.imap import arrived
from dialogue.journal import Journal
from dialogue.lab import Lab, Server, insistently, wait_for
from dialogue.message import new_token, plain

pytestmark = [pytest.mark.disturbs, pytest.mark.together, pytest.mark.usefixtures("published")]

NOBODYS_KEY = "3 1 1 " + "ab" * 32
# Destination -> whether mail gets there, and what the log says of the connection, or of why there is none.
DESTINATIONS = {
    "dane-good.example": ("sent", r"Verified TLS connection established to mx\.dane-good\.example"),
    "dane-next.example": ("sent", r"Verified TLS connection established to mx\.dane-next\.example"),
    "dane-none.example": ("sent", r"(Trusted|Untrusted) TLS connection established to mx\.dane-none\.example"),
    "dane-wrong.example": ("deferred", r"dane-wrong\.example.*Server certificate not (trusted|verified)"),
    "dane-sts-wrong.example": ("deferred", r"dane-sts-wrong\.example.*Server certificate not (trusted|verified)"),
    "dane-lost.example": ("deferred", r"dane-lost\.example.*TLSA lookup error"),
    "dane-bogus.example": ("deferred", r"dane-bogus\.example.*try again"),
    "sts-enforce.example": ("sent", r"Verified TLS connection established to mx\.sts-enforce\.example"),
    "sts-testing.example": ("sent", r"(Trusted|Untrusted) TLS connection established to mx\.sts-testing\.example"),
    "sts-mismatch.example": ("deferred", r"sts-mismatch\.example"),
    "sts-badcert.example": ("deferred", r"sts-badcert\.example.*(not verified|not trusted)"),
}


def send(server: Server, recipients: Sequence[str]) -> dict[str, str]:
    """Submit a message of its own to each; recipient -> token."""
    tokens = {recipient: new_token() for recipient in recipients}
    own = server.address_of("alice")
    with submitter(server, "alice") as client:
        for recipient, token in tokens.items():
            assert client.transaction(own, recipient, plain(token, own, recipient)).code == 250
    return tokens


def outcomes(server: Server, log: Journal, wanted: Mapping[str, str]) -> dict[str, str]:
    """Recipient -> the status that smtp(8) logged last, once all are as wanted, or have not become so.

    Meanwhile mail is tried again: what could not be found out in time is no proof of anything.
    """
    found: dict[str, str] = {}

    def complete() -> bool:
        for line in log.find(r"to=<.*status=", "postfix/smtp", "postfix/qmgr", "postfix/error"):
            matched = re.search(r"to=<([^>]+)>.*status=(\w+)", line)
            if matched:
                found[matched[1]] = matched[2]
        return all(found.get(recipient) == status for recipient, status in wanted.items())

    with contextlib.suppress(AssertionError):
        wait_for("what becomes of mail", insistently(server, complete), timeout=40, interval=2)
    return {recipient: found.get(recipient, "") for recipient in wanted}


def forget(server: Server) -> None:
    """What the server's resolver, its policies and Postfix remember of others."""
    server.shell("""
        unbound-control flush_zone example > /dev/null
        systemctl stop postfix-mta-sts-resolver.service
        rm -f /var/lib/mta-sts/cache.db*
        systemctl start postfix-mta-sts-resolver.service
        systemctl reload postfix.service
        """)


def flush(server: Server) -> None:
    server.run("postqueue", "-f")


@contextlib.contextmanager
def records(lab: Lab, server: Server, values: Sequence[str]) -> Iterator[None]:
    """Other TLSA records than those that the server has, on both name servers; put back in the end."""
    name = f"_25._tcp.{server.hostname}."
    answer = dns.query.udp(dns.message.make_query(name, "TLSA"), lab.dns, timeout=zone.QUERY_SECONDS).answer
    before = [record.to_text() for rrset in answer for record in rrset]

    def replace(wanted: Sequence[str]) -> None:
        def change(message: dns.update.UpdateMessage) -> None:
            message.delete(name, "TLSA")
            for value in wanted:
                message.add(name, 60, "TLSA", value)

        zone.update(lab, server.domain, change)

    assert before
    replace(values)
    try:
        yield
    finally:
        replace(before)


@contextlib.contextmanager
def policy(server: Server, mx: str) -> Iterator[None]:
    """An enforced policy with this host in it, in place of the server's own."""
    path = "/etc/nginx/nginx.conf"
    server.shell(f"""
        cp -p {path} {path}.own
        sed -i 's/mode: testing/mode: enforce/; s/mx: {server.hostname}/mx: {mx}/' {path}
        ! cmp -s {path} {path}.own && nginx -t -q && systemctl reload nginx.service
        """)
    try:
        yield
    finally:
        server.shell(f"mv {path}.own {path}; systemctl reload nginx.service")


@pytest.fixture
def peer(server: Server, lab: Lab) -> Server:
    """Another server of the lab."""
    return lab.servers[(lab.servers.index(server) + 1) % len(lab.servers)]


@pytest.fixture
def queue(server: Server) -> Iterator[None]:
    """Nothing that a test has held back stays in the queue."""
    yield
    server.run("postsuper", "-d", "ALL")


@pytest.mark.usefixtures("queue")
def test_mail_to_each_kind_of_destination(server: Server) -> None:
    log = Journal(server)
    addresses = {f"friend@{domain}": domain for domain in DESTINATIONS}
    send(server, list(addresses))
    wanted = {address: DESTINATIONS[domain][0] for address, domain in addresses.items()}
    assert outcomes(server, log, wanted) == wanted
    missing = [domain for domain, (_status, words) in DESTINATIONS.items() if not log.find(words)]
    assert missing == [], "\n".join(log.lines("postfix/smtp"))


def test_posttls_finger_verifies_the_other_server(server: Server, peer: Server) -> None:
    output = server.shell(f"posttls-finger -t 20 -T 20 -l dane-only -L verbose,summary {peer.domain} 2>&1")
    assert f"DNSSEC-signed TLSA record: _25._tcp.{peer.hostname}" in output
    assert re.search(rf"Verified TLS connection established to {re.escape(peer.hostname)}", output), output


@pytest.mark.usefixtures("queue")
def test_mail_waits_while_the_key_is_not_the_one_in_dns(lab: Lab, server: Server, peer: Server) -> None:
    log, recipient = Journal(server), peer.address_of("alice")
    with records(lab, peer, [NOBODYS_KEY]):
        forget(server)
        tokens = send(server, [recipient])
        assert outcomes(server, log, {recipient: "deferred"}) == {recipient: "deferred"}
        assert log.find(r"Server certificate not (trusted|verified)", "postfix/smtp")
    forget(server)
    log = Journal(server)
    flush(server)
    assert outcomes(server, log, {recipient: "sent"}) == {recipient: "sent"}
    assert log.find(rf"Verified TLS connection established to {re.escape(peer.hostname)}")
    assert arrived(peer, "alice", tokens[recipient])


@pytest.mark.usefixtures("queue")
def test_mail_waits_while_the_policy_names_another_host(lab: Lab, server: Server, peer: Server) -> None:
    """Without TLSA records, which would go first."""
    recipient = peer.address_of("alice")
    with records(lab, peer, []):
        with policy(peer, "mx.elsewhere.example"):
            forget(server)
            log = Journal(server)
            tokens = send(server, [recipient])
            assert outcomes(server, log, {recipient: "deferred"}) == {recipient: "deferred"}
        with policy(peer, peer.hostname):
            forget(server)
            log = Journal(server)
            flush(server)
            assert outcomes(server, log, {recipient: "sent"}) == {recipient: "sent"}
    assert log.find(rf"Verified TLS connection established to {re.escape(peer.hostname)}")
    assert arrived(peer, "alice", tokens[recipient])
