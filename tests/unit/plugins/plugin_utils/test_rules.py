"""Each rule between variables: an inventory that breaks it and what is said, and one that does not."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.postern.mail.plugins.plugin_utils import _rules_users
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._rules import check, same_hostname

ROLES = frozenset({"dovecot", "sasl", "header_guard", "postfix"})
HASH = "$6$saltsalt$hRM5XZ86KXEw9UOmjigeVqFgULtFB2sgpC9lXQDfMib3Zgw7mEiUvBJI2EplzfAqxL5Vvwp2scFtv/uamSo5z0"
PROFILE = {"min_protocol": "v1.2", "tls12_ciphers": ["A"], "tls13_ciphers": ["B"], "groups": ["X"]}
GOOD: dict[str, Any] = {
    "mail_hostname": "mx1.example.org",
    "mail_domains": ["example.org", "example.net"],
    "mail_features": ["dovecot", "sasl", "header_guard", "postfix"],
    "mail_users": [
        {"address": "alice@example.org", "password": "long enough"},
        {"address": "bob@example.org", "password_hash": HASH},
    ],
    "mail_aliases": [],
    "mail_postmaster": "alice@example.org",
    "mail_recipient_delimiter": "+",
    "mail_quota": "2G",
    "mail_message_size_limit": "50M",
    "mail_tls_profile": "intermediate",
    "mail_tls_profile_mx": "intermediate",
    "mail_tls_profiles": {"intermediate": PROFILE, "modern": {**PROFILE, "min_protocol": "v1.3"}},
    "mail_tls_profiles_extra": {},
    "mail_certificate_file": "/etc/ssl/postern/fullchain.pem",
    "mail_certificate_key_file": "/etc/ssl/postern/privkey.pem",
    "postfix_main_cf_extra": {},
}
CERTIFICATE, KEY = "mail_certificate_file", "mail_certificate_key_file"


def users(*more: dict[str, Any]) -> dict[str, Any]:
    """The good inventory's users and these."""
    return {"mail_users": [*GOOD["mail_users"], *({"password": "long enough", **user} for user in more)]}


def alias(address: str, *to: str, **more: Any) -> dict[str, Any]:
    return {"mail_aliases": [{"address": address, "to": list(to), **more}]}


def aliases(**table: list[str]) -> dict[str, Any]:
    return {"mail_aliases": [{"address": f"{name}@example.org", "to": to} for name, to in table.items()]}


def at(*names: str) -> list[str]:
    return [f"{name}@example.org" for name in names]


def found(changes: dict[str, Any], changed: frozenset[str] = frozenset()) -> list[Any]:
    return check(Inventory({**GOOD, **changes}, changed, ROLES))


BROKEN = [
    # who the server is
    ("hostname", {"mail_hostname": "mx1"}, "mail_hostname", "not a fully qualified name", "mx1.example.org"),
    (
        "hostname",
        {"mail_hostname": "localhost"},
        "mail_hostname",
        "refuse a machine that calls itself so",
        "public name",
    ),
    ("hostname", {"mail_hostname": "192.0.2.1"}, "mail_hostname", "an IP address", "name"),
    ("hostname", {"mail_hostname": "mx1.example.org."}, "mail_hostname", "dot at the end", "Write: mx1.example.org"),
    ("hostname", {"mail_hostname": "mx_1.example.org"}, "mail_hostname", "hyphens", "Write: mx-1.example.org"),
    ("domains", {"mail_domains": []}, "mail_domains", "no mail", "mail_domains: [example.org]"),
    (
        "domain",
        {"mail_domains": ["example.org", "example.net", "bücher.example"]},
        "mail_domains[2]",
        "internationalised",
        "Write: xn--bcher-kva.example",
    ),
    ("domain", {"mail_domains": ["example.org."]}, "mail_domains[0]", "zone files", "Write: example.org"),
    (
        "duplicate-domain",
        {"mail_domains": ["example.org", "example.net", "Example.ORG"]},
        "mail_domains[2]",
        'already there as mail_domains[0], "example.org"',
        "Remove one",
    ),
    (
        "domain-in-two-classes",
        {"postfix_main_cf_extra": {"relay_domains": "example.com, Example.NET"}},
        "postfix_main_cf_extra.relay_domains",
        "example.net is also in mail_domains",
        "Take example.net out",
    ),
    (
        "domain-in-two-classes",
        {"postfix_main_cf_extra": {"mydestination": ["localhost", "$mydomain"]}},
        "postfix_main_cf_extra.mydestination",
        "example.org is also in mail_domains",
        "out of mydestination",
    ),
    (
        "domain-in-two-classes",
        {
            "mail_domains": ["mx1.example.org", "example.org"],
            "postfix_main_cf_extra": {"virtual_alias_domains": "$myhostname"},
        },
        "postfix_main_cf_extra.virtual_alias_domains",
        "mx1.example.org is also",
        "virtual_alias_domains",
    ),
    ("feature", {"mail_features": ["dovecot", "postfx"]}, "mail_features[1]", "did you mean postfix?", "sasl"),
    ("feature", {"mail_features": []}, "mail_features", "nothing would be set up", "default"),
    ("feature-needs", {"mail_features": ["sasl"]}, "mail_features[0]", "sasl needs dovecot", "Add dovecot"),
    ("feature-needs", {"mail_features": ["postfix"]}, "mail_features[0]", "postfix needs dovecot", "Add dovecot"),
    (
        "feature-needs",
        {"mail_features": ["dovecot", "header_guard"]},
        "mail_features[1]",
        "header_guard needs postfix",
        "take header_guard out",
    ),
    (
        "tls-profile",
        {"mail_tls_profile": "moderne"},
        "mail_tls_profile",
        "did you mean modern?",
        "intermediate or modern",
    ),
    (
        "tls-profile",
        {"mail_tls_profile_mx": "old"},
        "mail_tls_profile_mx",
        "no such TLS profile",
        "mail_tls_profiles_extra",
    ),
    (
        "tls-profile",
        {"mail_tls_profiles_extra": {"own": {key: PROFILE[key] for key in PROFILE if key != "groups"}}},
        "mail_tls_profiles_extra.own.groups",
        "missing",
        "groups:",
    ),
    (
        "tls-profile",
        {"mail_tls_profiles_extra": {"own": {**PROFILE, "group": ["X"]}}},
        "mail_tls_profiles_extra.own.group",
        "did you mean groups?",
        "Known keys",
    ),
    (
        "tls-profile",
        {"mail_tls_profiles_extra": {"own": {**PROFILE, "groups": "X"}}},
        "mail_tls_profiles_extra.own.groups",
        "must be a list",
        "groups:",
    ),
    (
        "tls-profile",
        {"mail_tls_profiles_extra": {"own": {**PROFILE, "min_protocol": "v1.0"}}},
        "mail_tls_profiles_extra.own.min_protocol",
        "RFC 8996",
        "v1.2 or v1.3",
    ),
    (
        "tls-profile",
        {"mail_tls_profiles_extra": {"own": "x"}},
        "mail_tls_profiles_extra.own",
        "a dictionary",
        "min_protocol",
    ),
    ("certificate-path", {CERTIFICATE: "cert.pem"}, CERTIFICATE, "not an absolute path", "/cert.pem"),
    ("delimiter", {"mail_recipient_delimiter": "a"}, "mail_recipient_delimiter", "punctuation", '"+"'),
    ("delimiter", {"mail_recipient_delimiter": "@"}, "mail_recipient_delimiter", "punctuation", '"+"'),
    ("size", {"mail_quota": "2 GB"}, "mail_quota", "not a size", "2G"),
    ("size", {"mail_quota": 1.5}, "mail_quota", "not a size", "such as: 1M"),
    ("size", {"mail_quota": 500}, "mail_quota", "500 means 500 bytes", "500M"),
    ("size", {"mail_message_size_limit": "50 M"}, "mail_message_size_limit", "not a size", "50M"),
    ("size", {"mail_message_size_limit": "10K"}, "mail_message_size_limit", "below 64K", "10M"),
    ("size", {"mail_message_size_limit": 0}, "mail_message_size_limit", "one message can fill the disk", "50M"),
    # people
    ("address", users({"address": "carol"}), "mail_users[2].address", "no @", "carol@example.org"),
    ("address", users({"address": '"c d"@example.org'}), "mail_users[2].address", "quoted", "without quotes"),
    (
        "address",
        users({"address": "carol+x@example.org"}),
        "mail_users[2].address",
        "separates a mailbox from its extension",
        "Write: address: carol@example.org",
    ),
    (
        "address",
        users({"address": "c@example.org", "aliases": ["-c"]}),
        "mail_users[2].aliases[0]",
        "hyphen",
        "c@example.org",
    ),
    (
        "address",
        users({"address": "c@example.org", "aliases": ["@example.net"]}),
        "mail_users[2].aliases[0]",
        "catch-all",
        'mail_aliases: {address: "@example.net", to: [c@example.org]}',
    ),
    (
        "user-domain",
        users({"address": "carol@exampel.org"}),
        "mail_users[2].address",
        "its domain is not in mail_domains",
        "Write: carol@example.org   (did you mean example.org?) or add exampel.org to mail_domains",
    ),
    (
        "user-domain",
        users({"address": "carol@elsewhere.test"}),
        "mail_users[2].address",
        "its domain is not in mail_domains",
        "Add elsewhere.test to mail_domains",
    ),
    (
        "user-domain",
        users({"address": "carol@example.org", "aliases": ["carol@example.com.au"]}),
        "mail_users[2].aliases[0]",
        "its domain is not in mail_domains",
        "example.com.au",
    ),
    (
        "duplicate-address",
        users({"address": "Alice@Example.org"}),
        "mail_users[2].address",
        'already at mail_users[0].address as "alice@example.org" (upper and lower case are the same mailbox)',
        "Remove one",
    ),
    (
        "duplicate-address",
        users(
            {"address": "c@example.org", "aliases": ["info"]},
            {"address": "d@example.org", "aliases": ["INFO@example.org"]},
        ),
        "mail_users[3].aliases[0]",
        'two users claim this alias: it is also at mail_users[2].aliases[0] as "info"',
        "mail_aliases",
    ),
    (
        "duplicate-address",
        users({"address": "c@example.org", "aliases": ["bob"]}),
        "mail_users[2].aliases[0]",
        "already at mail_users[1].address",
        "Remove one",
    ),
    (
        "duplicate-address",
        alias("Bob@example.org", "alice@example.org"),
        "mail_aliases[0].address",
        "a mailbox that this alias would take all mail from",
        "add bob@example.org to the alias's `to`",
    ),
    (
        "duplicate-address",
        {"mail_aliases": [{"address": a, "to": at("bob")} for a in ("x@example.org", "X@example.org")]},
        "mail_aliases[1].address",
        "already at mail_aliases[0].address",
        "Remove one",
    ),
    (
        "no-password",
        users({"address": "c@example.org", "password": None}),
        "mail_users[2]",
        "an empty password",
        "doveadm pw",
    ),
    (
        "no-password",
        {"mail_users": [*GOOD["mail_users"], {"address": "c@example.org"}]},
        "mail_users[2]",
        "c@example.org has no password",
        "Ansible Vault",
    ),
    (
        "two-passwords",
        users({"address": "c@example.org", "password_hash": HASH}),
        "mail_users[2]",
        "both",
        "Remove one",
    ),
    (
        "short-password",
        users({"address": "c@example.org", "password": "seven77"}),
        "mail_users[2].password",
        "fewer than 8",
        "longer",
    ),
    (
        "short-password",
        users({"address": "c@example.org", "password": ""}),
        "mail_users[2].password",
        "empty",
        "longer",
    ),
    (
        "password-type",
        users({"address": "c@example.org", "password": 83123456}),
        "mail_users[2].password",
        "not text to YAML",
        "quotes",
    ),
    (
        "password-type",
        users({"address": "c@example.org", "password": True}),
        "mail_users[2].password",
        "not text to YAML",
        "quotes",
    ),
    (
        "password-type",
        users({"address": "c@example.org", "password": HASH}),
        "mail_users[2].password",
        "a hash",
        "password_hash",
    ),
    (
        "password-type",
        users({"address": "c@example.org", "password": "from a file\n"}),
        "mail_users[2].password",
        "line break",
        "trim",
    ),
    (
        "password-hash",
        {"mail_users": [*GOOD["mail_users"], {"address": "c@example.org", "password_hash": "{PLAIN}hunter2hunter2"}]},
        "mail_users[2].password_hash",
        "{PLAIN} is too weak",
        "doveadm pw",
    ),
    ("size", users({"address": "c@example.org", "quota": "1.5G"}), "mail_users[2].quota", "not a size", "1G"),
    ("size", users({"address": "c@example.org", "quota": 500}), "mail_users[2].quota", "500 means 500 bytes", "500M"),
    # where mail goes
    ("address", alias("team", "bob@example.org"), "mail_aliases[0].address", "no @", "team@example.org"),
    ("address", alias("a%b@example.org", "bob@example.org"), "mail_aliases[0].address", "a route", "ab@example.org"),
    (
        "alias-domain",
        alias("@example.com", "bob@example.org"),
        "mail_aliases[0].address",
        "not in mail_domains",
        "example.com",
    ),
    (
        "alias-domain",
        alias("x@exmaple.net", "bob@example.org"),
        "mail_aliases[0].address",
        "not in mail_domains",
        "x@example.net",
    ),
    ("alias-empty", alias("team@example.org"), "mail_aliases[0].to", "nobody would receive", "at least one"),
    ("address", alias("team@example.org", "bob"), "mail_aliases[0].to[0]", "no @", "Write: bob@example.org"),
    ("address", alias("team@example.org", "|/bin/x"), "mail_aliases[0].to[0]", "not to programs", "Sieve"),
    ("address", alias("team@example.org", "@example.net"), "mail_aliases[0].to[0]", "whole domain", "whole addresses"),
    (
        "alias-external",
        alias("team@example.org", "bob@example.com"),
        "mail_aliases[0].to[0]",
        "not an address of this server",
        "Add to this alias: external: true",
    ),
    (
        "alias-external",
        alias("team@example.org", "bob@exampel.org", external=False),
        "mail_aliases[0].to[0]",
        "not an address of this server",
        "Write: bob@example.org   (did you mean that?), or add to this alias: external: true",
    ),
    (
        "alias-to-nobody",
        alias("team@example.org", "alise@example.org"),
        "mail_aliases[0].to[0]",
        "no such user or alias here",
        "Write: alice@example.org   (did you mean that?), or add alise@example.org to mail_users",
    ),
    (
        "alias-to-nobody",
        alias("team@example.org", "nemo@example.org", "bob@example.com", external=True),
        "mail_aliases[0].to[0]",
        "would be accepted and then bounce",
        "Add nemo@example.org to mail_users",
    ),
    (
        "alias-loop",
        aliases(a=at("b"), b=at("c", "bob"), c=at("a")),
        "mail_aliases[0].address",
        "a@example.org -> b@example.org -> c@example.org -> a@example.org",
        "lead to a mailbox",
    ),
    ("alias-loop", aliases(a=at("a")), "mail_aliases[0].address", "a@example.org -> a@example.org", "mailbox"),
    ("alias-loop", aliases(a=at("a+x")), "mail_aliases[0].address", "a@example.org -> a@example.org", "mailbox"),
    (
        "alias-loop",
        {"mail_aliases": [{"address": "@example.net", "to": ["x@example.net"]}]},
        "mail_aliases[0].address",
        "@example.net -> @example.net",
        "mailbox",
    ),
    (
        "postmaster",
        {"mail_postmaster": ""},
        "mail_postmaster",
        "nobody receives postmaster@example.org, abuse@example.org, postmaster@example.net, abuse@example.net",
        "Write: mail_postmaster: alice@example.org",
    ),
    (
        "postmaster",
        {
            "mail_postmaster": "",
            **users({"address": "c@example.org", "aliases": ["postmaster", "abuse", "abuse@example.net"]}),
        },
        "mail_postmaster",
        "nobody receives postmaster@example.net;",
        "mail_postmaster:",
    ),
    ("postmaster", {"mail_postmaster": "alice"}, "mail_postmaster", "no @", "alice@example.org"),
    (
        "postmaster",
        {"mail_postmaster": "alise@example.org"},
        "mail_postmaster",
        "no such user",
        "Write: alice@example.org",
    ),
    ("postmaster", {"mail_postmaster": "postmaster@example.org"}, "mail_postmaster", "no such user", "mail_users"),
    (
        "postmaster-unread",
        {**users({"address": "c@example.org", "enabled": False}), "mail_postmaster": "c@example.org"},
        "mail_users[2]",
        "disabled and nobody else receives postmaster@example.org",
        "mail_postmaster",
    ),
    (
        "postmaster-unread",
        users({"address": "c@example.org", "aliases": ["abuse"], "enabled": False}),
        "mail_users[2]",
        "nobody else receives abuse@example.org",
        "log in",
    ),
]


def test_the_good_inventory_has_no_mistakes() -> None:
    assert found({}) == []


@pytest.mark.parametrize(
    ("rule", "changes", "place", "reason", "fix"), BROKEN, ids=[f"{row[0]}:{row[3][:40]}" for row in BROKEN]
)
def test_what_breaks_a_rule_is_named_with_place_reason_and_fix(
    rule: str, changes: dict[str, Any], place: str, reason: str, fix: str
) -> None:
    (mistake,) = found(changes)
    assert mistake.rule == rule
    assert mistake.variable + mistake.element == place
    assert reason in mistake.reason
    assert fix in mistake.fix
    assert mistake.severity == "error"
    assert not mistake.reason.endswith(".")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(
            {"mail_domains": ["example.org", "example.net", "mx1.example.org"]}, id="the server's name is a mail domain"
        ),
        pytest.param({"mail_domains": ["Example.ORG", "example.net"]}, id="a domain in upper case"),
        pytest.param({"mail_hostname": "MX1.Example.org"}, id="a name in upper case"),
        pytest.param({"mail_features": ["dovecot"]}, id="mailboxes without transfer"),
        pytest.param({"mail_features": ["postfix", "dovecot"]}, id="a server that only receives"),
        pytest.param(
            {"postfix_main_cf_extra": {"mydestination": "localhost, $myhostname"}}, id="other classes, other domains"
        ),
        pytest.param({"postfix_main_cf_extra": {"relay_domains": None}}, id="a class without domains"),
        pytest.param(
            {"mail_tls_profile": "own", "mail_tls_profiles_extra": {"own": PROFILE}}, id="a TLS profile of one's own"
        ),
        pytest.param({"mail_recipient_delimiter": ""}, id="no extensions"),
        pytest.param(
            {"mail_recipient_delimiter": "", **users({"address": "c-d@example.org"})}, id="a hyphen in a name"
        ),
        pytest.param({"mail_recipient_delimiter": "+-"}, id="two delimiters"),
        pytest.param({"mail_quota": 0}, id="no limit"),
        pytest.param({"mail_quota": "2147483648"}, id="a limit in bytes"),
        pytest.param(
            users({"address": "Carol@Example.Net", "quota": "0"}), id="a user in another domain, in upper case"
        ),
        pytest.param(
            users({"address": "c@example.org", "aliases": ["sales", "sales@example.net"]}), id="aliases of a user"
        ),
        pytest.param(users({"address": "postmaster@example.org"}), id="a mailbox called postmaster"),
        pytest.param(users({"address": "c@example.org", "enabled": False}), id="somebody who left"),
        pytest.param(users({"address": "c@example.org", "password": "grüße an alle"}), id="a password outside ASCII"),
        pytest.param(
            alias("team@example.org", "alice@example.org", "bob+team@example.org"), id="a group, with an extension"
        ),
        pytest.param(alias("@example.net", "bob@example.org"), id="a catch-all"),
        pytest.param(
            {"mail_postmaster": "", **alias("@example.net", "bob@example.org")}
            | users({"address": "c@example.org", "aliases": ["postmaster", "abuse"]}),
            id="a catch-all receives postmaster",
        ),
        pytest.param(
            alias("away@example.org", "bob@example.com", external=True), id="an alias that says it leads elsewhere"
        ),
        pytest.param(
            alias("bob@example.org", "bob@example.org", "bob@example.com", external=True), id="forward and keep a copy"
        ),
        pytest.param(alias("x@example.org", "postmaster@example.net"), id="an alias to a generated address"),
        pytest.param(
            {
                "mail_aliases": [
                    {"address": "@example.org", "to": at("alice")},
                    {"address": "x@example.org", "to": at("bob")},
                ]
            },
            id="a catch-all beside mailboxes and aliases is no loop",
        ),
        pytest.param(
            aliases(a=at("b", "c"), b=at("d"), c=at("d"), d=at("bob")), id="two ways to one mailbox are no loop"
        ),
        pytest.param({"mail_postmaster": "admin@example.com"}, id="a postmaster elsewhere"),
        pytest.param({"mail_postmaster": "Alice@Example.ORG"}, id="a postmaster in upper case"),
        pytest.param(
            {"mail_postmaster": "team@example.org", **alias("team@example.org", *at("alice"))},
            id="a group is postmaster",
        ),
    ],
)
def test_what_keeps_the_rules_passes(changes: dict[str, Any]) -> None:
    assert found(changes) == []


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"mail_quota": "40M"}, "mail_quota"),
        (users({"address": "c@example.org", "quota": "10M"}), "mail_users[2].quota"),
    ],
)
def test_a_mailbox_smaller_than_a_message_is_a_warning(changes: dict[str, Any], place: str) -> None:
    (mistake,) = found(changes)
    assert (mistake.severity, mistake.variable + mistake.element) == ("warning", place)
    assert "mail_message_size_limit: 50M" in mistake.reason


@pytest.mark.parametrize(("changed", "other"), [(CERTIFICATE, KEY), (KEY, CERTIFICATE)])
def test_a_certificate_comes_with_its_key(changed: str, other: str) -> None:
    (mistake,) = found({changed: "/etc/ssl/mine.pem"}, frozenset({changed}))
    assert (mistake.rule, mistake.variable) == ("certificate-pair", changed)
    assert f"Write also: {other}:" in mistake.fix
    both = {CERTIFICATE: "/etc/ssl/mine.pem", KEY: "/etc/ssl/mine.key"}
    assert found(both, frozenset(both)) == []


def test_the_key_is_not_in_the_file_everybody_reads() -> None:
    both = {CERTIFICATE: "/etc/ssl/mine.pem", KEY: "/etc/ssl/mine.pem"}
    (mistake,) = found(both, frozenset(both))
    assert (mistake.rule, mistake.variable) == ("certificate-pair", KEY)


def test_a_controller_that_cannot_hash_is_told_so_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_rules_users, "can_hash", lambda: False)
    (mistake,) = found({})
    assert mistake.rule == "hash-library"
    assert "pip install argon2-cffi" in mistake.fix
    only_hashes = {"mail_users": GOOD["mail_users"][1:], "mail_postmaster": "bob@example.org"}
    assert found(only_hashes) == []


def test_no_rule_ever_repeats_a_password() -> None:
    secrets = ["hunter2", "hunter2hunter2\n", "{PLAIN}hunter2hunter2", "$1$hunter2", 42424242]
    people = [
        {"address": f"u{index}@example.com", key: secret}
        for index, secret in enumerate(secrets)
        for key in ("password", "password_hash")
    ]
    text = str(found({"mail_users": people}))
    assert "hunter2" not in text
    assert "42424242" not in text


@pytest.mark.parametrize(
    "changes",
    [
        {name: value}
        for name in GOOD
        for value in (
            None,
            7,
            True,
            "text",
            [],
            {},
            [None],
            [[]],
            [{}],
            [{"address": 1, "to": 2, "aliases": 3}],
            {"x": None},
        )
    ],
    ids=str,
)
def test_no_nonsense_makes_a_rule_stumble(changes: dict[str, Any]) -> None:
    """The specifications refuse it in better words; the rules only must not break over it."""
    found(changes)


def test_hundreds_of_users_take_no_time_to_speak_of() -> None:
    many = [
        {"address": f"user{number}@example.org", "password": "long enough", "aliases": [f"alias{number}"]}
        for number in range(300)
    ]
    groups = [{"address": f"list{number}@example.org", "to": [f"user{number}@example.org"]} for number in range(300)]
    start = time.process_time()
    assert found({"mail_users": many, "mail_aliases": groups, "mail_postmaster": "user1@example.org"}) == []
    assert time.process_time() - start < 30  # of this process: what else the machine does is no matter


def test_two_servers_with_one_name_are_a_warning() -> None:
    (mistake,) = same_hostname({"a": "mx.example.org", "b": "MX.example.org", "c": "mx2.example.org", "d": ""})
    assert mistake.severity == "warning"
    assert "a, b have the same name" in mistake.reason
    assert list(same_hostname({"a": "mx1.example.org", "b": "mx2.example.org", "c": "", "d": ""})) == []


def test_every_rule_is_in_the_guide() -> None:
    root = Path(__file__).resolve().parents[4]
    sources = [path.read_text(encoding="utf-8") for path in (root / "plugins/plugin_utils").glob("_*.py")]
    used = {name for text in sources for name in re.findall(r'istake\(\s*"([a-z-]+)"', text)}
    assert len(used) > 25
    described = set(re.findall(r"`([a-z-]+)`", (root / "docs/inventory.md").read_text(encoding="utf-8")))
    assert used - described == set()


def test_the_inventory_of_the_guide_is_right() -> None:
    text = (Path(__file__).resolve().parents[4] / "docs/inventory.md").read_text(encoding="utf-8")
    text = text.partition("```yaml\n")[2].partition("```")[0].replace("{{ inventory_hostname }}", "mx1.example.org")
    variables = yaml.safe_load(text)["mail_servers"]["vars"]
    variables["mail_users"][1]["password_hash"] = HASH
    assert found(variables) == []
