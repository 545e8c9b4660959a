# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A policy's settings as a service sees them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Kind, PolicyError
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import MacroError, Policy, version_of

_MASTER = ["smtp inet n - y - - smtpd", "submission inet n - y - - smtpd", "  -o smtpd_helo_required=yes -o a=2"]


@pytest.mark.parametrize(
    ("given", "version"),
    [
        ("3.10", (3, 10)),
        ("3.7.11", (3, 7)),
        ("3.11.7-1", (3, 11)),
        ((3, 7), (3, 7)),
        ("3.13", (3, 12)),
        ("4.0", (3, 12)),
    ],
)
def test_version(given: str | tuple[int, ...], version: tuple[int, int]) -> None:
    assert version_of(given) == version


# (parameters, name, expanded value in 3.10)
VALUES: list[tuple[dict[str, Any], str, str]] = [
    ({}, "smtpd_delay_reject", "yes"),
    ({}, "no_such_parameter", ""),
    ({"smtpd_delay_reject": False}, "smtpd_delay_reject", "no"),
    ({"reject_code": 550}, "reject_code", "550"),
    ({"mynetworks": ["192.0.2.0/24", "[2001:db8::]/32"]}, "mynetworks", "192.0.2.0/24, [2001:db8::]/32"),
    ({"myhostname": "mx.example.org"}, "mydestination", "mx.example.org, localhost.example.org, localhost"),
    ({"myhostname": "mx"}, "mydomain", "localdomain"),
    ({"mydomain": "example.net"}, "myhostname", "localhost.example.net"),
    ({}, "smtpd_relay_before_recipient_restrictions", "no"),
    ({"compatibility_level": "3.6"}, "smtpd_relay_before_recipient_restrictions", "yes"),
    ({}, "smtpd_relay_restrictions", ""),
    (
        {"compatibility_level": "1"},
        "smtpd_relay_restrictions",
        "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination",
    ),
    ({}, "mynetworks", "127.0.0.0/8 [::1]/128"),
    ({"compatibility_level": "2"}, "mynetworks", "127.0.0.1/32 [::1]/128"),
    ({"mynetworks_style": "host", "inet_protocols": "ipv4"}, "mynetworks", "127.0.0.1/32"),
    ({"own": "permit", "smtpd_client_restrictions": "$own, reject"}, "smtpd_client_restrictions", "permit, reject"),
    ({"myorigin": "/etc/mailname", "myhostname": "mx.example.org"}, "myorigin", "mx.example.org"),
    # A reply's own macros stay for the time of the reply.
    ({"default_rbl_reply": "$rbl_code $"}, "default_rbl_reply", "$rbl_code $"),
    # smtpd reads the relay list before the recipient list, and knows nothing of the parameters of other programs.
    (
        {"compatibility_level": "2", "smtpd_relay_restrictions": "[$smtpd_recipient_restrictions]"},
        "smtpd_relay_restrictions",
        "[]",
    ),
    ({"smtpd_helo_restrictions": "[$smtp_helo_timeout$smtpd_timeout]"}, "smtpd_helo_restrictions", "[]"),
    ({"my_class": "[$smtp_helo_timeout$smtpd_timeout]"}, "my_class", "[300s]"),
    ({"transport_maps": "[$smtp_helo_timeout]"}, "transport_maps", "[300s]"),
]


@pytest.mark.parametrize(("parameters", "name", "value"), VALUES)
def test_values(parameters: dict[str, Any], name: str, value: str) -> None:
    assert Policy.of(parameters).settings()[name] == value


def test_content_of_mailname() -> None:
    policy = Policy.of({"myorigin": "/etc/mailname"}, tables={"/etc/mailname": "example.org\n"})
    assert policy.settings()["myorigin"] == "example.org"


@pytest.mark.parametrize(
    ("version", "name", "value"),
    [
        ("3.7", "smtpd_forbid_bare_newline", "no"),
        ("3.9", "smtpd_forbid_bare_newline", "normalize"),
        ("3.10", "default_database_type", "hash"),
        ("3.11", "default_database_type", "cdb"),
        ("3.7", "mail_version", "3.7.11"),
        ("3.8", "mail_version", "3.8.0"),
    ],
)
def test_defaults_by_release(version: str, name: str, value: str) -> None:
    assert Policy.of({}, version).settings()[name] == value


def test_service_overrides() -> None:
    policy = Policy.of({"a": "1", "smtpd_banner": "$a $service_name"}, master=_MASTER)
    smtp, submission = policy.settings("smtp/inet"), policy.settings("submission")
    assert (smtp["smtpd_banner"], submission["smtpd_banner"]) == ("1 smtp", "2 submission")
    assert not smtp.flag("smtpd_helo_required") and submission.flag("smtpd_helo_required")
    assert submission.is_set("smtpd_helo_required") and not smtp.is_set("smtpd_helo_required")
    assert [service.key for service in policy.smtpd_services()] == ["smtp/inet", "submission/inet"]
    assert policy.settings("submission/inet") is submission


def test_last_of_two_services_counts() -> None:
    policy = Policy.of({}, master=["smtp inet n - y - - smtpd -o a=1", "smtp inet n - n - - smtpd -o a=2"])
    assert policy.settings()["a"] == "2"


def test_unknown_service_names_the_others() -> None:
    with pytest.raises(PolicyError, match="no service smtps; services that run smtpd: smtp/inet, submission/inet"):
        Policy.of({}, master=_MASTER).settings("smtps")


def test_typed_values() -> None:
    settings = Policy.of({"reject_code": " 571", "smtpd_timeout": "5m", "queue_run_delay": "10"}).settings()
    assert settings.number("reject_code") == 571
    assert settings.seconds("smtpd_timeout") == 300
    assert settings.seconds("queue_run_delay") == 10
    assert settings.default("reject_code") == "554"
    assert settings.default("nothing") == ""


@pytest.mark.parametrize(
    ("parameters", "call", "message"),
    [
        ({"smtpd_delay_reject": "true"}, "flag smtpd_delay_reject", "bad boolean configuration"),
        ({"reject_code": "5x"}, "number reject_code", "bad numerical configuration"),
        ({"reject_code": ""}, "number reject_code", "bad numerical configuration"),
        ({"smtpd_timeout": "5y"}, "seconds smtpd_timeout", "bad time value or unit"),
    ],
)
def test_bad_values(parameters: dict[str, str], call: str, message: str) -> None:
    method, name = call.split()
    with pytest.raises(PolicyError, match=message):
        getattr(Policy.of(parameters).settings(), method)(name)


def test_bad_macro() -> None:
    with pytest.raises(MacroError, match="smtpd_banner: macro processing error"):
        Policy.of({"smtpd_banner": "$foo$", "foo": "x"}).settings()["smtpd_banner"]


def test_classes() -> None:
    parameters = {
        "smtpd_restriction_classes": "strict, Loose strict",
        "strict": "reject_rbl_client x.example Loose",
        "Loose": "permit",
        "smtpd_client_restrictions": "strict loose",
    }
    settings = Policy.of(parameters).settings()
    assert settings.class_names == ("strict", "Loose")
    assert [(each.kind, each.name) for each in settings.classes["strict"]] == [
        (Kind.RESTRICTION, "reject_rbl_client"),
        (Kind.CLASS, "Loose"),
    ]
    assert [each.kind for each in settings.elements("smtpd_client_restrictions")] == [Kind.CLASS, Kind.UNKNOWN]
    assert len(settings.classes["reject_sender_login_mismatch"]) == 2


def test_definition_of_a_class() -> None:
    settings = Policy.of({"own": "permit"}).settings()
    assert [settings.definition(name) for name in ("own", "mail_name", "smtp_helo_timeout", "nothing")] == [
        "permit",
        "Postfix",
        "",
        "",
    ]


def test_everything_wrong_at_once() -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.of({"a b": "1", "c": {"x": 1}, "d": "\0"}, "new", master="smtp\n")
    assert len(str(caught.value).splitlines()) == 5
