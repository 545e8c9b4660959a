# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""One Postfix, many contributors."""

from __future__ import annotations

from typing import Any
from unittest.mock import ANY

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._postfix import PostfixError
from ansible_collections.postern.mail.plugins.plugin_utils._postfix_merge import (
    Section,
    merge_main,
    merge_restrictions,
    merge_services,
    table_files,
)

OURS = [
    Section("Names", "Who we are.", {"myhostname": "mx1.example.org", "biff": False}),
    Section("Delivery", "", {"virtual_transport": "retry:nobody"}, yields=True),
]


def settings(sections: list[Section]) -> dict[str, Any]:
    """All settings, and proof that none is there twice (Postfix would take the last and warn)."""
    names = [name for section in sections for name in section.settings]
    assert len(names) == len(set(names))
    return {name: value for section in sections for name, value in section.settings.items()}


def test_without_contributions_the_roles_own_settings_stand() -> None:
    assert merge_main(OURS, [], {}) == [
        Section("Names", "Who we are.", {"myhostname": "mx1.example.org", "biff": False}),
        Section("Delivery", "", {"virtual_transport": "retry:nobody"}),
    ]


def test_a_contribution_stands_under_its_name() -> None:
    merged = merge_main(OURS, [{"name": "store", "main_cf": {"lmtp_destination_concurrency_limit": 8}}], {})
    assert merged[-1] == Section("Wanted by store", "", {"lmtp_destination_concurrency_limit": 8})


def test_a_contribution_replaces_what_yields() -> None:
    merged = merge_main(OURS, [{"name": "store", "main_cf": {"virtual_transport": "lmtp:unix:/run/x"}}], {})
    assert settings(merged)["virtual_transport"] == "lmtp:unix:/run/x"


def test_a_contribution_cannot_change_what_is_the_roles() -> None:
    with pytest.raises(PostfixError, match=r"^store wants biff = yes, but the postfix role sets it to no"):
        merge_main(OURS, [{"name": "store", "main_cf": {"biff": True}}], {})


def test_a_contribution_may_agree_with_the_role() -> None:
    merged = merge_main(OURS, [{"name": "store", "main_cf": {"biff": False}}], {})
    assert settings(merged)["biff"] is False


def test_two_that_disagree_are_both_named() -> None:
    two = [
        {"name": "one", "main_cf": {"smtpd_sasl_type": "dovecot"}},
        {"name": "two", "main_cf": {"smtpd_sasl_type": "cyrus"}},
    ]
    with pytest.raises(PostfixError, match=r"^smtpd_sasl_type: one wants 'dovecot', two wants 'cyrus'$"):
        merge_main(OURS, two, {})


def test_lists_of_two_are_joined_in_wiring_order_and_the_input_stays_as_it_was() -> None:
    two = [
        {"name": "one", "main_cf": {"debug_peer_list": ["a", "b"]}},
        {"name": "two", "main_cf": {"debug_peer_list": ["b", "c"]}},
    ]
    assert settings(merge_main(OURS, two, {}))["debug_peer_list"] == ["a", "b", "c"]
    assert two[0]["main_cf"] == {"debug_peer_list": ["a", "b"]}


def test_the_users_word_wins_over_role_and_contribution() -> None:
    extra = {"biff": True, "virtual_transport": "mine", "relayhost": "[smtp.example.net]"}
    merged = merge_main(OURS, [{"name": "store", "main_cf": {"virtual_transport": "lmtp:unix:/run/x"}}], extra)
    assert settings(merged) == {"myhostname": "mx1.example.org", **extra}
    assert merged[-1].title == "Your own settings"


def test_null_of_the_user_removes_a_parameter() -> None:
    assert "biff" not in settings(merge_main(OURS, [], {"biff": None}))


SMTP = {"name": "smtp", "type": "inet", "command": "smtpd"}


def test_a_contribution_replaces_a_service_in_its_place_and_adds_others() -> None:
    screen = {
        "name": "screen",
        "services": [{**SMTP, "command": "postscreen"}, {"name": "smtpd", "type": "pass", "command": "smtpd"}],
    }
    merged = merge_services([SMTP, {"name": "qmgr", "type": "unix", "command": "qmgr"}], [screen], [])
    assert [(service.name, service.command) for service in merged] == [
        ("smtp", "postscreen"),
        ("qmgr", "qmgr"),
        ("smtpd", "smtpd"),
    ]


def test_two_that_want_one_service_differently_are_both_named() -> None:
    two = [{"name": who, "services": [{**SMTP, "command": who}]} for who in ("one", "two")]
    with pytest.raises(PostfixError, match="service smtp/inet: one and two want it differently"):
        merge_services([SMTP], two, [])


def test_two_that_want_one_service_alike_are_no_conflict() -> None:
    two = [{"name": who, "services": [{**SMTP, "command": "postscreen"}]} for who in ("one", "two")]
    assert [service.command for service in merge_services([SMTP], two, [])] == ["postscreen"]


def test_the_user_replaces_and_removes_services() -> None:
    screen = {"name": "screen", "services": [{**SMTP, "command": "postscreen"}]}
    assert [service.command for service in merge_services([SMTP], [screen], [{**SMTP, "command": "mine"}])] == ["mine"]
    assert merge_services([SMTP], [screen], [{"name": "smtp", "type": "inet", "enabled": False}]) == []


@pytest.mark.parametrize(
    ("own", "merged"),
    [
        pytest.param(["reject_unauth_destination"], ["reject_unauth_destination", "a", "b"], id="behind everything"),
        pytest.param(
            ["reject_non_fqdn_recipient", "permit_sasl_authenticated", "reject"],
            ["reject_non_fqdn_recipient", "a", "b", "permit_sasl_authenticated", "reject"],
            id="before what answers for everybody",
        ),
        pytest.param(
            ["permit_sasl_authenticated", "reject_unauth_destination"],
            ["permit_sasl_authenticated", "reject_unauth_destination", "a", "b"],
            id="a permit at the front is not the end",
        ),
        pytest.param(["reject"], ["a", "b", "reject"], id="only the end"),
        pytest.param([], ["a", "b"], id="an empty list"),
    ],
)
def test_restrictions_are_added_in_wiring_order(own: list[str], merged: list[str]) -> None:
    two = [{"name": who, "restrictions": {"recipient": [who], "helo": None}} for who in ("a", "b")]
    assert merge_restrictions({"recipient": own, "helo": []}, two, "restrictions") == {"recipient": merged, "helo": []}


def test_each_port_takes_its_own_additions() -> None:
    contribution = {"name": "a", "restrictions": {"data": ["x"]}, "submission_restrictions": {"data": ["y"]}}
    assert merge_restrictions({"data": []}, [contribution], "submission_restrictions") == {"data": ["y"]}


def test_an_unknown_list_is_refused_with_the_contributors_name() -> None:
    with pytest.raises(PostfixError, match=r"^typo: restrictions has no list 'recipients'; there is data$"):
        merge_restrictions({"data": []}, [{"name": "typo", "restrictions": {"recipients": ["x"]}}], "restrictions")


def test_tables_come_with_what_compiles_and_proves_them() -> None:
    maps = [
        {"path": "maps/screen.cidr", "type": "cidr", "content": "192.0.2.0/24 permit\n"},
        {"path": "maps/more", "entries": {"a": "b"}},
    ]
    assert table_files({"domains": {"example.org": "x"}}, [{"name": "screen", "maps": maps}], "lmdb") == {
        "files": [
            {"path": "maps/domains", "content": "example.org\tx\n"},
            {"path": "maps/screen.cidr", "content": "192.0.2.0/24 permit\n"},
            {"path": "maps/more", "content": "a\tb\n"},
        ],
        "maps": [{"source": "maps/domains", "type": "lmdb"}, {"source": "maps/more", "type": "lmdb"}],
        "proofs": [
            "postmap -c {tree} -s lmdb:{tree}/maps/domains",
            "postmap -c {tree} -s lmdb:{tree}/maps/more",
            {"command": ["sh", "-c", ANY, "{tree}", "maps/screen.cidr", "cidr"], "silent": True},
        ],
    }


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"path": "maps/domains", "entries": {}}, "there is one already"),
        ({"path": "maps/a"}, "either entries or content"),
        ({"path": "maps/a", "entries": {}, "content": ""}, "either entries or content"),
    ],
)
def test_a_contributed_table_that_makes_no_sense_is_refused(item: dict[str, Any], reason: str) -> None:
    with pytest.raises(PostfixError, match=f"of screen: .*{reason}"):
        table_files({"domains": {}}, [{"name": "screen", "maps": [item]}], "lmdb")


@pytest.mark.parametrize(
    ("names", "collide"),
    [
        (("smtp", "submission"), False),
        (("smtp", "127.0.0.1:smtp"), False),
        (("127.0.0.1:25", "127.0.0.2:25"), False),
        (("smtp", "25"), True),
        (("submissions", "465"), True),
        (("127.0.0.1:smtp", "127.0.0.1:25"), True),
    ],
)
def test_two_services_cannot_claim_one_port(names: tuple[str, str], collide: bool) -> None:
    wanted = [{"name": who, "services": [{**SMTP, "name": name}]} for who, name in zip("ab", names, strict=True)]
    if collide:
        with pytest.raises(PostfixError, match="claim one port"):
            merge_services([], wanted, [])
    else:
        assert len(merge_services([], wanted, [])) == 2
