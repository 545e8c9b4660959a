# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about postscreen: each mistake is told once, at its element, and what is right is not told at all."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake
from ansible_collections.postern.mail.plugins.plugin_utils._rules import check
from ansible_collections.postern.mail.plugins.plugin_utils._rules_postscreen import RULES

ZEN = {"domain": "zen.spamhaus.org", "filter": "127.0.0.[2..11]", "weight": 3}
GOOD = {"domain": "list.dnswl.org", "filter": "127.0.[2..20].[1..3]", "weight": -2}
OWN = {"domain": "bl.example.net", "filter": "any"}
SITES = "postscreen_dnsbl_sites"


def mistakes(**values: Any) -> list[Mistake]:
    inventory = Inventory(values={f"postscreen_{name}": value for name, value in values.items()})
    return check(inventory, RULES)


def found(**values: Any) -> list[tuple[str, str]]:
    return [
        (mistake.rule, mistake.variable.removeprefix("postscreen_") + mistake.element) for mistake in mistakes(**values)
    ]


@pytest.mark.parametrize(
    "stage",
    [
        "observe",
        "enforce",
        {},
        {"greet": "enforce"},
        {"dnsbl": "observe", "pipelining": "enforce", "bare_newline": "observe"},
    ],
)
def test_a_stage_is_one_word_or_one_a_test(stage: Any) -> None:
    assert found(stage=stage) == []


@pytest.mark.parametrize(
    ("stage", "element"),
    [
        ("enforced", ""),
        (True, ""),
        (["observe"], ""),
        ({"pregreet": "observe"}, ".pregreet"),
        ({"greet": "drop"}, ".greet"),
        ({"pipelining": False}, ".pipelining"),
    ],
)
def test_other_stages_are_told(stage: Any, element: str) -> None:
    assert found(stage=stage) == [("postscreen-stage", f"stage{element}")]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"greet_ttl": "1d", "dnsbl_min_ttl": "60s", "dnsbl_max_ttl": "1h", "dnsbl_timeout": "10s"}, []),
        ({"greet_ttl": "1"}, ["greet_ttl"]),
        ({"greet_ttl": "0d"}, ["greet_ttl"]),
        ({"dnsbl_timeout": "ten seconds"}, ["dnsbl_timeout"]),
        ({"dnsbl_min_ttl": "2h", "dnsbl_max_ttl": "1h"}, ["dnsbl_min_ttl"]),
        ({"greet_wait": 6}, []),
        ({"greet_wait": 0}, ["greet_wait"]),
        ({"greet_wait": 300}, ["greet_wait"]),
    ],
)
def test_times(values: dict[str, Any], expected: list[str]) -> None:
    assert found(**values) == [("postscreen-time", name) for name in expected]


@pytest.mark.parametrize(
    "site",
    [
        ZEN,
        GOOD,
        OWN,
        {**OWN, "filter": ["127.0.0.2", "127.0.0.[4;7..9]"]},
        {**OWN, "weight": -1},
        {**OWN, "test_point": ""},
        {"domain": "zen.dq.spamhaus.net", "filter": "127.0.0.[2..11]", "key": "abcdefghijkl"},
        {"domain": "b.barracudacentral.org", "filter": "127.0.0.2"},
    ],
)
def test_a_good_list(site: dict[str, Any]) -> None:
    assert found(dnsbl_sites=[site]) == []


@pytest.mark.parametrize(
    ("site", "rule", "key"),
    [
        ({**OWN, "domain": "no list"}, "dnsbl", "domain"),
        ({**OWN, "domain": "reject_rbl_client"}, "dnsbl", "domain"),
        ({**OWN, "domain": "dnsbl.sorbs.net"}, "dnsbl-ended", "domain"),
        ({**OWN, "domain": "bl.spamcannibal.org"}, "dnsbl-ended", "domain"),
        ({**OWN, "weight": 0}, "dnsbl", "weight"),
        ({**OWN, "test_point": "two"}, "dnsbl", "test_point"),
        ({**OWN, "filter": "127.0.0"}, "dnsbl-filter", "filter"),
        ({**OWN, "filter": []}, "dnsbl-filter", "filter"),
        ({**OWN, "filter": ["127.0.0.2", 127]}, "dnsbl-filter", "filter[1]"),
        ({**OWN, "filter": "127.[0..255].[0..255].[0..255]"}, "dnsbl-filter", "filter"),
        ({**ZEN, "filter": "any"}, "dnsbl-filter", "filter"),
        ({**ZEN, "filter": "127.[0..255].[0..255].[2..255]"}, "dnsbl-filter", "filter"),
        ({**GOOD, "filter": "127.0.[0..255].[0..255]"}, "dnsbl-filter", "filter"),
        ({**GOOD, "weight": 2}, "dnsbl-kind", "weight"),
        ({**ZEN, "weight": -2}, "dnsbl-kind", "weight"),
        ({"domain": "dbl.spamhaus.org", "filter": "127.0.1.[2..99]"}, "dnsbl-kind", "domain"),
        ({"domain": "abcdef.zen.dq.spamhaus.net", "filter": "127.0.0.[2..11]"}, "dnsbl-key", "domain"),
        ({"domain": "zen.dq.spamhaus.net", "filter": "127.0.0.[2..11]"}, "dnsbl-key", "key"),
        ({**OWN, "key": "a key"}, "dnsbl-key", "key"),
    ],
)
def test_a_bad_list(site: dict[str, Any], rule: str, key: str) -> None:
    assert found(dnsbl_sites=[ZEN | {"domain": "first.example.net"}, site]) == [(rule, f"dnsbl_sites[1].{key}")]


def test_one_list_with_one_filter_twice() -> None:
    other_filter = {**OWN, "filter": "127.0.0.9"}
    assert found(dnsbl_sites=[OWN, other_filter]) == []
    assert found(dnsbl_sites=[OWN, other_filter, OWN]) == [("dnsbl-repeated", "dnsbl_sites[2]")]


def test_a_key_is_never_shown() -> None:
    sites = [
        {"domain": "hush-hush.zen.dq.spamhaus.net", "filter": "127.0.0.[2..11]"},
        {**OWN, "key": "hush hush"},
        {**OWN, "key": "hush-hush", "filter": "127.0.0"},
    ]
    told = mistakes(dnsbl_sites=sites)
    assert {mistake.rule for mistake in told} == {"dnsbl-key", "dnsbl-filter"}
    assert [mistake for mistake in told if "hush" in str(mistake.as_dict())] == []


@pytest.mark.parametrize(
    ("sites", "threshold", "allow", "expected"),
    [
        ([], 1, 0, []),
        ([], 9, 0, []),
        ([ZEN], 3, 0, []),
        ([ZEN], 4, 0, ["dnsbl_threshold"]),
        ([ZEN, OWN], 4, 0, []),
        ([ZEN, {**OWN, "filter": ["127.0.0.2", "127.0.0.3"]}], 5, 0, []),
        ([ZEN], 0, 0, ["dnsbl_threshold"]),
        ([ZEN, GOOD], 3, -2, []),
        ([ZEN, GOOD], 3, -3, ["dnsbl_allow_threshold"]),
        ([ZEN], 3, -1, ["dnsbl_allow_threshold"]),
        ([ZEN, GOOD], 3, 2, ["dnsbl_allow_threshold"]),
    ],
)
def test_thresholds_can_be_reached(sites: list[Any], threshold: int, allow: int, expected: list[str]) -> None:
    told = found(dnsbl_sites=sites, dnsbl_threshold=threshold, dnsbl_allow_threshold=allow)
    assert told == [("dnsbl-threshold", variable) for variable in expected]


@pytest.mark.parametrize(
    ("entry", "fix"),
    [
        ("192.0.2.1/24", "192.0.2.0/24"),
        ("2001:db8::1/32", "2001:db8::/32"),
        ("192.0.2.0/255.255.255.0", "192.0.2.0/24"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("[2001:db8::]/32", "2001:db8::/32"),
        ("mail.example.org", "addresses"),
        ("192.0.2.1-192.0.2.9", ""),
        ("192.0.2", ""),
        ("fe80::1%eth0", ""),
        ("", ""),
        ({"network": "192.0.2.7/24", "comment": "ours"}, "192.0.2.0/24"),
        ({"comment": "ours"}, ""),
        (7, ""),
    ],
)
def test_networks_that_cannot_be_read_or_never_match(entry: Any, fix: str) -> None:
    told = mistakes(allow=["198.51.100.0/24", entry])
    assert [(mistake.rule, mistake.element) for mistake in told] == [("network", "[1]")]
    assert fix in told[0].fix


@pytest.mark.parametrize(
    ("allow", "deny", "expected"),
    [
        (["192.0.2.0/24", {"network": "2001:db8::/32", "comment": "a: b"}], ["198.51.100.7"], []),
        (["192.0.2.0/24", "192.0.2.0/24"], [], [("duplicate-network", "allow[1]")]),
        ([], ["192.0.2.0/24", "192.0.2.7"], [("duplicate-network", "deny[1]")]),
        (["192.0.2.7"], ["192.0.2.0/24"], [("allowed-and-denied", "deny[0]")]),
        (["192.0.2.0/24"], ["192.0.2.7"], [("allowed-and-denied", "deny[0]")]),
        (["0.0.0.0/0"], [], [("network", "allow[0]")]),
        ([], ["127.0.0.1"], [("denied-own", "deny[0]")]),
        ([], ["203.0.113.0/24"], [("denied-own", "deny[0]")]),
        ([], ["2001:db8:7::/48"], [("denied-own", "deny[0]")]),
        ([], ["0.0.0.0/0"], [("denied-own", "deny[0]")]),
        (["192.0.2.7", {"network": "192.0.2.8", "and more": None}], [], [("unknown-key", "allow[1]")]),
    ],
)
def test_allow_and_deny_lists(allow: list[Any], deny: list[Any], expected: list[tuple[str, str]]) -> None:
    inventory = Inventory(
        values={
            "postscreen_allow": allow,
            "postscreen_deny": deny,
            "postfix_mynetworks": ["127.0.0.0/8", "[2001:db8:7::]/48"],
            "postfix_own_addresses": ["203.0.113.25"],
        }
    )
    told = [
        (mistake.rule, mistake.variable.removeprefix("postscreen_") + mistake.element)
        for mistake in check(inventory, RULES)
    ]
    assert told == expected


@pytest.mark.parametrize(
    ("server", "severity"),
    [
        ("", []),
        ("inet:cache.example.org:11211", []),
        ("inet:[fd00::7]:11211", []),
        ("inet:10.0.0.7:11211", []),
        ("unix:/run/memcached/socket", []),
        ("inet:1.1.1.1:11211", ["warning"]),
        ("cache.example.org", ["error"]),
        ("inet:cache.example.org", ["error"]),
        ("inet:cache.example.org:0", ["error"]),
        ("memcache:/etc/x", ["error"]),
    ],
)
def test_cache_servers(server: str, severity: list[str]) -> None:
    assert [mistake.severity for mistake in mistakes(cache_server=server)] == severity
