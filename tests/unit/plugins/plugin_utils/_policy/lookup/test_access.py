# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Access tables: which key is found."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.access import Access, address_keys
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.dns import Dns
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.resolve import resolve
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.tables import TableError, Tables
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import DnsData
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy

DNS: DnsData = {
    "example.net": {"MX": ["10 mx.example.net"], "NS": ["ns.example.org"], "A": ["192.0.2.80"]},
    "mx.example.net": {"A": ["192.0.2.25"], "AAAA": ["2001:db8::25"]},
    "ns.example.org": {"A": ["192.0.2.53"]},
    "bare.test": {"A": ["192.0.2.90"]},
    "null.test": {"MX": ["0 ."], "A": ["192.0.2.91"]},
}


def access(**parameters: str) -> tuple[Access, Tables]:
    given = {"compatibility_level": "3.6", "myhostname": "mx.example.org", "mydestination": "example.org"}
    settings = Policy.of({**given, "recipient_delimiter": "+", **parameters}).settings()
    tables = Tables(settings, {})
    return Access(settings, tables, Dns(DNS)), tables


def table(*keys: str) -> str:
    return "inline:{" + " ".join(f"{{{key}=OK}}" for key in keys) + "}"


@pytest.mark.parametrize(
    ("name", "keys", "found"),
    [
        ("a.b.example", ("b.example", "example"), "b.example"),
        ("a.b.example", ("example", "a.b.example"), "a.b.example"),
        ("a.b.example", (".b.example",), None),
        ("192.0.2.7", ("192.0.2.7", "0.2.7"), "192.0.2.7"),
        ("192.0.2.8", ("2.8", "8"), None),
        ("[192.0.2.8]", ("2.8]",), "2.8]"),
        ("example.", ("example",), None),
        ("a.example.", ("example.",), "example."),
        ("unknown", ("unknown",), "unknown"),
    ],
)
def test_domain(name: str, keys: tuple[str, ...], found: str | None) -> None:
    hit = access()[0].domain(table(*keys), name)
    assert (hit.key if hit else None) == found


def test_dotted_parents() -> None:
    dotted = access(parent_domain_matches_subdomains="")[0]
    assert list(dotted.domain_keys("a.b.c")) == ["a.b.c", ".b.c", ".c"]
    assert list(access()[0].domain_keys("a.b.c")) == ["a.b.c", "b.c", "c"]


@pytest.mark.parametrize(
    ("addr", "keys"),
    [
        ("192.0.2.7", ["192.0.2.7", "192.0.2", "192.0", "192"]),
        ("2001:db8::7", ["2001:db8::7", "2001:db8:", "2001:db8", "2001"]),
        ("::1", ["::1", ":"]),
    ],
)
def test_address_keys(addr: str, keys: list[str]) -> None:
    assert list(address_keys(addr)) == keys


def test_a_name_hides_its_address() -> None:
    own = access()[0]
    hit = own.client(table("192.0.2.7", "example"), "client.example", "192.0.2.7")
    assert hit is not None and hit.key == "example"
    hit = own.client(table("192.0.2", "unknown.test"), "unknown", "192.0.2.7")
    assert hit is not None and hit.key == "192.0.2"


def test_patterns_see_full_keys_only() -> None:
    own = access()[0]
    assert own.client("pcre:{{/^example$$/ OK} {/^192.0.2$$/ OK}}", "a.example", "192.0.2.7") is None
    assert own.client("cidr:{{192.0.2.0/24 OK}}", "a.example", "192.0.2.7") is not None


@pytest.mark.parametrize(
    ("address", "keys", "found"),
    [
        ("user+x@a.example", ("user@a.example", "user+x@a.example"), "user+x@a.example"),
        ("user+x@a.example", ("a.example", "user@a.example"), "user@a.example"),
        ("user+x@a.example", ("user@", "example"), "example"),  # a top-level domain beats user@
        ("user+x@a.example", ("user@", "user+x@"), "user+x@"),
        ("user+x@a.example", ("user@",), "user@"),
        ("user@a.example", ("@a.example", "user"), None),
        ("user@a.example", (".example",), None),
        ("user", ("user@mx.example.org",), "user@mx.example.org"),
        ("a b@a.example", ("a.example",), "a.example"),
    ],
)
def test_mail(address: str, keys: tuple[str, ...], found: str | None) -> None:
    own, tables = access()
    hit = own.mail(table(*keys), resolve(tables.settings, tables, address))
    assert (hit.key if hit else None) == found


def test_quoted_form_comes_first() -> None:
    own, tables = access()
    address = resolve(tables.settings, tables, "a b@a.example")
    for key in ('"a b"@a.example', "a b@a.example"):
        hit = own.mail(f"pcre:{{ {{/^{key}$$/ OK}} }}", address)
        assert hit is not None and hit.key == key


def test_null_sender() -> None:
    hit = access()[0].null_sender(table("<>"))
    assert hit is not None and hit.key == "<>"


@pytest.mark.parametrize(
    ("name", "rrtype", "keys", "found"),
    [
        ("user@example.net", "MX", ("mx.example.net",), "mx.example.net"),
        ("example.net", "MX", ("192.0.2.25",), "192.0.2.25"),
        ("example.net", "MX", ("2001:db8", "net"), "net"),
        ("sub.example.net", "NS", ("ns.example.org",), "ns.example.org"),
        ("example.net", "NS", ("192.0.2.53",), "192.0.2.53"),
        ("example.net", "A", ("192.0.2.80",), "192.0.2.80"),
        ("example.net", "A", ("example.net",), None),
        ("bare.test", "MX", ("bare.test",), "bare.test"),
        ("null.test", "MX", ("null.test", "192.0.2.91"), None),
        ("nix.test", "NS", ("test",), None),
        ("user@[192.0.2.9]", "MX", ("192.0.2.9",), "192.0.2.9"),
        ("user@[192.0.2.9]", "NS", ("192.0.2.9",), None),
    ],
)
def test_servers(name: str, rrtype: str, keys: tuple[str, ...], found: str | None) -> None:
    hit = access()[0].server(table(*keys), name, rrtype)
    assert (hit.key if hit else None) == found


def test_errors_surface() -> None:
    with pytest.raises(TableError):
        access()[0].client("hash:/nowhere", "a.example", "192.0.2.7")
