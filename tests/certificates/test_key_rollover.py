# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The key of a certificate is replaced, and at no moment could a server that uses DANE not have sent here."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence

import dns.message
import dns.query
import pytest
from dialogue import playbooks
from dialogue.lab import Lab, Server, wait_for

pytestmark = [pytest.mark.disturbs, pytest.mark.usefixtures("published")]

DIRECTORY = "/var/lib/postern/dane"
NOW = ["--extra-vars=dane_rotate_now=true", "--extra-vars=dane_rotate_settle=0s"]
# All name servers have had the records for ten minutes, and so long ago is the last change.
AGE = """
import json, sys, time
path = "/var/lib/postern/dane/state.json"
state = json.load(open(path))
for key in state["keys"]:
    key.update(seen=int(time.time()) - 600, since=key["since"] - 600)
json.dump(state, open(path, "w"))
"""


def keys(server: Server) -> dict[str, str]:
    """Status -> digest of the server's first certificate."""
    state = json.loads(server.output("cat", f"{DIRECTORY}/state.json"))
    return {key["status"]: key["digest"] for key in state["keys"] if key["pair"] == "main"}


def digests(server: Server) -> set[str]:
    """Of all keys of all its certificates."""
    return {key["digest"] for key in json.loads(server.output("cat", f"{DIRECTORY}/state.json"))["keys"]}


def served(server: Server, port: int) -> str:
    starttls = "-starttls smtp" if port == 25 else ""
    return server.shell(f"""
        openssl s_client -connect 127.0.0.1:{port} {starttls} < /dev/null 2> /dev/null | openssl x509 -noout -pubkey \
          | openssl pkey -pubin -outform DER | sha256sum | cut -d ' ' -f 1
        """).strip()


def records(lab: Lab, server: Server) -> list[set[str]]:
    """What each name server has."""
    question = dns.message.make_query(f"_25._tcp.{server.hostname}.", "TLSA")
    answers = [dns.query.udp(question, address, timeout=60).answer for address in lab.nameservers]
    return [{record.to_text().split()[-1] for rrset in answer for record in rrset} for answer in answers]


def told(lab: Lab, server: Server) -> None:
    """Wait until every name server has the records of all keys, and no others: the second one asks when it is told."""
    wait_for("its records", lambda: records(lab, server) == [digests(server)] * len(lab.nameservers))


def age(servers: Sequence[Server]) -> None:
    for server in servers:
        server.run("python3", "-c", AGE)
        server.run("unbound-control", "flush", f"_25._tcp.{server.hostname}")  # as after ten minutes


@pytest.fixture
def watched(servers: Sequence[Server]) -> Iterator[None]:
    """Each server is a sender that uses DANE to itself, every other second."""
    for server in servers:
        words = f"while :; do posttls-finger -c -l dane -L summary {server.domain}; sleep 2; done"
        server.run("systemd-run", "--quiet", "--collect", "--unit=sender", "sh", "-c", words)
    yield
    for server in servers:
        server.run("systemctl", "stop", "sender.service", check=False)


VERIFIED = "Verified TLS connection established"
# What says nothing of keys: a question or a connection that got no answer in time.
UNANSWERED = ("timed out", "lookup error", "Name service error")


def refused(server: Server) -> list[str]:
    """What the sender could not prove; a single try that came to nothing on a busy machine is no such thing."""
    log = server.output("journalctl", "--no-pager", "-o", "cat", "-u", "sender.service")
    tries = re.findall(r"posttls-finger: (.*)", log)
    assert tries
    return [
        line
        for before, line in itertools.pairwise([VERIFIED, *tries])
        if VERIFIED not in line and not (VERIFIED in before and any(words in line for words in UNANSWERED))
    ]


def authority(lab: Lab, action: str) -> None:
    lab.world.run("systemctl", action, "acme-normal.socket")


@pytest.mark.usefixtures("watched")
def test_a_change_of_keys_from_beginning_to_end(lab: Lab, servers: Sequence[Server]) -> None:
    before = {server: keys(server) for server in servers}

    # The authority is down: nothing has happened, and certbot has its own key.
    age(servers)
    authority(lab, "stop")
    try:
        status, output = playbooks.run(lab, "rotate_certificate_key", *NOW, check=False)
    finally:
        authority(lab, "start")
    assert status != 0
    assert output.count("the authority gave no certificate for the next key") >= len(servers)
    for server in servers:
        assert keys(server) == before[server]
        live = f"/etc/letsencrypt/live/{server.hostname}"
        assert served(server, 25) == before[server]["current"]
        links = [server.output("readlink", f"{live}/{kind}.pem").strip() for kind in ("cert", "privkey")]
        assert links[0].replace("/cert", "/privkey") == links[1]

    # A run that is killed while the authority is asked leaves certbot with the next key and no certificate for it.
    for server in servers:
        archive = f"/etc/letsencrypt/archive/{server.hostname}"
        server.shell(f"""
            cp {DIRECTORY}/main-{before[server]["next"][:32]}.pem {archive}/privkey99.pem
            ln -sfn ../../archive/{server.hostname}/privkey99.pem /etc/letsencrypt/live/{server.hostname}/privkey.pem
            """)
    playbooks.run(lab, "rotate_certificate_key", *NOW)
    for server in servers:
        after = keys(server)
        assert after["current"] == before[server]["next"]
        assert after["retiring"] == before[server]["current"]
        assert after["next"] not in before[server].values()
        wait_for("its services", lambda: {served(server, port) for port in (25, 465, 993)} == {after["current"]})  # noqa: B023
        told(lab, server)

    # Later the record of the former key goes; a run without anything to do changes nothing else.
    age(servers)
    _status, output = playbooks.run(lab, "rotate_certificate_key")
    for server in servers:
        now = keys(server)
        assert set(now) == {"current", "next"}
        assert now["current"] == before[server]["next"]
        told(lab, server)
        assert refused(server) == []
