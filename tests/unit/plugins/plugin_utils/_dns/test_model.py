# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Records and their values."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._dns.model import (
    DnsError,
    Record,
    canonical_value,
    name_problem,
    read_records,
    record_sets,
    zone_of,
)


@pytest.mark.parametrize(
    ("kind", "value", "canonical"),
    [
        ("A", "192.0.2.1", "192.0.2.1"),
        ("AAAA", "2001:DB8:0::1", "2001:db8::1"),
        ("MX", "010  MX1.example.org", "10 mx1.example.org."),
        ("MX", "0 .", "0 ."),
        ("CNAME", "Host.example.org.", "host.example.org."),
        ("SRV", "0 1 993 mx1.example.org.", "0 1 993 mx1.example.org."),
        ("SRV", "0 0 0 .", "0 0 0 ."),
        ("CAA", "0 ISSUE letsencrypt.org", '0 issue "letsencrypt.org"'),
        ("CAA", '128 issue ";"', '128 issue ";"'),
        ("TLSA", "3 1 1 AB CD", "3 1 1 abcd"),
        ("TXT", 'v=spf1 "x" -all', 'v=spf1 "x" -all'),
    ],
)
def test_values_have_one_form(kind: str, value: str, canonical: str) -> None:
    assert canonical_value(kind, value) == canonical


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("A", "2001:db8::1", "IPv6"),
        ("A", "192.0.2.256", "no"),
        ("A", "", "no"),
        ("MX", "mx1.example.org", "preference"),
        ("MX", "70000 mx1.example.org", "65535"),
        ("MX", "10 192.0.2.1_", "host"),
        ("SRV", "0 993 mx1.example.org", "priority"),
        ("CNAME", "a b", "one full name"),
        ("CAA", "issue letsencrypt.org", "flags"),
        ("CAA", '300 issue "x"', "flags"),
        ("TLSA", "3 1 1 xyz", "hexadecimal"),
        ("TXT", "", "empty"),
        ("TXT", "grüße", "ASCII"),
        ("TXT", "a\nb", "line break"),
        ("NAPTR", "x", "not made here"),
    ],
)
def test_wrong_values_say_why(kind: str, value: str, reason: str) -> None:
    with pytest.raises(DnsError, match=reason if reason != "no" else "it is not"):
        canonical_value(kind, value)


@pytest.mark.parametrize(
    "name", ["example.org", "_dmarc.example.org.", "*._domainkey.example.org", "xn--bcher-kva.example"]
)
def test_legal_names(name: str) -> None:
    assert name_problem(name) == ""


@pytest.mark.parametrize(
    "name",
    ["", "a..b", "-a.example", "a b.example", "ü.example", "x" * 64 + ".example", "a.*.example", "a." * 127 + "aa"],
)
def test_illegal_names(name: str) -> None:
    assert name_problem(name)


def test_all_mistakes_of_a_list_are_told_at_once() -> None:
    with pytest.raises(DnsError) as error:
        read_records(
            [
                {"name": "a b", "type": "A", "value": "192.0.2.1"},
                {"name": "a.example", "type": "A", "value": "x"},
                {"name": "b.example", "type": "A", "value": "192.0.2.1", "ttl": 1},
                {"name": "c.example", "type": "A", "value": "192.0.2.1", "ttl": "soon"},
                {"name": "d.example", "type": "A", "value": "192.0.2.1"},
            ],
            3600,
        )
    assert len(str(error.value).splitlines()) == 4


def test_a_set_has_each_value_once_and_the_lowest_time() -> None:
    (one,) = record_sets([Record("a", "A", "1", 60), Record("a", "A", "2", 30), Record("a", "A", "1", 90)])
    assert (one.values, one.ttl) == (("1", "2"), 30)


def test_the_longest_zone_holds_a_name() -> None:
    zones = ["example.org", "mail.example.org", "ple.org"]
    assert zone_of("mx.mail.example.org", zones) == "mail.example.org"
    assert zone_of("example.org", zones) == "example.org"
    assert zone_of("example.com", zones) == ""
