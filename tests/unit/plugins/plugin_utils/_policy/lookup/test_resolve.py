# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rewriting and resolving of addresses. The expectations are answers of the real smtpd."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.resolve import AddressClass, resolve, rewrite
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.tables import Tables
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy, Settings

PARAMETERS = {
    "compatibility_level": "3.6",
    "myhostname": "mx1.example.org",
    "mydomain": "example.org",
    "myorigin": "example.org",
    "mydestination": "example.org localhost",
    "relay_domains": "relay.example",
    "virtual_alias_domains": "alias.example",
    "virtual_mailbox_domains": "box.example",
}
LOCAL, ALIAS, BOX, RELAY, DEFAULT = (
    AddressClass.LOCAL,
    AddressClass.VIRTUAL_ALIAS,
    AddressClass.VIRTUAL_MAILBOX,
    AddressClass.RELAY,
    AddressClass.DEFAULT,
)
RESOLVED = [
    ("user@example.org", LOCAL, "user@example.org"),
    ("User@EXAMPLE.org", LOCAL, "user@example.org"),
    ("user", LOCAL, "user@example.org"),
    ("user@example.org.", LOCAL, "user@example.org"),
    ("user@[127.0.0.1]", LOCAL, "user@[127.0.0.1]"),
    ("user@[IPv6:::1]", LOCAL, "user@[ipv6:::1]"),
    ("", DEFAULT, "mailer-daemon@mx1.example.org"),
    ("user@alias.example", ALIAS, "user@alias.example"),
    ("user@sub.alias.example", DEFAULT, "user@sub.alias.example"),
    ("user@box.example", BOX, "user@box.example"),
    ("user@relay.example", RELAY, "user@relay.example"),
    ("user@sub.relay.example", RELAY, "user@sub.relay.example"),
    ("user@example.com", DEFAULT, "user@example.com"),
    ("user@[192.0.2.1]", DEFAULT, "user@[192.0.2.1]"),
    ("user%example.com@example.org", DEFAULT, "user@example.com"),
    ("example.com!user@example.org", DEFAULT, "user@example.com"),
    ("user@example.com@example.org", DEFAULT, "user@example.com"),
    ("user%relay.example", RELAY, "user@relay.example"),
    ("@example.com:user@example.org", LOCAL, "user@example.org"),
    ("a b@example.org", LOCAL, "a b@example.org"),
]
ROUTED = [
    ("user@relay.example", False),
    ("user%example.com@relay.example", True),
    ("example.com!user@relay.example", True),
    ("user@example.com@relay.example", True),
    ("user+x@relay.example", False),
]
BAD = [
    "user@",
    "user@.example.com",
    "user@a..b",
    "user@-a.example",
    "user@[bad]",
    "user@127.0.0.1",
    "user@1.2",
    "-u@example.com",
]


def settings(**parameters: str) -> Settings:
    return Policy.of({**PARAMETERS, **parameters}).settings()


def tables(own: Settings) -> Tables:
    return Tables(own, {})


@pytest.mark.parametrize(("address", "address_class", "recipient"), RESOLVED)
def test_resolve(address: str, address_class: AddressClass, recipient: str) -> None:
    own = settings()
    found = resolve(own, tables(own), address)
    assert (found.address_class, found.recipient, found.error) == (address_class, recipient, False)


@pytest.mark.parametrize(("address", "routed"), ROUTED)
def test_routed(address: str, routed: bool) -> None:
    own = settings()
    assert resolve(own, tables(own), address).routed == routed


@pytest.mark.parametrize("address", BAD)
def test_bad_addresses(address: str) -> None:
    own = settings()
    assert resolve(own, tables(own), address).error


@pytest.mark.parametrize(
    ("parameters", "address", "transport", "nexthop"),
    [
        ({}, "user@example.org", "local", "mx1.example.org"),
        ({}, "user@alias.example", "error", "5.1.1 User unknown in virtual alias table"),
        ({}, "user@example.com", "smtp", "example.com"),
        ({"relayhost": "[out.example]"}, "user@example.com", "smtp", "[out.example]"),
        ({"transport_maps": "inline:{ {example.com=error:5.7.2 no} }"}, "user@example.com", "error", "5.7.2 no"),
        ({"transport_maps": "inline:{ {example.com=retry:} }"}, "u@example.com", "retry", "Address is undeliverable"),
        ({"transport_maps": "inline:{ {.example.com=smtp:x} }"}, "u@a.example.com", "smtp", "x"),
        ({"transport_maps": "inline:{ {.example.com=smtp:x} }"}, "u@example.com", "smtp", "example.com"),
        ({"transport_maps": "inline:{ {*=smtp:x} }"}, "u@example.com", "smtp", "x"),
        (
            {"transport_maps": "inline:{ {*=error:no} }"},
            "u@alias.example",
            "error",
            "5.1.1 User unknown in virtual alias table",
        ),
        ({"transport_maps": "inline:{ {u@example.com=:y} }"}, "u+e@example.com", "smtp", "example.com"),
        (
            {"transport_maps": "inline:{ {u@example.com=:y} }", "recipient_delimiter": "+"},
            "u+e@example.com",
            "smtp",
            "y",
        ),
        (
            {"relocated_maps": "inline:{ {u@example.com=u@example.net} }"},
            "u@example.com",
            "error",
            "5.1.6 User has moved to u@example.net",
        ),
    ],
)
def test_transport(parameters: dict[str, str], address: str, transport: str, nexthop: str) -> None:
    own = settings(**parameters)
    found = resolve(own, tables(own), address)
    assert (found.transport, found.nexthop) == (transport, nexthop)


@pytest.mark.parametrize("parameter", ["mydestination", "virtual_alias_domains", "relay_domains", "transport_maps"])
def test_failing_lists(parameter: str) -> None:
    own = settings(**{parameter: "fail:x"})
    assert resolve(own, tables(own), "user@example.com").failed


@pytest.mark.parametrize(
    ("parameters", "address", "result"),
    [
        ({}, "user", "user@example.org"),
        ({"append_at_myorigin": "no"}, "user", "user"),
        ({}, "user@bare", "user@bare"),
        ({"append_dot_mydomain": "yes"}, "user@bare", "user@bare.example.org"),
        ({"swap_bangpath": "no"}, "a!b", "a!b@example.org"),
        ({}, "a!b", "b@a"),
        ({}, "a%b", "a@b"),
        ({"allow_percent_hack": "no"}, "a%b", "a%b@example.org"),
        ({}, "user@example.com.", "user@example.com"),
        ({}, "@a.example:b@c.example", "b@c.example"),
    ],
)
def test_rewrite(parameters: dict[str, str], address: str, result: str) -> None:
    assert rewrite(settings(**parameters), address) == result


def test_trivial_rewrite_does_not_know_the_overrides_of_smtpd() -> None:
    policy = Policy.of(PARAMETERS, master=["smtp inet n - y - - smtpd -o mydestination="])
    own = policy.settings()
    assert own["mydestination"] == ""
    assert resolve(own, tables(own), "user@example.org").address_class is LOCAL
