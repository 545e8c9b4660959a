# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""DANE on the server itself: whom it believes, what it says of its keys, and which certificates it lets in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import dns.message
import dns.query
import dns.update
import pytest
from dialogue import playbooks, zone
from dialogue.lab import Lab, Server

pytestmark = pytest.mark.usefixtures("published")

DIRECTORY = "/var/lib/postern/dane"
TOOL = "/usr/local/lib/postern/certificate"
# A collector of reports: it keeps the first datagram that has the words in it.
LISTENER = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(sys.argv[1] + "/socket")
os.chmod(sys.argv[1] + "/socket", 0o666)
data = b""
while sys.argv[2].encode() not in data:
    data = listener.recv(65536)
with open(sys.argv[1] + "/staged", "wb") as stream:
    stream.write(data)
os.rename(sys.argv[1] + "/staged", sys.argv[1] + "/datagram")
"""


def keys(server: Server) -> dict[str, str]:
    """Status -> digest of the server's first certificate."""
    state = json.loads(server.output("cat", f"{DIRECTORY}/state.json"))
    return {key["status"]: key["digest"] for key in state["keys"] if key["pair"] == "main"}


def finger(server: Server, domain: str) -> str:
    """What a server that uses DANE makes of a domain, asked on the server: its resolver validates."""
    done = server.run("posttls-finger", "-c", "-l", "dane", "-L", "summary", domain, check=False)
    return (done.stdout + done.stderr).decode()


def test_its_own_records_prove_it(server: Server) -> None:
    assert f"Verified TLS connection established to {server.hostname}" in finger(server, server.domain)


def test_records_are_of_the_key_in_use_and_of_the_next(server: Server, lab: Lab) -> None:
    answer = dns.query.udp(
        dns.message.make_query(f"_25._tcp.{server.hostname}.", "TLSA"), lab.dns, timeout=zone.QUERY_SECONDS
    )
    there = {record.to_text() for rrset in answer.answer for record in rrset}
    own = keys(server)
    assert {f"3 1 1 {own['current']}", f"3 1 1 {own['next']}"} <= there


def test_the_next_key_is_there_for_root_alone(server: Server) -> None:
    own = keys(server)
    found = server.output("stat", "-c", "%a %U", DIRECTORY, f"{DIRECTORY}/main-{own['next'][:32]}.pem")
    assert found.split("\n")[:2] == ["700 root", "600 root"]


@pytest.fixture
def distant(lab: Lab, servers: Sequence[Server]) -> Iterator[None]:
    """No server has a resolver of its own."""
    for server in servers:
        # Written, not replaced: in a container it is a mount of its own.
        server.shell(f"cp /etc/resolv.conf /run/resolv.conf.own; echo nameserver {lab.dns} > /etc/resolv.conf")
    yield
    for server in servers:
        server.shell("cat /run/resolv.conf.own > /etc/resolv.conf; rm /run/resolv.conf.own")


@pytest.mark.disturbs
@pytest.mark.usefixtures("distant")
def test_without_a_resolver_that_validates_nothing_is_changed(lab: Lab, servers: Sequence[Server]) -> None:
    features = '--extra-vars={"mail_features": ["dane", "dovecot", "sasl", "postfix"]}'
    status, output = playbooks.run(lab, "site", features, check=False)
    assert status != 0
    assert output.count(f"DANE is not possible here: /etc/resolv.conf names {lab.dns}") >= len(servers)
    assert "Add unbound to mail_features" in output
    recap = output.rpartition("PLAY RECAP")[2]
    assert recap.count("changed=0") == len(servers) + 1


@pytest.fixture
def stranger(server: Server) -> Iterator[str]:
    """A certificate with a key that nobody knows, good in everything else."""
    directory = "/run/stranger"
    server.shell(f"""
        mkdir -p {directory}
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN={server.hostname} \
          -addext subjectAltName=DNS:{server.hostname} -addext extendedKeyUsage=serverAuth \
          -keyout {directory}/key.pem -out {directory}/certificate.pem 2> /dev/null
        cp -a {DIRECTORY} {directory}/dane
        """)
    yield directory
    server.shell(f"rm -rf {DIRECTORY}; cp -a {directory}/dane {DIRECTORY}; rm -rf {directory}")


@pytest.mark.disturbs
def test_a_certificate_with_an_unknown_key_is_not_let_in(server: Server, stranger: str) -> None:
    before = server.output("sha256sum", f"/etc/ssl/postern/{server.hostname}/fullchain.pem")
    words = [TOOL, "deploy", f"{stranger}/certificate.pem", f"{stranger}/key.pem", "--any-issuer"]
    done = server.run(*words, check=False)
    assert done.returncode == 1
    assert b"its key is not in DNS" in done.stderr
    assert server.output("sha256sum", f"/etc/ssl/postern/{server.hostname}/fullchain.pem") == before
    # It is noted, so that the next run of dns.yml publishes its record.
    offers = json.loads(server.output("cat", f"{DIRECTORY}/offers.json"))
    assert [offers[digest]["pair"] for digest in offers if digest.encode() in done.stderr] == ["main"]


def test_a_certificate_with_the_key_in_use_needs_no_dns(server: Server) -> None:
    guard = "/usr/local/lib/postern-dane/guard"
    own = f"/etc/ssl/postern/{server.hostname}/fullchain.pem"
    # Without a network nobody could be asked.
    server.run("unshare", "--net", "sh", "-c", f"{guard} main < {own}")


@pytest.fixture
def reporting(server: Server, lab: Lab) -> Iterator[str]:
    """A domain that wants reports and leads to a server with TLSA records; Postfix has a collector."""
    name = f"reports.{server.domain}"
    records = [
        (name, "MX", "10 mx.dane-good.example."),
        (f"_smtp._tls.{name}", "TXT", '"v=TLSRPTv1; rua=mailto:r@x.test"'),
    ]

    def update(add: bool) -> None:
        def change(message: dns.update.UpdateMessage) -> None:
            for owner, kind, value in records:
                message.delete(f"{owner}.", kind)
                if add:
                    message.add(f"{owner}.", 60, kind, value)

        zone.update(lab, server.domain, change)

    update(True)
    directory = "/run/reports"
    server.run("mkdir", "-p", directory)
    server.run("systemd-run", "--quiet", "--collect", "--unit=reports", "python3", "-c", LISTENER, directory, name)
    server.shell(f"""
        until [ -S {directory}/socket ]; do sleep 0.1; done
        cp -p /etc/postfix/main.cf {directory}/main.cf
        postconf -e smtp_tlsrpt_enable=yes smtp_tlsrpt_socket_name={directory}/socket
        postfix reload
        """)
    try:
        yield name
    finally:
        update(False)
        server.shell(f"""
            cp -p {directory}/main.cf /etc/postfix/main.cf
            postfix reload
            systemctl stop reports.service 2> /dev/null || true
            rm -rf {directory}
            """)


@pytest.mark.disturbs
def test_postfix_tells_a_collector_what_it_saw(server: Server, request: pytest.FixtureRequest) -> None:
    if server.release == "12":
        pytest.skip("Postfix 3.7 cannot; the role refuses the variable there")
    name = request.getfixturevalue("reporting")
    server.run("sendmail", "-f", server.address_of("alice"), f"friend@{name}", data=b"Subject: reports\n\nseen\n")
    server.wait_until("the report", "[ -e /run/reports/datagram ]")
    told = json.loads(server.output("cat", "/run/reports/datagram"))
    assert told["d"] == name
    assert told["policies"][0]["policy-domain"] == "mx.dane-good.example"
    assert told["policies"][0]["f"] == 0
