# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""What every TLS port agrees to and refuses, which certificate it shows, and which ports are closed.

The list of suites is Mozilla's intermediate profile 6.0, less what the served key cannot do; old versions, CBC, static
RSA, anonymous suites and SHA-1 are failures in Internet.nl and phased out by NCSC-NL (2025-05).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from dialogue.handshakes import EVERYTHING, Handshake, accepted_suites, run, shake
from dialogue.lab import Lab, Server

SERVICES = ["smtp", "submission", "submissions", "imaps", "sieve"]

# Suites with an RSA key: ECDHE, AEAD, and nothing else.
SUITES = {"ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-AES128-GCM-SHA256"}

OLD = f"-cipher {EVERYTHING}"
REFUSED = {
    "TLS 1.0": f"-tls1 {OLD}",
    "TLS 1.1": f"-tls1_1 {OLD}",
    "anonymous": "-tls1_2 -cipher aNULL:@SECLEVEL=0",
    "no encryption": "-tls1_2 -cipher eNULL:@SECLEVEL=0",
    "static RSA": "-tls1_2 -cipher kRSA:@SECLEVEL=0",
    "finite field DH": "-tls1_2 -cipher kDHE:@SECLEVEL=0",
    "CBC": "-tls1_2 -cipher ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA:@SECLEVEL=0",
    "short CCM": "-tls1_2 -cipher AESCCM8:@SECLEVEL=0",
    "ARIA": "-tls1_2 -cipher ARIA:@SECLEVEL=0",
    "Camellia": "-tls1_2 -cipher CAMELLIA:@SECLEVEL=0",
    "SHA-1 signature": f"-tls1_2 -sigalgs RSA+SHA1:ECDSA+SHA1 {OLD}",
    "SHA-224 signature": f"-tls1_2 -sigalgs RSA+SHA224:ECDSA+SHA224 {OLD}",
}
MADE = {
    "TLS 1.2": "-tls1_2",
    "TLS 1.3": "-tls1_3",
    "SHA-256 signature": "-tls1_2 -sigalgs RSA+SHA256:RSA-PSS+SHA256",
    "X25519": "-groups X25519",
    "P-256": "-groups P-256",
    "other server name": "-servername other.example",
    "no server name": "-noservername",
}
# OpenSSL learnt ML-KEM in 3.5; Debian 12 has 3.0.
POST_QUANTUM = "-tls1_3 -groups X25519MLKEM768"
WITHOUT_POST_QUANTUM = {"12"}

Handshakes = dict[Server, dict[str, dict[str, Handshake]]]


@pytest.fixture(scope="module")
def handshakes(lab: Lab, servers: Sequence[Server]) -> Handshakes:
    """Server, service, name of the attempt -> what came of it."""
    attempts = {**REFUSED, **MADE, "post-quantum": POST_QUANTUM}

    def one(server: Server) -> dict[str, dict[str, Handshake]]:
        return {service: shake(lab.world, server, service, attempts) for service in SERVICES}

    with ThreadPoolExecutor() as pool:
        return dict(zip(servers, pool.map(one, servers), strict=True))


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("name", REFUSED)
def test_weak_handshake_is_refused(handshakes: Handshakes, server: Server, service: str, name: str) -> None:
    handshake = handshakes[server][service][name]
    assert handshake.reached and not handshake.made, handshake


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("name", MADE)
def test_sound_handshake_is_made(handshakes: Handshakes, server: Server, service: str, name: str) -> None:
    handshake = handshakes[server][service][name]
    assert handshake.made, handshake
    if name in ("TLS 1.2", "TLS 1.3"):
        assert handshake.version == name.replace("TLS ", "TLSv")


@pytest.mark.parametrize("service", SERVICES)
def test_post_quantum_group_is_used_where_openssl_has_it(handshakes: Handshakes, server: Server, service: str) -> None:
    handshake = handshakes[server][service]["post-quantum"]
    assert handshake.reached and handshake.made == (server.release not in WITHOUT_POST_QUANTUM), handshake


@pytest.mark.parametrize("service", SERVICES)
def test_suites_of_tls_1_2_are_exactly_these(lab: Lab, server: Server, service: str) -> None:
    assert accepted_suites(lab.world, server, service) == SUITES


@pytest.mark.parametrize("service", SERVICES)
def test_session_has_the_protections_of_its_time(handshakes: Handshakes, server: Server, service: str) -> None:
    text = handshakes[server][service]["TLS 1.2"].text
    assert "Extended master secret: yes" in text
    assert "Compression: NONE" in text
    assert "Secure Renegotiation IS supported" in text


@pytest.mark.parametrize("service", SERVICES)
def test_client_cannot_renegotiate(lab: Lab, server: Server, service: str) -> None:
    port, upgrade = server.ports[service], {"smtp": "smtp", "submission": "smtp", "sieve": "sieve"}.get(service)
    starttls = f"-starttls {upgrade}" if upgrade else ""
    for patience in (1, 5, 30):  # seconds in which the server answers
        output = lab.world.shell(
            f"(sleep 0.5; echo R; sleep {patience}) | timeout 60 openssl s_client -tls1_2 {starttls} "
            f"-connect {server.address}:{port} 2>&1 || true"
        )
        refusal = re.search("no renegotiation|handshake failure", output)
        if refusal:
            break
    assert "RENEGOTIATING" in output
    assert refusal, output


@pytest.mark.parametrize("service", SERVICES)
def test_certificate_names_the_server(handshakes: Handshakes, lab: Lab, server: Server, service: str) -> None:
    pem = re.search(
        r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----",
        handshakes[server][service]["other server name"].text,
        re.DOTALL,
    )
    assert pem, "no certificate"
    done = lab.world.run(
        "openssl", "x509", "-noout", "-text", "-checkhost", server.hostname, data=f"{pem.group()}\n".encode()
    )
    text = done.stdout.decode()
    assert f"Hostname {server.hostname} does match certificate" in text
    assert re.search(r"Signature Algorithm: (sha256|sha384|sha512|ecdsa-with-SHA(256|384|512))", text, re.IGNORECASE)
    bits = re.search(r"Public-Key: \((\d+) bit\)", text)
    assert bits and int(bits.group(1)) >= (3072 if "rsaEncryption" in text else 256)


# Cleartext mailbox access, Dovecot's old ManageSieve port, POP3 (off by default), and what a stray listener would use.
CLOSED = {24: "lmtp", 109: "pop2", 110: "pop3", 143: "imap", 995: "pop3s", 2000: "old sieve", 12340: "quota",
          10025: "reinjection", 3659: "sasl", 80: "http", 12345: "auth"}  # fmt: skip


@pytest.mark.parametrize("port", CLOSED)
def test_port_is_closed(server: Server, port: int) -> None:
    for address in server.addresses:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, port), timeout=60).close()


@pytest.mark.parametrize("service", SERVICES)
def test_port_is_open_on_both_families(server: Server, service: str) -> None:
    for address in server.addresses:
        socket.create_connection((address, server.ports[service]), timeout=60).close()


def test_nothing_else_listens(server: Server) -> None:
    """Only the promised ports face the network."""
    listening = server.shell("ss -Hltn | awk '{print $4}'").split()
    outside = {int(where.rpartition(":")[2]) for where in listening if not where.startswith(("127.", "[::1]"))}
    assert outside == set(server.ports.values())


@pytest.fixture(scope="module")
def control(lab: Lab) -> Iterator[dict[str, Handshake]]:
    """The same attempts at a server that agrees to everything: proof that the client can speak what others refuse."""
    lab.world.shell(r"""
        systemctl stop --quiet lenient-tls 2>/dev/null || true
        export OPENSSL_CONF=/dev/null
        cd /tmp
        openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=lenient -keyout lenient.key -out lenient.crt 2>/dev/null
        systemd-run --quiet --unit=lenient-tls --setenv=OPENSSL_CONF=/dev/null --collect \
            openssl s_server -accept 44330 -cert /tmp/lenient.crt -key /tmp/lenient.key \
            -cipher ALL:COMPLEMENTOFALL:eNULL:@SECLEVEL=0 -quiet
        for i in $(seq 600); do ss -Hltn 'sport = :44330' | grep -q . && exit 0; sleep 0.1; done
        exit 1
        """)
    yield run(lab.world, "127.0.0.1:44330", "", REFUSED)
    lab.world.shell("systemctl stop --quiet lenient-tls; rm -f /tmp/lenient.*")


@pytest.mark.parametrize("name", REFUSED)
def test_client_is_able_to_speak_it(control: dict[str, Handshake], name: str) -> None:
    """Without this, a client that cannot offer what it should offer would pass for a server that refuses it."""
    assert control[name].made, control[name]
