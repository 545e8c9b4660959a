# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""What a matrix of suites does not show: whose order counts, what tickets are worth, and policies for single peers.

The lab demands TLS of mail from dane-none.example, and of mail to mail.world.example a name that it has not.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from dialogue.clients import HELO, stranger, submitter
from dialogue.handshakes import STARTTLS, Handshake, shake
from dialogue.journal import Journal
from dialogue.lab import Lab, Server
from dialogue.message import new_token, plain

SERVICES = ["smtp", "submission", "submissions", "imaps", "sieve"]
AES256, AES128, CHACHA = "TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"
# What the client wants, first what it likes best -> what it gets.
ORDERS = {
    "1.2, AES-128 first": ("-tls1_2 -cipher ECDHE+AES128:ECDHE+CHACHA20:ECDHE+AES256", "AES256-GCM-SHA384"),
    "1.2, ChaCha20 first": ("-tls1_2 -cipher ECDHE+CHACHA20:ECDHE+AES128:ECDHE+AES256", "CHACHA20-POLY1305"),
    "1.3, AES-128 first": (f"-tls1_3 -ciphersuites {AES128}:{CHACHA}:{AES256}", AES256),
    "1.3, ChaCha20 first": (f"-tls1_3 -ciphersuites {CHACHA}:{AES128}:{AES256}", CHACHA),
}
TLS_ONLY = "someone@dane-none.example"
NEEDS_A_NAME = "nobody@mail.world.example"

Handshakes = dict[Server, dict[str, Mapping[str, Handshake]]]


@pytest.fixture(scope="module")
def handshakes(lab: Lab, servers: Sequence[Server]) -> Handshakes:
    attempts = {name: arguments for name, (arguments, __) in ORDERS.items()}

    def one(server: Server) -> dict[str, Mapping[str, Handshake]]:
        return {service: shake(lab.world, server, service, attempts) for service in SERVICES}

    with ThreadPoolExecutor() as pool:
        return dict(zip(servers, pool.map(one, servers), strict=True))


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("order", ORDERS)
def test_order_of_suites(handshakes: Handshakes, server: Server, service: str, order: str) -> None:
    """Good before sufficient, whatever the client likes; but ChaCha20 for one that has no AES in hardware."""
    handshake = handshakes[server][service][order]
    assert handshake.suite.endswith(ORDERS[order][1]), handshake


@pytest.mark.parametrize(("service", "resumed"), [("smtp", True), ("imaps", False)])
def test_tickets(lab: Lab, server: Server, service: str, resumed: bool) -> None:
    """Postfix's are of use for an hour; Dovecot's would be of none."""
    upgrade = f"-starttls {STARTTLS[service]}" if STARTTLS[service] else ""
    client = f"timeout 60 openssl s_client -tls1_2 -connect {server.address}:{server.ports[service]} {upgrade}"
    answer = lab.world.shell(
        f"session=$(mktemp); sleep 0.1 | {client} -sess_out $session >/dev/null 2>&1;"
        f"sleep 0.1 | {client} -sess_in $session 2>&1 | grep -E '^(Reused|New),'; rm $session"
    )
    assert answer.startswith("Reused" if resumed else "New"), shlex.quote(answer)


@pytest.mark.parametrize(
    ("sender", "encrypted", "code"),
    [
        (TLS_ONLY, False, 450),
        (TLS_ONLY, True, 250),
        (TLS_ONLY.upper(), False, 450),
        ("friend@world.example", False, 250),
    ],
)
def test_mail_of_some_senders_comes_over_tls_only(server: Server, sender: str, encrypted: bool, code: int) -> None:
    with stranger(server) as client:
        if encrypted:
            client.starttls(HELO)
        assert client.mail(sender).code == 250
        reply = client.rcpt(server.address_of("alice"))
    assert reply.code == code, reply
    if code == 450:
        assert "Session encryption is required" in str(reply)


def test_mail_to_some_destinations_needs_a_certificate_with_their_name(server: Server) -> None:
    """Held back before the other side has seen a word of it."""
    journal, token, own = Journal(server), new_token(), server.address_of("alice")
    with submitter(server, "alice") as client:
        assert client.transaction(own, NEEDS_A_NAME, plain(token, own, NEEDS_A_NAME)).code == 250
    (line, *__) = journal.wait(rf"to=<{NEEDS_A_NAME}>.*status=", "postfix/smtp")
    server.run("postsuper", "-d", line.split()[1].rstrip(":"))
    assert "status=deferred" in line
    assert "Server certificate not" in line
