# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The servers' records in real DNS: printed, published, broken, found to be broken, and mended."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.query
import dns.rdatatype
import dns.update
import pytest
from dialogue import playbooks
from dialogue.lab import Lab, Server, wait_for
from dialogue.zone import QUERY_SECONDS, update
from postern_lab.world import UPDATE_SECRET

pytestmark = pytest.mark.usefixtures("published")

HEAD = "$TTL 60\n@ SOA ns.world.example. h.world.example. 1 3600 600 86400 10\n@ NS ns.world.example.\n"
FOREIGN = "site-verification=belongs-to-somebody-else"


def records(nameserver: str, name: str, kind: str) -> list[str]:
    """What one name server has, a TXT value joined as receivers do."""
    answer = dns.query.udp_with_fallback(dns.message.make_query(name, kind), nameserver, timeout=QUERY_SECONDS)[0]
    wanted = dns.rdatatype.from_text(kind)
    found = [rdata for rrset in answer.answer if rrset.rdtype == wanted for rdata in rrset]
    return sorted(b"".join(each.strings).decode() if kind == "TXT" else each.to_text() for each in found)


def changed(output: str) -> int:
    """How many tasks changed something, all hosts together."""
    return sum(int(number) for number in re.findall(r"changed=(\d+)", output))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where a run of the playbook writes."""
    return tmp_path / "dns"


@contextlib.contextmanager
def process_list() -> Iterator[list[str]]:
    """Every line of the process list that shows the key, while the block runs."""
    seen: list[str] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            lines = subprocess.run(["ps", "-eo", "args", "ww"], capture_output=True, text=True, check=True).stdout
            seen.extend(line for line in lines.splitlines() if UPDATE_SECRET in line)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()


def check(lab: Lab, directory: Path, *arguments: str) -> tuple[int, dict[tuple[str, str], dict[str, object]], str]:
    """Exit status, findings by code and subject, and output."""
    status, output = playbooks.run(
        lab, "dns", "-e", "dns_do=check", "-e", f"dns_directory={directory}", *arguments, check=False
    )
    findings = json.loads((directory / "check.json").read_text(encoding="utf-8"))["findings"]
    return status, {(each["code"], each["subject"]): each for each in findings}, output


def test_everything_is_published_on_both_name_servers(lab: Lab, server: Server) -> None:
    wanted = {
        (server.hostname, "A"): [server.address],
        (server.hostname, "AAAA"): [server.address6],
        (server.domain, "MX"): [f"10 {server.hostname}."],
        (server.second_domain, "MX"): [f"10 {server.hostname}."],
        (f"_submissions._tcp.{server.domain}", "SRV"): [f"0 1 465 {server.hostname}."],
        (f"_imap._tcp.{server.domain}", "SRV"): ["0 0 0 ."],
        (f"{server.second_domain}._report._dmarc.{server.domain}", "TXT"): ["v=DMARC1"],
    }
    for nameserver in lab.nameservers:
        # The second one is told, and asks for what is new.
        wait_for("the records", lambda: {key: records(nameserver, *key) for key in wanted} == wanted)  # noqa: B023
        (policy,) = [text for text in records(nameserver, f"_dmarc.{server.domain}", "TXT") if "DMARC1" in text]
        assert policy.startswith("v=DMARC1; p=none; rua=mailto:")
        assert "v=spf1 mx -all" in records(nameserver, server.domain, "TXT")


def test_a_long_key_arrives_whole(lab: Lab, server: Server) -> None:
    """RSA 2048 is longer than one string of DNS."""
    table = server.output("sh", "-c", "cat /etc/opendkim/KeyTable")
    names = re.findall(r"^\s*(\S+\._domainkey\.\S+)\s", table, re.MULTILINE)
    assert names, table
    for name in names:
        for nameserver in lab.nameservers:
            (key,) = records(nameserver, name, "TXT")
            assert re.fullmatch(r"v=DKIM1; .*p=[A-Za-z0-9+/]{360,}=*", key)


def test_printed_zones_are_loaded_by_a_name_server(lab: Lab, directory: Path) -> None:
    _status, output = playbooks.run(lab, "dns", "-e", f"dns_directory={directory}")
    for server in lab.servers:
        zone = (directory / f"{server.domain}.zone").read_text(encoding="utf-8")
        assert zone in output  # what is shown is what is written
        lab.world.run("tee", "/tmp/printed.zone", data=(HEAD + zone).encode())
        assert "OK" in lab.world.output("named-checkzone", server.domain, "/tmp/printed.zone")


def test_the_world_sees_what_it_should(lab: Lab, directory: Path) -> None:
    status, findings, output = check(lab, directory)
    assert status == 0
    assert {each["severity"] for each in findings.values()} <= {"warning"}
    assert {code for code, _subject in findings} <= {"private-address"}  # the laboratory's
    assert all(nameserver in output for nameserver in lab.nameservers)


@pytest.mark.disturbs
def test_what_was_broken_is_found_and_mended_and_the_rest_left_alone(lab: Lab, directory: Path) -> None:
    """A wrong SPF record, two DMARC records, an alien key, and a stranger's value in the same set."""
    server = lab.servers[0]
    zone = server.domain
    name = re.findall(rf"(\S+\._domainkey\.{re.escape(zone)})\s", server.output("cat", "/etc/opendkim/KeyTable"))[0]

    def damage(message: dns.update.UpdateMessage) -> None:
        message.replace(f"{zone}.", 60, "TXT", '"v=spf1 ip4:192.0.2.0/24 a:nowhere.invalid -all"')
        message.add(f"{zone}.", 60, "TXT", f'"{FOREIGN}"')
        message.add(f"_dmarc.{zone}.", 60, "TXT", '"v=DMARC1; p=reject"')
        message.replace(f"{name}.", 60, "TXT", '"v=DKIM1; k=rsa; p=AAAA"')
        message.delete(f"_imaps._tcp.{zone}.", "SRV")

    update(lab, zone, damage)
    status, findings, output = check(lab, directory)
    assert status != 0
    assert {
        ("different", f"{zone} TXT"),
        ("spf-refuses-us", f"{zone} SPF"),
        ("two-dmarc-records", f"_dmarc.{zone} TXT"),
        ("dkim-key", f"{name} TXT"),
        ("missing", f"_imaps._tcp.{zone} SRV"),
    } <= set(findings)
    assert '+ "v=spf1 mx -all"' in output
    _status, planned = playbooks.run(lab, "dns", "-e", "dns_do=publish", "--check")
    assert changed(planned) == 1
    assert len(records(lab.dns, f"_dmarc.{zone}", "TXT")) == 2  # a dry run changes nothing
    with process_list() as seen:
        _status, published = playbooks.run(lab, "dns", "-e", "dns_do=publish", "-vvv", "--diff")
    assert UPDATE_SECRET not in published
    assert seen == []
    assert records(lab.dns, zone, "TXT") == [FOREIGN, "v=spf1 mx -all"]
    _status, again = playbooks.run(lab, "dns", "-e", "dns_do=publish")
    assert changed(again) == 0
    update(lab, zone, lambda message: message.delete(f"{zone}.", "TXT", f'"{FOREIGN}"'))


@pytest.mark.disturbs
def test_an_alias_in_the_way_is_told_before_anything_is_changed(lab: Lab) -> None:
    """A server would answer NOERROR and leave the record out."""
    zone = lab.servers[0].domain
    name = f"_smtp._tls.{zone}."
    (before,) = records(lab.dns, name, "TXT")

    def alias(message: dns.update.UpdateMessage) -> None:
        message.delete(name)
        message.add(name, 60, "CNAME", "elsewhere.example.")

    def restore(message: dns.update.UpdateMessage) -> None:
        message.delete(name)
        message.add(name, 60, "TXT", f'"{before}"')

    update(lab, zone, alias)
    try:
        status, output = playbooks.run(lab, "dns", "-e", "dns_do=publish", check=False)
    finally:
        update(lab, zone, restore)
    assert status != 0
    assert "the name is an alias of elsewhere.example" in output
    assert changed(output) == 0


def test_a_wrong_key_is_told_in_words(lab: Lab) -> None:
    given = json.dumps({"dns_tsig_secret": "bm90IHRoZSByaWdodCBrZXkgYXQgYWxs"})
    status, output = playbooks.run(lab, "dns", "-e", "dns_do=publish", "-e", given, check=False)
    assert status != 0
    assert "it finds the TSIG signature wrong" in output
    assert changed(output) == 0
