# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists such as mynetworks: order, negation, files, tables, networks, parent domains."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.matchlist import Outcome, match
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.tables import Tables
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy

HIT, MISS, ERROR = Outcome.HIT, Outcome.MISS, Outcome.ERROR

NETWORKS = [
    ("192.0.2.0/24", "192.0.2.7", HIT),
    ("192.0.2.0/24", "2001:db8::7", MISS),
    ("192.0.2.7/24", "192.0.2.7", ERROR),
    ("192.0.2.7/24", "2001:db8::7", MISS),  # the bad network is of the other family
    ("192.0.2.0/24 198.51.100.1/24", "192.0.2.7", HIT),  # what stands before the bad one works
    ("!192.0.2.7 192.0.2.0/24", "192.0.2.7", MISS),
    ("192.0.2.0/24 !192.0.2.7", "192.0.2.7", HIT),
    ("!!192.0.2.7", "192.0.2.7", HIT),
    ("[2001:db8::]/32", "2001:db8::7", HIT),
    ("[2001:db8::7]", "2001:db8::7", HIT),
    ("[2001:DB8:0::7]", "2001:db8::7", HIT),
    ("[2001:db8::7", "2001:db8::7", ERROR),
    ("192.0.2.0/33", "192.0.2.7", ERROR),
    ("192.0.2", "192.0.2.7", MISS),
    ("192.0.2.*", "192.0.2.7", MISS),
    ("192.0.2.7/x", "192.0.2.7", MISS),  # no characters of a network: silently ignored
    ("10.0.0.0/8 # 192.0.2.7", "192.0.2.7", MISS),  # a comment ends the list
    ("cidr:{ {192.0.2.0/24 x} }", "192.0.2.7", HIT),
    ("inline:{ {192.0.2=x} }", "192.0.2.7", MISS),  # only the whole address is looked up
    ("fail:x", "192.0.2.7", ERROR),
    ("hash:/nowhere", "192.0.2.7", ERROR),
    ("2001:db8::/32", "192.0.2.7", ERROR),  # without brackets it is a table of the type "2001"
    ("static:all", "192.0.2.7", HIT),
]
NAMES = [
    ("example.net", "client.example.net", HIT),
    ("example.net", "notexample.net", MISS),
    (".example.net", "client.example.net", MISS),
    ("CLIENT.example.net", "client.EXAMPLE.net", HIT),
    ("!client.example.net example.net", "client.example.net", MISS),
    ("inline:{ {example.net=x} }", "client.example.net", HIT),
    ("inline:{ {Example.net=x} }", "example.net", MISS),  # the keys of such a table must be lower case
    ("regexp:{ {/^example/ x} }", "example.net.test", HIT),
    ("regexp:{ {/^example.net$$/ x} }", "client.example.net", MISS),  # patterns see no parent domains
]


def outcome(
    value: str, addr: str, name: str = "unknown", *, kind: str = "host", tables: dict[str, str] | None = None
) -> Outcome:
    settings = Policy.of({"compatibility_level": "3.6", "mynetworks": value}).settings()
    return match(settings, Tables(settings, tables or {}), "mynetworks", kind, name, addr).outcome


@pytest.mark.parametrize(("value", "addr", "expected"), NETWORKS)
def test_networks(value: str, addr: str, expected: Outcome) -> None:
    assert outcome(value, addr) is expected


@pytest.mark.parametrize(("value", "name", "expected"), NAMES)
def test_names(value: str, name: str, expected: Outcome) -> None:
    assert outcome(value, "192.0.2.7", name) is expected


@pytest.mark.parametrize(
    ("style", "value", "name", "expected"),
    [("", "example.net", "a.example.net", MISS), ("", ".example.net", "a.example.net", HIT),
     ("", "inline:{ {.example.net=x} }", "b.a.example.net", HIT), ("mynetworks", "example.net", "a.example.net", HIT)],
)  # fmt: skip
def test_parent_domains(style: str, value: str, name: str, expected: Outcome) -> None:
    policy = Policy.of({"mynetworks": value, "parent_domain_matches_subdomains": style, "compatibility_level": "3.6"})
    settings = policy.settings()
    assert match(settings, Tables(settings, {}), "mynetworks", "host", name, "192.0.2.7").outcome is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("192.0.2.0/24\n", HIT), ("# c\n10.0.0.0/8,\n  192.0.2.7\n", HIT), ("10.0.0.0/8 # 192.0.2.7\n", MISS)],
)
def test_files_are_read_in_place(text: str, expected: Outcome) -> None:
    assert outcome("/etc/nets", "192.0.2.7", tables={"/etc/nets": text}) is expected


def test_negated_file() -> None:
    assert outcome("!/etc/nets, 192.0.2.0/24", "192.0.2.7", tables={"/etc/nets": "192.0.2.7\n"}) is MISS
    assert outcome("!/etc/nets, 192.0.2.0/24", "192.0.2.8", tables={"/etc/nets": "192.0.2.7\n"}) is HIT
    assert outcome("!/etc/nowhere, 192.0.2.0/24", "192.0.2.7") is ERROR


@pytest.mark.parametrize("value", ["!", "10.0.0.0/8 !", "hash:"])
def test_fatal_lists(value: str) -> None:
    with pytest.raises(PolicyError):
        outcome(value, "192.0.2.7")


def test_the_deciding_pattern_is_named() -> None:
    settings = Policy.of({"mynetworks": "10.0.0.0/8 !192.0.2.7", "compatibility_level": "3.6"}).settings()
    found = match(settings, Tables(settings, {}), "mynetworks", "host", "unknown", "192.0.2.7")
    assert (found.outcome, found.pattern) == (MISS, "!192.0.2.7")


def test_host_bits_are_explained() -> None:
    settings = Policy.of({"mynetworks": "192.0.2.7/24", "compatibility_level": "3.6"}).settings()
    found = match(settings, Tables(settings, {}), "mynetworks", "host", "unknown", "192.0.2.7")
    assert 'perhaps you should use "192.0.2.0/24"' in found.why
    assert found.failed and found.retry
