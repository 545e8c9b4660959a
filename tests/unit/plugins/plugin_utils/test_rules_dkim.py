"""Rules about DKIM."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._rules import check
from ansible_collections.postern.mail.plugins.plugin_utils._rules_dkim import RULES
from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

HEADERS = ["From", "Subject", "To"]
GOOD: dict[str, Any] = {
    "mail_features": ["opendkim"],
    "mail_hostname": "mx.example.org",
    "mail_domains": ["example.org", "example.net"],
    "opendkim_hostname": "mx.example.org",
    "opendkim_make_keys": True,
    "opendkim_domains": [],
    "opendkim_selector_prefix": "mx-example-org",
    "opendkim_sign_headers": HEADERS,
    "opendkim_oversign_headers": HEADERS,
    "opendkim_rotate_after": "180d",
    "opendkim_rotate_keep": "10d",
}


@cache
def pem(kind: str, passphrase: bytes = b"") -> str:
    key = ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else rsa.generate_private_key(65537, int(kind))
    locked = s.BestAvailableEncryption(passphrase) if passphrase else s.NoEncryption()
    return key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, locked).decode()


def found(**values: Any) -> list[tuple[str, str]]:
    inventory = Inventory(values={**GOOD, **values}, roles=frozenset({"opendkim"}))
    return [(mistake.rule, mistake.variable + mistake.element) for mistake in check(inventory, RULES)]


def given(**entry: Any) -> dict[str, Any]:
    return {"opendkim_domains": [{"domain": "example.org", **entry}]}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, []),
        (given(), []),
        (given(domain="b_d.example"), [("domain", "opendkim_domains[0].domain")]),
        # selectors
        (given(selector="s1.mx-2", private_key=pem("2048")), []),
        (given(selector="S1", private_key=pem("2048")), [("dkim-selector", "opendkim_domains[0].selector")]),
        (given(selector="s_1", private_key=pem("2048")), [("dkim-selector", "opendkim_domains[0].selector")]),
        (given(selector="-s", private_key=pem("2048")), [("dkim-selector", "opendkim_domains[0].selector")]),
        (given(selector="s..1", private_key=pem("2048")), [("dkim-selector", "opendkim_domains[0].selector")]),
        (given(selector="../../s", private_key=pem("2048")), [("dkim-selector", "opendkim_domains[0].selector")]),
        (given(selector="s" * 64, private_key=pem("2048")), [("dkim-selector", "opendkim_domains[0].selector")]),
        (given(private_key=pem("2048")), [("dkim-selector", "opendkim_domains[0].selector")]),
        (given(selector="s1"), [("domain-without-key", "opendkim_domains[0].selector")]),
        ({"opendkim_selector_prefix": "mx.example.org"}, []),
        ({"opendkim_selector_prefix": "mx_1"}, [("dkim-selector", "opendkim_selector_prefix")]),
        ({"opendkim_selector_prefix": "m" * 60}, [("dkim-selector", "opendkim_selector_prefix")]),
        # one selector of two domains is no collision; the same of one domain is
        (
            {
                "opendkim_domains": [
                    {"domain": "example.org", "selector": "s", "private_key": pem("2048")},
                    {"domain": "example.net", "selector": "s", "private_key": pem("2048")},
                ]
            },
            [],
        ),
        (
            {
                "opendkim_domains": [
                    {"domain": "example.org", "selector": "s", "private_key": pem("2048")},
                    {"domain": "EXAMPLE.org", "selector": "s", "private_key": pem("2048")},
                ]
            },
            [("dkim-duplicate", "opendkim_domains[1]")],
        ),
        # keys
        (given(selector="s", private_key=pem("1024")), [("dkim-key", "opendkim_domains[0].private_key")]),
        (given(selector="s", private_key=pem("ed25519")), [("dkim-key", "opendkim_domains[0].private_key")]),
        (given(selector="s", private_key="words"), [("dkim-key", "opendkim_domains[0].private_key")]),
        (given(selector="s", private_key=""), [("dkim-key", "opendkim_domains[0].private_key")]),
        (given(selector="s", private_key=pem("2048", b"x")), [("dkim-key", "opendkim_domains[0].private_key")]),
        # a domain without a key
        (
            {**given(selector="s", private_key=pem("2048")), "opendkim_make_keys": False},
            [("domain-without-key", "opendkim_domains")] * 2,
        ),
        # trust
        ({"opendkim_trusted_networks": ["192.0.2.0/28", "192.0.2.1", "2001:db8::/64", "2001:DB8::1"]}, []),
        ({"opendkim_trusted_networks": ["192.0.2.1/28"]}, [("dkim-network", "opendkim_trusted_networks[0]")]),
        ({"opendkim_trusted_networks": ["0.0.0.0/0"]}, [("dkim-network", "opendkim_trusted_networks[0]")]),
        ({"opendkim_trusted_networks": ["::/0"]}, [("dkim-network", "opendkim_trusted_networks[0]")]),
        ({"opendkim_trusted_networks": ["relay.example"]}, [("dkim-network", "opendkim_trusted_networks[0]")]),
        # header fields
        ({"opendkim_oversign_headers": ["Subject"]}, [("dkim-header", "opendkim_oversign_headers")]),
        ({"opendkim_oversign_headers": ["From", "Cc"]}, [("dkim-header", "opendkim_oversign_headers[1]")]),
        ({"opendkim_sign_headers": [*HEADERS, "X: y"]}, [("dkim-header", "opendkim_sign_headers[3]")]),
        # time
        ({"opendkim_rotate_after": "half a year"}, [("duration", "opendkim_rotate_after")]),
        ({"opendkim_rotate_after": "180"}, [("duration", "opendkim_rotate_after")]),
        ({"opendkim_rotate_keep": "1d"}, [("dkim-keep", "opendkim_rotate_keep")]),
        # switched off, nobody reads them
        ({"opendkim_rotate_after": "later", "mail_features": []}, []),
    ],
)
def test_each_mistake_is_told_at_its_element(values: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert found(**values) == expected


def test_no_key_is_ever_shown() -> None:
    inventory = Inventory(
        values={**GOOD, **given(selector="s", private_key=pem("1024"))}, roles=frozenset({"opendkim"})
    )
    (mistake,) = check(inventory, RULES)
    assert "PRIVATE" not in "".join(mistake.as_dict().values())
