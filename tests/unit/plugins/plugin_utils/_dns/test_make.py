# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Every record that servers need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.postern.mail.plugins.plugin_utils._dns.make import make_records
from ansible_collections.postern.mail.plugins.plugin_utils._dns.model import DnsError
from ansible_collections.postern.mail.plugins.plugin_utils._dns.text import by_zone, mail_hosts, octodns_text, zone_text

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.stem for path in GOLDEN.glob("*.yml"))


def server(**values: Any) -> dict[str, Any]:
    return {"hostname": "mx1.example.org", "domains": ["example.org"], "addresses": ["192.0.2.25"], **values}


def values(name: str, kind: str, *servers: dict[str, Any]) -> list[str]:
    return [record.value for record in make_records(servers) if (record.name, record.type) == (name, kind)]


@pytest.mark.parametrize("case", CASES)
def test_zones_are_the_golden_ones(case: str) -> None:
    given = yaml.safe_load((GOLDEN / f"{case}.yml").read_text(encoding="utf-8"))
    records = make_records(given["servers"])
    zones = by_zone(records, given["zones"])
    written = {zone: zone_text(members, zone, mail_hosts(records)) for zone, members in zones.items()}
    assert written == {zone: (GOLDEN / f"{case}.{zone}.zone").read_text(encoding="utf-8") for zone in given["zones"]}


def test_octodns_gets_the_golden_zone() -> None:
    given = yaml.safe_load((GOLDEN / "two-servers.yml").read_text(encoding="utf-8"))
    zones = by_zone(make_records(given["servers"]), given["zones"])
    assert octodns_text(zones["example.org"], "example.org") == (GOLDEN / "two-servers.example.org.octodns").read_text()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "v=spf1 mx -all"),
        ({"spf": {"all": "~all"}}, "v=spf1 mx ~all"),
        ({"spf": {"extra": ["include:_spf.example.net"]}}, "v=spf1 mx include:_spf.example.net -all"),
        (
            {"spf": {"servers": "addresses"}, "addresses": ["192.0.2.25", "2001:DB8::25"]},
            "v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 -all",
        ),
    ],
)
def test_spf_names_who_sends(changes: dict[str, Any], text: str) -> None:
    assert values("example.org", "TXT", server(**changes)) == [text]


@pytest.mark.parametrize(
    ("dmarc", "text"),
    [
        ({}, "v=DMARC1; p=none"),
        (
            {"p": "reject", "sp": "quarantine", "np": "reject", "t": "y", "adkim": "s", "aspf": "s"},
            "v=DMARC1; p=reject; sp=quarantine; np=reject; t=y; adkim=s; aspf=s",
        ),
        (
            {"rua": ["mailto:a@example.org", "mailto:b@example.org"], "ruf": ["mailto:c@example.org"]},
            "v=DMARC1; p=none; rua=mailto:a@example.org,mailto:b@example.org; ruf=mailto:c@example.org",
        ),
    ],
)
def test_dmarc_has_the_tags_of_its_rfc(dmarc: dict[str, Any], text: str) -> None:
    assert values("_dmarc.example.org", "TXT", server(dmarc=dmarc)) == [text]


def test_servers_of_one_domain_share_its_records() -> None:
    both = (
        server(services={"imaps": 993, "pop3": 0}),
        server(
            hostname="mx2.example.org", addresses=["192.0.2.26"], mx_priority=20, services={"imaps": 993, "pop3": 995}
        ),
    )
    assert values("example.org", "MX", *both) == ["10 mx1.example.org.", "20 mx2.example.org."]
    assert values("_imaps._tcp.example.org", "SRV", *both) == ["0 1 993 mx1.example.org.", "0 1 993 mx2.example.org."]
    assert values("_pop3._tcp.example.org", "SRV", *both) == ["0 1 995 mx2.example.org."]
    addresses = [{**each, "spf": {"servers": "addresses"}} for each in both]
    assert values("example.org", "TXT", *addresses) == ["v=spf1 ip4:192.0.2.25 ip4:192.0.2.26 -all"]


def test_templates_may_make_text_of_numbers() -> None:
    """Before ansible-core 2.19 a template inside a dictionary is always text."""
    texts = server(ttl="300", mx_priority="5", services={"imaps": "993"}, autoconfig="False", addresses_given="True")
    records = make_records([texts])
    assert {record.ttl for record in records} == {300}
    assert ("example.org", "MX", "5 mx1.example.org.") in {(r.name, r.type, r.value) for r in records}
    assert not any(record.name.startswith("auto") for record in records)


def test_no_historic_or_ill_advised_records_are_made() -> None:
    text = "\n".join(f"{record.name} {record.value}" for record in make_records([server(dmarc={"p": "reject"})]))
    assert not any(word in text for word in ("_adsp", "pct=", " ptr", "ri=", "rf="))


def test_our_own_domains_may_report_to_each_other() -> None:
    both = server(domains=["example.org", "example.net", "sub.example.org"], dmarc={"rua": ["mailto:a@example.org"]})
    assert values("example.net._report._dmarc.example.org", "TXT", both) == ["v=DMARC1"]
    assert values("sub.example.org._report._dmarc.example.org", "TXT", both) == []


@pytest.mark.parametrize(
    ("servers", "reason"),
    [
        ([server(hostname="mx1")], "no dot"),
        ([server(addresses=["192.0.2"])], "no IP address"),
        ([server(addresses=["10.0.0.1"], addresses_given=False)], "NAT"),
        ([server(addresses=["fe80::1"])], "nobody else"),
        ([server(ttl=1)], "TTL"),
        ([server(ttl="soon")], "no number"),
        ([server(dmarc={"p": "all"})], "not known"),
        ([server(dmarc={"rua": ["a@example.org"]})], "mailto"),
        ([server(parked_domains=["example.org"])], "in domains as well"),
        ([server(services={"smtp": 25})], "no such service"),
        ([server(mta_sts_id="a-b")], "letters and digits"),
        ([server(records=[{"name": "x", "type": "A", "value": "y"}])], "IPv4"),
        ([server(spf={"extra": [f"include:s{n}.example.net" for n in range(10)]})], "11 lookups"),
        ([server(spf={"extra": ["include:example.org"]})], "includes itself"),
        (
            [
                server(spf={"extra": ["include:example.net"]}, domains=["example.org"]),
                server(
                    hostname="a.example.net",
                    domains=["example.net"],
                    spf={"extra": [f"a:h{n}.example" for n in range(9)]},
                ),
            ],
            "12 lookups",
        ),
        ([server(), server(hostname="mx2.example.org", dmarc={"p": "reject"})], "DMARC is one thing on mx1"),
        ([server(), server(hostname="mx2.example.org", spf={"all": "~all"})], "dns_spf_all is one thing"),
        ([server(), server(hostname="b.example.net", domains=[], parked_domains=["example.org"])], "parked on one"),
        (
            [
                server(records=[{"name": "s._domainkey.example.org", "type": "TXT", "value": "v=DKIM1; p=AA=="}]),
                server(
                    hostname="mx2.example.org",
                    records=[{"name": "s._domainkey.example.org", "type": "TXT", "value": "v=DKIM1; p=BB=="}],
                ),
            ],
            "two keys for one selector",
        ),
        ([server(records=[{"name": "example.org", "type": "TXT", "value": "v=spf1 +all"}])], "begin with v=spf1"),
        ([server(records=[{"name": "example.org", "type": "CNAME", "value": "a.example."}])], "stands alone"),
        (
            [
                server(
                    parked_domains=["p.example"], records=[{"name": "p.example", "type": "MX", "value": "5 a.example"}]
                )
            ],
            "null MX",
        ),
    ],
)
def test_mistakes_and_contradictions_are_told(servers: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(DnsError, match=reason):
        make_records(servers)


def test_all_mistakes_of_all_servers_are_told_at_once() -> None:
    with pytest.raises(DnsError) as error:
        make_records([server(ttl=1, mta_sts_id="-"), server(hostname="x")])
    assert len(str(error.value).splitlines()) == 3
