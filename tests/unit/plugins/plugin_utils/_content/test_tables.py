# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""What typed rules become: tables, elements of lists, parameters, proofs."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._content.patterns import delimited
from ansible_collections.postern.mail.plugins.plugin_utils._content.tables import (
    access_tables,
    asked_of_strangers,
    check_tables,
    footer_map,
)
from ansible_collections.postern.mail.plugins.plugin_utils._postfix import PostfixError


def table(tables: dict[str, Any], name: str) -> Any:
    """Entries of an indexed table, or lines of another one without its head."""
    (found,) = [each for each in tables["maps"] if each["path"] == f"maps/{name}"]
    return found.get("entries") or found["content"].splitlines()[1:]


ACCESS: dict[str, Any] = {
    "postfix_client_access": [
        {"network": "192.0.2.7", "action": "OK"},
        {"domain": "Bad.example", "subdomains": True, "action": "REJECT", "code": 550, "text": "5.7.1 No"},
        {"network": "192.0.2.0/24", "action": "REJECT"},
        {"pattern": r"^dsl-/\d", "action": "DEFER", "observe": True, "comment": "dial-up\nlines"},
        {"network": "2001:db8::/32", "action": "REJECT", "code": 554},
    ],
    "postfix_sender_access": [
        {"address": "<>", "action": "HOLD", "text": "a bounce"},
        {"address": "Spam@example.com", "action": "REJECT", "text": "원하지 않습니다"},
        {"pattern": "^(.*)@old", "action": "REDIRECT", "text": "new@example.org"},
    ],
}


def test_each_kind_of_key_has_its_table() -> None:
    tables = access_tables(ACCESS, "lmdb")
    assert table(tables, "client_networks") == [
        "192.0.2.7 OK",
        "192.0.2.0/24 REJECT",
        "2001:db8::/32 554 Access denied",
    ]
    assert table(tables, "client_names") == {"bad.example": "550 5.7.1 No", ".bad.example": "550 5.7.1 No"}
    assert table(tables, "client_patterns") == [
        r"~^dsl-/\d~ WARN observed client_access[3], would DEFER: dial-up lines"
    ]
    assert table(tables, "sender_names") == {
        "<>": "HOLD a bounce",
        "spam@example.com": "REJECT Refused by the policy of this server (sender_access[1])",
    }


def test_a_variable_stands_for_its_tables_in_the_order_they_are_asked() -> None:
    assert access_tables(ACCESS, "lmdb")["lists"] == {
        "postfix_client_access": [
            "check_client_access cidr:$maps_directory/client_networks",
            "check_client_access lmdb:$maps_directory/client_names",
            "check_client_access pcre:$maps_directory/client_patterns",
        ],
        "postfix_helo_access": [],
        "postfix_sender_access": [
            "check_sender_access lmdb:$maps_directory/sender_names",
            "check_sender_access pcre:$maps_directory/sender_patterns",
        ],
        "postfix_recipient_access": [],
    }


def test_footers_are_a_table_of_their_own() -> None:
    assert footer_map(access_tables(ACCESS, "lmdb")["footers"])[0]["content"].splitlines()[1:] == [
        r"/ \(sender_access\[1\]\)$/ 원하지 않습니다"
    ]
    assert footer_map([]) == []


@pytest.mark.parametrize("rules", [{"postfix_client_access": [{"network": "192.0.2.1/24", "action": "REJECT"}]}])
def test_what_postfix_would_leave_out_is_not_written(rules: dict[str, Any]) -> None:
    with pytest.raises(PostfixError, match=r"^postfix_client_access\[0\]\.network: it has bits set"):
        access_tables(rules, "lmdb")


CHECK = "check_sender_access lmdb:$maps_directory/own_domains"


def test_nobody_is_exempt_by_default() -> None:
    assert asked_of_strangers(CHECK, "own", []) == {"maps": [], "classes": {}, "elements": [CHECK]}


def test_only_strangers_are_asked_and_nobody_is_permitted() -> None:
    made = asked_of_strangers(CHECK, "own", ["192.0.2.0/24", "2001:db8::1", ".news.example", "Mail.example.com"])
    assert made["elements"] == ["check_client_access cidr:$maps_directory/own_networks"]
    assert made["classes"] == {
        "own_strangers": [CHECK],
        "own_others": ["check_client_access regexp:$maps_directory/own_hosts"],
    }
    assert table(made, "own_networks") == [
        "192.0.2.0/24 DUNNO",
        "2001:db8::1 DUNNO",
        "0.0.0.0/0 own_others",
        "::/0 own_others",
    ]
    assert table(made, "own_hosts") == [
        r"/^.+\.news\.example$/ DUNNO",
        r"/^mail\.example\.com$/ DUNNO",
        "/^[0-9.]+$|:/ own_strangers",
    ]


def test_networks_alone_need_no_table_of_names() -> None:
    made = asked_of_strangers(CHECK, "own", ["192.0.2.0/24"])
    assert table(made, "own_networks")[-1] == "::/0 own_strangers"
    assert list(made["classes"]) == ["own_strangers"]


CHECKS: dict[str, Any] = {
    "postfix_header_checks": [
        {
            "pattern": "^Subject: (.*)sale",
            "action": "REPLACE",
            "text": "X-Sale: $1",
            "comment": "sales",
            "samples": {"match": ["Subject: big sale"], "pass": ["Subject: sail"]},
        },
        {"pattern": "^X-A:", "action": "REJECT", "observe": True, "comment": "5 $"},
    ],
    "postfix_body_checks": [{"pattern": "a/b", "flags": "i", "action": "REJECT", "text": "No\nNon"}],
}
PHRASE = {"table": "mime_header_checks", "line": "/x/ REJECT", "comment": "x in utf-8", "footer": "/ \\(y\\)$/ ü"}


def test_content_checks_are_pcre_tables() -> None:
    tables = check_tables(CHECKS, [PHRASE, PHRASE])
    assert table(tables, "header_checks") == [
        "# sales",
        "/^Subject: (.*)sale/ REPLACE X-Sale: $1",
        "# 5 $",
        "/^X-A:/ WARN observed header_checks[1], would REJECT: 5 $$",
    ]
    assert table(tables, "body_checks") == ["~a/b~i REJECT No (body_checks[0])"]
    assert table(tables, "mime_header_checks") == ["# x in utf-8", "/x/ REJECT"] * 2
    assert tables["footers"] == [r"/ \(body_checks\[0\]\)$/ Non", PHRASE["footer"]]


def test_parameters_are_all_five_or_none() -> None:
    assert check_tables(CHECKS, [PHRASE])["parameters"] == {
        "header_checks": "pcre:$maps_directory/header_checks",
        "mime_header_checks": "pcre:$maps_directory/mime_header_checks",
        "nested_header_checks": "",
        "body_checks": "pcre:$maps_directory/body_checks",
        "milter_header_checks": "",
    }
    assert check_tables({}, []) == {"maps": [], "parameters": {}, "footers": [], "proofs": []}


def test_samples_are_asked_of_the_library_on_the_host() -> None:
    match, pass_ = check_tables(CHECKS, [])["proofs"]
    line = "/^Subject: (.*)sale/ REPLACE X-Sale: $1"
    assert match[3:] == ["{tree}", "header_checks", "Subject: big sale", "REPLACE X-Sale: big ", "header_checks[0]"]
    assert pass_[3:] == ["{tree}", line, "Subject: sail", "", "header_checks[0]"]


@pytest.mark.parametrize(
    ("pattern", "written"),
    [("a", "/a/"), ("a/b", "~a/b~"), ("/~%@,;&=", r"/\/~%@,;&=/"), (r"\/~%@,;&=", r"/\/~%@,;&=/")],
)
def test_a_pattern_stays_what_it_is_between_delimiters(pattern: str, written: str) -> None:
    assert delimited(pattern) == written


def test_a_transport_that_mail_is_to_take_must_exist() -> None:
    rules = [{"pattern": pattern, "action": "FILTER", "text": f"scan:{pattern}"} for pattern in ("a", "b")]
    access = {"postfix_sender_access": [{"domain": "example.com", "action": "FILTER", "text": "relay:[192.0.2.1]"}]}
    proof = {"command": ["postconf", "-c", "{tree}", "-M", "scan/unix"], "silent": True}
    assert check_tables({"postfix_body_checks": rules}, [])["proofs"] == [proof]
    assert [each["command"][-1] for each in access_tables(access, "lmdb")["proofs"]] == ["relay/unix"]
