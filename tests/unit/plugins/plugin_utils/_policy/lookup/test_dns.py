# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The DNS as smtpd's resolver client sees it."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.dns import Dns, DnsStatus
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import DnsData

DATA: DnsData = {
    "example.org": {"A": ["192.0.2.1", "192.0.2.2"], "MX": ["20 mx2.example.org", "10 mx1.example.org."]},
    "Mx1.Example.org": {"A": ["192.0.2.3"], "AAAA": ["2001:db8::3"]},
    "alias.example.org": {"CNAME": ["www.example.org."]},
    "www.example.org": {"CNAME": ["example.org"]},
    "loop.example.org": {"CNAME": ["loop.example.org"]},
    "null.example.org": {"MX": ["0 ."], "A": ["192.0.2.4"]},
    "bad.example.org": {"MX": ["10 -bad-"]},
    "half.example.org": {"MX": ["10 -bad-", "20 mx1.example.org"]},
    "numeric.example.org": {"MX": ["10 192.0.2.9"]},
    "fail.example.org": "SERVFAIL",
    "half-fail.example.org": {"A": ["192.0.2.5"], "AAAA": "SERVFAIL"},  # type: ignore[dict-item]
    "*.wild.example.org": {"A": ["192.0.2.6"]},
    "own.wild.example.org": {"TXT": ["x"]},
    "a.b.example.org": {"A": ["192.0.2.7"]},
    "_dmarc.example.org": {"TXT": ["v=DMARC1"]},
}
OK, NOTFOUND, RETRY, INVAL, NULLMX = (
    DnsStatus.OK,
    DnsStatus.NOTFOUND,
    DnsStatus.RETRY,
    DnsStatus.INVAL,
    DnsStatus.NULLMX,
)
QUESTIONS = [
    ("example.org", "A", OK, ("192.0.2.1", "192.0.2.2")),
    ("EXAMPLE.org", "MX", OK, ("mx2.example.org", "mx1.example.org")),  # not sorted
    ("example.org", "AAAA", NOTFOUND, ()),
    ("nothing.example", "A", NOTFOUND, ()),
    ("alias.example.org", "A", OK, ("192.0.2.1", "192.0.2.2")),
    ("loop.example.org", "A", NOTFOUND, ()),
    ("null.example.org", "MX", NULLMX, ()),
    ("bad.example.org", "MX", INVAL, ()),
    ("half.example.org", "MX", OK, ("mx1.example.org",)),
    ("numeric.example.org", "MX", OK, ("192.0.2.9",)),
    ("fail.example.org", "A", RETRY, ()),
    ("half-fail.example.org", "A", OK, ("192.0.2.5",)),
    ("half-fail.example.org", "AAAA", RETRY, ()),
    ("x.wild.example.org", "A", OK, ("192.0.2.6",)),
    ("x.y.wild.example.org", "A", OK, ("192.0.2.6",)),
    ("wild.example.org", "A", NOTFOUND, ()),
    ("own.wild.example.org", "A", NOTFOUND, ()),
    ("_dmarc.example.org", "TXT", OK, ("v=DMARC1",)),
    ("192.0.2.1", "A", NOTFOUND, ()),
    ("example.org.", "A", NOTFOUND, ()),  # a name with a dot at its end is not asked for
    ("exa mple.org", "A", NOTFOUND, ()),
    ("x..org", "A", NOTFOUND, ()),
]


@pytest.mark.parametrize(("name", "rrtype", "status", "values"), QUESTIONS)
def test_lookup(name: str, rrtype: str, status: DnsStatus, values: tuple[str, ...]) -> None:
    result = Dns(DATA).lookup(name, rrtype)
    assert (result.status, result.values) == (status, values)


@pytest.mark.parametrize(("name", "exists"), [("b.example.org", True), ("example.org", True), ("nix.example", False)])
def test_existence(name: str, exists: bool) -> None:
    assert Dns(DATA).lookup(name, "NS").exists == exists


@pytest.mark.parametrize(
    ("name", "types", "stop", "status"),
    [
        ("example.org", ("A", "AAAA", "MX"), {OK}, OK),
        ("half-fail.example.org", ("AAAA", "A"), {OK}, OK),
        ("half-fail.example.org", ("AAAA", "MX"), {OK}, RETRY),
        ("null.example.org", ("MX", "A"), {OK, NULLMX}, NULLMX),
        ("null.example.org", ("MX", "A"), {OK}, OK),
        ("bad.example.org", ("MX", "A"), {OK}, INVAL),
        ("nix.example", ("MX", "A", "AAAA"), {OK}, NOTFOUND),
    ],
)
def test_lookup_list(name: str, types: tuple[str, ...], stop: set[DnsStatus], status: DnsStatus) -> None:
    assert Dns(DATA).lookup_list(name, *types, stop=frozenset(stop)).status is status


def test_addresses() -> None:
    dns = Dns(DATA)
    assert dns.addresses("mx1.example.org") == ("2001:db8::3", "192.0.2.3")
    assert dns.addresses("mx1.example.org", ipv6=False) == ("192.0.2.3",)
    assert dns.addresses("192.0.2.1") == ("192.0.2.1",)
    assert dns.addresses("nix.example") == ()


@pytest.mark.parametrize(
    ("name", "addresses"),
    [("1.2.3", ("1.2.0.3",)), ("127.1", ("127.0.0.1",)), ("0x7f.1", ("127.0.0.1",)), ("1.2.3.256", ()), ("08", ())],
)
def test_numbers_are_addresses_to_the_system(name: str, addresses: tuple[str, ...]) -> None:
    assert Dns(DATA).addresses(name) == addresses


def test_preferences() -> None:
    assert [record.preference for record in Dns(DATA).lookup("example.org", "MX").records] == [20, 10]
