"""Rules about SPF and DMARC."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._rules import check
from ansible_collections.postern.mail.plugins.plugin_utils._rules_sender_policy import RULES

ROLES = frozenset({"policyd_spf", "opendkim", "opendmarc", "postfix"})


def found(**values: Any) -> list[tuple[str, str, str]]:
    values = {"mail_domains": ["example.org"], **values}
    inventory = Inventory(values=values, changed=frozenset(values), roles=ROLES)
    mistakes = check(inventory, RULES)
    assert all(mistake.reason and mistake.fix for mistake in mistakes)
    return [(mistake.rule, mistake.variable + mistake.element, mistake.severity) for mistake in mistakes]


@pytest.mark.parametrize(
    ("variable", "element", "good"),
    [
        ("policyd_spf_trusted_addresses", "192.0.2.25", True),
        ("policyd_spf_trusted_addresses", "192.0.2.0/24", True),
        ("policyd_spf_trusted_addresses", "2001:DB8::/32", True),
        ("policyd_spf_trusted_addresses", "192.0.2.1/24", False),
        ("policyd_spf_trusted_addresses", "2001:db8::1/32", False),
        ("policyd_spf_trusted_addresses", " 192.0.2.1", False),
        ("policyd_spf_trusted_addresses", "192.0.2.0/33", False),
        ("policyd_spf_trusted_addresses", "0.0.0.0/0", False),
        ("policyd_spf_trusted_addresses", "::/0", False),
        ("policyd_spf_trusted_addresses", "mx.example.com", False),
        ("policyd_spf_trusted_addresses", "", False),
        ("policyd_spf_skip_addresses", "::ffff:127.0.0.0/104", True),
        ("policyd_spf_skip_addresses", "127.0.0.1/8", False),
        ("policyd_spf_trusted_domains", "example.com", True),
        ("policyd_spf_trusted_domains", ".example.com", False),
        ("policyd_spf_trusted_domains", "192.0.2.1", False),
        ("policyd_spf_trusted_hosts", "mx.example.com", True),
        ("policyd_spf_trusted_hosts", "*.example.com", False),
        ("opendmarc_trusted_hosts", "192.0.2.25", True),
        ("opendmarc_trusted_hosts", "192.0.2.0/28", True),
        ("opendmarc_trusted_hosts", "2001:db8::/32", True),
        ("opendmarc_trusted_hosts", "mx.example.com", True),
        ("opendmarc_trusted_hosts", ".lists.example.com", True),
        ("opendmarc_trusted_hosts", "192.0.2.1/28", False),
        ("opendmarc_trusted_hosts", "2001:DB8::/32", False),
        ("opendmarc_trusted_hosts", "2001:db8:0::1", False),
        ("opendmarc_trusted_hosts", "0.0.0.0/0", False),
        ("opendmarc_trusted_hosts", "*.example.com", False),
        ("opendmarc_trusted_hosts", "two words", False),
    ],
)
def test_whom_they_leave_alone(variable: str, element: str, good: bool) -> None:
    wrong = [("trusted-host", f"{variable}[1]", "error")]
    assert found(**{variable: ["192.0.2.9" if "address" in variable else "a.example.net", element]}) == (
        [] if good else wrong
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"opendmarc_exempt_domains": ["example.com"]}, []),
        ({"opendmarc_exempt_domains": ["Example.ORG"]}, [("exempt-domain", "opendmarc_exempt_domains[0]", "error")]),
        ({"opendmarc_exempt_domains": ["@example.com"]}, [("exempt-domain", "opendmarc_exempt_domains[0]", "error")]),
        ({"opendmarc_public_suffixes": ["example", "corp.example"]}, []),
        ({"opendmarc_public_suffixes": ["example.org"]}, [("public-suffix", "opendmarc_public_suffixes[0]", "error")]),
        ({"opendmarc_public_suffixes": [".lan"]}, [("public-suffix", "opendmarc_public_suffixes[0]", "error")]),
        ({"opendmarc_authserv_id": "mx.example.org"}, []),
        ({"opendmarc_authserv_id": "a b"}, [("authserv-id", "opendmarc_authserv_id", "error")]),
    ],
)
def test_domains(values: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    assert found(**values) == expected


@pytest.mark.parametrize(
    ("lookup", "timeout", "limit", "expected"),
    [
        (20, 60, 3600, []),
        (20, 41, 42, []),
        (20, 40, 3600, ["policyd_spf_timeout"]),
        (0, 60, 3600, ["policyd_spf_lookup_time"]),
        (20, 141, 3600, ["policyd_spf_timeout"]),
        (20, 60, 60, ["policyd_spf_time_limit"]),
        (70, 60, 30, ["policyd_spf_timeout", "policyd_spf_time_limit"]),
    ],
)
def test_times(lookup: int, timeout: int, limit: int, expected: list[str]) -> None:
    mistakes = found(policyd_spf_lookup_time=lookup, policyd_spf_timeout=timeout, policyd_spf_time_limit=limit)
    assert mistakes == [("spf-times", variable, "error") for variable in expected]


@pytest.mark.parametrize(
    ("features", "stage", "temperror", "expected"),
    [
        (["opendmarc", "opendkim", "policyd_spf"], "enforce", "defer", []),
        (["opendmarc", "opendkim"], "observe", None, []),
        (["opendmarc"], "observe", None, [("dmarc-without-dkim", "mail_features", "warning")]),
        (["opendmarc", "policyd_spf"], "enforce", "defer", [("dmarc-without-dkim", "mail_features", "error")]),
        (["opendmarc", "opendkim"], "enforce", None, [("dmarc-without-spf", "opendmarc_stage", "error")]),
        (
            ["opendmarc", "opendkim", "policyd_spf"],
            "enforce",
            "accept",
            [("dmarc-without-spf", "opendmarc_stage", "error")],
        ),
        (["policyd_spf"], "enforce", "accept", []),
    ],
)
def test_what_dmarc_needs(
    features: list[str], stage: str, temperror: str | None, expected: list[tuple[str, str, str]]
) -> None:
    mistakes = found(mail_features=features, opendmarc_stage=stage, policyd_spf_temperror=temperror)
    assert mistakes == expected


@pytest.mark.parametrize(
    ("mynetworks", "trusted", "expected"),
    [
        (["127.0.0.0/8", "[::ffff:127.0.0.0]/104", "[::1]/128"], [], []),
        (["127.0.0.0/8", "192.0.2.0/28"], [], [1]),
        (["192.0.2.0/28", "[2001:db8::]/64"], ["192.0.2.0/24", "2001:db8::/48"], []),
        (["192.0.2.0/28", "[2001:db8::]/64"], [".example.com", "2001:db8::/65", "192.0.2.0/29"], [0, 1]),
    ],
)
def test_networks_that_may_relay_are_not_strangers(
    mynetworks: list[str], trusted: list[str], expected: list[int]
) -> None:
    values = {"postfix_mynetworks": mynetworks, "opendmarc_trusted_hosts": trusted}
    wrong = [("dmarc-own-network", f"postfix_mynetworks[{index}]", "warning") for index in expected]
    assert found(mail_features=["opendmarc", "opendkim"], **values) == wrong
    assert found(mail_features=["opendkim"], **values) == []
