# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""What the world answers beside what it should, with a world made of dictionaries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._dns.ask import Reply
from ansible_collections.postern.mail.plugins.plugin_utils._dns.check import Check
from ansible_collections.postern.mail.plugins.plugin_utils._dns.findings import Finding, counted, report
from ansible_collections.postern.mail.plugins.plugin_utils._dns.make import make_records
from ansible_collections.postern.mail.plugins.plugin_utils._dns.model import record_sets
from ansible_collections.postern.mail.plugins.plugin_utils._dns.servers import read_server

RESOLVER, FIRST, SECOND = "192.0.2.1", "192.0.2.53", "192.0.2.54"
KEY = "v=DKIM1; k=rsa; p=AAAA"
SERVER = {
    "hostname": "mx1.example.org",
    "domains": ["example.org"],
    "addresses": ["1.1.1.1", "2606:4700::1"],  # public ones; those for documentation count as private
    "dmarc": {"p": "none", "rua": ["mailto:a@example.org"]},
    "records": [{"name": "s._domainkey.example.org", "type": "TXT", "value": KEY}],
}
V6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.4.6.0.6.2.ip6.arpa"
GOOD: dict[tuple[str, str], list[str]] = {
    ("mx1.example.org", "A"): ["1.1.1.1"],
    ("mx1.example.org", "AAAA"): ["2606:4700::1"],
    ("mx1.example.org", "TXT"): ["v=spf1 a -all"],
    ("example.org", "MX"): ["10 mx1.example.org."],
    ("example.org", "TXT"): ["v=spf1 mx -all", "google-site-verification=x"],
    ("_dmarc.example.org", "TXT"): ["v=DMARC1; p=none; rua=mailto:a@example.org"],
    ("s._domainkey.example.org", "TXT"): ["v=DKIM1;k=rsa; p=AA AA"],  # white space means nothing
    ("example.org", "NS"): ["ns1.example.org.", "ns2.example.org."],
    ("example.org", "SOA"): ["ns1.example.org. h.example.org. 7 1 1 1 1"],
    ("ns1.example.org", "A"): [FIRST],
    ("ns2.example.org", "A"): [SECOND],
    ("1.1.1.1.in-addr.arpa", "PTR"): ["mx1.example.org."],
    (V6, "PTR"): ["mx1.example.org."],
}


class Fake:
    """Servers by address, each with records of its own."""

    def __init__(self, changes: Mapping[str, Mapping[tuple[str, str], Any]]) -> None:
        self.changes = changes
        self.asked: list[tuple[str, str, str]] = []

    def __call__(self, address: str, name: str, kind: str, *, recursive: bool = True) -> Reply:
        self.asked.append((address, name, kind))
        records = {**GOOD, **self.changes.get("all", {}), **self.changes.get(address, {})}
        value = records.get((name, kind), [])
        if isinstance(value, Reply):
            return value
        zone = "example.org" if name.endswith("example.org") else ""
        status: Any = "found" if value else "nxdomain"
        return Reply(status, tuple(sorted(value)), 60, "", not recursive, zone)


def findings(server: dict[str, Any] | None = None, **changes: Any) -> list[Finding]:
    """:param changes: records that differ, by ``all``, ``resolver``, ``first`` or ``second``"""
    addresses = {"all": "all", "resolver": RESOLVER, "first": FIRST, "second": SECOND}
    fake = Fake({addresses[key]: value for key, value in changes.items()})
    described = server or SERVER
    sets = record_sets(make_records([described]))
    return Check(sets, [read_server(described)], [RESOLVER], nameservers=True, ask=fake).run().findings


def codes(**changes: Any) -> set[tuple[str, str]]:
    return {(finding.code, finding.severity) for finding in findings(**changes)}


def test_a_right_world_has_nothing_to_tell() -> None:
    assert findings() == []


FAILED = Reply("failed", detail="no answer")
MX, TXT, DMARC = ("example.org", "MX"), ("example.org", "TXT"), ("_dmarc.example.org", "TXT")


@pytest.mark.parametrize(
    ("changes", "code", "severity"),
    [
        ({("mx1.example.org", "AAAA"): []}, "missing", "error"),
        ({("mx1.example.org", "A"): ["1.1.1.2"]}, "different", "error"),
        ({("mx1.example.org", "A"): ["1.1.1.1", "1.1.1.2"]}, "foreign", "error"),
        ({MX: ["10 mx1.example.org.", "20 old.example.net."]}, "foreign", "error"),
        ({TXT: ["google-site-verification=x"]}, "missing", "error"),
        ({TXT: ["v=spf1 mx ~all"]}, "different", "error"),
        ({TXT: ["v=spf1 mx -all", "v=spf1 a -all"]}, "two-spf-records", "error"),
        ({DMARC: ["v=DMARC1; p=none", "v=DMARC1; p=reject"]}, "two-dmarc-records", "error"),
        ({("s._domainkey.example.org", "TXT"): []}, "missing", "error"),
        ({("s._domainkey.example.org", "TXT"): ["v=DKIM1; k=rsa; p=BBBB"]}, "dkim-key", "error"),
        ({("s._domainkey.example.org", "TXT"): ["v=DKIM1; t=y; p=AAAA"]}, "different", "error"),
        ({("s._domainkey.example.org", "TXT"): [KEY, "v=DKIM1; p="]}, "two-dkim-keys", "error"),
        ({("1.1.1.1.in-addr.arpa", "PTR"): []}, "no-ptr", "error"),
        ({("1.1.1.1.in-addr.arpa", "PTR"): ["one.one."]}, "ptr-other-name", "error"),
        ({("1.1.1.1.in-addr.arpa", "PTR"): ["one.one."]}, "ptr-unconfirmed", "error"),
        ({("1.1.1.1.in-addr.arpa", "PTR"): ["mx1.example.org.", "b.example.org."]}, "several-ptr", "warning"),
        ({("1.1.1.1.in-addr.arpa", "PTR"): FAILED}, "ptr-unknown", "warning"),
        ({("mx1.example.org", "A"): Reply("found", ("1.1.1.1",), 60, "a.example.net", True)}, "mx-alias", "error"),
        ({("mx1.example.org", "A"): ["127.0.0.1"]}, "mx-nowhere", "error"),
        ({MX: ["10 nowhere.example.org."]}, "mx-without-address", "error"),
        ({TXT: ["v=spf1 " + "a:mx1.example.org " * 11 + "-all"]}, "spf-lookups", "error"),
        ({TXT: ["v=spf1 a:x.example a:y.example a:z.example -all"]}, "spf-void-lookups", "error"),
        ({TXT: ["v=spf1 mx a:x.example -all"]}, "spf-void-lookup", "warning"),
        ({TXT: ["v=spf1 include:x.example -all"]}, "spf-permerror", "error"),
        ({TXT: ["v=spf1 nonsense -all"]}, "spf-permerror", "error"),
        ({TXT: ["v=spf1 ip4:192.0.2.0/24 -all"]}, "spf-refuses-us", "error"),
        ({TXT: ["v=spf1 mx a:x.example -all"], ("x.example", "A"): FAILED}, "spf-unknown", "warning"),
        ({TXT: ["v=spf1 mx " + "ip4:192.0.2.1 " * 40 + "-all"]}, "spf-long", "warning"),
        ({DMARC: ["v=DMARC1; p=none; rua=mailto:a@collector.example"]}, "dmarc-report-refused", "error"),
        ({DMARC: ["v=DMARC1; p=none; rua=mailto:a@example.org; pct=50"]}, "dmarc-old-tag", "warning"),
        ({("example.org", "NS"): ["ns1.example.org."]}, "one-nameserver", "warning"),
        ({("ns2.example.org", "A"): []}, "nameserver-without-address", "error"),
    ],
)
def test_each_defect_is_found(changes: dict[tuple[str, str], Any], code: str, severity: str) -> None:
    assert (code, severity) in codes(all=changes)


def test_a_permission_for_reports_is_accepted() -> None:
    record = ["v=DMARC1; p=none; rua=mailto:a@collector.example"]
    permission = {("example.org._report._dmarc.collector.example", "TXT"): ["v=DMARC1;"]}
    assert "dmarc-report-refused" not in {code for code, _severity in codes(all={DMARC: record, **permission})}


def test_reports_within_one_organization_need_no_permission() -> None:
    """mail.example.org and reports.example.org: the tree walk of RFC 9989 finds example.org above both."""
    record = {("_dmarc.example.org", "TXT"): ["v=DMARC1; p=none; rua=mailto:a@reports.example.org"]}
    assert "dmarc-report-refused" not in {code for code, _severity in codes(all=record)}


def test_servers_that_disagree_are_named() -> None:
    (finding,) = findings(second={TXT: ["v=spf1 a -all"]})
    assert finding.seen_by == (f"ns2.example.org ({SECOND})",)
    assert (finding.there, finding.wanted) == (('"v=spf1 a -all"',), ('"v=spf1 mx -all"',))


def test_a_secondary_that_lags_is_a_warning() -> None:
    soa = {("example.org", "SOA"): ["ns1.example.org. h.example.org. 6 1 1 1 1"]}
    assert codes(second=soa) == {("serials-differ", "warning")}


def test_servers_that_name_other_servers_disagree() -> None:
    assert ("nameservers-disagree", "error") in codes(second={("example.org", "NS"): ["ns1.example.org."]})


def test_a_server_that_does_not_know_its_zone_is_lame() -> None:
    answers = {key: Reply("found", tuple(sorted(value)), 60, "", False) for key, value in GOOD.items()}
    assert ("lame", "error") in codes(second=answers)


def test_one_silent_server_is_a_warning_and_all_are_an_error() -> None:
    silence = dict.fromkeys(GOOD, FAILED)
    assert codes(second=silence) == {("no-answer", "warning")}
    assert ("no-answer", "error") in codes(first=silence, second=silence)


def test_an_address_that_only_this_machine_cannot_reach_silences_nobody() -> None:
    """A controller without IPv6, and a name server with both."""
    address = "2001:db8::54"
    nowhere = Reply("failed", detail="it cannot be reached (Network is unreachable)", no_way=True)
    changes: dict[str, Any] = {
        "all": {("ns2.example.org", "AAAA"): [address]},
        address: dict.fromkeys([*GOOD, ("_dmarc.example.org", "TXT")], nowhere),
    }
    sets = record_sets(make_records([SERVER]))

    def told(**more: Any) -> set[tuple[str, str]]:
        fake = Fake({**changes, **more})
        return {
            (each.code, each.subject) for each in Check(sets, [], [RESOLVER], nameservers=True, ask=fake).run().findings
        }

    assert told() == {("no-way", f"ns2.example.org ({address})")}
    # Its other address is silent as well: what the server has is not known.
    silent = {SECOND: dict.fromkeys(GOOD, FAILED)}
    assert {code for code, _subject in told(**silent)} == {"no-answer"}


def test_a_question_that_nobody_answers_is_an_error_though_others_are_answered() -> None:
    (finding, *others) = findings(all={MX: Reply("failed", detail="it answers SERVFAIL")})
    assert (finding.code, finding.severity) == ("no-answer", "error")
    assert "example.org MX" in finding.reason
    assert "SERVFAIL" in finding.reason
    assert {each.code for each in others} == {"no-answer", "spf-unknown"}


def test_without_any_resolver_nothing_is_said_that_nobody_knows() -> None:
    assert codes(resolver=dict.fromkeys(GOOD, FAILED)) <= {
        ("no-answer", "error"),
        ("ptr-unknown", "warning"),
        ("dmarc-report-unknown", "warning"),
    }


def test_a_domain_that_nobody_answers_for_is_told() -> None:
    assert ("no-nameserver", "error") in codes(all={("example.org", "SOA"): Reply("nxdomain")})


def test_private_addresses_and_a_lacking_key_are_warnings() -> None:
    inside = {**SERVER, "addresses": ["10.0.0.1"], "records": []}
    found = {(each.code, each.severity) for each in findings(inside, all={("mx1.example.org", "A"): ["10.0.0.1"]})}
    assert {("private-address", "warning"), ("no-ipv6", "warning"), ("no-dkim", "warning")} <= found


def test_records_alone_are_compared_without_servers() -> None:
    fake = Fake({})
    sets = record_sets(make_records([SERVER]))
    checked = Check(sets, [], [RESOLVER], nameservers=False, ask=fake).run()
    assert (checked.findings, checked.asked) == ([], [f"resolver {RESOLVER}"])
    assert {address for address, _name, _kind in fake.asked} == {RESOLVER}


def test_each_question_is_asked_once() -> None:
    fake = Fake({})
    Check(record_sets(make_records([SERVER])), [read_server(SERVER)], [RESOLVER], nameservers=True, ask=fake).run()
    assert len(fake.asked) == len(set(fake.asked))


def test_while_waiting_no_resolver_is_asked_about_the_records() -> None:
    """It would remember that there is nothing (RFC 2308)."""
    fake = Fake({FIRST: {TXT: []}})
    check = Check(record_sets(make_records([SERVER])), [], [RESOLVER], nameservers=True, ask=fake)
    assert check.nameservers_differ()
    assert not [each for each in fake.asked if each[0] == RESOLVER and each[2] in ("TXT", "MX")]


def test_the_report_is_a_diff_with_errors_first() -> None:
    lines = report(findings(all={TXT: ["v=spf1 mx a:x.example ~all"]}), 7, ["resolver 192.0.2.1"])
    assert lines[0].startswith("postern.mail: DNS: 1 error and 1 warning; 7 sets")
    assert lines.index('     - "v=spf1 mx a:x.example ~all"') < lines.index('     + "v=spf1 mx -all"')
    assert lines[2].startswith("  1. example.org TXT: SPF is not what it should be. [different]")
    assert counted([]) == "nothing wrong"


TLSA = ("_25._tcp.mx1.example.org", "TLSA")
RECORD = f"3 1 1 {'ab' * 32}"
DANE = {**SERVER, "records": [*SERVER["records"], {"name": TLSA[0], "type": "TLSA", "value": RECORD, "ttl": 60}]}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({TLSA: [RECORD], ("example.org", "DS"): ["1 13 2 abcd"]}, set()),
        ({TLSA: [RECORD], ("example.org", "DS"): FAILED}, set()),
        ({TLSA: [RECORD]}, {("tlsa-unsigned", "error")}),
        (
            {
                TLSA: Reply("found", (RECORD,), 86400, authoritative=True, zone="example.org"),
                ("example.org", "DS"): ["1"],
            },
            {("tlsa-ttl", "error")},
        ),
    ],
)
def test_records_of_dane_are_worth_something(changes: dict[Any, Any], expected: set[tuple[str, str]]) -> None:
    assert {(finding.code, finding.severity) for finding in findings(DANE, all=changes)} == expected


def test_a_longer_ttl_is_told_of_records_alone_too() -> None:
    """As a change of keys asks: it waits for two of its own."""
    fake = Fake({"all": {TLSA: Reply("found", (RECORD,), 86400, authoritative=True, zone="example.org")}})
    sets = [each for each in record_sets(make_records([DANE])) if each.type == "TLSA"]
    told = Check(sets, [], [RESOLVER], nameservers=True, ask=fake).run().findings
    assert [each.code for each in told] == ["tlsa-ttl"]


def test_a_domain_whose_own_zone_is_not_signed_is_told() -> None:
    elsewhere = {**DANE, "domains": ["example.org", "example.net"]}
    changes = {
        TLSA: [RECORD],
        ("example.org", "DS"): ["1"],
        ("example.net", "SOA"): Reply("found", ("x",), zone="example.net"),
    }
    told = {(finding.code, finding.subject) for finding in findings(elsewhere, all=changes)}
    assert ("mx-unsigned", "example.net") in told
