# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Records as text."""

from __future__ import annotations

import json

import dns.zone
import pytest
import yaml
from ansible_collections.postern.mail.plugins.plugin_utils._dns.model import Record, read_record
from ansible_collections.postern.mail.plugins.plugin_utils._dns.text import (
    by_zone,
    json_text,
    octodns_text,
    presented,
    quoted,
    strings,
    zone_text,
)
from hypothesis import given
from hypothesis import strategies as st

HEAD = "$ORIGIN example.org.\n$TTL 60\n@ SOA ns.example.org. h.example.org. 1 2 3 4 5\n@ NS ns.example.org.\n"
PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=1200)


@given(PRINTABLE)
def test_strings_are_short_and_join_to_what_they_were(text: str) -> None:
    parts = strings(text)
    assert "".join(parts) == text
    assert all(0 < len(part) <= 255 for part in parts)
    assert all(len(part) == 255 for part in parts[:-1])


@given(PRINTABLE)
def test_a_name_server_reads_the_value_that_was_meant(text: str) -> None:
    """Written, read by dnspython's zone parser, and joined as receivers do."""
    fragment = zone_text([Record("a.example.org", "TXT", text, 60)], "example.org")
    zone = dns.zone.from_text(HEAD + fragment, relativize=False)
    (rdata,) = zone.get_rdataset("a.example.org.", "TXT")
    assert b"".join(rdata.strings).decode("ascii") == text


@pytest.mark.parametrize(
    ("text", "written"),
    [("plain", '"plain"'), ('say "x"', '"say \\"x\\""'), ("back\\slash", '"back\\\\slash"'), ("\x07é", '"\\007\\233"')],
)
def test_what_a_zone_file_would_read_otherwise_is_escaped(text: str, written: str) -> None:
    assert quoted(text) == written


def test_a_long_value_is_several_strings_on_one_line_for_updates() -> None:
    assert presented("TXT", "x" * 300) == f'"{"x" * 255}" "{"x" * 45}"'
    assert presented("MX", "10 mx.example.org.") == "10 mx.example.org."


@pytest.mark.parametrize(
    ("name", "kind", "zone"),
    [
        ("_dmarc.example.org", "TXT", "example.org"),
        ("s._domainkey.sub.example.org", "TXT", "sub.example.org"),
        ("mx1.example.com", "A", "example.com"),
        ("example.com", "MX", "example.com"),
        ("example.com", "TXT", "example.com"),
        ("mx1.mail.example.net", "A", "example.net"),
    ],
)
def test_records_go_to_their_zone_or_to_the_domain_they_are_about(name: str, kind: str, zone: str) -> None:
    record = Record(name, kind, "x", 60)
    assert by_zone([record], ["example.net"]) == {zone: [record]}


def test_json_can_be_read_again() -> None:
    record = Record("example.org", "TXT", 'v=spf1 "-all"', 60)
    assert [read_record(each, 1) for each in json.loads(json_text([record]))] == [record]


def test_octodns_keys_are_in_natural_order_and_values_escaped() -> None:
    records = [Record(f"{name}.example.org", "TXT", "a; b", 60) for name in ("s10", "s9", "_x", "no", "*._domainkey")]
    text = octodns_text([*records, Record("example.org", "MX", "10 mx.example.org.", 60)], "example.org")
    zone = yaml.safe_load(text)
    assert list(zone) == ["", "*._domainkey", "_x", "no", "s9", "s10"]
    assert zone["no"] == {"ttl": 60, "type": "TXT", "values": [r"a\; b"]}
    assert zone[""] == {"ttl": 60, "type": "MX", "values": [{"exchange": "mx.example.org.", "preference": 10}]}
