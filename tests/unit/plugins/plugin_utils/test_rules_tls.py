# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Rules about encryption."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._rules import check
from ansible_collections.postern.mail.plugins.plugin_utils._rules_tls import RULES
from sample_certificates import CHAIN, NAME, NOW, key_pem, leaf

PROFILES = {
    "intermediate": {"min_protocol": "TLSv1.2", "tls12_ciphers": ["A"]},
    "modern": {"min_protocol": "TLSv1.3", "tls12_ciphers": []},
}
BASE = {
    "mail_features": ["postfix", "dane"],
    "mail_domains": ["example.org"],
    "mail_hostname": NAME,
    "mail_tls_profiles": PROFILES,
    "mail_tls_profiles_extra": {},
}
POLICY = "postfix_tls_policy"


def found(**values: Any) -> list[tuple[str, str, str]]:
    inventory = Inventory(values=BASE | values)
    return [(each.rule, each.variable + each.element, each.severity) for each in check(inventory, RULES)]


def policy(**entry: Any) -> dict[str, Any]:
    return {POLICY: [{"destination": "example.net", "level": "secure"} | entry]}


def wrong(element: str, rule: str = "tls-policy") -> list[tuple[str, str, str]]:
    return [(rule, element, "error")]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"mail_tls_profile": "modern", "mail_tls_profile_mx": "intermediate"}, []),
        ({"mail_tls_profile_mx": "modern"}, [("tls-profile-mx", "mail_tls_profile_mx", "warning")]),
        (
            {"mail_tls_profile_mx": "own", "mail_tls_profiles_extra": {"own": PROFILES["modern"]}},
            [("tls-profile-mx", "mail_tls_profile_mx", "warning")],
        ),
        ({"mail_tls_profile_mx": "nothing"}, []),  # told elsewhere
        ({"mail_certificate_rsa": True, "mail_tls_profile": "intermediate"}, []),
        ({"mail_certificate_rsa": True, "mail_tls_profile": "modern"}, wrong("mail_certificate_rsa", "tls-rsa")),
        (policy(), []),
        (policy(destination=".example.net", level="encrypt"), []),
        (policy(destination="[192.0.2.1]:25"), []),
        (policy(destination="[IPv6:2001:db8::1]"), []),
        (policy(destination="[relay.example.net]:submission"), []),
        (policy(destination="[relay]"), wrong(f"{POLICY}[0].destination")),
        (policy(destination="user@example.net"), wrong(f"{POLICY}[0].destination")),
        (policy(destination="192.0.2.1"), wrong(f"{POLICY}[0].destination")),
        (policy(destination="example.net:25"), wrong(f"{POLICY}[0].destination")),
        (policy(destination="*.example.net"), wrong(f"{POLICY}[0].destination")),
        (policy(match=["mx.example.net", ".example.net", "nexthop", "dot-nexthop"]), []),
        (policy(match=["*.example.net"]), wrong(f"{POLICY}[0].match[0]")),
        (policy(match=["mx example.net"]), wrong(f"{POLICY}[0].match[0]")),
        (policy(level="encrypt", match=["mx.example.net"]), wrong(f"{POLICY}[0].match")),
        (policy(min_protocol="TLSv1.3"), []),
        (policy(min_protocol="TLSv1.1"), wrong(f"{POLICY}[0].min_protocol")),
        (policy(level="dane-only"), []),
        (policy(destination="") | {"mail_features": ["dovecot"]}, []),
        (
            {POLICY: [{"destination": each, "level": "may"} for each in ("a.example", "b.example", "A.example")]},
            wrong(f"{POLICY}[2].destination"),
        ),
        ({"postfix_tls_required_senders": ["bank.example", ".bank.example", "a@bank.example"]}, []),
        ({"postfix_tls_required_senders": ["@bank.example"]}, wrong("postfix_tls_required_senders[0]", "tls-required")),
        ({"postfix_tls_required_senders": ["bank"]}, wrong("postfix_tls_required_senders[0]", "tls-required")),
        (
            {"postfix_tls_required_senders": ["a b@bank.example"]},
            wrong("postfix_tls_required_senders[0]", "tls-required"),
        ),
        ({"postfix_tls_required_recipients": ["example.org", "a@example.org"]}, []),
        (
            {
                "postfix_tls_required_senders": ["bank.example"],
                "postfix_smtp_sender_restrictions": ["postfix_tls_required_senders"],
            },
            [],
        ),
        (
            {
                "postfix_tls_required_senders": ["bank.example"],
                "postfix_smtp_sender_restrictions": ["permit_mynetworks"],
            },
            wrong("postfix_tls_required_senders", "access-unused"),
        ),
        (
            {"postfix_tls_required_recipients": ["bank.example"]},
            wrong("postfix_tls_required_recipients[0]", "tls-required"),
        ),
    ],
)
def test_each_mistake_is_told_at_its_element(values: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    assert found(**values) == expected


WATCH = {"mail_features": ["certificate_watch"]}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"certificate_watch_days": 1, "certificate_watch_mail_to": "postmaster"}, []),
        ({"certificate_watch_mail_to": ""}, []),
        ({"certificate_watch_mail_to": "ops+tls@example.org", "certificate_watch_names": ["imap.example.org"]}, []),
        ({"certificate_watch_days": 0}, wrong("certificate_watch_days", "watch")),
        ({"certificate_watch_names": ["*.example.org"]}, wrong("certificate_watch_names[0]", "watch")),
        ({"certificate_watch_mail_to": "-t"}, wrong("certificate_watch_mail_to", "watch")),
        ({"certificate_watch_mail_to": "-t@example.org"}, wrong("certificate_watch_mail_to", "watch")),
        ({"certificate_watch_mail_to": "a b@example.org"}, wrong("certificate_watch_mail_to", "watch")),
    ],
)
def test_what_the_watch_would_never_tell(values: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    assert found(**WATCH, **values) == expected
    assert found(**values) == []


class _Clock(datetime.datetime):
    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return NOW


CERTIFICATE, KEY = "mail_certificate_content", "mail_certificate_key_content"
RSA_CERTIFICATE, RSA_KEY = "mail_certificate_rsa_content", "mail_certificate_rsa_key_content"
GOOD = {CERTIFICATE: leaf() + CHAIN, KEY: key_pem()}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, []),
        ({CERTIFICATE: "", KEY: ""}, []),
        (GOOD, []),
        (GOOD | {KEY: ""}, wrong(CERTIFICATE, "certificate-pair")),
        (GOOD | {CERTIFICATE: ""}, wrong(KEY, "certificate-pair")),
        ({CERTIFICATE: leaf() + CHAIN}, []),  # the key could not be read, which is told elsewhere
        (GOOD | {"mail_features": ["certbot"]}, wrong(CERTIFICATE, "certificate-pair")),
        (GOOD | {KEY: key_pem(owner="other")}, wrong(KEY, "certificate")),
        (GOOD | {CERTIFICATE: "x"}, wrong(CERTIFICATE, "certificate")),
        (GOOD | {CERTIFICATE: leaf()}, [("certificate", CERTIFICATE, "warning")]),
        (GOOD | {CERTIFICATE: leaf(names=["b.example"]) + CHAIN}, wrong(CERTIFICATE, "certificate")),
        (
            {RSA_CERTIFICATE: leaf(names=["b.example"]) + CHAIN, RSA_KEY: key_pem(), "mail_certificate_rsa": False},
            [("certificate", RSA_CERTIFICATE, "error"), ("certificate-pair", RSA_CERTIFICATE, "error")],
        ),
    ],
)
def test_certificates_of_the_inventory(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], expected: list[tuple[str, str, str]]
) -> None:
    monkeypatch.setattr(datetime, "datetime", _Clock)
    assert found(**values) == expected


def test_no_mistake_shows_a_key() -> None:
    inventory = Inventory(values=BASE | {CERTIFICATE: key_pem(), KEY: leaf()})
    secret = key_pem().splitlines()[1]
    assert [each for each in check(inventory, RULES) if secret in str(each.as_dict())] == []
