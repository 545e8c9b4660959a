# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role postscreen wants of Postfix, from its variables."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.judgement import judge
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read import main_cf
from ansible_collections.postern.mail.plugins.plugin_utils._postfix import Service, render_main, render_master
from ansible_collections.postern.mail.plugins.plugin_utils._postscreen import contribution, stages, within

DEFAULTS: dict[str, Any] = {
    "stage": "observe",
    "greet_wait": 6,
    "greet_ttl": "1d",
    "dnsbl_sites": [],
    "dnsbl_threshold": 1,
    "dnsbl_allow_threshold": 0,
    "dnsbl_min_ttl": "60s",
    "dnsbl_max_ttl": "1h",
    "dnsbl_timeout": "10s",
    "dnsbl_check": "stage",
    "allow": [],
    "deny": [],
    "cache_server": "",
    "upstream_proxy_protocol": "none",
    "map_type": "lmdb",
}
SITE = {"domain": "bl.example.net", "filter": ["127.0.0.2", "127.0.0.[4..7]"], "weight": 2}
KEYED = {"domain": "zen.dq.spamhaus.net", "key": "hush", "filter": "127.0.0.[2..11]"}


def wants(**variables: Any) -> dict[str, Any]:
    return contribution(DEFAULTS | variables)


def actions(stage: Any) -> dict[str, str]:
    settings = wants(stage=stage, dnsbl_sites=[SITE])["main_cf"]
    names = {name: value for name, value in settings.items() if name.endswith("_action")}
    return {name.removeprefix("postscreen_").removesuffix("_action"): value for name, value in names.items()}


OBSERVED = {"denylist": "ignore", "greet": "ignore", "dnsbl": "ignore"}
ENFORCED = {"denylist": "enforce", "greet": "enforce", "dnsbl": "enforce"}


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ("observe", OBSERVED),
        ("enforce", ENFORCED),
        ({}, OBSERVED),
        ({"greet": "enforce"}, OBSERVED | {"greet": "enforce"}),
        ({"pipelining": "observe"}, OBSERVED | {"pipelining": "ignore"}),
        (
            {"non_smtp_command": "enforce", "bare_newline": "enforce"},
            OBSERVED | {"non_smtp_command": "drop", "bare_newline": "enforce"},
        ),
    ],
)
def test_what_each_stage_does(stage: Any, expected: dict[str, str]) -> None:
    assert actions(stage) == expected


@pytest.mark.parametrize("stage", ["observe", "enforce"])
def test_later_tests_are_off_unless_they_are_named(stage: str) -> None:
    assert [name for name in wants(stage=stage)["main_cf"] if name.endswith("_enable")] == []
    assert wants(stage={"pipelining": stage})["main_cf"]["postscreen_pipelining_enable"] is True


@pytest.mark.parametrize("stage", [None, "drop", {"greet": "drop"}, 7])
def test_a_stage_that_is_none_breaks_nothing(stage: Any) -> None:
    assert set(stages(stage)) <= {"greet", "dnsbl", "denylist"}
    assert wants(stage=stage)["main_cf"]["postscreen_access_list"] == ["permit_mynetworks"]


def test_lists_in_the_words_of_postfix() -> None:
    settings = wants(dnsbl_sites=[SITE, KEYED, {"domain": "any.example.net", "filter": "any", "weight": -1}])["main_cf"]
    assert settings["postscreen_dnsbl_sites"] == [
        "bl.example.net=127.0.0.2*2 bl.example.net=127.0.0.[4..7]*2",
        "hush.zen.dq.spamhaus.net=127.0.0.[2..11]*1",
        "any.example.net*-1",
    ]
    assert "postscreen_dnsbl_allowlist_threshold" not in settings
    assert wants(dnsbl_sites=[SITE], dnsbl_allow_threshold=-2)["main_cf"]["postscreen_dnsbl_allowlist_threshold"] == -2


def test_without_lists_nothing_is_said_of_them() -> None:
    assert [name for name in wants()["main_cf"] if "dnsbl" in name] == []
    assert (wants()["questions"], wants()["check"], wants()["maps"]) == ([], "skip", [])


def test_a_key_is_hidden_from_who_is_refused() -> None:
    wanted = wants(dnsbl_sites=[SITE, KEYED, KEYED])
    assert wanted["main_cf"]["postscreen_dnsbl_reply_map"] == "texthash:$maps_directory/postscreen_dnsbl_replies"
    assert wanted["maps"] == [
        {
            "path": "maps/postscreen_dnsbl_replies",
            "type": "texthash",
            "content": "hush.zen.dq.spamhaus.net\tzen.dq.spamhaus.net\n",
            "secret": True,
        }
    ]
    assert wanted["secrets"] == ["hush"]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"stage": "observe"}, "warn"),
        ({"stage": "enforce"}, "fail"),
        ({"stage": {"dnsbl": "enforce"}}, "fail"),
        ({"stage": {"greet": "enforce"}}, "warn"),
        ({"stage": "enforce", "dnsbl_check": "warn"}, "warn"),
        ({"stage": "enforce", "dnsbl_check": "skip"}, "skip"),
    ],
)
def test_when_a_list_without_answers_stops_the_run(variables: dict[str, Any], expected: str) -> None:
    assert wants(dnsbl_sites=[SITE], **variables)["check"] == expected


def test_each_list_is_proved_once_with_all_its_answers() -> None:
    zen = {"domain": "zen.spamhaus.org", "filter": "127.0.0.[2..3]", "weight": 3}
    (question,) = wants(dnsbl_sites=[zen, {**zen, "filter": "127.0.0.[10;11]", "weight": 1}])["questions"]
    assert question["filters"] == ["127.0.0.[2..3]", "127.0.0.[10;11]"]
    assert "127.255.255.254" in question["errors"]
    assert question["good"] is False


def test_allow_and_deny_are_one_table() -> None:
    wanted = wants(allow=["192.0.2.7", {"network": "2001:db8::/32", "comment": "of\nours"}], deny=["198.51.100.0/24"])
    (table,) = wanted["maps"]
    assert table["content"].splitlines()[1:] == [
        "192.0.2.7\tpermit",
        "# of ours",
        "2001:db8::/32\tpermit",
        "198.51.100.0/24\treject",
    ]
    assert wanted["main_cf"]["postscreen_access_list"] == [
        "permit_mynetworks",
        "cidr:$maps_directory/postscreen_access",
    ]


def test_a_shared_cache_has_a_copy_here() -> None:
    settings = wants(cache_server="inet:10.0.0.7:11211", greet_ttl="2d")["main_cf"]
    assert settings["postscreen_cache_map"] == "memcache:postscreen_shared"
    assert settings["postscreen_shared_memcache"] == "inet:10.0.0.7:11211"
    assert settings["postscreen_shared_backup"] == wants()["main_cf"]["postscreen_cache_map"]
    assert settings["postscreen_shared_ttl"] == 172800


def test_behind_a_load_balancer_no_address_is_trusted() -> None:
    assert wants()["services"][1] == {"name": "smtpd", "type": "pass", "command": "smtpd"}
    assert wants(upstream_proxy_protocol="haproxy")["services"][1]["options"] == {"mynetworks": ""}


def test_which_addresses_a_list_holds() -> None:
    addresses = ["192.0.2.7", "198.51.100.7", "2001:db8::7", "fe80::1%eth0", "none"]
    entries = ["192.0.2.0/24", {"network": "2001:db8::/32"}, "what?", 7, "fe80::/10"]
    assert within(addresses, entries) == ["192.0.2.7", "2001:db8::7", "fe80::1%eth0"]


@pytest.mark.parametrize("version", ["3.7", "3.10", "3.11"])
@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"stage": "enforce"},
        {"dnsbl_sites": [SITE, KEYED], "dnsbl_threshold": 3, "allow": ["192.0.2.7"], "deny": ["198.51.100.0/24"]},
        {"stage": "enforce", "dnsbl_sites": [SITE], "deny": ["198.51.100.0/24"]},
        {"cache_server": "inet:10.0.0.7:11211"},
        {"upstream_proxy_protocol": "haproxy"},
    ],
    ids=["new", "enforcing", "observing lists", "enforcing lists", "shared cache", "load balancer"],
)
def test_the_restriction_engine_has_nothing_against_it(variables: dict[str, Any], version: str) -> None:
    wanted = wants(**variables)
    settings = wanted["main_cf"] | {
        "maps_directory": "/etc/postfix/maps",
        "mynetworks": ["127.0.0.0/8", "[::1]/128"],
        "smtpd_relay_restrictions": ["permit_mynetworks", "reject_unauth_destination"],
    }
    tables = {f"/etc/postfix/{table['path']}": table["content"] for table in wanted["maps"]}
    master = render_master(Service.from_data(service) for service in wanted["services"])
    policy = Policy.of(main_cf.parse(render_main(settings)).parameters, version=version, tables=tables, master=master)
    assert [finding for finding in judge(policy) if "postscreen" in finding.parameter + finding.code] == []
