# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Rules about DNS records and how they are published."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake
from ansible_collections.postern.mail.plugins.plugin_utils._rules import check
from ansible_collections.postern.mail.plugins.plugin_utils._rules_dns import RULES

KEY = base64.b64encode(b"x" * 32).decode()
UPDATE = {"dns_update_server": "192.0.2.53", "dns_tsig_name": "postern", "dns_tsig_secret": KEY}


def mistakes(**values: Any) -> list[Mistake]:
    known = {"mail_hostname": "mx1.example.org", "mail_domains": ["example.org"], **values}
    return check(Inventory(values=known, changed=frozenset(values)), RULES)


def found(**values: Any) -> list[tuple[str, str]]:
    return [(mistake.rule, mistake.variable + mistake.element) for mistake in mistakes(**values)]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"dns_parked_domains": ["example.com"], "dns_addresses": ["192.0.2.25", "2001:db8::25"]},
        {"dns_addresses": ["10.0.0.1"]},  # a private network may have DNS of its own
        {
            "dns_spf_extra": [
                "include:_spf.example.net",
                "ip4:192.0.2.0/24",
                "~a:web.example.org",
                "exists:%{i}.example.net",
            ]
        },
        {"dns_spf_extra": [f"include:s{number}.example.net" for number in range(9)]},
        {"dns_spf_servers": "addresses", "dns_spf_extra": [f"include:s{number}.example.net" for number in range(10)]},
        {"dns_dmarc_rua": ["mailto:a@example.org"], "dns_tlsrpt_rua": ["https://reports.example.org/tls"]},
        {
            "dns_mta_sts_id": "20260101T000000",
            "dns_caa_issuers": ["letsencrypt.org; accounturi=https://ca.example/1", ";"],
        },
        {"dns_services": {"imaps": 993, "pop3": 0}},
        {"dns_records_extra": [{"name": "www.example.org", "type": "A", "value": "192.0.2.1"}]},
        {**UPDATE, "dns_update_zones": ["example.org", "org"], "dns_do": "publish"},
    ],
)
def test_what_is_right_is_not_refused(values: dict[str, Any]) -> None:
    assert found(**values) == []


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"dns_parked_domains": ["exa mple.com"]}, [("dns-name", "dns_parked_domains[0]")]),
        ({"dns_parked_domains": ["ok.example", "Example.ORG"]}, [("dns-parked", "dns_parked_domains[1]")]),
        ({"dns_hostname": "mx1"}, [("dns-name", "dns_hostname")]),
        (
            {"dns_addresses": ["127.0.0.1", "mx1"]},
            [("dns-address", "dns_addresses[0]"), ("dns-address", "dns_addresses[1]")],
        ),
        ({"dns_resolvers": ["dns.example"]}, [("dns-address", "dns_resolvers[0]")]),
        ({"dns_ttl": 5}, [("dns-number", "dns_ttl")]),
        ({"dns_ttl": 604801}, [("dns-number", "dns_ttl")]),
        ({"dns_mx_priority": 70000}, [("dns-number", "dns_mx_priority")]),
        ({"dns_spf_extra": ["includ:x.example"]}, [("dns-spf", "dns_spf_extra[0]")]),
        ({"dns_spf_extra": ["ip4:192.0.2.1/24"]}, [("dns-spf", "dns_spf_extra[0]")]),
        ({"dns_spf_extra": ["ip4:2001:db8::1"]}, [("dns-spf", "dns_spf_extra[0]")]),
        ({"dns_spf_extra": ["+all"]}, [("dns-spf", "dns_spf_extra[0]")]),
        ({"dns_spf_extra": ["ptr"]}, [("dns-spf", "dns_spf_extra[0]")]),
        ({"dns_spf_extra": ["a b"]}, [("dns-spf", "dns_spf_extra[0]")]),
        ({"dns_spf_extra": [f"include:s{n}.example.net" for n in range(10)]}, [("dns-spf", "dns_spf_extra")]),
        ({"dns_dmarc_rua": ["a@example.org"]}, [("dns-reports", "dns_dmarc_rua[0]")]),
        ({"dns_dmarc_rua": ["https://example.org/"]}, [("dns-reports", "dns_dmarc_rua[0]")]),
        ({"dns_dmarc_rua": ["mailto:a@example.org!10m"]}, [("dns-reports", "dns_dmarc_rua[0]")]),
        ({"dns_dmarc_ruf": ["mailto:a@b@example.org"]}, [("dns-reports", "dns_dmarc_ruf[0]")]),
        ({"dns_tlsrpt_rua": ["http://example.org/"]}, [("dns-reports", "dns_tlsrpt_rua[0]")]),
        ({"dns_caa_iodef": "x"}, [("dns-reports", "dns_caa_iodef")]),
        ({"dns_mta_sts_id": "2026-01-01"}, [("dns-mta-sts", "dns_mta_sts_id")]),
        ({"dns_caa_issuers": ['a"b']}, [("dns-caa", "dns_caa_issuers[0]")]),
        ({"dns_services": {"imapss": 993}}, [("dns-service", "dns_services.imapss")]),
        ({"dns_services": {"imaps": 99999}}, [("dns-service", "dns_services.imaps")]),
        ({"dns_records_extra": [{"name": "x y", "type": "A", "value": "1"}]}, [("dns-record", "dns_records_extra[0]")]),
        (
            {"dns_records_extra": [{"name": "a.example.org", "type": "TXT", "value": "grüße"}]},
            [("dns-record", "dns_records_extra[0]")],
        ),
        ({"dns_do": "publish"}, [("dns-update", "dns_update_server")]),
        (
            {"dns_update_server": "192.0.2.53"},
            [("dns-update", "dns_tsig_name"), ("dns-update", "dns_tsig_secret")],
        ),
        ({**UPDATE, "dns_tsig_secret": "not base64!"}, [("dns-update", "dns_tsig_secret")]),
        ({**UPDATE, "dns_tsig_secret": "c2hvcnQ="}, [("dns-update", "dns_tsig_secret")]),
        ({**UPDATE, "dns_tsig_name": "a key"}, [("dns-update", "dns_tsig_name")]),
        ({**UPDATE, "dns_update_server": "ns"}, [("dns-update", "dns_update_server")]),
        ({**UPDATE, "dns_update_zones": ["example.com"]}, [("dns-zone", "dns_update_zones[0]")]),
        ({**UPDATE, "dns_update_zones": ["mple.org"]}, [("dns-zone", "dns_update_zones[0]")]),
    ],
)
def test_each_mistake_is_told_at_its_element(values: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert found(**values) == expected


def test_no_secret_is_shown() -> None:
    secret = "c2VjcmV0IQ=="
    assert all(secret not in str(mistake.as_dict()) for mistake in mistakes(**{**UPDATE, "dns_tsig_secret": secret}))


def test_a_policy_without_effect_is_a_warning() -> None:
    (mistake,) = mistakes(dns_dmarc_rua=[], dns_dmarc_policy="none")
    assert mistake.severity == "warning"
    assert mistakes(dns_dmarc_rua=[], dns_dmarc_policy="reject") == []
