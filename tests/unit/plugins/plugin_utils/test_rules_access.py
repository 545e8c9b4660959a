# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Access tables that would not do what they say are told of at the entry, before a host is touched."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils import _rules_access
from ansible_collections.postern.mail.plugins.plugin_utils._content.places import place_of, sound
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake
from ansible_collections.postern.mail.plugins.plugin_utils._rules import check

CLIENT, HELO, SENDER, RECIPIENT = (f"postfix_{stage}_access" for stage in ("client", "helo", "sender", "recipient"))
ALL: dict[str, Any] = {"mail_features": ["postfix"]}


def found(variable: str, *entries: dict[str, Any], **more: Any) -> list[Mistake]:
    return check(Inventory({**ALL, variable: list(entries), **more}), _rules_access.RULES)


def rejecting(**key: Any) -> dict[str, Any]:
    return {"action": "REJECT", **key}


BROKEN = [
    (CLIENT, rejecting(network="192.0.2.1/24"), "host-bits", ".network", "192.0.2.0/24"),
    (CLIENT, rejecting(network="2001:db8::1/32"), "host-bits", ".network", "2001:db8::/32"),
    (CLIENT, rejecting(network="192.0.2.300"), "access-key", ".network", "192.0.2.1"),
    (CLIENT, rejecting(network="mail.example.com"), "access-key", ".network", "domain"),
    (CLIENT, rejecting(network="192.0.2.1-192.0.2.9"), "access-key", ".network", "192.0.2.0/24"),
    (CLIENT, rejecting(domain="192.0.2.1"), "access-key", ".domain", "network"),
    (CLIENT, rejecting(domain="*.bad.example"), "access-key", ".domain", "subdomains: true"),
    (CLIENT, rejecting(domain="bad.example."), "access-key", ".domain", "bad.example"),
    (CLIENT, rejecting(domain="bad example"), "access-key", ".domain", "badexample"),
    (CLIENT, rejecting(domain=".bad.example", subdomains=True), "access-key", ".subdomains", "Remove"),
    (CLIENT, rejecting(network="192.0.2.1", subdomains=True), "access-key", ".subdomains", "Remove"),
    (CLIENT, rejecting(), "access-key", "", "domain, network or pattern"),
    (CLIENT, rejecting(network="192.0.2.1", domain="bad.example"), "access-key", "", "one of"),
    (CLIENT, rejecting(address="a@bad.example"), "access-key", ".address", "domain, network or pattern"),
    (HELO, rejecting(address="192.0.2.1"), "access-key", ".address", "[192.0.2.1]"),
    (HELO, rejecting(network="192.0.2.0/24"), "access-key", ".network", "address, domain or pattern"),
    (HELO, rejecting(domain="192.0.2.0/24"), "access-key", ".domain", ""),
    (SENDER, rejecting(address="@bad.example"), "access-key", ".address", "bad.example"),
    (SENDER, rejecting(address="bad.example"), "access-key", ".address", "domain: bad.example"),
    (SENDER, rejecting(address="info"), "access-key", ".address", "info@"),
    (SENDER, rejecting(address="<a@bad.example>"), "access-key", ".address", "a@bad.example"),
    (SENDER, rejecting(address="a@*.bad.example"), "access-key", ".address", ""),
    (SENDER, rejecting(domain="a@bad.example"), "access-key", ".domain", "address: a@bad.example"),
    (SENDER, rejecting(domain="192.0.2.1"), "access-key", ".domain", "postfix_client_access"),
    (SENDER, rejecting(domain="bücher.example"), "domain-or-key", ".domain", "xn--"),
    (RECIPIENT, rejecting(address="<>"), "access-key", ".address", "Remove"),
    (SENDER, rejecting(pattern="(a+)+@"), "pattern-cost", ".pattern", "a+"),
    (SENDER, rejecting(pattern="(a"), "pattern", ".pattern", "Correct"),
    (SENDER, rejecting(pattern="/spam/"), "pattern", ".pattern", "Write: spam"),
    (SENDER, rejecting(pattern="a", text="$1"), "action-text", ".text", "Correct"),
    (SENDER, rejecting(domain="bad.example", code=450), "access-code", ".code", "550"),
    (SENDER, rejecting(domain="bad.example", code=521), "access-code", ".code", "550"),
    (SENDER, {"domain": "bad.example", "action": "OK", "code": 250}, "access-code", ".code", "Remove"),
    (SENDER, rejecting(domain="bad.example", text="4.7.1 later"), "action-text", ".text", "DEFER"),
    (SENDER, rejecting(domain="bad.example", text="550 5.7.1 no"), "reply-text", ".text", "5.7.1 no"),
    (SENDER, {"domain": "bad.example", "action": "FILTER", "text": "smtp"}, "action-text", ".text", "smtp:["),
    (SENDER, {"domain": "bad.example", "action": "REDIRECT", "text": "bob"}, "action-text", ".text", "example"),
    (SENDER, {"domain": "bad.example", "action": "PREPEND", "text": "checked"}, "action-text", ".text", "X-Checked"),
    (SENDER, {"domain": "bad.example", "action": "PREPEND", "text": "X-A: ü"}, "action-text", ".text", "=?utf-8?"),
    (SENDER, {"domain": "bad.example", "action": "DUNNO", "text": "fine"}, "action-text", ".text", "comment"),
    (SENDER, {"domain": "bad.example", "action": "OK", "observe": True}, "observe", ".observe", "Remove"),
]


@pytest.mark.parametrize(("variable", "entry", "rule", "key", "fix"), BROKEN)
def test_an_entry_that_does_nothing(variable: str, entry: dict[str, Any], rule: str, key: str, fix: str) -> None:
    mistake = found(variable, {"domain": "fine.example", "action": "REJECT"}, entry)[0]
    assert (mistake.variable, mistake.element, mistake.severity) == (variable, f"[1]{key}", "error")
    assert mistake.rule == rule or rule == "domain-or-key"
    assert fix in mistake.fix
    assert variable in sound({variable: [entry]})


@pytest.mark.parametrize(
    ("variable", "entry"),
    [
        (CLIENT, rejecting(network="192.0.2.0/24", code=550, text="5.7.1 No\n안 됩니다")),
        (CLIENT, rejecting(network="2001:db8::/32")),
        (CLIENT, rejecting(domain="unknown")),
        (CLIENT, {"domain": ".dyn.example", "action": "DEFER", "code": 450}),
        (HELO, rejecting(domain="ylmf-pc")),
        (HELO, rejecting(domain="localhost")),
        (HELO, rejecting(address="[192.0.2.1]")),
        (HELO, rejecting(address="[IPv6:2001:db8::1]")),
        (SENDER, {"address": "<>", "action": "PREPEND", "text": "X-Bounce: yes"}),
        (SENDER, rejecting(address="newsletter@")),
        (SENDER, rejecting(domain="xn--bcher-kva.example", subdomains=True, observe=True)),
        (SENDER, {"pattern": r"^(.+)@old\.example$", "action": "REDIRECT", "text": "bob@example.org"}),
        (RECIPIENT, {"address": "bob@example.org", "action": "BCC", "text": "archive@example.org"}),
        (RECIPIENT, {"domain": "example.org", "action": "FILTER", "text": "smtp:[127.0.0.1]:10025"}),
    ],
)
def test_an_entry_that_does_what_it_says(variable: str, entry: dict[str, Any]) -> None:
    assert found(variable, entry) == []
    assert sound({variable: [entry]}) == {}


@pytest.mark.parametrize(
    ("first", "second", "rule"),
    [
        ({"network": "192.0.2.0/24"}, {"network": "192.0.2.0/24"}, "access-duplicate"),
        ({"network": "192.0.2.0/24"}, {"network": "192.0.2.7"}, "access-unreached"),
        ({"network": "2001:db8::/32"}, {"network": "2001:db8:1::/48"}, "access-unreached"),
        ({"domain": "Bad.example"}, {"domain": "bad.example"}, "access-duplicate"),
        ({"domain": "bad.example", "subdomains": True}, {"domain": ".bad.example"}, "access-duplicate"),
        ({"pattern": "^a"}, {"pattern": "^a"}, "access-duplicate"),
    ],
)
def test_an_entry_behind_one_that_takes_all_of_it(first: Any, second: Any, rule: str) -> None:
    (mistake,) = found(CLIENT, rejecting(**first), rejecting(**second))
    assert (mistake.rule, mistake.element.partition(".")[0]) == (rule, "[1]")
    assert "[0]" in mistake.reason
    assert sound({CLIENT: [first | {"action": "OK"}, second | {"action": "OK"}]})[CLIENT] == [first | {"action": "OK"}]


def test_an_exception_stands_before_its_network() -> None:
    assert found(CLIENT, {"network": "192.0.2.7", "action": "OK"}, rejecting(network="192.0.2.0/24")) == []


def test_rules_that_no_list_asks_for() -> None:
    lists = {"postfix_smtp_client_restrictions": ["permit_mynetworks", "reject_unauth_destination"]}
    (mistake,) = found(CLIENT, rejecting(network="192.0.2.1"), **lists)
    assert (mistake.rule, mistake.variable) == ("access-unused", CLIENT)
    assert found(CLIENT, **lists) == []
    lists["postfix_smtp_client_restrictions"].append(CLIENT)
    assert found(CLIENT, rejecting(network="192.0.2.1"), **lists) == []


OWN = "postfix_own_domain_senders_from"


@pytest.mark.parametrize(
    ("allowed", "element"),
    [(["192.0.2.0/24", "192.0.2.1/24"], "[1]"), (["*.a.example"], "[0]"), (["a@b.example"], "[0]")],
)
def test_who_may_send_as_us_is_a_network_or_a_name(allowed: list[str], element: str) -> None:
    (mistake,) = check(Inventory({**ALL, OWN: allowed}), _rules_access.RULES)
    assert (mistake.variable, mistake.element) == (OWN, element)
    assert len(sound({OWN: allowed})[OWN]) == len(allowed) - 1


def test_exceptions_of_what_is_switched_off() -> None:
    values = {**ALL, OWN: ["192.0.2.0/24"], "postfix_reject_own_domains_from_strangers": False}
    assert [each.rule for each in check(Inventory(values), _rules_access.RULES)] == ["access-unused"]


def test_nothing_is_said_where_postfix_is_not_set_up() -> None:
    values = {"mail_features": ["dovecot"], CLIENT: [rejecting(network="192.0.2.1/24")]}
    assert [each.rule for each in check(Inventory(values), _rules_access.RULES)] == []


@pytest.mark.parametrize(
    ("reference", "line", "place"),
    [
        ("cidr:/etc/postfix/maps/client_networks", "192.0.2.0/24 REJECT", (CLIENT, "[1]")),
        ("lmdb:/etc/postfix/maps/client_names", ".bad.example REJECT", (CLIENT, "[2]")),
        ("pcre:/etc/postfix/maps/client_patterns", "/^dsl/ REJECT", (CLIENT, "[3]")),
        ("cidr:$maps_directory/client_networks", "", (CLIENT, "")),
        ("lmdb:/etc/postfix/maps/helo_access", "localhost REJECT", None),
        ("unix:private/policy", "", None),
    ],
)
def test_a_line_of_a_table_leads_back_to_its_entry(reference: str, line: str, place: Any) -> None:
    entries = [
        rejecting(network="192.0.2.1/24"),
        rejecting(network="192.0.2.0/24"),
        rejecting(domain="bad.example", subdomains=True),
        rejecting(pattern="^dsl"),
    ]
    assert place_of(reference, line, {CLIENT: entries}) == place
